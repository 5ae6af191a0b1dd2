// Situations of whole stores in which one rule matters, over a network and disks without faults.
//
// Each says what was violated; without a mutant nothing may be. A CHECK may end the process first.
// Stateless.

#ifndef RASPUTIN_TESTS_MUTANTS_STORE_RUNS_H_
#define RASPUTIN_TESTS_MUTANTS_STORE_RUNS_H_

#include <cstdint>
#include <string>

#include "consensus/core/mutants.h"

namespace rasputin::mutants {

struct StoreRun {
  const char* name;
  std::string (*run)(const consensus::Mutants& mutants, uint64_t seed);
};

// nullptr: none is called so.
const StoreRun* FindStoreRun(const std::string& name);

}  // namespace rasputin::mutants

#endif  // RASPUTIN_TESTS_MUTANTS_STORE_RUNS_H_
