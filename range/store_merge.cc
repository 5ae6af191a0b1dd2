// See store.h: ranges that were absorbed by their left neighbours (README.md "Merge"): what goes
// when a merge is applied, what is left over on stores that did not apply it, what is remembered.

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "range/descriptor.h"
#include "range/store_impl.h"

namespace rasputin::range {
namespace {

using consensus::Message;
using consensus::log::RangeAppend;
using storage::v1::AbsorbedRange;

// What a snapshot's header says of absorbed ranges: at most so many, of at most so many bytes.
constexpr int kTellAbsorbedMax = 1000;
constexpr size_t kTellAbsorbedBytesMax = 64 << 10;
constexpr int kMutantLogRemovedBeforeFlush = 76;
constexpr int kMutantLeftOverRemovedTooEarly = 78;
constexpr int kMutantAbsorbedRangeLivesAgain = 79;

RangeDescriptor SpanOf(const AbsorbedRange& absorbed) {
  RangeDescriptor span;
  span.set_start_key(absorbed.start_key());
  span.set_end_key(absorbed.end_key());
  return span;
}

RangeAppend RemovalOf(RangeId range) {
  RangeAppend append;
  append.range = range;
  append.removed = true;
  return append;
}

}  // namespace

// ---- A merge is applied here.

// Asks for what a merge waits for, which the merge vouches to be committed. Nobody may be left in
// the right range's group to say so: after a crash the engine has forgotten what was applied, and
// other members may have absorbed the range already.
void Store::Impl::AwaitRight(const ClockReading& now, const Replica& left) {
  const AwaitedRange& awaited = *left.awaited();
  awaited_[awaited.right] = left.range();
  Replica* right = Find(awaited.right);
  if (right == nullptr || !right->started()) return;  // Its own creation is to be replayed.
  right->group().core().LearnCommitted(now, awaited.position);
  Wake(right);
}

// `right` has come into being or got further.
void Store::Impl::WakeAwaiting(RangeId right) {
  const auto found = awaited_.find(right);
  if (found == awaited_.end()) return;
  Replica* left = Find(found->second);
  awaited_.erase(found);
  if (left != nullptr && left->started()) Wake(left);
}

void Store::Impl::ApplyMerge(const MergeEffect& effect) {
  const RangeId right(effect.absorbed.range_id());
  LetGo(effect.absorbed, effect.left);
  // A crash may still undo the merge here, which then is replayed, and needs the right range's log.
  retired_.insert(right);
  if (options_.mutants.Has(kMutantLogRemovedBeforeFlush)) log_->Append({RemovalOf(right)});
  ports_.observer->OnDescriptor(effect.left, LeadsRange(RangeId(effect.left.range_id())));
}

// The replica of an absorbed range goes; its rows are gone, or belong to `left` now.
void Store::Impl::LetGo(const AbsorbedRange& absorbed, const RangeDescriptor& left) {
  const RangeId right(absorbed.range_id());
  absorbed_[right] = absorbed;
  told_.erase(right);
  // With its old bounds it would take the rows with it.
  removals_.erase(right);
  incoming_snapshots_.erase(right);
  strangers_.erase(right);
  if (Replica* replica = Find(right); replica != nullptr) {
    replica->StopAbsorbed(left, &answers_);
    DropReplica(right);
    ports_.observer->OnRemoved(right);
  }
}

// The logs of absorbed ranges go when no crash can undo the merge any more.
absl::Status Store::Impl::RemoveRetiredLogs() {
  for (auto it = retired_.begin(); it != retired_.end();) {
    const absl::StatusOr<bool> persisted = kv::IsAbsorbedPersisted(it->value(), *ports_.engine);
    if (!persisted.ok()) return persisted.status();
    if (!*persisted) {
      ++it;
      continue;
    }
    log_->Append({RemovalOf(*it)});
    it = retired_.erase(it);
  }
  return absl::OkStatus();
}

// ---- After a start.

absl::Status Store::Impl::RecoverAbsorbed(consensus::log::Recovered* recovered) {
  const auto rows = kv::ListAbsorbed(*ports_.engine);
  if (!rows.ok()) return rows.status();
  for (const std::string& row : *rows) {
    AbsorbedRange absorbed;
    if (!absorbed.ParseFromString(row)) {
      return absl::DataLossError("what is remembered of an absorbed range does not parse");
    }
    const RangeId range(absorbed.range_id());
    absorbed_[range] = absorbed;
    if (Find(range) == nullptr && recovered->ranges.erase(range) != 0) {
      log_->Append({RemovalOf(range)});
    }
  }
  return absl::OkStatus();
}

// ---- Left-over replicas.

bool Store::Impl::IsAbsorbed(RangeId range) const {
  return absorbed_.count(range) != 0 && Find(range) == nullptr &&
         !options_.mutants.Has(kMutantAbsorbedRangeLivesAgain);
}

std::optional<AbsorbedRange> Store::Impl::FindAbsorbed(RangeId range) const {
  if (!IsAbsorbed(range)) return std::nullopt;
  return absorbed_.at(range);
}

// Whoever wants something of an absorbed range is told what became of it; nothing of it is taken.
bool Store::Impl::TellIfAbsorbed(const Message& message) {
  if (!IsAbsorbed(message.range)) return false;
  const AbsorbedRange& absorbed = absorbed_.at(message.range);
  if (const auto* chunk = std::get_if<consensus::SnapshotChunk>(&message.body)) {
    effects_.messages.push_back(
        Reply(message,
              consensus::SnapshotAck{chunk->snapshot_id, 0, consensus::SnapshotStatus::kRefused}));
  } else if (Asks(message) || std::holds_alternative<consensus::AppendRequest>(message.body)) {
    effects_.messages.push_back(
        Reply(message, consensus::Removed{Generation(absorbed.generation()),
                                          absl::Cord(absorbed.SerializeAsString())}));
  }
  return true;
}

// Some replica here, but for the absorbed range's and those of `except`, holds keys that the left
// range had after the merge, at a generation of before it. Its log, or that of a child which it has
// still to split off, may have the merge to come, which needs the absorbed range's replica. For
// each key the generation of the range that holds it only grows. A range keeps its start key for
// life, and its children begin behind it: one that begins behind the absorbed range is on the left
// of no merge with it. Counter-example without that: b absorbed c, and a absorbed b; of two that
// are left over, c waits for b, whose log has their merge, and b would wait for c.
bool Store::Impl::HasYetToMerge(const AbsorbedRange& absorbed,
                                const std::set<RangeId>& except) const {
  const RangeDescriptor span = SpanOf(absorbed);
  const Replica* right = Find(RangeId(absorbed.range_id()));
  return std::any_of(replicas_.begin(), replicas_.end(), [&](const auto& entry) {
    const RangeDescriptor& descriptor = entry.second->descriptor();
    return entry.second.get() != right && except.count(entry.first) == 0 &&
           descriptor.generation() < absorbed.generation() && Overlaps(descriptor, span) &&
           (right == nullptr || descriptor.start_key() < right->descriptor().start_key());
  });
}

// A replica that is left over goes, unless a merge that is to be applied here needs it: then it is
// told again later, or gives way to a snapshot.
void Store::Impl::OnAbsorbed(const ClockReading& now, const Replica& replica,
                             const absl::Cord& encoded) {
  AbsorbedRange absorbed;
  if (!absorbed.ParseFromString(std::string(encoded)) ||
      absorbed.range_id() != replica.range().value() ||
      absorbed.start_key().size() < CollectionPrefix(0).size()) {
    return;
  }
  if (MayNotGoYet(absorbed)) {
    told_[replica.range()] = std::move(absorbed);
    return;
  }
  RemoveLater(now, replica.descriptor(), replica.self());
  removals_.at(replica.range()).absorbed = std::move(absorbed);
}

bool Store::Impl::MayNotGoYet(const AbsorbedRange& absorbed) const {
  return HasYetToMerge(absorbed, {}) && !options_.mutants.Has(kMutantLeftOverRemovedTooEarly);
}

// A replica that is frozen for long is most likely left over: it asks often.
void Store::Impl::AskWhetherAbsorbed() {
  ++frozen_round_;
  for (const auto& [range, replica] : replicas_) {
    const RangeDescriptor& descriptor = replica->descriptor();
    const int members = descriptor.replicas_size();
    if (!descriptor.has_frozen_by() || !replica->started() || members == 0) continue;
    const auto& member =
        descriptor.replicas(static_cast<int>(frozen_round_ % static_cast<uint64_t>(members)));
    if (member.replica_id() != replica->self().value()) AskWhetherMember(*replica, member);
  }
}

// ---- Snapshots.

// Of ranges whose keys the merge joined with some of `range`, the latest first.
void Store::Impl::TellAbsorbed(const RangeDescriptor& range,
                               storage::v1::SnapshotHeader* header) const {
  std::vector<const AbsorbedRange*> known;
  for (const auto& [id, absorbed] : absorbed_) {
    if (absorbed.generation() <= range.generation() && Overlaps(SpanOf(absorbed), range)) {
      known.push_back(&absorbed);
    }
  }
  std::sort(known.begin(), known.end(), [](const AbsorbedRange* a, const AbsorbedRange* b) {
    return std::make_pair(a->generation(), a->range_id()) >
           std::make_pair(b->generation(), b->range_id());
  });
  size_t bytes = 0;
  for (const AbsorbedRange* absorbed : known) {
    bytes += absorbed->ByteSizeLong();
    if (header->absorbed_size() == kTellAbsorbedMax || bytes > kTellAbsorbedBytesMax) break;
    *header->add_absorbed() = *absorbed;
  }
}

// A snapshot from before a merge of which only the outcome is remembered here: its log would have
// the merge to come, without the absorbed range. A later one will be sent.
bool Store::Impl::IsFromBeforeAMerge(const RangeDescriptor& snapshot) const {
  return std::any_of(absorbed_.begin(), absorbed_.end(), [&](const auto& entry) {
    return snapshot.generation() < entry.second.generation() && Find(entry.first) == nullptr &&
           Overlaps(SpanOf(entry.second), snapshot);
  });
}

// What gives way to a snapshot besides the range itself: replicas of ranges that it has absorbed,
// if each of them is known to be, and no other replica here needs it. nullopt: something in the way
// does not give way. Removing them first would not do: after a crash the older state of the range,
// if there is one, would have the merge to come, and the absorbed range would be gone.
std::optional<Store::Impl::GivingWay> Store::Impl::WhatGivesWay(
    const storage::v1::SnapshotHeader& header) const {
  const RangeDescriptor& snapshot = header.range();
  const RangeId range(snapshot.range_id());
  GivingWay giving;
  std::set<RangeId> except = {range};
  for (const auto& [other, replica] : replicas_) {
    if (other == range || !Overlaps(replica->descriptor(), snapshot)) continue;
    if (replica->IsReplaying()) return std::nullopt;
    giving.replicas.insert(other);
    except.insert(other);
  }
  size_t found = 0;
  std::vector<AbsorbedRange> known(header.absorbed().begin(), header.absorbed().end());
  // The header does not name all of very many.
  for (const auto& [id, absorbed] : told_) known.push_back(absorbed);
  for (const AbsorbedRange& absorbed : known) {
    const RangeId id(absorbed.range_id());
    const bool in_the_way = giving.replicas.count(id) != 0;
    if (!in_the_way && (Find(id) != nullptr || absorbed_.count(id) != 0)) continue;
    if (absorbed.generation() > snapshot.generation() || HasYetToMerge(absorbed, except)) continue;
    if (giving.absorbed.emplace(id, absorbed).second && in_the_way) ++found;
  }
  if (found != giving.replicas.size()) return std::nullopt;
  return giving;
}

}  // namespace rasputin::range
