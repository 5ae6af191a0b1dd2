// The table of mutants; see list.h.

#include "tests/mutants/list.h"

#include <iterator>

namespace rasputin::mutants {
namespace {

constexpr auto kSim = Instrument::kSimulator;
constexpr auto kCores = Instrument::kCores;
constexpr auto kStores = Instrument::kStores;
constexpr auto kLeases = Instrument::kLeases;
constexpr auto kModel = Instrument::kModel;
constexpr auto kCompare = Instrument::kComparison;

constexpr MutantInfo kMutants[] = {
    {1,
     "an ack is credited to the oldest pending entry",
     "core_replication",
     {kCores, "random", 1000, true}},
    {2, "a refusal counts as an ack", "core_replication", {kCores, "random", 1000, true}},
    {3, "answers of an earlier lease round renew the lease", "holder", {kLeases, "", 1000, true}},
    {4, "a lease is counted from the answer's arrival", "holder", {kSim, "", 600, false}},
    {5, "role checked instead of lease", "core_read", {kCores, "random", 1000, true}},
    {6, "promises are kept by the wall clock", "grantor", {kSim, "wall-steps", 600, false}},
    {7, "term or vote not durable", "core", {kModel, "Mutant7VoteNotDurable", 1, true}},
    {8,
     "a restarted member counts twice",
     "core_replication",
     {kCores, "rebound-follower", 100, true}},
    {9, "votes counted per connection", "core_election", {kCores, "random", 1000, false}},
    {10,
     "the vote rule ignores the last term",
     "core_election",
     {kModel, "Mutant10VoteIgnoresTheLastTerm", 1, false}},
    {11, "two votes in one term", "core_election", {kModel, "Mutant11TwoVotesInATerm", 1, true}},
    {12,
     "log matching not checked",
     "core_replication",
     {kModel, "Mutant12LogMatchingUnchecked", 1, true}},
    {13,
     "entries applied under the leader's commit index",
     "core_replication",
     {kCores, "random", 1000, true}},
    {14, "gaps accepted", "core_replication", {kCores, "random", 1000, true}},
    {15,
     "commit of an earlier term by counting",
     "core_replication",
     {kCores, "unlucky", 1000, true}},
    {16, "waiters keyed by index only", "replica_apply", {kSim, "", 600, false}},
    {17, "a storage error at apply ignored", "store_turn", {kSim, "engine-failures", 600, true}},
    {18, "no retransmission", "core_replication", {kCores, "lost-append", 100, true}},
    {19, "a candidate's grants bind", "core_election", {kModel, "Mutant19VoteBinds", 1, true}},
    {20,
     "lease renewed without progress",
     "core_leader, store_leases",
     {kCompare, "stalled-disk", 5, true}},
    {21, "promise forgotten at restart", "store_leases, grantor", {kLeases, "", 1000, true}},
    {22,
     "release before giving up",
     "core_leader",
     {kModel, "Mutant22ReleaseBeforeGivingUp", 1, true}},
    {23, "check the lease, then read", "store_turn", {kSim, "pauses", 600, false}},
    {24, "no echo", "grantor, core_election", {kLeases, "", 1000, true}},
    {25, "no catch-up", "core_election", {kCompare, "constrained", 5, true}},
    {26, "no release", "core_leader, core_lease", {kCompare, "quorum-loss", 5, true}},
    {27, "drift bound ignored", "store_leases", {kLeases, "", 1000, true}},
    {28,
     "a new leader serves before its first entry is applied",
     "core_read",
     {kSim, "", 600, false}},
    {29, "ack before sync", "core_replication, shared_log", {kSim, "", 600, true}},
    {30, "applied index outside the batch", "replica_apply", {kSim, "power-losses", 600, false}},
    {31, "split child starts with a lease", "core_lease", {kSim, "splits", 600, false}},
    {32,
     "a commit index past a split announced before the leader applied it",
     "core_replication",
     {kSim, "splits-stalls", 1000, false}},
    {33, "generation not checked on read", "store, store_turn", {kSim, "splits", 600, false}},
    {34, "session table lost at split", "replica_apply", {kSim, "splits-retries", 600, false}},
    {35, "session table lost at snapshot", "store_install", {kSim, "changes", 600, false}},
    {36, "joint quorum counts one half", "core_membership", {kCores, "halves", 100, true}},
    {37, "a learner counted", "core_membership", {kCores, "learners-go", 100, true}},
    {38,
     "removed members vote: the half that a change removes decides alone",
     "core_membership",
     {kCores, "halves", 100, true}},
    {39,
     "a snapshot older than the state installed",
     "core_cluster_members",
     {kCores, "changes", 1000, true}},
    {40, "torn tail kept", "segment_scan", {Instrument::kLogCrashes, "", 300, true}},
    {41, "corruption in the middle truncated", "recovery", {Instrument::kLogDamage, "", 100, true}},
    {42, "log cut before the engine flushed", "store_turn", {kSim, "power-losses", 600, false}},
    {43,
     "a merge's right range serves reads while frozen",
     "replica_merge",
     {kStores, "asks-frozen", 10, true}},
    {44,
     "a stale descriptor overwrites a newer one",
     "meta_directory",
     {Instrument::kDirectory, "", 1000, true}},
    {45, "a relay loop", "dispatcher_relay", {kSim, "front-ends", 600, false}},
    {48,
     "a version goes backwards at a leader change",
     "replica",
     {kSim, "wall-steps", 600, false}},
    {49,
     "a released term binds again",
     "core_lease, core_replication",
     {kModel, "Mutant49ReleasedTermBinds", 1, true}},
    {50,
     "\"released\" said while leading a higher term",
     "core_lease",
     {kModel, "Mutant50ReleasedWhileLeadingAHigherTerm", 1, true}},
    {51,
     "a binding counted at another epoch than the supported one",
     "core_lease",
     {kModel, "Mutant51BindingAtAnotherEpoch", 1, true}},
    {52, "expired treated as withdrawn", "grantor", {kLeases, "", 1000, true}},
    {53, "a late pull installed", "core_catch_up", {kCores, "random", 3000, false}},
    {54, "a child leads term 1 after a restart", "store_open", {kSim, "splits-kills", 1000, false}},
    {55, "a child starts in term 0", "store_open", {kSim, "splits", 600, false}},
    {56, "epochs per store", "store_leases", {kCompare, "comes-back", 5, true}},
    {57, "no nonce in refusals", "grantor", {kLeases, "", 1000, true}},
    {58, "a stalled store answers ok", "grantor, store_leases", {kLeases, "", 1000, true}},
    {59,
     "a stopped replica keeps its followers bound",
     "store_membership",
     {Instrument::kStores, "leader-leaves", 5, true}},
    {60, "no echo together with no release", "grantor, core", {kCompare, "deaf", 5, true}},
    {61,
     "a removed replica's store forgets that it was there",
     "store_membership, core_cluster_members",
     {kCores, "late-snapshot", 100, true}},
    {62,
     "generation not checked where a command is applied",
     "replica_apply",
     {kSim, "splits", 600, false}},
    {63,
     "a leader appends in a higher term before a quorum granted it",
     "core_replication",
     {kCores, "changes", 2000, false}},
    {64,
     "a joint configuration is left before it is committed",
     "core_membership",
     {kCores, "halves", 100, true}},
    {65, "a read index without a round", "core_read", {kCores, "random", 1000, true}},
    {66, "votes of an earlier campaign counted", "core_election", {kCores, "late-vote", 200, true}},
    {67, "a binding is not durable", "core", {kCores, "random", 3000, false}},
    {68, "a bound replica votes", "core_election", {kCores, "random", 1000, true}},
    {69,
     "a lease ends when all of its holder's clocks say so",
     "holder",
     {kSim, "suspends", 600, false}},
    {71, "a withdrawal is acted on before it is durable", "grantor", {kLeases, "", 1000, true}},
    {72,
     "a leader counts what its own disk has not finished",
     "core_replication",
     {kCores, "random", 3000, false}},
    {73,
     "session table lost at merge",
     "replica_merge",
     {kStores, "repeats-after-merge", 10, true}},
    {74,
     "a freeze is answered before all members hold it",
     "replica_merge",
     {kStores, "freezes-without-member", 10, true}},
    {75,
     "a merge that was abandoned is carried out",
     "replica_apply, replica_merge",
     {kStores, "merges-after-giving-up", 10, true}},
    {76,
     "an absorbed range's log goes before the merge is flushed",
     "store_merge",
     {kStores, "crashes-after-merge", 10, true}},
    {77,
     "versions of the right range not regarded by the left one",
     "replica_merge",
     {kStores, "merges-wrong-clock", 10, true}},
    {78,
     "a left-over replica goes though a merge needs it",
     "store_merge",
     {kStores, "lags-behind-merge", 10, true}},
    {79,
     "nobody remembers an absorbed range",
     "store_merge",
     {kStores, "leaves-merged-range", 10, true}},
    {80,
     "a replica is removed before another one is there",
     "placement_controller",
     {kSim, "placement", 600, false}},
    {81,
     "a store that was asked counts as heard, whether it answered or not",
     "placement_controller",
     {kSim, "placement", 600, false}},
    {82, "what drains is forgotten", "placement_controller", {kSim, "placement", 600, false}},
    {83,
     "a move goes on though others have changed the range's members",
     "placement_controller",
     {kSim, "placement-changes", 600, false}},
    {84,
     "a store that was taken off the list meanwhile gets a vote",
     "range_members",
     {kSim, "leaving-stores", 2000, false}},
    {85,
     "a store is retired while the directory misses a range",
     "meta_state",
     {kSim, "leaving-stores", 2000, false}},
    {90,
     "an absorbed range is put back into the directory by a late write",
     "meta_directory",
     {Instrument::kDirectory, "", 1000, true}},
};

}  // namespace

const char* ToString(Instrument instrument) {
  switch (instrument) {
    case Instrument::kSimulator:
      return "simulator";
    case Instrument::kTopologies:
      return "simulator, liveness";
    case Instrument::kCores:
      return "cores";
    case Instrument::kStores:
      return "stores";
    case Instrument::kLeases:
      return "store leases";
    case Instrument::kModel:
      return "model";
    case Instrument::kDirectory:
      return "directory";
    case Instrument::kLogCrashes:
      return "log, crashes";
    case Instrument::kLogDamage:
      return "log, damage";
    case Instrument::kComparison:
      return "comparison";
  }
  return "";
}

const std::vector<MutantInfo>& AllMutants() {
  static const auto* all = new std::vector<MutantInfo>(std::begin(kMutants), std::end(kMutants));
  return *all;
}

const std::vector<Unbuilt>& UnbuiltMutants() {
  static const auto* unbuilt = new std::vector<Unbuilt>{
      {46, "async answers before the leader's sync", "there are no asynchronous writes yet"},
      {47, "a subscription skips an event at a split", "there are no subscriptions yet"},
  };
  return *unbuilt;
}

}  // namespace rasputin::mutants
