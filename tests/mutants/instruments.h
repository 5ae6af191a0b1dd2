// One try of an instrument against a mutant.
//
// A try is a function of its arguments. It may end the process by a CHECK. Not thread-safe.

#ifndef RASPUTIN_TESTS_MUTANTS_INSTRUMENTS_H_
#define RASPUTIN_TESTS_MUTANTS_INSTRUMENTS_H_

#include <cstdint>
#include <string>

#include "consensus/core/mutants.h"
#include "tests/mutants/list.h"

namespace rasputin::mutants {

// Number 0: none.
consensus::Mutants MutantOf(int number);

// Whether the faults are in this program at all.
bool BuiltWithMutants();

// What was found with this seed; empty: nothing. Not for Instrument::kModel.
std::string Try(const Hunt& hunt, int mutant, uint64_t seed);

// Explores until something is found or `states_max` states were seen, and keeps `*states` up to
// date meanwhile. Without a mutant the same exploration of the code as it is.
std::string Explore(const Hunt& hunt, int mutant, uint64_t states_max, uint64_t* states);

// Whether the instrument knows what it is to be run with.
bool Knows(const Hunt& hunt);

}  // namespace rasputin::mutants

#endif  // RASPUTIN_TESTS_MUTANTS_INSTRUMENTS_H_
