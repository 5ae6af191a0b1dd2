// Situations in which the simulator looks for one kind of fault: what every seed of a hunt has.
//
// Each changes what the seed drew. Stateless.

#ifndef RASPUTIN_TESTS_MUTANTS_PROFILES_H_
#define RASPUTIN_TESTS_MUTANTS_PROFILES_H_

#include <string>

#include "tests/sim/simulation.h"

namespace rasputin::mutants {

struct Profile {
  const char* name;
  void (*adjust)(sim::ClusterOptions*, sim::WorkloadOptions*, sim::FaultPlan*);
};

// nullptr: no profile is called so. The one without a name changes nothing.
const Profile* FindProfile(const std::string& name);

}  // namespace rasputin::mutants

#endif  // RASPUTIN_TESTS_MUTANTS_PROFILES_H_
