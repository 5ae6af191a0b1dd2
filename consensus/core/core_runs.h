// Runs of a cluster of cores under faults, by name: random ones, and situations in which one rule
// matters.
//
// A run is a function of its seed. It says what was violated; without a mutant nothing may be. A
// CHECK of the core may end the process first. Not responsible for judging mutants:
// core_mutants_test and tests/mutants do.

#ifndef RASPUTIN_CONSENSUS_CORE_CORE_RUNS_H_
#define RASPUTIN_CONSENSUS_CORE_CORE_RUNS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "consensus/core/core_cluster.h"

namespace rasputin::consensus {

enum class CoreRun : uint8_t {
  kRandom,   // Any fault at any time; then all must come to agree.
  kUnlucky,  // Leaders come and go before they have finished anything; one entry to a message.
  kChanges,  // Members come and go, logs are cut, terms stranded.
  // A follower is bound anew after a cut, then leader and follower are alone together [H-8] [H-9].
  kReboundFollower,
  kLearnersGo,    // Two learners leave in one step, of which they do not hear [H-14].
  kHalves,        // Old and new voters part during a change of all but one voter [H-14].
  kLateSnapshot,  // A snapshot arrives once more after its receiver was removed [H-14].
  kLateVote,      // A vote arrives when its candidate stands in the next term already [H-2].
  kLostAppend,    // Appends before a silence are lost [H-9].
};

// As in tables and on the command line.
const char* ToString(CoreRun run);
std::optional<CoreRun> CoreRunOf(const std::string& name);

struct CoreRunResult {
  std::string violation;  // The first; empty: none.
  ClusterCounts counts;
};

CoreRunResult RunCores(CoreRun run, uint64_t seed, const Mutants& mutants);

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_CORE_RUNS_H_
