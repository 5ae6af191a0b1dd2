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
using storage::v1::SnapshotHeader;

constexpr int kMutantSessionsLostAtSnapshot = 35;
constexpr consensus::Duration kFullDiskRetry = std::chrono::seconds(1);

void RaiseTerm(Term term, HardState* hard_state) {
  if (hard_state->term >= term) return;
  hard_state->term = term;
  hard_state->vote = ReplicaId();
}

}  // namespace

std::optional<SnapshotStatus> Store::Impl::JudgeSnapshot(const ClockReading& now,
                                                         const consensus::Message& envelope,
                                                         const SnapshotHeader& header,
                                                         const LogPosition& position,
                                                         GivingWay* giving_way) {
  const RangeId range = envelope.range;
  const RangeDescriptor& descriptor = header.range();
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
    if (replica->IsReplaying()) return SnapshotStatus::kBusy;
  }
  if (IsFromBeforeAMerge(descriptor)) return SnapshotStatus::kBusy;
  if (IsInTheWay(header, giving_way)) return SnapshotStatus::kBusy;
  return std::nullopt;
}

// Its keys lie in another replica here, which has to apply a split, or be removed, first; or
// it was absorbed, and gives way.
bool Store::Impl::IsInTheWay(const SnapshotHeader& header, GivingWay* giving_way) {
  for (const auto& [other, removal] : removals_) {
    if (Overlaps(removal.descriptor, header.range())) return true;
  }
  std::optional<GivingWay> giving = WhatGivesWay(header);
  if (giving.has_value()) {
    *giving_way = *std::move(giving);
    return false;
  }
  for (const auto& [other, replica] : replicas_) {
    if (other.value() == header.range().range_id()) continue;
    if (!Overlaps(replica->descriptor(), header.range()) || !replica->started()) continue;
    for (const auto& fellow : replica->descriptor().replicas()) {
      if (fellow.replica_id() != replica->self().value()) AskWhetherMember(*replica, fellow);
    }
  }
  return true;
}

// What gives way to the snapshot: the range as it is there and as it was here, before splits that
// the snapshot has behind it, and what it has absorbed.
RangeDescriptor Store::Impl::ReplacedBy(const RangeDescriptor& snapshot,
                                        const GivingWay& giving_way) const {
  RangeDescriptor all = snapshot;
  std::set<RangeId> ranges = giving_way.replicas;
  ranges.insert(RangeId(snapshot.range_id()));
  for (const RangeId range : ranges) {
    const Replica* replica = Find(range);
    if (replica == nullptr) continue;
    const RangeDescriptor& known = replica->descriptor();
    if (known.start_key() < all.start_key()) all.set_start_key(known.start_key());
    if (known.end_key().empty() || (!all.end_key().empty() && known.end_key() > all.end_key())) {
      all.set_end_key(known.end_key());
    }
  }
  return all;
}

// What was staged still replaces all that gives way, and nothing else.
bool Store::Impl::StillFits(const Incoming& incoming, const GivingWay& giving_way) const {
  const RangeDescriptor now = ReplacedBy(incoming.header.range(), giving_way);
  const bool same_rows =
      giving_way.absorbed.size() == incoming.giving_way.absorbed.size() &&
      std::equal(giving_way.absorbed.begin(), giving_way.absorbed.end(),
                 incoming.giving_way.absorbed.begin(),
                 [](const auto& a, const auto& b) { return a.first == b.first; });
  if (giving_way.replicas != incoming.giving_way.replicas || !same_rows ||
      now.start_key() != incoming.replaced.start_key() ||
      now.end_key() != incoming.replaced.end_key()) {
    return false;
  }
  // The range may have split here in the meantime: the child's rows must not give way.
  return std::none_of(replicas_.begin(), replicas_.end(), [&](const auto& entry) {
    return entry.first.value() != incoming.header.range().range_id() &&
           giving_way.replicas.count(entry.first) == 0 &&
           Overlaps(entry.second->descriptor(), incoming.replaced);
  });
}

// The rows of what has given way are gone, durably: so its logs go as well.
void Store::Impl::LetWay(const Incoming& incoming) {
  for (const auto& [range, absorbed] : incoming.giving_way.absorbed) {
    const bool here = Find(range) != nullptr;
    LetGo(absorbed, incoming.header.range());
    if (!here && orphans_.erase(range) == 0) continue;
    RangeAppend append;
    append.range = range;
    append.removed = true;
    log_->Append({std::move(append)});
  }
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
  GivingWay giving_way;
  if (JudgeSnapshot(now, incoming->envelope, incoming->header, position, &giving_way).has_value() ||
      !StillFits(*incoming, giving_way)) {
    return true;
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
  LetWay(*incoming);
  if (replica != nullptr) DropReplica(range);
  orphans_.erase(range);
  replica = AddReplica(incoming->header.range(), incoming->applied);
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
  ports_.observer->OnDescriptor(incoming->header.range(), false);
  UpdatePeers();
  return true;
}

}  // namespace rasputin::range
