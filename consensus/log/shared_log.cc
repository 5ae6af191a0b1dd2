// The queue in front of the segments, and what connects index, cache, cleaner and files.
//
// Two domains: what the mutex guards (queue, index, cache, file handles), and the writer's own
// (segments_, cleaner_), touched only by the one job under way. A record is encoded, and its
// payload copied, when it is queued; a job is the buffer it was encoded into.

#include "consensus/log/shared_log.h"

#include <glog/logging.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "consensus/log/cleaner.h"
#include "consensus/log/entry_cache.h"
#include "consensus/log/frame.h"
#include "consensus/log/log_index.h"
#include "consensus/log/recovery.h"
#include "consensus/log/segment_set.h"

namespace rasputin::consensus::log {
namespace {

// Buffers up to this size are kept for the next job.
constexpr size_t kKeptBufferBytes = 2 << 20;
// A write of n bytes pays for reading this many times n of the oldest segment, and a step begins
// once enough is paid for: cleaning keeps ahead of writing and never costs a small write much.
constexpr uint64_t kScanPerByteWritten = 4;
constexpr uint64_t kScanStepBytes = 256 << 10;
constexpr uint64_t kScanMinPerWrite = 4 << 10;
// One record larger than a segment gets a segment of its own that is as large as it must be.
constexpr uint64_t kRecordBytesMax = 512 << 20;
// Adjacent entries on disk are read together up to this span.
constexpr uint64_t kReadSpanBytes = 1 << 20;
constexpr uint64_t kReadGapBytes = 4 << 10;

uint64_t ReserveSegments(const LogOptions& options) {
  if (options.reserve_bytes == 0) return 0;
  return std::max<uint64_t>(
      2, (options.reserve_bytes + options.segment_bytes - 1) / options.segment_bytes);
}

// Records encoded one behind the other, with room for the headers before them.
struct Chunk {
  std::string bytes;
  std::vector<RecordKey> keys;
  uint64_t next_sequence = 0;  // Above all of the chunk's own records.
  Lsn last;                    // Everything up to here is in this chunk or an earlier one.
  bool urgent = false;
};

}  // namespace

struct WriteJob::Body {
  Chunk chunk;
  size_t own_bytes = 0;           // Of the chunk, without copies.
  std::vector<uint32_t> recycle;  // Segments to give back first.
  uint32_t clean_segment = 0;     // 0: none.
  std::shared_ptr<SegmentFile> clean_file;
  bool cleaned = false;
  std::vector<CopiedRecord> copied;
  SegmentSet::Written written;
  bool executed = false;
};

WriteJob::WriteJob(std::unique_ptr<Body> body) : body_(std::move(body)) {}
WriteJob::~WriteJob() = default;
uint64_t WriteJob::size_bytes() const { return body_->own_bytes - kBufferHeadBytes; }

class SharedLog::Impl {
 public:
  Impl(const LogOptions& options, SegmentDirectory* directory)
      : options_(options), directory_(directory), cache_(options.cache_bytes) {}

  absl::Status Open(Recovered* recovered);
  Lsn Append(const std::vector<RangeAppend>& appends);
  Lsn AppendLeases(const std::vector<lease::PairState>& pairs, Epoch counter);
  Lsn AppendDiskProbe();
  void Cut(RangeId range, Index index);
  Index KeepingBytes(RangeId range, Index last, uint64_t bytes) const;

  bool HasPending() const;
  std::unique_ptr<WriteJob::Body> TakeWrite();
  absl::Status Execute(WriteJob::Body* job);
  Lsn FinishWrite(std::unique_ptr<WriteJob::Body> job);
  Lsn durable() const;
  bool OutOfSpace() const { return segments_->out_of_space(); }
  absl::Status CheckSpace() { return segments_->Maintain(); }

  absl::StatusOr<std::vector<Entry>> ReadEntries(RangeId range, Index first, Index last,
                                                 uint64_t max_bytes) const;
  LogPosition Start(RangeId range) const;
  LogPosition Last(RangeId range) const;
  Term TermAt(RangeId range, Index index) const;
  Stats stats() const;
  absl::Status read_failure() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return read_failure_;
  }

 private:
  // An entry to be read from disk, for ReadEntries.
  struct DiskRead {
    size_t slot = 0;  // In the result.
    uint64_t sequence = 0;
    Place place;
    uint32_t bytes = 0;
    std::shared_ptr<SegmentFile> file;
  };

