// Random histories of a keyspace, told to the directory late, twice, in any order or never.
//
// Ranges split, merge with their right neighbours and change; of each range at least the newest
// descriptor arrives. Beside it a reader of the feed of changes goes by what that says alone. For
// meta_directory_test and tests/mutants. Not thread-safe.

#ifndef RASPUTIN_RANGE_DIRECTORY_RUNS_H_
#define RASPUTIN_RANGE_DIRECTORY_RUNS_H_

#include <cstdint>
#include <string>

#include "consensus/core/mutants.h"

namespace rasputin::range {

// What was violated; empty: nothing. At all times: ranges are disjoint, by id and by key alike, and
// no range that lives is called gone. At the end: directory and reader hold the newest, and no
// more.
std::string RunDirectory(uint64_t seed, const consensus::Mutants& mutants = {});

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_DIRECTORY_RUNS_H_
