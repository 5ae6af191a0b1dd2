// See store.h: installing snapshots.
//
// Safe at any time, since a snapshot shows committed state: consensus/README.md. What a crash
// leaves between two steps:
//   1. hard state in the log, where there was no replica: an orphan, as after a split that is to be
//      replayed; nothing was ever vouched for.
//   2. rows in the engine, durable: the engine is ahead of the log, and wins (RecoverReplica).
//   3. log start behind it: done.

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "kv/key.h"
#include "kv/range_row_kind.h"
#include "range/descriptor.h"
#include "range/store_impl.h"

namespace rasputin::range {
namespace {

using consensus::HardState;
using consensus::LogPosition;
using consensus::SnapshotStatus;
using consensus::Term;
using consensus::log::RangeAppend;

constexpr int kMutantSessionsLostAtSnapshot = 35;
constexpr consensus::Duration kFullDiskRetry = std::chrono::seconds(1);

void RaiseTerm(Term term, HardState* hard_state) {
  if (hard_state->term >= term) return;
  hard_state->term = term;
  hard_state->vote = ReplicaId();
}

}  // namespace

// nullopt: it is wanted.
std::optional<SnapshotStatus> Store::Impl::JudgeSnapshot(const ClockReading& now,
                                                         const consensus::Message& envelope,
                                                         const RangeDescriptor& descriptor,
                                                         const LogPosition& position) {
  const RangeId range = envelope.range;
  const auto* member = FindReplica(descriptor, envelope.to);
  if (member == nullptr || member->store_id() != id_.value() || IsRemoved(range, envelope.to)) {
    return SnapshotStatus::kRefused;
  }
  if (removals_.count(range) != 0 || nascent_.count(range) != 0) return SnapshotStatus::kBusy;
  if (const Replica* replica = Find(range); replica != nullptr) {
    if (replica->self() < envelope.to) {
      // See TakeMembershipMessage.
      RemoveLater(now, replica->descriptor(), replica->self());
      return SnapshotStatus::kBusy;
    }
    if (replica->self() > envelope.to || LeadsRange(range) ||
        replica->applied() >= position.index) {
      return SnapshotStatus::kRefused;
    }
  }
  // Its keys lie in another replica here, which has to apply a split, or be removed, first.
  for (const auto& [other, replica] : replicas_) {
    if (other == range || !Overlaps(replica->descriptor(), descriptor)) continue;
    for (const auto& fellow : replica->descriptor().replicas()) {
      const bool own = fellow.replica_id() == replica->self().value();
      if (!own && replica->started()) AskWhetherMember(*replica, fellow);
    }
    return SnapshotStatus::kBusy;
  }
  for (const auto& [other, removal] : removals_) {
    if (Overlaps(removal.descriptor, descriptor)) return SnapshotStatus::kBusy;
  }
  return std::nullopt;
}

absl::Status Store::Impl::InstallSnapshots(const ClockReading& now) {
  for (auto it = incoming_snapshots_.begin(); it != incoming_snapshots_.end();) {
    Incoming& incoming = it->second;
    bool over = now.boot >= incoming.receiver->heard_at() + IncomingPatience();
    if (incoming.receiver->complete() && now.boot >= install_retry_at_) {
      absl::StatusOr<bool> done = Install(now, &incoming);
      if (!done.ok()) return done.status();
      over = *done;
    }
    it = over ? incoming_snapshots_.erase(it) : std::next(it);
  }
  return absl::OkStatus();
}

// True: installed, or not wanted any more; the sender asks and is told. False: to be repeated.
absl::StatusOr<bool> Store::Impl::Install(const ClockReading& now, Incoming* incoming) {
  const RangeId range = incoming->envelope.range;
  const LogPosition position = incoming->receiver->position();
  if (JudgeSnapshot(now, incoming->envelope, incoming->descriptor, position).has_value()) {
    return true;
  }
  // Its split may have been applied here in the meantime: the child's rows must not give way.
  for (const auto& [other, neighbour] : replicas_) {
    if (other != range && Overlaps(neighbour->descriptor(), incoming->replaced)) return true;
  }
  Replica* replica = Find(range);
  if (replica == nullptr && !incoming->hard_state_lsn.IsSet()) {
    HardState& hard_state = orphans_[range];
    RaiseTerm(std::max(incoming->envelope.term, position.term), &hard_state);
    RangeAppend append;
    append.range = range;
    append.hard_state = hard_state;
    incoming->hard_state_lsn = log_->Append({std::move(append)});
  }
  if (replica == nullptr && incoming->hard_state_lsn > durable_) return false;
  const absl::Status ingested = incoming->writer->Ingest();
  if (absl::IsResourceExhausted(ingested)) {
    install_retry_at_ = now.boot + kFullDiskRetry;
    return false;
  }
  if (!ingested.ok()) return ingested;
  turn_.ForgetRows();
  if (options_.mutants.Has(kMutantSessionsLostAtSnapshot)) {
    turn_.DeleteRange(kv::RangeRowKey(range.value(), kv::kSessionRowsBegin),
                      kv::RangeRowKey(range.value(), kv::kSessionRowsEnd));
    if (absl::Status status = turn_.Commit(); !status.ok()) return status;
  }
  HardState hard_state = replica != nullptr && replica->started()
                             ? replica->group().core().hard_state()
                             : orphans_[range];
  RaiseTerm(position.term, &hard_state);
  if (replica != nullptr) DropReplica(range);
  orphans_.erase(range);
  replica = AddReplica(incoming->descriptor, incoming->applied);
  replica->installed_snapshot = incoming->receiver->snapshot_id();
  RangeAppend append;
  append.range = range;
  append.hard_state = hard_state;
  append.log_start = position;
  Nascent nascent;
  nascent.hard_state = hard_state;
  nascent.tell = Reply(incoming->envelope, incoming->envelope.body);
  nascent.lsn = log_->Append({std::move(append)});
  nascent_.emplace(range, std::move(nascent));
  ++counters_.snapshots_installed;
  ports_.observer->OnInstalled(range, position);
  ports_.observer->OnDescriptor(incoming->descriptor, false);
  UpdatePeers();
  return true;
}

}  // namespace rasputin::range
