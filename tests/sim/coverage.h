// Which named situations a run has been in: a simulator that never gets into the hard ones proves
// nothing about them.
//
// Watches from outside, by the events, messages and descriptors that stores give away anyway; no
// store can tell that it is watched. Judges nothing (checkers.h). Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_COVERAGE_H_
#define RASPUTIN_TESTS_SIM_COVERAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "range/store.h"
#include "tests/sim/checkers.h"
#include "tests/sim/scheduler.h"

namespace rasputin::sim {

// In the order of the table that names them (coverage.cc).
enum class Situation : uint8_t {
  // Elections and leases.
  kLeaseEnded,
  kNoFirstLease,
  kNoProgress,
  kTwoCandidatesInOneTerm,
  kPullBySuffix,
  kPullBySnapshot,
  kLedAfterCatchUp,
  kStrandedCampaign,
  kStrandedReelected,
  kStrandedGaveUp,
  kBoundAgain,
  kPromiseRanOut,
  kReleasedByItsLeader,
  kReleasedForNobody,
  kBoundMemberAsked,
  kLeaderSuspended,
  kDiskStalledAtLeader,
  kShardHungAtLeader,
  kDiskFullAtLeader,
  kTailOverwritten,
  kHandoverDone,
  kHandoverGivenUp,
  kClockReported,
  // Members.
  kLearnerPromoted,
  kLearnerRemoved,
  kVoterRemoved,
  kVoterReplaced,
  kLeaderRemovedByItsChange,
  kLeaderDiedWhileJoint,
  kLeaderChangedWhileJoint,
  kHandoverDuringAChange,
  kMemberDownAtAChange,
  kMetaMembersChanged,
  kStrayTold,
  kTombstoneHit,
  // Splits.
  kLeaseEndedDuringASplit,
  kLeaderChangedDuringASplit,
  kMemberDownAtASplit,
  kSplitReplayedAtRestart,
  // Merges.
  kMergeOfTwoLeaders,
  kLeaderChangedDuringAMerge,
  kFrozenRangeElected,
  kThawed,
  kMergeReplayedAtRestart,
  kLeftOverTold,
  // Decided by a front end.
  kSplitByItself,
  kMergedByItself,
  kReplicaMovedByItself,
  kLeaseMovedByItself,
  kControllerChangedDuringAMove,
  // Of whole stores.
  kStoreDrained,
  kStoreDecommissioned,
  kLostStoreReplaced,
  // Snapshots.
  kSnapshotToALaggingMember,
  kSnapshotMakesAReplica,
  kSnapshotResumed,
  kSnapshotAcrossASplit,
  kLeaderGaveUpDuringASnapshot,
  kSenderDiedDuringASnapshot,
  kReceiverDiedDuringASnapshot,
  // Requests.
  kStaleRouteRepaired,
  kForwarded,
  kRelayed,
  kRefusedAtABound,
  kHeldBackForATurn,
  kRepeatAnswered,
  kRepeatAfterALeaderChange,
  kRepeatAfterASplit,
  kRepeatAfterASnapshot,
  // Processes.
  kTornTailAtARestart,
  kDiedWhileWriting,
  kStoppedByItsDisk,
  kAllDeadAtOnce,
  kCount,
};

constexpr size_t kSituations = static_cast<size_t>(Situation::kCount);
// How often a run, or several, got into each.
using SituationCounts = std::array<uint64_t, kSituations>;

const char* NameOf(Situation situation);

class Coverage {
 public:
  Coverage(Scheduler* scheduler, StoreView* stores) : scheduler_(scheduler), stores_(stores) {}

  void OnEvent(int node, const consensus::Event& event);
  void OnMessage(int from, int to, const consensus::Message& message);
  void OnForward(uint32_t hops);
  void OnBackPressure(uint64_t refused, bool held_back);
  void OnDescriptor(int node, const range::RangeDescriptor& descriptor);
  void OnInstalled(int node, range::RangeId range, consensus::LogPosition position);
  void OnRemoved(int node, range::RangeId range);
  void OnDecision(const type::v1::Decision& decision);
  void OnApplied(int node, range::RangeId range, consensus::Index index, consensus::Term term,
                 const absl::Cord& command);
  void OnProcessStarted(int node);
  // The process is gone already.
  void OnProcessEnded(int node);
  void OnDiskFull(int node);

