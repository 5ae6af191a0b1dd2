// How each situation is recognised; see coverage.h.

#include "tests/sim/coverage.h"

#include <algorithm>
#include <string>
#include <variant>

#include "client/route/full_key.h"
#include "kv/command.h"
#include "range/descriptor.h"

namespace rasputin::sim {
namespace {

using consensus::AbdicationReason;
using consensus::EventType;
using consensus::Index;
using consensus::Message;
using consensus::ReplicaId;
using consensus::Term;
using range::RangeDescriptor;
using range::RangeId;

// A transfer of which so long nothing was heard is over.
constexpr RealTime kTransferSilence = kSecond;

constexpr const char* kNames[] = {
    "a leader's lease ended",
    "a new leader gained no lease within D",
    "proposals waited longer than D",
    "two candidates in one term",
    "[H-13] a pull by suffix",
    "[H-13] a pull by snapshot",
    "[H-13] a leader elected after it caught up",
    "[H-12] a stranded campaign",
    "[H-12] a leader goes on in a higher term",
    "[H-12] a stranded campaign failed",
    "[H-8] an epoch withdrawn, then won back",
    "[H-4] a binding ended by withdrawal",
    "[H-11] a binding released by its leader",
    "[H-7] a store releases for a replica that is not there",
    "[H-11] a bound member asks its leader, which leads",
    "[S-8] leases suspended at a leader",
    "[S-7] the disk of a leader stalled",
    "[S-7] the shard of a leader hung",
    "the disk of a leader is full",
    "uncommitted entries overwritten",
    "a handover",
    "a handover given up",
    "[S-8] the self-check of clocks reports",
    "a learner promoted",
    "a learner removed",
    "a voter removed",
    "a voter replaced in one change",
    "a leader removed by its own change",
    "a joint configuration while its leader died",
    "a joint configuration while its leader changed",
    "a handover begun during a change of members",
    "a change of members with a member down",
    "a change of the meta range's members",
    "a replica told that it has left",
    "a message to a replica behind a tombstone",
    "a lease ended during a split",
    "another leader during a split",
    "a split with a member down",
    "a split applied at a restart's replay",
    "a merge of ranges with different leaders",
    "the left range's leader changed while a merge was noted",
    "a frozen range elected another leader",
    "a frozen range was thawed",
    "a merge applied again after a crash",
    "a left-over replica was told that its range was absorbed",
    "a split that a front end decided on",
    "a merge that a front end decided on",
    "a replica moved by the placement controller",
    "a leadership moved by the placement controller",
    "another placement controller while a replica was moved",
    "a store drained",
    "a store decommissioned and taken off the list",
    "a store lost for good, and its replicas replaced",
    "a snapshot to a member that lags",
    "a snapshot makes a replica",
    "a snapshot resumed after a break",
    "a snapshot from behind a split",
    "a leader gave up while a snapshot streamed",
    "the sender of a snapshot died",
    "the receiver of a snapshot died",
    "a stale route repaired from an answer",
    "a request forwarded by a front end",
    "[H-16] a relay",
    "a request refused at a bound",
    "requests held back for the next turn",
    "[H-17] a repetition answered from the session table",
    "[H-17] ... after a leader change",
    "[H-17] ... after a split",
    "[H-17] ... after a snapshot was installed",
    "a torn tail at a restart",
    "a process died while it wrote its log",
    "[H-18] a process ended by its disk",
    "all stores dead at once",
};
static_assert(sizeof(kNames) / sizeof(kNames[0]) == kSituations, "one name for each");

const type::v1::ReplicaDescriptor* FindReplica(const RangeDescriptor& descriptor, uint64_t id) {
  for (const auto& replica : descriptor.replicas()) {
    if (replica.replica_id() == id) return &replica;
  }
  return nullptr;
}

}  // namespace

const char* NameOf(Situation situation) { return kNames[static_cast<size_t>(situation)]; }

// ---- What is asked of the state.

bool Coverage::IsJoint(RangeId range) const {
  const auto found = latest_.find(range);
  return found != latest_.end() && range::IsJoint(found->second);
}

bool Coverage::MovesSome() const {
  return std::any_of(latest_.begin(), latest_.end(), [](const auto& range) {
    const auto& replicas = range.second.replicas();
    return !std::all_of(replicas.begin(), replicas.end(), range::IsPlainVoter);
  });
}

bool Coverage::IsSplitting(RangeId range) const {
  return std::any_of(splits_.begin(), splits_.end(), [range](const auto& split) {
    return split.first == range || split.second.parent == range;
  });
}

bool Coverage::IsDead(uint64_t store) const {
  return stores_->StoreAt(static_cast<int>(store) - 1) == nullptr;
}

bool Coverage::HasReplica(int node, RangeId range) const {
  return replicas_.count({node, range}) != 0;
}

bool Coverage::Leads(int node, RangeId range) const {
  const auto found = leaders_.find(range);
  return found != leaders_.end() && found->second.node == node;
}

bool Coverage::LeadsAny(int node) const {
  return std::any_of(leaders_.begin(), leaders_.end(),
                     [node](const auto& leader) { return leader.second.node == node; });
}

Coverage::Transfer* Coverage::ActiveTransfer(RangeId range) {
  const auto found = transfers_.find(range);
  if (found == transfers_.end()) return nullptr;
  return scheduler_->now() < found->second.last + kTransferSilence ? &found->second : nullptr;
}

// ---- Events.

void Coverage::OnEvent(int node, const consensus::Event& event) {
  const NodeAndRange here{node, event.range};
  switch (event.type) {
    case EventType::kBecameLeader:
      return OnBecameLeader(node, event);
    case EventType::kAbdicated:
      return OnAbdicated(node, event);
    case EventType::kCampaignVoting: {
      if (Leads(node, event.range)) Hit(Situation::kStrandedCampaign);
      const auto candidate = candidates_.emplace(std::make_pair(event.range, event.term), node);
      if (candidate.first->second != node) Hit(Situation::kTwoCandidatesInOneTerm);
      return;
    }
    case EventType::kCampaignPulling:
      pulled_.insert(here);
      return;
    case EventType::kBound: {
      Binding& binding = bindings_[here];
      if (binding.term == event.term && binding.leader == event.peer &&
          binding.epoch < event.epoch) {
        Hit(Situation::kBoundAgain);
      }
      binding = {event.term, event.peer, event.epoch};
      pulled_.erase(here);
      return;
    }
    case EventType::kBindingEnded:
      return Hit(Situation::kPromiseRanOut);
    case EventType::kReleased:
      return Hit(Situation::kReleasedByItsLeader);
    case EventType::kLeaseEnded:
      if (IsSplitting(event.range)) Hit(Situation::kLeaseEndedDuringASplit);
      return;
    case EventType::kTransferStarted:
      if (IsJoint(event.range)) Hit(Situation::kHandoverDuringAChange);
      return;
    case EventType::kTransferAborted:
      return Hit(Situation::kHandoverGivenUp);
    case EventType::kLogTruncated:
      return Hit(Situation::kTailOverwritten);
    case EventType::kLeasesSuspended:
      if (LeadsAny(node)) Hit(Situation::kLeaderSuspended);
      return;
    case EventType::kDiskStalled:
      if (LeadsAny(node)) Hit(Situation::kDiskStalledAtLeader);
      return;
    case EventType::kShardHung:
      if (LeadsAny(node)) Hit(Situation::kShardHungAtLeader);
      return;
    case EventType::kClockSuspect:
      return Hit(Situation::kClockReported);
    default:
      return;
  }
}

void Coverage::OnBecameLeader(int node, const consensus::Event& event) {
  if (event.detail == 1) Hit(Situation::kStrandedReelected);
  if (pulled_.erase({node, event.range}) != 0) Hit(Situation::kLedAfterCatchUp);
  Leader& leader = leaders_[event.range];
  const bool another = leader.node != node && leader.term != Term();
  if (another && IsJoint(event.range)) Hit(Situation::kLeaderChangedWhileJoint);
  if (another && IsSplitting(event.range)) Hit(Situation::kLeaderChangedDuringASplit);
  if (another && event.range.value() == client::kMetaRangeId && placement_ && MovesSome()) {
    Hit(Situation::kControllerChangedDuringAMove);
  }
  const auto latest = latest_.find(event.range);
  if (another && latest != latest_.end()) {
    if (latest->second.has_merge()) Hit(Situation::kLeaderChangedDuringAMerge);
    if (latest->second.has_frozen_by()) Hit(Situation::kFrozenRangeElected);
  }
  const auto handed = handed_to_.find(event.range);
  if (handed != handed_to_.end()) {
    if (handed->second == event.replica) Hit(Situation::kHandoverDone);
    handed_to_.erase(handed);
  }
  if (event.term >= leader.term) leader = {node, event.term};
}

void Coverage::OnAbdicated(int node, const consensus::Event& event) {
  if (Leads(node, event.range)) leaders_[event.range].node = -1;
  const Transfer* transfer = ActiveTransfer(event.range);
  if (transfer != nullptr && transfer->from == node) Hit(Situation::kLeaderGaveUpDuringASnapshot);
  switch (static_cast<AbdicationReason>(event.detail)) {
    case AbdicationReason::kLeaseEnded:
      return Hit(Situation::kLeaseEnded);
    case AbdicationReason::kNoFirstLease:
      return Hit(Situation::kNoFirstLease);
    case AbdicationReason::kNoProgress:
      return Hit(Situation::kNoProgress);
    case AbdicationReason::kTransfer:
      handed_to_[event.range] = event.peer;
      return;
    case AbdicationReason::kHigherTermFailed:
      return Hit(Situation::kStrandedGaveUp);
    case AbdicationReason::kRemoved:
      return Hit(Situation::kLeaderRemovedByItsChange);
    case AbdicationReason::kRequested:
      return;
  }
}

// ---- Messages.

void Coverage::OnMessage(int from, int to, const Message& message) {
  const RangeId range = message.range;
  if (!tombstones_.empty()) {
    const auto tombstone = tombstones_.find({to, range});
    if (tombstone != tombstones_.end() && message.to <= tombstone->second) {
      Hit(Situation::kTombstoneHit);
    }
  }
  if (const auto* chunk = std::get_if<consensus::SnapshotChunk>(&message.body)) {
    OnChunk(from, to, range, *chunk);
  } else if (const auto* pull = std::get_if<consensus::PullReply>(&message.body)) {
    if (pull->matched && !pull->entries.empty()) Hit(Situation::kPullBySuffix);
  } else if (std::holds_alternative<consensus::Release>(message.body)) {
    if (!HasReplica(from, range)) Hit(Situation::kReleasedForNobody);
  } else if (std::holds_alternative<consensus::ReleaseQuery>(message.body)) {
    if (Leads(to, range)) Hit(Situation::kBoundMemberAsked);
  } else if (const auto* removed = std::get_if<consensus::Removed>(&message.body)) {
    Hit(removed->absorbed.empty() ? Situation::kStrayTold : Situation::kLeftOverTold);
  }
}

void Coverage::OnChunk(int from, int to, RangeId range, const consensus::SnapshotChunk& chunk) {
  Transfer& transfer = transfers_[range];
  if (transfer.from != from || transfer.to != to || transfer.id != chunk.snapshot_id) {
    transfer = {from, to, chunk.snapshot_id, 0, false, scheduler_->now()};
    if (!Leads(from, range)) {
      Hit(Situation::kPullBySnapshot);
    } else if (HasReplica(to, range)) {
      Hit(Situation::kSnapshotToALaggingMember);
    }
  }
  transfer.last = scheduler_->now();
  // Repeated: an answer to it did not come.
  if (chunk.sequence != 0 && chunk.sequence <= transfer.highest_sequence) transfer.resumed = true;
  transfer.highest_sequence = std::max(transfer.highest_sequence, chunk.sequence);
}

void Coverage::OnForward(uint32_t hops) {
  Hit(hops > 1 ? Situation::kRelayed : Situation::kForwarded);
}

void Coverage::OnBackPressure(uint64_t refused, bool held_back) {
  if (refused > 0) Hit(Situation::kRefusedAtABound);
  if (held_back) Hit(Situation::kHeldBackForATurn);
}

// ---- Descriptors, snapshots, removal.

void Coverage::OnDescriptor(int node, const RangeDescriptor& descriptor) {
  const RangeId range(descriptor.range_id());
  const NodeAndRange here{node, range};
  for (const auto& replica : descriptor.replicas()) {
    if (static_cast<int>(replica.store_id()) == node + 1) {
      replicas_[here] = ReplicaId(replica.replica_id());
    }
  }
  ends_[here] = descriptor.end_key();
  NoteSplit(node, descriptor);
  if (absorbed_at_.erase(here) != 0) Hit(Situation::kMergeReplayedAtRestart);
  RangeDescriptor& latest = latest_[range];
  if (latest.generation() >= descriptor.generation()) return;
  if (latest.generation() != 0) {
    CompareMembers(latest, descriptor);
    NoteMerge(latest, descriptor);
  }
  latest = descriptor;
}

void Coverage::NoteMerge(const RangeDescriptor& before, const RangeDescriptor& after) {
  if (before.has_frozen_by() && !after.has_frozen_by()) Hit(Situation::kThawed);
  if (!before.has_merge() || after.has_merge() || before.end_key() == after.end_key()) return;
  const RangeId right(before.merge().right_range_id());
  absorbed_.insert(right);
  const auto left_leader = leaders_.find(RangeId(after.range_id()));
  const auto right_leader = leaders_.find(right);
  if (left_leader != leaders_.end() && right_leader != leaders_.end() &&
      left_leader->second.node != right_leader->second.node) {
    Hit(Situation::kMergeOfTwoLeaders);
  }
}

// A range that nobody knew is the child of the one that held its first key.
void Coverage::NoteSplit(int node, const RangeDescriptor& descriptor) {
  const RangeId child(descriptor.range_id());
  if (latest_.count(child) == 0 && child.value() > client::kMetaRangeId + 1) {
    OpenSplit split;
    for (const auto& [other, known] : latest_) {
      if (absorbed_.count(other) != 0) continue;
      const bool held = known.start_key() < descriptor.start_key() &&
                        (known.end_key().empty() || known.end_key() >= descriptor.start_key());
      if (held) split.parent = other;
    }
    for (const auto& replica : descriptor.replicas()) {
      split.missing.insert(static_cast<int>(replica.store_id()) - 1);
      if (IsDead(replica.store_id())) Hit(Situation::kMemberDownAtASplit);
    }
    splits_[child] = split;
  }
  const auto open = splits_.find(child);
  if (open == splits_.end()) return;
  open->second.missing.erase(node);
  if (open->second.missing.empty()) splits_.erase(open);
}

void Coverage::CompareMembers(const RangeDescriptor& before, const RangeDescriptor& after) {
  bool changed = false;
  bool joins = false;
  bool leaves = false;
  for (const auto& replica : before.replicas()) {
    const auto* now = FindReplica(after, replica.replica_id());
    const bool learner = range::IsLearner(replica);
    if (now == nullptr) Hit(learner ? Situation::kLearnerRemoved : Situation::kVoterRemoved);
    if (now != nullptr && learner && now->role() != replica.role()) {
      Hit(Situation::kLearnerPromoted);
      joins = true;
    }
    if (now != nullptr && now->role() == type::v1::REPLICA_ROLE_OUTGOING) leaves = true;
    changed = changed || now == nullptr || now->role() != replica.role();
  }
  changed = changed || before.replicas_size() != after.replicas_size();
  if (joins && leaves) Hit(Situation::kVoterReplaced);
  if (!changed) return;
  if (after.range_id() == client::kMetaRangeId) Hit(Situation::kMetaMembersChanged);
  for (const auto& replica : after.replicas()) {
    if (IsDead(replica.store_id())) return Hit(Situation::kMemberDownAtAChange);
  }
}

void Coverage::OnInstalled(int node, RangeId range, consensus::LogPosition position) {
  const NodeAndRange here{node, range};
  installed_[here] = position.index;
  const auto latest = latest_.find(range);
  const auto end = ends_.find(here);
  if (!HasReplica(node, range)) {
    Hit(Situation::kSnapshotMakesAReplica);
  } else if (latest != latest_.end() && end != ends_.end() &&
             end->second != latest->second.end_key()) {
    Hit(Situation::kSnapshotAcrossASplit);
  }
  const auto transfer = transfers_.find(range);
  if (transfer == transfers_.end() || transfer->second.to != node) return;
  if (transfer->second.resumed) Hit(Situation::kSnapshotResumed);
  transfers_.erase(transfer);
}

void Coverage::OnDecision(const type::v1::Decision& decision) {
  if (decision.outcome() != type::v1::DECISION_OUTCOME_DONE) return;
  switch (decision.kind()) {
    case type::v1::DECISION_KIND_SPLIT:
      return Hit(Situation::kSplitByItself);
    case type::v1::DECISION_KIND_MERGE:
      return Hit(Situation::kMergedByItself);
    case type::v1::DECISION_KIND_LEASE:
      return Hit(Situation::kLeaseMovedByItself);
    case type::v1::DECISION_KIND_REPLICAS:
      return Hit(decision.range_id() != 0 ? Situation::kReplicaMovedByItself
                                          : Situation::kStoreDecommissioned);
    default:
      return;
  }
}

void Coverage::OnRemoved(int node, RangeId range) {
  const auto replica = replicas_.find({node, range});
  if (replica == replicas_.end()) return;
  tombstones_[replica->first] = replica->second;
  if (absorbed_.count(range) != 0) absorbed_at_.insert(replica->first);
  replicas_.erase(replica);
}

// ---- Entries.

void Coverage::OnApplied(int node, RangeId range, Index index, Term term,
                         const absl::Cord& command) {
  Index& highest = applied_[range];
  if (index > highest) {
    highest = index;
    OnFirstApplied(range, index, term, command);
  }
  const auto repeated = repeats_.find({range, index});
  if (repeated != repeats_.end()) {
    const auto installed = installed_.find({node, range});
    if (installed != installed_.end() && installed->second >= repeated->second &&
        installed->second < index) {
      Hit(Situation::kRepeatAfterASnapshot);
    }
  }
  if (split_entries_.count({range, index}) == 0) return;
  const auto replays = replays_to_.find({node, range});
  if (replays != replays_to_.end() && index <= replays->second) {
    Hit(Situation::kSplitReplayedAtRestart);
  }
}

void Coverage::OnFirstApplied(RangeId range, Index index, Term term, const absl::Cord& command) {
  const absl::StatusOr<kv::Command> decoded = kv::DecodeCommand(command);
  if (!decoded.ok()) return;
  uint64_t& generation = generations_[range];
  if (decoded->generation < generation) return;  // Not executed.
  generation = decoded->generation;
  if (decoded->operation == kv::Operation::kSplit) {
    split_entries_.insert({range, index});
    ++generation;
  }
  if (!decoded->session.has_value()) return;
  const auto key = std::make_pair(decoded->session->client_id, decoded->session->sequence);
  const auto [first, inserted] = executed_.emplace(key, Executed{range, index, term});
  if (inserted) return;
  Hit(Situation::kRepeatAnswered);
  if (first->second.range != range) {
    Hit(Situation::kRepeatAfterASplit);
    return;
  }
  if (first->second.term != term) Hit(Situation::kRepeatAfterALeaderChange);
  repeats_[{range, index}] = first->second.index;
}

// ---- Processes.

void Coverage::OnProcessStarted(int node) {
  scheduler_->After(0, "coverage", static_cast<uint64_t>(node), [this, node] {
    const range::Store* store = stores_->StoreAt(node);
    if (store == nullptr) return;
    for (auto it = replicas_.lower_bound({node, RangeId()});
         it != replicas_.end() && it->first.first == node; ++it) {
      const RangeId range = it->first.second;
      replays_to_[it->first] = stores_->StoreAt(node)->log()->Last(range).index;
    }
  });
}

void Coverage::OnProcessEnded(int node) {
  for (auto& [range, leader] : leaders_) {
    if (leader.node != node) continue;
    leader.node = -1;
    if (IsJoint(range)) Hit(Situation::kLeaderDiedWhileJoint);
  }
  for (const auto& [range, transfer] : transfers_) {
    if (ActiveTransfer(range) == nullptr) continue;
    if (transfer.from == node) Hit(Situation::kSenderDiedDuringASnapshot);
    if (transfer.to == node) Hit(Situation::kReceiverDiedDuringASnapshot);
  }
  for (int other = 0; other < stores_->StoreCount(); ++other) {
    if (stores_->StoreAt(other) != nullptr) return;
  }
  Hit(Situation::kAllDeadAtOnce);
}

void Coverage::OnDiskFull(int node) {
  if (LeadsAny(node)) Hit(Situation::kDiskFullAtLeader);
}

}  // namespace rasputin::sim