  // All below: with the mutex held.
  void AppendRange(const RangeAppend& append);
  void AppendLogStart(RangeId range, const LogPosition& start);
  uint64_t NextSequence() { return next_sequence_++; }
  std::string* Room(uint64_t record_bytes);
  void Encoded(RecordType type, uint64_t id, uint64_t sequence, uint32_t bytes,
               Index index = Index());
  Lsn Close(bool urgent);
  void PlanRecycling(WriteJob::Body* job);
  void PlanCleaning(WriteJob::Body* job);

  // Of the writer.
  absl::Status Clean(WriteJob::Body* job);

  static absl::Status ReadFromDisk(RangeId range, const std::vector<DiskRead>& reads,
                                   std::vector<Entry>* entries);

  const LogOptions options_;
  SegmentDirectory* const directory_;

  mutable std::mutex mutex_;
  LogIndex index_;
  EntryCache cache_;
  std::map<uint32_t, std::shared_ptr<SegmentFile>> files_;
  std::deque<Chunk> queue_;
  std::vector<Chunk> free_chunks_;
  uint64_t next_sequence_ = 1;
  uint64_t chunk_bytes_max_ = 0;
  Lsn last_;
  Lsn durable_;
  bool in_flight_ = false;
  // When nothing in the first segment was current any more, and what had been appended by then: it
  // may be given back once all of that is durable, among it what made its records void.
  uint32_t release_segment_ = 0;
  Lsn release_after_;
  uint64_t scan_paid_ = 0;
  mutable absl::Status read_failure_;
  Stats stats_;

  std::unique_ptr<SegmentSet> segments_;
  Cleaner cleaner_;
};

absl::Status SharedLog::Impl::Open(Recovered* recovered) {
  RecoveryOptions recovery;
  recovery.store = options_.store;
  recovery.segment_bytes = options_.segment_bytes;
  recovery.mutants = options_.mutants;
  absl::StatusOr<RecoveryResult> found = Recover(recovery, directory_, &index_);
  if (!found.ok()) return found.status();
  recovered->created = found->tail.sequence == 0;
  recovered->torn_tail_bytes = found->torn_tail_bytes;
  recovered->leases = std::move(found->leases);
  for (const auto& [range, known] : found->ranges) {
    recovered->ranges[range] = {known.hard_state, known.start, known.last};
  }
  files_ = std::move(found->files);
  next_sequence_ = found->next_sequence;
  SegmentSet::Options set_options;
  set_options.store = options_.store;
  set_options.segment_bytes = options_.segment_bytes;
  set_options.reserve_segments = ReserveSegments(options_);
  segments_ = std::make_unique<SegmentSet>(set_options, directory_, std::move(found->tail));
  chunk_bytes_max_ = std::min(options_.write_bytes_max, segments_->BodyBytesMax() / 2);
  // The first frame bears witness that all that was recovered is synced, and overwrites the place
  // where a torn tail was.
  AppendDiskProbe();
  std::unique_ptr<WriteJob::Body> job = TakeWrite();
  if (absl::Status status = Execute(job.get()); !status.ok()) return status;
  FinishWrite(std::move(job));
  return absl::OkStatus();
}

std::string* SharedLog::Impl::Room(uint64_t record_bytes) {
  CHECK_LE(record_bytes, kRecordBytesMax);
  if (queue_.empty() || (queue_.back().bytes.size() > kBufferHeadBytes &&
                         queue_.back().bytes.size() + record_bytes > chunk_bytes_max_)) {
    if (free_chunks_.empty()) {
      queue_.emplace_back();
    } else {
      queue_.push_back(std::move(free_chunks_.back()));
      free_chunks_.pop_back();
    }
    queue_.back().bytes.resize(kBufferHeadBytes);
  }
  return &queue_.back().bytes;
}

// Notes the record that was just encoded at the end of the newest chunk.
void SharedLog::Impl::Encoded(RecordType type, uint64_t id, uint64_t sequence, uint32_t bytes,
                              Index index) {
  Chunk& chunk = queue_.back();
  RecordKey key;
  key.type = type;
  key.id = id;
  key.index = index;
  key.sequence = sequence;
  key.offset = static_cast<uint32_t>(chunk.bytes.size() - bytes);
  key.bytes = bytes;
  chunk.keys.push_back(key);
  chunk.next_sequence = sequence + 1;
  stats_.records += 1;
}

Lsn SharedLog::Impl::Close(bool urgent) {
  CHECK(!queue_.empty());
  last_ = last_.Next();
  queue_.back().last = last_;
  queue_.back().urgent |= urgent;
  return last_;
}

