// Recovery in three steps: scan the segments in order, gather the current records of each range by
// sequence, cut the tail.

#include "consensus/log/recovery.h"

#include <glog/logging.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "consensus/log/segment_scan.h"

namespace rasputin::consensus::log {
namespace {

absl::Status Corruption(uint64_t segment, uint64_t offset, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the log is damaged: ", SegmentName(segment),
                                          " at offset ", offset, ": ", what));
}

// Records of one range, whatever their order in the files (copies come late).
struct GatheredRange {
  struct GatheredEntry {
    Index index;
    EntryRef entry;
  };
  RecordRef hard_state_ref;
  HardState hard_state;
  RecordRef log_start_ref;
  LogStartRecord log_start;
  uint64_t removed = 0;  // Records with a lower sequence are void.
  std::vector<GatheredEntry> entries;
};

// Later copies of a record have the same sequence and replace earlier ones.
template <typename Value>
void TakeLatest(const Value& value, const RecordRef& ref, Value* latest, RecordRef* latest_ref) {
  if (ref.sequence < latest_ref->sequence) return;
  *latest = value;
  *latest_ref = ref;
}

class Gatherer {
 public:
  absl::Status Add(const RecordView& record, const Place& place) {
    next_sequence_ = std::max(next_sequence_, record.sequence + 1);
    const RecordRef ref{record.sequence, place};
    if (!Take(record, ref)) return Corruption(place.segment, place.offset, "a malformed record");
    return absl::OkStatus();
  }

  // Moves everything into index and result. DATA_LOSS: a range lacks entries.
  absl::Status Finish(LogIndex* index, RecoveryResult* result);

 private:
  bool Take(const RecordView& record, const RecordRef& ref);
  bool TakeEntry(const RecordView& record, const RecordRef& ref);
  absl::Status FinishRange(RangeId id, GatheredRange* range, LogIndex* index,
                           RecoveryResult* result);

  std::map<RangeId, GatheredRange> ranges_;
  std::map<StoreId, std::pair<lease::PairState, RecordRef>> pairs_;
  Epoch counter_;
  RecordRef counter_ref_;
  uint64_t next_sequence_ = 1;
};

bool Gatherer::TakeEntry(const RecordView& record, const RecordRef& ref) {
  Entry entry;
  if (record.id == 0 || !DecodeEntryHeader(record.payload, &entry)) return false;
  const uint32_t payload = static_cast<uint32_t>(record.payload.size()) - kEntryHeaderBytes;
  ranges_[RangeId(record.id)].entries.push_back(
      {entry.index, {entry.term, ref.sequence, ref.place, payload, entry.type}});
  return true;
}

bool Gatherer::Take(const RecordView& record, const RecordRef& ref) {
  const RangeId id(record.id);
  switch (record.type) {
    case RecordType::kEntry:
      return TakeEntry(record, ref);
    case RecordType::kHardState: {
      HardState state;
      if (!id.IsSet() || !DecodeHardState(record.payload, &state)) return false;
      GatheredRange& range = ranges_[id];
      TakeLatest(state, ref, &range.hard_state, &range.hard_state_ref);
      return true;
    }
    case RecordType::kLogStart: {
      LogStartRecord start;
      if (!id.IsSet() || !DecodeLogStart(record.payload, &start)) return false;
      GatheredRange& range = ranges_[id];
      TakeLatest(start, ref, &range.log_start, &range.log_start_ref);
      return true;
    }
    case RecordType::kRemoved: {
      if (!id.IsSet() || !record.payload.empty()) return false;
      GatheredRange& range = ranges_[id];
      range.removed = std::max(range.removed, record.sequence);
      return true;
    }
    case RecordType::kLeasePair: {
      lease::PairState state;
      if (!DecodeLeasePair(record.payload, &state) || state.peer.value() != record.id) return false;
      auto& [pair, latest] = pairs_[state.peer];
      TakeLatest(state, ref, &pair, &latest);
      return true;
    }
    case RecordType::kEpochCounter: {
      Epoch counter;
      if (!DecodeEpochCounter(record.payload, &counter)) return false;
      TakeLatest(counter, ref, &counter_, &counter_ref_);
      return true;
    }
    case RecordType::kDiskProbe:
      return record.payload.empty();
  }
  return false;
}

