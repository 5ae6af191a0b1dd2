// Bookkeeping of current records. Costs of a call do not depend on the number of ranges, and on the
// number of entries only as far as those are added or dropped.

#include "consensus/log/log_index.h"

#include <glog/logging.h>

#include <utility>

namespace rasputin::consensus::log {

LogPosition RangeIndex::last() const {
  if (head_ == entries_.size()) return start_;
  return {entries_.back().term, last_index()};
}

const EntryRef& RangeIndex::At(Index index) const {
  CHECK(Holds(index)) << "entry " << index << " is not in (" << start_.index << ", " << last_index()
                      << "]";
  return entries_[head_ + (index.value() - start_.index.value() - 1)];
}

Term RangeIndex::TermAt(Index index) const {
  return index == start_.index ? start_.term : At(index).term;
}

const RangeIndex* LogIndex::Find(RangeId range) const {
  auto found = ranges_.find(range);
  return found == ranges_.end() ? nullptr : found->second.get();
}

RangeIndex& LogIndex::Ensure(RangeId range) {
  CHECK(range.IsSet());
  std::unique_ptr<RangeIndex>& index = ranges_[range];
  if (index == nullptr) index = std::make_unique<RangeIndex>();
  return *index;
}

void LogIndex::AddLive(const Place& place, uint64_t bytes) {
  if (place.segment == 0) return;
  CHECK_GE(place.segment, first_segment_);
  CHECK_LT(place.segment - first_segment_, live_.size());
  live_[place.segment - first_segment_] += bytes;
  live_total_ += bytes;
}

void LogIndex::SubtractLive(const Place& place, uint64_t bytes) {
  if (place.segment == 0) return;
  CHECK_GE(place.segment, first_segment_);
  uint64_t& live = live_[place.segment - first_segment_];
  CHECK_GE(live, bytes);
  live -= bytes;
  live_total_ -= bytes;
}

void LogIndex::Replace(RecordRef* ref, uint64_t sequence, uint32_t bytes) {
  CHECK_GT(sequence, ref->sequence);
  SubtractLive(ref->place, bytes);
  *ref = {sequence, Place()};
}

void LogIndex::SetHardState(RangeId range, uint64_t sequence) {
  Replace(&Ensure(range).hard_state_, sequence, kHardStateRecordBytes);
}

void LogIndex::DropEntries(RangeIndex* range, size_t first, size_t count) {
  for (size_t i = first; i < first + count; ++i) {
    const EntryRef& entry = range->entries_[i];
    SubtractLive(entry.place, EntryRecordBytes(entry.payload_bytes));
  }
}

void LogIndex::AppendEntry(RangeId id, Index index, const EntryRef& entry) {
  RangeIndex& range = Ensure(id);
  CHECK_GT(index, range.start_.index) << "range " << id << ": entries up to there are cut";
  CHECK_LE(index, range.last_index().Next()) << "range " << id << ": gap before the entry";
  CHECK_GE(entry.term, range.TermAt(index.Previous())) << "range " << id << " at " << index;
  const size_t kept = range.head_ + (index.value() - range.start_.index.value() - 1);
  if (kept < range.entries_.size()) {
    DropEntries(&range, kept, range.entries_.size() - kept);
    range.entries_.resize(kept);
  }
  range.entries_.push_back(entry);
}

LogStartRecord LogIndex::SetStart(RangeId id, const LogPosition& start, uint64_t sequence) {
  RangeIndex& range = Ensure(id);
  CHECK_GE(start.index, range.start_.index) << "range " << id << ": a start never moves back";
  const bool matches = start == range.start_ ||
                       (range.Holds(start.index) && range.At(start.index).term == start.term);
  const size_t held = range.entries_.size() - range.head_;
  const size_t dropped = matches ? start.index.value() - range.start_.index.value() : held;
  DropEntries(&range, range.head_, dropped);
  range.head_ += static_cast<uint32_t>(dropped);
  if (range.head_ == range.entries_.size()) {
    std::vector<EntryRef>().swap(range.entries_);
    range.head_ = 0;
  } else if (range.head_ > range.entries_.size() / 2) {
    range.entries_.erase(range.entries_.begin(), range.entries_.begin() + range.head_);
    range.head_ = 0;
  }
  if (!matches) range.floor_ = sequence;
  range.start_ = start;
  Replace(&range.log_start_, sequence, kLogStartRecordBytes);
  return {start, range.floor_};
}

void LogIndex::Remove(RangeId id) {
  auto found = ranges_.find(id);
  if (found == ranges_.end()) return;
  RangeIndex& range = *found->second;
  DropEntries(&range, range.head_, range.entries_.size() - range.head_);
  SubtractLive(range.hard_state_.place, kHardStateRecordBytes);
  SubtractLive(range.log_start_.place, kLogStartRecordBytes);
  ranges_.erase(found);
}

void LogIndex::SetLeasePair(StoreId peer, uint64_t sequence) {
  Replace(&lease_pairs_[peer], sequence, kLeasePairRecordBytes);
}

void LogIndex::SetEpochCounter(uint64_t sequence) {
  Replace(&epoch_counter_, sequence, kEpochCounterRecordBytes);
}

const Place* LogIndex::FindPlace(const RecordKey& key) const {
  auto of = [&key](const RecordRef& ref) {
    return ref.sequence == key.sequence ? &ref.place : nullptr;
  };
  switch (key.type) {
    case RecordType::kEntry:
    case RecordType::kHardState:
    case RecordType::kLogStart: {
      const RangeIndex* range = Find(RangeId(key.id));
      if (range == nullptr) return nullptr;
      if (key.type == RecordType::kHardState) return of(range->hard_state_);
      if (key.type == RecordType::kLogStart) return of(range->log_start_);
      if (!range->Holds(key.index)) return nullptr;
      const EntryRef& entry = range->At(key.index);
      return entry.sequence == key.sequence ? &entry.place : nullptr;
    }
    case RecordType::kLeasePair: {
      auto pair = lease_pairs_.find(StoreId(key.id));
      return pair == lease_pairs_.end() ? nullptr : of(pair->second);
    }
    case RecordType::kEpochCounter:
      return of(epoch_counter_);
    case RecordType::kRemoved:
    case RecordType::kDiskProbe:
      return nullptr;
  }
  return nullptr;
}

bool LogIndex::SetPlace(const RecordKey& key, const Place& place) {
  return Move(key, Place(), place);
}

bool LogIndex::Move(const RecordKey& key, const Place& from, const Place& to) {
  CHECK_GT(to.segment, 0u);
  Place* current = const_cast<Place*>(FindPlace(key));  // Ours: this function is not const.
  if (current == nullptr || !(*current == from)) return false;
  SubtractLive(from, key.bytes);
  *current = to;
  AddLive(to, key.bytes);
  return true;
}

bool LogIndex::IsCurrent(const RecordKey& key, const Place& place) const {
  const Place* current = FindPlace(key);
  return current != nullptr && *current == place;
}

void LogIndex::Restore(RangeId id, const LogPosition& start, uint64_t floor, RecordRef hard_state,
                       RecordRef log_start, std::vector<EntryRef> entries) {
  CHECK(Find(id) == nullptr);
  RangeIndex& range = Ensure(id);
  range.start_ = start;
  range.floor_ = floor;
  range.hard_state_ = hard_state;
  range.log_start_ = log_start;
  range.entries_ = std::move(entries);
  AddLive(hard_state.place, kHardStateRecordBytes);
  AddLive(log_start.place, kLogStartRecordBytes);
  for (const EntryRef& entry : range.entries_) {
    AddLive(entry.place, EntryRecordBytes(entry.payload_bytes));
  }
}

void LogIndex::RestoreLeasePair(StoreId peer, RecordRef ref) {
  CHECK(lease_pairs_.emplace(peer, ref).second);
  AddLive(ref.place, kLeasePairRecordBytes);
}

void LogIndex::RestoreEpochCounter(RecordRef ref) {
  CHECK_EQ(epoch_counter_.sequence, 0u);
  epoch_counter_ = ref;
  AddLive(ref.place, kEpochCounterRecordBytes);
}

void LogIndex::AddSegment(uint32_t segment) {
  CHECK_EQ(segment, first_segment_ + live_.size());
  live_.push_back(0);
}

void LogIndex::DropFirstSegment() {
  CHECK(!live_.empty());
  CHECK_EQ(live_.front(), 0u);
  live_.pop_front();
  first_segment_ += 1;
}

uint64_t LogIndex::LiveIn(uint32_t segment) const {
  CHECK_GE(segment, first_segment_);
  CHECK_LT(segment - first_segment_, live_.size());
  return live_[segment - first_segment_];
}

}  // namespace rasputin::consensus::log