void SharedLog::Impl::AppendLogStart(RangeId range, const LogPosition& start) {
  const uint64_t sequence = NextSequence();
  const LogStartRecord record = index_.SetStart(range, start, sequence);
  AppendLogStartRecord(range, sequence, record, Room(kLogStartRecordBytes));
  Encoded(RecordType::kLogStart, range.value(), sequence, kLogStartRecordBytes);
}

void SharedLog::Impl::AppendRange(const RangeAppend& append) {
  const RangeId range = append.range;
  CHECK(range.IsSet());
  if (append.removed) {
    CHECK(!append.hard_state.has_value() && !append.log_start.has_value() && append.entries.empty())
        << "range " << range << ": a removal stands alone";
    const uint64_t sequence = NextSequence();
    index_.Remove(range);
    AppendRemovedRecord(range, sequence, Room(kRemovedRecordBytes));
    Encoded(RecordType::kRemoved, range.value(), sequence, kRemovedRecordBytes);
    return;
  }
  if (append.hard_state.has_value()) {
    const uint64_t sequence = NextSequence();
    index_.SetHardState(range, sequence);
    AppendHardStateRecord(range, sequence, *append.hard_state, Room(kHardStateRecordBytes));
    Encoded(RecordType::kHardState, range.value(), sequence, kHardStateRecordBytes);
  }
  if (append.log_start.has_value()) AppendLogStart(range, *append.log_start);
  Index previous;
  for (const Entry& entry : append.entries) {
    CHECK(!previous.IsSet() || entry.index == previous.Next()) << "range " << range;
    previous = entry.index;
    const uint64_t sequence = NextSequence();
    const uint64_t payload = entry.payload.size();
    std::string* bytes = Room(kRecordHeaderBytes + kEntryHeaderBytes + payload);
    const uint32_t size = EntryRecordBytes(static_cast<uint32_t>(payload));
    index_.AppendEntry(range, entry.index,
                       {entry.term, sequence, Place(), static_cast<uint32_t>(payload), entry.type});
    AppendEntryRecord(range, sequence, entry, bytes);
    Encoded(RecordType::kEntry, range.value(), sequence, size, entry.index);
    cache_.Add(sequence, entry.payload);
  }
}

Lsn SharedLog::Impl::Append(const std::vector<RangeAppend>& appends) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t before = next_sequence_;
  for (const RangeAppend& append : appends) AppendRange(append);
  return next_sequence_ == before ? last_ : Close(/*urgent=*/true);
}

Lsn SharedLog::Impl::AppendLeases(const std::vector<lease::PairState>& pairs, Epoch counter) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t before = next_sequence_;
  if (counter.IsSet()) {
    const uint64_t sequence = NextSequence();
    index_.SetEpochCounter(sequence);
    AppendEpochCounterRecord(sequence, counter, Room(kEpochCounterRecordBytes));
    Encoded(RecordType::kEpochCounter, 0, sequence, kEpochCounterRecordBytes);
  }
  for (const lease::PairState& pair : pairs) {
    CHECK(pair.peer.IsSet());
    const uint64_t sequence = NextSequence();
    index_.SetLeasePair(pair.peer, sequence);
    AppendLeasePairRecord(sequence, pair, Room(kLeasePairRecordBytes));
    Encoded(RecordType::kLeasePair, pair.peer.value(), sequence, kLeasePairRecordBytes);
  }
  return next_sequence_ == before ? last_ : Close(/*urgent=*/true);
}

Lsn SharedLog::Impl::AppendDiskProbe() {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t sequence = NextSequence();
  AppendDiskProbeRecord(sequence, Room(kDiskProbeRecordBytes));
  Encoded(RecordType::kDiskProbe, 0, sequence, kDiskProbeRecordBytes);
  return Close(/*urgent=*/true);
}

void SharedLog::Impl::Cut(RangeId range, Index index) {
  std::lock_guard<std::mutex> lock(mutex_);
  const RangeIndex* known = index_.Find(range);
  CHECK(known != nullptr) << "range " << range << " is not known";
  if (index <= known->start().index) return;
  AppendLogStart(range, {known->TermAt(index), index});
  Close(/*urgent=*/false);
}