absl::Status Gatherer::FinishRange(RangeId id, GatheredRange* range, LogIndex* index,
                                   RecoveryResult* result) {
  const uint64_t removed = range->removed;
  if (range->hard_state_ref.sequence < removed) {
    range->hard_state_ref = RecordRef();
    range->hard_state = HardState();
  }
  if (range->log_start_ref.sequence < removed) {
    range->log_start_ref = RecordRef();
    range->log_start = LogStartRecord();
  }
  const LogPosition start = range->log_start.start;
  const uint64_t floor = std::max(removed, range->log_start.floor);
  auto& gathered = range->entries;
  std::stable_sort(gathered.begin(), gathered.end(), [](const auto& a, const auto& b) {
    return a.entry.sequence < b.entry.sequence;
  });
  // An entry makes those with a lower sequence at and behind its index void, even if it is itself
  // before the start by now. Gaps may be seen on the way (a void entry's segment may be gone
  // already), not in the end.
  std::vector<EntryRef> entries;
  std::vector<Index> indexes;
  for (const auto& [entry_index, entry] : gathered) {
    if (entry.sequence < floor) continue;
    while (!indexes.empty() && indexes.back() >= entry_index) {
      indexes.pop_back();
      entries.pop_back();
    }
    indexes.push_back(entry_index);
    entries.push_back(entry);
  }
  const auto held = std::upper_bound(indexes.begin(), indexes.end(), start.index);
  entries.erase(entries.begin(), entries.begin() + (held - indexes.begin()));
  indexes.erase(indexes.begin(), held);
  Term term = start.term;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (indexes[i] != start.index.Plus(i + 1) || entries[i].term < term) {
      return Corruption(entries[i].place.segment, entries[i].place.offset,
                        absl::StrCat("entry ", indexes[i].value(), " of range ", id.value(),
                                     " does not follow the one before it"));
    }
    term = entries[i].term;
  }
  if (range->hard_state_ref.sequence == 0 && range->log_start_ref.sequence == 0 &&
      entries.empty()) {
    return absl::OkStatus();  // Removed.
  }
  RecoveryResult::Range& known = result->ranges[id];
  known.hard_state = range->hard_state;
  known.start = start;
  known.last = entries.empty() ? start : LogPosition{term, indexes.back()};
  entries.shrink_to_fit();
  index->Restore(id, start, range->log_start.floor, range->hard_state_ref, range->log_start_ref,
                 std::move(entries));
  return absl::OkStatus();
}

absl::Status Gatherer::Finish(LogIndex* index, RecoveryResult* result) {
  for (auto& [id, range] : ranges_) {
    absl::Status status = FinishRange(id, &range, index, result);
    if (!status.ok()) return status;
    range = GatheredRange();  // Its memory is not needed any more.
  }
  for (const auto& [peer, pair] : pairs_) {
    result->leases.pairs.push_back(pair.first);
    index->RestoreLeasePair(peer, pair.second);
  }
  if (counter_ref_.sequence != 0) {
    result->leases.epoch_counter = counter_;
    index->RestoreEpochCounter(counter_ref_);
  }
  result->leases.was_member =
      !result->ranges.empty() || !pairs_.empty() || counter_ref_.sequence != 0;
  result->next_sequence = std::max(result->next_sequence, next_sequence_);
  return absl::OkStatus();
}

// The files of the log in a directory.
class Scanner {
 public:
  Scanner(const RecoveryOptions& options, SegmentDirectory* directory, RecoveryResult* result)
      : options_(options), directory_(directory), result_(result) {}

  absl::Status List();
  absl::Status ScanAll(LogIndex* index, Gatherer* gatherer);
  absl::Status CutTail();

 private:
  absl::Status ListSpare(const std::string& name, uint64_t number);
  absl::StatusOr<SegmentScan> Scan(uint64_t sequence, std::optional<uint64_t> stated_end,
                                   SegmentFile* file, Gatherer* gatherer);
  absl::StatusOr<std::optional<SegmentHeader>> ReadHeader(uint64_t sequence, SegmentFile* file);
  absl::Status TakeScan(uint64_t sequence, uint64_t file_bytes, std::optional<uint64_t> stated_end,
                        const SegmentScan& scan);

