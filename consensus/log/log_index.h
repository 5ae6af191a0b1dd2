// Which records of the shared log are current, and where they are: the log's index in memory.
//
// Per range: start, entries (32 bytes each), places of the latest hard state and log start. Per
// store: places of lease records. Per segment: bytes of current records. Knows nothing of files or
// of bytes; a range of which nothing is held costs about 100 bytes. Not thread-safe.
//
// Invariant: a record counts as live in the segment of its place iff it is the current one of its
// key; records not yet written have segment 0 and count nowhere.

#ifndef RASPUTIN_CONSENSUS_LOG_LOG_INDEX_H_
#define RASPUTIN_CONSENSUS_LOG_LOG_INDEX_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "consensus/core/message.h"
#include "consensus/core/types.h"
#include "consensus/log/frame.h"

namespace rasputin::consensus::log {

// Of the first byte of a record. Segment 0: not written yet.
struct Place {
  uint32_t segment = 0;
  uint32_t offset = 0;

  friend bool operator==(const Place& a, const Place& b) {
    return a.segment == b.segment && a.offset == b.offset;
  }
};

// Latest record of its kind; sequence 0: none.
struct RecordRef {
  uint64_t sequence = 0;
  Place place;
};

struct EntryRef {
  Term term;
  uint64_t sequence = 0;
  Place place;
  uint32_t payload_bytes = 0;
  EntryType type = EntryType::kCommand;
};

// One range: start and the entries behind it, index by index without gaps.
class RangeIndex {
 public:
  const LogPosition& start() const { return start_; }
  LogPosition last() const;
  uint64_t floor() const { return floor_; }  // See LogStartRecord.
  bool Holds(Index index) const { return index > start_.index && index <= last_index(); }
  const EntryRef& At(Index index) const;  // CHECK: held.
  Index last_index() const { return start_.index.Plus(entries_.size() - head_); }
  Term TermAt(Index index) const;  // CHECK: held, or the start.

 private:
  friend class LogIndex;

  LogPosition start_;
  uint64_t floor_ = 0;
  RecordRef hard_state_;
  RecordRef log_start_;
  std::vector<EntryRef> entries_;  // [head_, size): the entries held.
  uint32_t head_ = 0;
};

// What identifies a record; made while it is encoded, used when its place is known.
struct RecordKey {
  RecordType type = RecordType::kDiskProbe;
  uint64_t id = 0;  // As in RecordView.
  Index index;      // Of an entry.
  uint64_t sequence = 0;
  uint32_t offset = 0;  // Within the buffer that holds it.
  uint32_t bytes = 0;
};

class LogIndex {
 public:
  const RangeIndex* Find(RangeId range) const;  // nullptr: unknown.

  // Each makes the record with this sequence (above all before it) the current one of its key, with
  // no place yet. Entries: overwrites what is held at or behind `index`; CHECK: no gap before it.
  void SetHardState(RangeId range, uint64_t sequence);
  void AppendEntry(RangeId range, Index index, const EntryRef& entry);
  // Moves the start forward (CHECK): drops entries up to `start`, all if the one there has another
  // term or is not held. Returns the record to be written.
  LogStartRecord SetStart(RangeId range, const LogPosition& start, uint64_t sequence);
  void Remove(RangeId range);
  void SetLeasePair(StoreId peer, uint64_t sequence);
  void SetEpochCounter(uint64_t sequence);

  // The record was written at `place`. False: it is not the current one (any more).
  bool SetPlace(const RecordKey& key, const Place& place);
  // It was copied from `from` to `to`. False: it is not the current one, or not there.
  bool Move(const RecordKey& key, const Place& from, const Place& to);
  bool IsCurrent(const RecordKey& key, const Place& place) const;

  // Recovery: takes a range as it is, with places; adds them to the live bytes.
  void Restore(RangeId range, const LogPosition& start, uint64_t floor, RecordRef hard_state,
               RecordRef log_start, std::vector<EntryRef> entries);
  void RestoreLeasePair(StoreId peer, RecordRef ref);
  void RestoreEpochCounter(RecordRef ref);

  // Segments are known from the first in use to the newest.
  void BeginSegments(uint32_t first) { first_segment_ = first; }
  uint32_t first_segment() const { return first_segment_; }
  void AddSegment(uint32_t segment);  // CHECK: the next one.
  void DropFirstSegment();            // CHECK: nothing in it is live.
  size_t segments() const { return live_.size(); }
  uint64_t LiveIn(uint32_t segment) const;
  uint64_t live_bytes() const { return live_total_; }
  size_t ranges() const { return ranges_.size(); }

 private:
  RangeIndex& Ensure(RangeId range);
  const Place* FindPlace(const RecordKey& key) const;
  void AddLive(const Place& place, uint64_t bytes);
  void SubtractLive(const Place& place, uint64_t bytes);
  void DropEntries(RangeIndex* range, size_t first, size_t count);
  void Replace(RecordRef* ref, uint64_t sequence, uint32_t bytes);

  absl::flat_hash_map<RangeId, std::unique_ptr<RangeIndex>> ranges_;  // Never iterated.
  std::map<StoreId, RecordRef> lease_pairs_;
  RecordRef epoch_counter_;
  std::deque<uint64_t> live_;  // By segment, from first_segment_ on.
  uint32_t first_segment_ = 1;
  uint64_t live_total_ = 0;
};

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_LOG_INDEX_H_