  // Front ends move replicas by themselves.
  void set_placement(bool on) { placement_ = on; }
  void Hit(Situation situation, uint64_t times = 1) {
    counts_[static_cast<size_t>(situation)] += times;
  }
  const SituationCounts& counts() const { return counts_; }

 private:
  using RangeId = range::RangeId;
  using NodeAndRange = std::pair<int, RangeId>;
  struct Leader {
    int node = -1;
    consensus::Term term;
  };
  struct Binding {
    consensus::Term term;
    consensus::ReplicaId leader;
    consensus::Epoch epoch;
  };
  // A split that not every member of the child has applied.
  struct OpenSplit {
    RangeId parent;
    std::set<int> missing;  // Nodes.
  };
  struct Transfer {
    int from = -1;
    int to = -1;
    uint64_t id = 0;
    uint64_t highest_sequence = 0;
    bool resumed = false;
    RealTime last = 0;
  };
  // An entry with a request id, as it was first applied.
  struct Executed {
    RangeId range;
    consensus::Index index;
    consensus::Term term;
  };

  void OnAbdicated(int node, const consensus::Event& event);
  void OnBecameLeader(int node, const consensus::Event& event);
  void OnChunk(int from, int to, RangeId range, const consensus::SnapshotChunk& chunk);
  void CompareMembers(const range::RangeDescriptor& before, const range::RangeDescriptor& after);
  void NoteMerge(const range::RangeDescriptor& before, const range::RangeDescriptor& after);
  void NoteSplit(int node, const range::RangeDescriptor& descriptor);
  void OnFirstApplied(RangeId range, consensus::Index index, consensus::Term term,
                      const absl::Cord& command);
  bool IsJoint(RangeId range) const;
  bool IsSplitting(RangeId range) const;
  // Some range has a member that does not vote yet or not any more.
  bool MovesSome() const;
  bool IsDead(uint64_t store) const;
  bool HasReplica(int node, RangeId range) const;
  bool Leads(int node, RangeId range) const;
  bool LeadsAny(int node) const;
  Transfer* ActiveTransfer(RangeId range);

  Scheduler* scheduler_;
  StoreView* stores_;
  SituationCounts counts_{};
  bool placement_ = false;
  std::map<RangeId, Leader> leaders_;
  std::map<RangeId, range::RangeDescriptor> latest_;
  std::map<RangeId, OpenSplit> splits_;  // By child.
  std::set<RangeId> absorbed_;           // By some store.
  std::set<NodeAndRange> absorbed_at_;   // Whose replica went there.
  std::map<RangeId, Transfer> transfers_;
  std::map<RangeId, consensus::ReplicaId> handed_to_;
  std::map<std::pair<RangeId, consensus::Term>, int> candidates_;
  std::map<NodeAndRange, Binding> bindings_;
  std::set<NodeAndRange> pulled_;
  std::map<NodeAndRange, consensus::ReplicaId> replicas_;
  std::map<NodeAndRange, consensus::ReplicaId> tombstones_;
  std::map<NodeAndRange, consensus::Index> installed_;
  std::map<NodeAndRange, std::string> ends_;  // End key, as the node knows it.
  // Of the log when the process began; what is applied up to there is replayed.
  std::map<NodeAndRange, consensus::Index> replays_to_;
  std::map<RangeId, consensus::Index> applied_;
  std::map<RangeId, uint64_t> generations_;  // Below it, commands are not executed any more.
  std::set<std::pair<RangeId, consensus::Index>> split_entries_;
  std::map<std::pair<uint64_t, uint64_t>, Executed> executed_;  // By client and sequence.
  // Entries that repeat one of the same range, to the one they repeat.
  std::map<std::pair<RangeId, consensus::Index>, consensus::Index> repeats_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_COVERAGE_H_