  const RecoveryOptions& options_;
  SegmentDirectory* const directory_;
  RecoveryResult* const result_;
  std::vector<uint64_t> segments_;
  uint64_t begun_bytes_ = 0;  // Of the file of the last segment taken, when it was begun.
};

absl::Status Scanner::ListSpare(const std::string& name, uint64_t number) {
  absl::StatusOr<std::unique_ptr<SegmentFile>> file = directory_->Open(name);
  if (!file.ok()) return file.status();
  result_->tail.next_spare = std::max(result_->tail.next_spare, number + 1);
  if ((*file)->Size() == options_.segment_bytes) {
    result_->tail.spares.push_back(name);
    return absl::OkStatus();
  }
  file->reset();
  return directory_->Remove(name);
}

absl::Status Scanner::List() {
  absl::StatusOr<std::vector<std::string>> names = directory_->List();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    uint64_t number = 0;
    if (ParseSegmentName(name, &number)) {
      segments_.push_back(number);
    } else if (ParseSpareName(name, &number)) {
      if (absl::Status status = ListSpare(name, number); !status.ok()) return status;
    }
  }
  std::sort(segments_.begin(), segments_.end());
  for (size_t i = 1; i < segments_.size(); ++i) {
    if (segments_[i] != segments_[i - 1] + 1) {
      return Corruption(segments_[i - 1] + 1, 0, "the file is missing");
    }
  }
  if (!segments_.empty() && (segments_.front() == 0 || segments_.back() >= UINT32_MAX)) {
    return Corruption(segments_.front(), 0, "no log has such a segment");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<SegmentHeader>> Scanner::ReadHeader(uint64_t sequence,
                                                                 SegmentFile* file) {
  if (file->Size() < kSegmentHeaderBytes) return std::optional<SegmentHeader>();
  std::string bytes;
  absl::Status status = file->Read(0, kSegmentHeaderBytes, &bytes);
  if (!status.ok()) return status;
  absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(bytes);
  if (absl::IsFailedPrecondition(header.status())) return header.status();
  if (!header.ok() || header->sequence != sequence) return std::optional<SegmentHeader>();
  return std::optional<SegmentHeader>(*header);
}

absl::StatusOr<SegmentScan> Scanner::Scan(uint64_t sequence, std::optional<uint64_t> stated_end,
                                          SegmentFile* file, Gatherer* gatherer) {
  std::string bytes;
  absl::Status status = file->Read(0, file->Size(), &bytes);
  if (!status.ok()) return status;
  auto add = [&](const RecordView& record, uint64_t offset) {
    return gatherer->Add(record, {static_cast<uint32_t>(sequence), static_cast<uint32_t>(offset)});
  };
  absl::StatusOr<SegmentScan> scan =
      ScanSegment(bytes, options_.store, sequence, stated_end, options_.mutants, add);
  if (absl::IsDataLoss(scan.status())) {
    return Corruption(sequence, 0, scan.status().message());
  }
  return scan;
}

absl::Status Scanner::TakeScan(uint64_t sequence, uint64_t file_bytes,
                               std::optional<uint64_t> stated_end, const SegmentScan& scan) {
  if (scan.witness.has_value() && !options_.mutants.Has(41)) {
    return Corruption(sequence, scan.end,
                      absl::StrCat("the frame there was synced before the one at offset ",
                                   *scan.witness, " was written"));
  }
  if (scan.flipped.has_value() && !options_.mutants.Has(41)) {
    return Corruption(sequence, *scan.flipped,
                      "a bit of a frame that was written whole is flipped");
  }
  if (!scan.started) return absl::OkStatus();
  if (scan.cut_short && !options_.mutants.Has(41)) {
    return Corruption(sequence, file_bytes,
                      absl::StrCat("the file ends there, it had ", scan.header.file_bytes,
                                   " bytes when it was begun"));
  }
  begun_bytes_ = scan.header.file_bytes;
  if (stated_end.has_value() && scan.end != *stated_end && !options_.mutants.Has(41)) {
    return Corruption(sequence, scan.end,
                      absl::StrCat("a frame is damaged; the segment ends at ", *stated_end));
  }
  result_->tail.sequence = sequence;
  result_->tail.end = scan.end;
  result_->tail.chain = scan.chain;
  result_->next_sequence = std::max(result_->next_sequence, scan.next_sequence);
  result_->torn_tail_bytes = scan.torn_bytes;
  return absl::OkStatus();
}

absl::Status Scanner::ScanAll(LogIndex* index, Gatherer* gatherer) {
  std::vector<std::shared_ptr<SegmentFile>> files;
  for (uint64_t sequence : segments_) {
    absl::StatusOr<std::unique_ptr<SegmentFile>> file = directory_->Open(SegmentName(sequence));
    if (!file.ok()) return file.status();
    files.push_back(*std::move(file));
  }
  if (!segments_.empty()) index->BeginSegments(static_cast<uint32_t>(segments_.front()));
  for (size_t i = 0; i < segments_.size(); ++i) {
    const uint64_t sequence = segments_[i];
    const bool newest = i + 1 == segments_.size();
    std::optional<uint64_t> stated_end;
    if (!newest) {
      auto next = ReadHeader(sequence + 1, files[i + 1].get());
      if (!next.ok()) return next.status();
      if (next->has_value()) stated_end = (*next)->previous_end;
    }
    absl::StatusOr<SegmentScan> scan = Scan(sequence, stated_end, files[i].get(), gatherer);
    if (!scan.ok()) return scan.status();
    const uint64_t size = files[i]->Size();
    if (absl::Status status = TakeScan(sequence, size, stated_end, *scan); !status.ok()) {
      return status;
    }
    if (!scan->started) {
      // Fine for a file that was to become the next segment, and nothing but that.
      if (!newest || (i == 0 && sequence != 1)) {
        return Corruption(sequence, 0, "the header is damaged");
      }
      // It has its whole size before it gets its name; flags may have changed since.
      uint64_t least = options_.segment_bytes;
      if (begun_bytes_ != 0) least = std::min(least, begun_bytes_);
      if (size < least && !options_.mutants.Has(41)) {
        return Corruption(sequence, size,
                          absl::StrCat("the file ends there, it was made with ", least, " bytes"));
      }
      result_->tail.next = files[i];
      continue;
    }
    if (!newest && !stated_end.has_value() && scan->torn_bytes != 0) {
      // The next file got its name after every write to this one was synced.
      return Corruption(sequence, scan->end, "the last frame is damaged");
    }
    if (!newest && i + 2 < segments_.size() && !stated_end.has_value()) {
      return Corruption(sequence + 1, 0, "the header is damaged");
    }
    index->AddSegment(static_cast<uint32_t>(sequence));
    result_->files[static_cast<uint32_t>(sequence)] = files[i];
    result_->tail.file = files[i];
  }
  return absl::OkStatus();
}

absl::Status Scanner::CutTail() {
  SegmentSet::Tail& tail = result_->tail;
  if (tail.file == nullptr) return absl::OkStatus();
  if (result_->torn_tail_bytes != 0) {
    const std::string zeros(kFrameHeaderBytes, '\0');
    absl::Status status = tail.file->Write(tail.end, zeros);
    if (!status.ok()) return status;
  }
  // Also what was whole may have been read from the memory of the operating system only.
  return tail.file->Sync();
}

}  // namespace

absl::StatusOr<RecoveryResult> Recover(const RecoveryOptions& options, SegmentDirectory* directory,
                                       LogIndex* index) {
  CHECK(options.store.IsSet());
  RecoveryResult result;
  Gatherer gatherer;
  Scanner scanner(options, directory, &result);
  if (absl::Status status = scanner.List(); !status.ok()) return status;
  if (absl::Status status = scanner.ScanAll(index, &gatherer); !status.ok()) return status;
  if (absl::Status status = gatherer.Finish(index, &result); !status.ok()) return status;
  if (absl::Status status = scanner.CutTail(); !status.ok()) return status;
  return result;
}

}  // namespace rasputin::consensus::log
