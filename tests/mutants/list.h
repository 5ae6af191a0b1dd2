// The mutants: what each breaks, where, and the instrument that shows it.
//
// Numbers below 61 are those of the project's list of faults that its tests must notice, the others
// were added since; they are never used again. The code under test asks for them by number
// (consensus/core/mutants.h). Values; stateless.

#ifndef RASPUTIN_TESTS_MUTANTS_LIST_H_
#define RASPUTIN_TESTS_MUTANTS_LIST_H_

#include <cstdint>
#include <vector>

namespace rasputin::mutants {

enum class Instrument : uint8_t {
  kSimulator,   // Safety mode; `with`: the profile (instruments.cc), empty: what the seed draws.
  kTopologies,  // The simulator's liveness mode.
  kCores,       // A cluster of cores; `with`: the run (consensus/core/core_runs.h).
  kStores,      // Whole stores; `with`: the situation (store_runs.h).
  kLeases,      // Store leases under faults (consensus/lease/lease_model.h).
  kModel,       // All states of three replicas; `with`: the exploration (consensus/model/models.h).
  kDirectory,   // Random histories told to the directory (range/directory_runs.h).
  kLogCrashes,  // The shared log on a disk that crashes (consensus/log/crash_run.h).
  kLogDamage,   // The shared log on a disk that changes a byte.
  kComparison,  // `with`: the scenario (tests/compare/scenarios.h).
};
const char* ToString(Instrument instrument);

struct Hunt {
  Instrument instrument;
  const char* with;
  uint64_t tries_max;  // Seeds; of the model: millions of states.
  bool quick;          // Caught within a second or two: hunted in every run of the suite.
};

struct MutantInfo {
  int number;
  const char* breaks;
  const char* where;  // The file with the switch.
  Hunt hunt;
};
// By number.
const std::vector<MutantInfo>& AllMutants();

// Numbers of the project's list without a switch.
struct Unbuilt {
  int number;
  const char* breaks;
  const char* why;
};
const std::vector<Unbuilt>& UnbuiltMutants();

}  // namespace rasputin::mutants

#endif  // RASPUTIN_TESTS_MUTANTS_LIST_H_