Index SharedLog::Impl::KeepingBytes(RangeId range, Index last, uint64_t bytes) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const RangeIndex* known = index_.Find(range);
  CHECK(known != nullptr) << "range " << range << " is not known";
  CHECK(last <= known->last_index()) << "range " << range;
  uint64_t left = bytes;
  Index kept = last;
  while (known->Holds(kept)) {
    const uint64_t size = kRecordHeaderBytes + kEntryHeaderBytes + known->At(kept).payload_bytes;
    if (size > left) break;
    left -= size;
    kept = kept.Previous();
  }
  return std::max(kept, known->start().index);
}

bool SharedLog::Impl::HasPending() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return queue_.size() > 1 || (!queue_.empty() && queue_.front().urgent);
}

// Nothing in the oldest segments is current, and what made it void is durable: they may go.
void SharedLog::Impl::PlanRecycling(WriteJob::Body* job) {
  constexpr size_t kPerJob = 2;
  while (job->recycle.size() < kPerJob && index_.segments() > 1) {
    const uint32_t first = index_.first_segment();
    if (index_.LiveIn(first) != 0) return;
    if (release_segment_ != first) {
      release_segment_ = first;
      release_after_ = last_;
    }
    if (durable_ < release_after_) return;
    auto file = files_.find(first);
    CHECK(file != files_.end());
    if (file->second.use_count() > 1) return;  // Being read.
    files_.erase(file);
    index_.DropFirstSegment();
    stats_.segments_recycled += 1;
    job->recycle.push_back(first);
  }
}

// Worth the copying: little of the oldest segment is current, or little of the whole log.
void SharedLog::Impl::PlanCleaning(WriteJob::Body* job) {
  scan_paid_ += std::max<uint64_t>(kScanMinPerWrite, kScanPerByteWritten * job->chunk.bytes.size());
  const size_t segments = index_.segments();
  if (segments < (OutOfSpace() ? 2 : 3)) return;
  const uint32_t first = index_.first_segment();
  const uint64_t live = index_.LiveIn(first);
  const bool little = live * 4 <= options_.segment_bytes;
  const bool mostly_void =
      segments > 3 && index_.live_bytes() * 2 <= segments * options_.segment_bytes;
  if (live == 0 || (!little && !mostly_void)) {
    scan_paid_ = 0;
    return;
  }
  if (scan_paid_ < std::min(kScanStepBytes, options_.segment_bytes / 8)) return;
  job->clean_segment = first;
  job->clean_file = files_.at(first);
}

std::unique_ptr<WriteJob::Body> SharedLog::Impl::TakeWrite() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (in_flight_ || queue_.empty() || (queue_.size() == 1 && !queue_.front().urgent)) {
    return nullptr;
  }
  auto job = std::make_unique<WriteJob::Body>();
  job->chunk = std::move(queue_.front());
  queue_.pop_front();
  job->own_bytes = job->chunk.bytes.size();
  PlanRecycling(job.get());
  PlanCleaning(job.get());
  in_flight_ = true;
  return job;
}

absl::Status SharedLog::Impl::Clean(WriteJob::Body* job) {
  Cleaner::Limits limits;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    limits.scan_bytes = std::min<uint64_t>(scan_paid_, 4 * kScanStepBytes);
  }
  limits.buffer_bytes = kBufferHeadBytes + segments_->BodyBytesMax();
  const uint64_t before = cleaner_.bytes_scanned();
  auto is_current = [this](const RecordKey& key, const Place& place) {
    std::lock_guard<std::mutex> lock(mutex_);
    return index_.IsCurrent(key, place);
  };
  absl::Status status = cleaner_.Step(job->clean_segment, *job->clean_file, limits, is_current,
                                      &job->chunk.bytes, &job->copied);
  job->clean_file = nullptr;
  std::lock_guard<std::mutex> lock(mutex_);
  scan_paid_ -= std::min(scan_paid_, cleaner_.bytes_scanned() - before);
  return status;
}

absl::Status SharedLog::Impl::Execute(WriteJob::Body* job) {
  CHECK(!job->executed);
  while (!job->recycle.empty()) {
    absl::Status status = segments_->Recycle(job->recycle.front());
    if (!status.ok()) return status;
    job->recycle.erase(job->recycle.begin());
  }
  if (absl::Status status = segments_->Maintain(); !status.ok()) return status;
  if (job->clean_segment != 0 && !job->cleaned) {
    job->cleaned = true;
    if (absl::Status status = Clean(job); !status.ok()) return status;
  }
  const uint32_t records = static_cast<uint32_t>(job->chunk.keys.size() + job->copied.size());
  absl::Status status = segments_->WriteFrame(&job->chunk.bytes, records, job->chunk.next_sequence,
                                              /*sync=*/!options_.mutants.Has(29), &job->written);
  job->executed = status.ok();
  return status;
}

Lsn SharedLog::Impl::FinishWrite(std::unique_ptr<WriteJob::Body> job) {
  CHECK(job != nullptr);
  CHECK(job->executed) << "a job that failed must not be reported";
  std::lock_guard<std::mutex> lock(mutex_);
  CHECK(in_flight_);
  in_flight_ = false;
  const uint32_t segment = static_cast<uint32_t>(job->written.segment);
  if (job->written.opened != nullptr) {
    if (index_.segments() == 0) index_.BeginSegments(segment);
    index_.AddSegment(segment);
    files_[segment] = std::move(job->written.opened);
  }
  const uint64_t shift = job->written.body_offset - kBufferHeadBytes;
  auto place = [&](const RecordKey& key) {
    return Place{segment, static_cast<uint32_t>(key.offset + shift)};
  };
  for (const RecordKey& key : job->chunk.keys) index_.SetPlace(key, place(key));
  for (const CopiedRecord& copy : job->copied) {
    index_.Move(copy.key, copy.from, place(copy.key));
    stats_.bytes_copied += copy.key.bytes;
  }
  cache_.SetWrittenBelow(job->chunk.next_sequence);
  durable_ = std::max(durable_, job->chunk.last);
  stats_.syncs = segments_->syncs();
  stats_.bytes_written = segments_->bytes_written();
  if (free_chunks_.size() < 2 && job->chunk.bytes.capacity() <= kKeptBufferBytes) {
    job->chunk.bytes.clear();
    job->chunk.keys.clear();
    job->chunk.last = Lsn();
    job->chunk.urgent = false;
    free_chunks_.push_back(std::move(job->chunk));
  }
  return durable_;
}

Lsn SharedLog::Impl::durable() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return durable_;
}

absl::StatusOr<std::vector<Entry>> SharedLog::Impl::ReadEntries(RangeId range, Index first,
                                                                Index last,
                                                                uint64_t max_bytes) const {
  std::vector<Entry> entries;
  std::vector<DiskRead> reads;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const RangeIndex* known = index_.Find(range);
    if (known == nullptr || !known->Holds(first)) {
      return absl::OutOfRangeError(
          absl::StrCat("entry ", first.value(), " of range ", range.value(), " is not in the log"));
    }
    last = std::min(last, known->last_index());
    uint64_t bytes = 0;
    for (Index at = first; at <= last; at = at.Next()) {
      const EntryRef& ref = known->At(at);
      if (!entries.empty() && bytes + ref.payload_bytes > max_bytes) break;
      bytes += ref.payload_bytes;
      entries.push_back({ref.term, at, ref.type, absl::Cord()});
      if (const absl::Cord* cached = cache_.Find(ref.sequence); cached != nullptr) {
        entries.back().payload = *cached;
        continue;
      }
      CHECK_GT(ref.place.segment, 0u) << "an entry is neither in memory nor on disk";
      reads.push_back({entries.size() - 1, ref.sequence, ref.place,
                       EntryRecordBytes(ref.payload_bytes), files_.at(ref.place.segment)});
    }
  }
  if (absl::Status status = ReadFromDisk(range, reads, &entries); !status.ok()) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (read_failure_.ok()) read_failure_ = status;
    return status;
  }
  return entries;
}

absl::Status SharedLog::Impl::ReadFromDisk(RangeId range, const std::vector<DiskRead>& reads,
                                           std::vector<Entry>* entries) {
  std::string bytes;
  for (size_t i = 0; i < reads.size();) {
    const uint64_t begin = reads[i].place.offset;
    uint64_t end = begin + reads[i].bytes;
    size_t next = i + 1;
    for (; next < reads.size() && reads[next].place.segment == reads[i].place.segment; ++next) {
      const uint64_t offset = reads[next].place.offset;
      if (offset < end || offset > end + kReadGapBytes) break;
      if (offset + reads[next].bytes > begin + kReadSpanBytes) break;
      end = offset + reads[next].bytes;
    }
    absl::Status status = reads[i].file->Read(begin, end - begin, &bytes);
    if (absl::IsOutOfRange(status)) {
      return absl::DataLossError(
          absl::StrCat("the log is damaged: ", SegmentName(reads[i].place.segment), " at offset ",
                       begin, ": ", status.message()));
    }
    if (!status.ok()) return status;
    for (; i < next; ++i) {
      Entry& entry = (*entries)[reads[i].slot];
      Entry found;
      RecordView record;
      if (!DecodeRecord(absl::string_view(bytes).substr(reads[i].place.offset - begin), &record) ||
          record.type != RecordType::kEntry || record.id != range.value() ||
          record.sequence != reads[i].sequence || !DecodeEntry(record.payload, &found) ||
          found.index != entry.index || found.term != entry.term) {
        return absl::DataLossError(absl::StrCat(
            "the log is damaged: ", SegmentName(reads[i].place.segment), " at offset ",
            reads[i].place.offset, ": entry ", entry.index.value(), " of range ", range.value()));
      }
      entry.payload = std::move(found.payload);
    }
  }
  return absl::OkStatus();
}

LogPosition SharedLog::Impl::Start(RangeId range) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const RangeIndex* known = index_.Find(range);
  return known == nullptr ? LogPosition() : known->start();
}

LogPosition SharedLog::Impl::Last(RangeId range) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const RangeIndex* known = index_.Find(range);
  return known == nullptr ? LogPosition() : known->last();
}

Term SharedLog::Impl::TermAt(RangeId range, Index index) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const RangeIndex* known = index_.Find(range);
  if (known == nullptr && !index.IsSet()) return Term();
  CHECK(known != nullptr) << "range " << range << " is not known";
  return known->TermAt(index);
}

SharedLog::Stats SharedLog::Impl::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  Stats stats = stats_;
  stats.segments = index_.segments();
  stats.bytes_live = index_.live_bytes();
  stats.cache_bytes = cache_.bytes();
  return stats;
}

absl::StatusOr<std::unique_ptr<SharedLog>> SharedLog::Open(const LogOptions& options,
                                                           SegmentDirectory* directory,
                                                           Recovered* recovered) {
  CHECK(directory != nullptr && recovered != nullptr);
  *recovered = Recovered();
  auto impl = std::make_unique<Impl>(options, directory);
  if (absl::Status status = impl->Open(recovered); !status.ok()) return status;
  return std::unique_ptr<SharedLog>(new SharedLog(std::move(impl)));
}

SharedLog::SharedLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SharedLog::~SharedLog() = default;

Lsn SharedLog::Append(std::vector<RangeAppend> appends) { return impl_->Append(appends); }
Lsn SharedLog::AppendLeases(const std::vector<lease::PairState>& pairs, Epoch counter) {
  return impl_->AppendLeases(pairs, counter);
}
Lsn SharedLog::AppendDiskProbe() { return impl_->AppendDiskProbe(); }
bool SharedLog::HasPending() const { return impl_->HasPending(); }

std::unique_ptr<WriteJob> SharedLog::TakeWrite() {
  std::unique_ptr<WriteJob::Body> body = impl_->TakeWrite();
  if (body == nullptr) return nullptr;
  return std::unique_ptr<WriteJob>(new WriteJob(std::move(body)));
}

absl::Status SharedLog::Execute(WriteJob* job) { return impl_->Execute(job->body_.get()); }

Lsn SharedLog::FinishWrite(std::unique_ptr<WriteJob> job) {
  CHECK(job != nullptr);
  return impl_->FinishWrite(std::move(job->body_));
}

Lsn SharedLog::durable() const { return impl_->durable(); }
bool SharedLog::OutOfSpace() const { return impl_->OutOfSpace(); }
absl::Status SharedLog::CheckSpace() { return impl_->CheckSpace(); }

absl::StatusOr<std::vector<Entry>> SharedLog::ReadEntries(RangeId range, Index first, Index last,
                                                          uint64_t max_bytes) const {
  return impl_->ReadEntries(range, first, last, max_bytes);
}

absl::Status SharedLog::read_failure() const { return impl_->read_failure(); }
Term SharedLog::TermAt(RangeId range, Index index) const { return impl_->TermAt(range, index); }
LogPosition SharedLog::Start(RangeId range) const { return impl_->Start(range); }
LogPosition SharedLog::Last(RangeId range) const { return impl_->Last(range); }
Index SharedLog::KeepingBytes(RangeId range, Index last, uint64_t bytes) const {
  return impl_->KeepingBytes(range, last, bytes);
}
void SharedLog::Cut(RangeId range, Index index) { impl_->Cut(range, index); }
SharedLog::Stats SharedLog::stats() const { return impl_->stats(); }

}  // namespace rasputin::consensus::log
