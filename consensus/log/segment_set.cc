// Rotation, recycling and the reserve of segment files.

#include "consensus/log/segment_set.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rasputin::consensus::log {
namespace {

constexpr absl::string_view kSegmentPrefix = "segment-";
constexpr absl::string_view kSparePrefix = "spare-";
constexpr size_t kDigits = 16;
// Spares beyond the reserve that are kept for reuse before their space is given back to the disk.
constexpr uint64_t kSparesKept = 4;

bool ParseName(absl::string_view name, absl::string_view prefix, uint64_t* number) {
  if (!absl::StartsWith(name, prefix) || name.size() != prefix.size() + kDigits) return false;
  *number = 0;
  for (char c : name.substr(prefix.size())) {
    const char* digits = "0123456789abcdef";
    const absl::string_view all(digits, kDigits);
    const size_t digit = all.find(c);
    if (digit == absl::string_view::npos) return false;
    *number = *number * 16 + digit;
  }
  return true;
}

}  // namespace

std::string SegmentName(uint64_t sequence) {
  return absl::StrFormat("%s%016x", kSegmentPrefix, sequence);
}
std::string SpareName(uint64_t number) { return absl::StrFormat("%s%016x", kSparePrefix, number); }
bool ParseSegmentName(absl::string_view name, uint64_t* sequence) {
  return ParseName(name, kSegmentPrefix, sequence);
}
bool ParseSpareName(absl::string_view name, uint64_t* number) {
  return ParseName(name, kSparePrefix, number);
}

SegmentSet::SegmentSet(const Options& options, SegmentDirectory* directory, Tail tail)
    : options_(options), directory_(directory), tail_(std::move(tail)) {
  CHECK_GT(options_.segment_bytes, 2u * kBufferHeadBytes);
  CHECK_LE(options_.segment_bytes, uint64_t{1} << 30);
}

absl::Status SegmentSet::Fail(const absl::Status& status) {
  if (!status.ok() && !absl::IsResourceExhausted(status) && failed_.ok()) failed_ = status;
  return status;
}

absl::Status SegmentSet::WriteFrame(std::string* buffer, uint32_t records, uint64_t next_sequence,
                                    bool sync, Written* written) {
  if (!failed_.ok()) return failed_;
  CHECK_GT(buffer->size(), kBufferHeadBytes);
  FrameHeader frame;
  frame.body_bytes = static_cast<uint32_t>(buffer->size() - kBufferHeadBytes);
  CHECK_LE(buffer->size(), size_t{1} << 30);
  frame.body_crc = Crc32c(0, absl::string_view(*buffer).substr(kBufferHeadBytes));
  frame.records = records;
  frame.next_sequence = next_sequence;
  frame.synced_segment = tail_.sequence;
  frame.synced_offset = static_cast<uint32_t>(tail_.end);
  const uint64_t needed = AlignFrame(kFrameHeaderBytes + uint64_t{frame.body_bytes});
  // Once the next file has its name, nothing more is written to this one: recovery relies on it.
  const bool fits =
      tail_.next == nullptr && tail_.file != nullptr && tail_.end + needed <= tail_.file->Size();
  const size_t unpadded = buffer->size();
  buffer->resize(kBufferHeadBytes + needed - kFrameHeaderBytes);
  absl::Status status;
  if (fits) {
    status = WriteActive(buffer, frame, sync);
  } else {
    status = EnsureNext();
    if (status.ok()) status = WriteNext(buffer, frame, sync);
    if (status.ok()) written->opened = tail_.file;
  }
  if (!status.ok()) {
    buffer->resize(unpadded);  // For a second attempt.
    return Fail(status);
  }
  written->segment = tail_.sequence;
  written->body_offset = tail_.end - needed + kFrameHeaderBytes;
  return absl::OkStatus();
}

absl::Status SegmentSet::WriteActive(std::string* buffer, FrameHeader frame, bool sync) {
  frame.previous_crc = tail_.chain;
  EncodeFrameHeader(&frame, tail_.sequence, tail_.end, &(*buffer)[kSegmentHeaderBytes]);
  const absl::string_view bytes = absl::string_view(*buffer).substr(kSegmentHeaderBytes);
  absl::Status status = tail_.file->Write(tail_.end, bytes);
  if (!status.ok()) return status;
  if (sync) {
    // Whatever a sync answers, even "no space": its pages may be gone. Never tried again [H-18].
    status = tail_.file->Sync();
    if (!status.ok()) return absl::InternalError(absl::StrCat("sync failed: ", status.message()));
    syncs_ += 1;
  }
  tail_.end += bytes.size();
  tail_.chain = frame.crc;
  bytes_written_ += bytes.size();
  return absl::OkStatus();
}

absl::Status SegmentSet::WriteNext(std::string* buffer, FrameHeader frame, bool sync) {
  SegmentHeader header;
  header.store = options_.store;
  header.sequence = tail_.sequence + 1;
  header.previous_end = static_cast<uint32_t>(tail_.end);
  // Before a frame that is larger makes it grow: a crash may keep the header of such a write alone.
  header.file_bytes = static_cast<uint32_t>(tail_.next->Size());
  EncodeSegmentHeader(&header, &(*buffer)[0]);
  frame.previous_crc = header.crc;
  EncodeFrameHeader(&frame, header.sequence, kSegmentHeaderBytes, &(*buffer)[kSegmentHeaderBytes]);
  absl::Status status = tail_.next->Write(0, *buffer);
  if (!status.ok()) return status;
  if (sync) {
    status = tail_.next->Sync();
    if (!status.ok()) return absl::InternalError(absl::StrCat("sync failed: ", status.message()));
    syncs_ += 1;
  }
  tail_.file = std::move(tail_.next);
  tail_.next = nullptr;
  tail_.sequence = header.sequence;
  tail_.end = buffer->size();
  tail_.chain = frame.crc;
  bytes_written_ += buffer->size();
  return absl::OkStatus();
}

absl::Status SegmentSet::TakeSpare() {
  CHECK(!tail_.spares.empty());
  const std::string name = SegmentName(tail_.sequence + 1);
  absl::Status status = directory_->Rename(tail_.spares.front(), name);
  if (!status.ok()) return status;
  tail_.spares.erase(tail_.spares.begin());
  absl::StatusOr<std::unique_ptr<SegmentFile>> file = directory_->Open(name);
  if (!file.ok()) return file.status();
  tail_.next = *std::move(file);
  return absl::OkStatus();
}

absl::Status SegmentSet::EnsureNext() {
  if (tail_.next != nullptr) return absl::OkStatus();
  if (tail_.spares.size() > options_.reserve_segments) return TakeSpare();
  absl::StatusOr<std::unique_ptr<SegmentFile>> file =
      directory_->Create(SegmentName(tail_.sequence + 1), options_.segment_bytes);
  if (file.ok()) {
    tail_.next = *std::move(file);
    return absl::OkStatus();
  }
  if (!absl::IsResourceExhausted(file.status())) return file.status();
  out_of_space_.store(true, std::memory_order_relaxed);
  if (!tail_.spares.empty()) return TakeSpare();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the disk is full and the reserve of the log is used up (", options_.reserve_segments,
      " segments of ", options_.segment_bytes, " bytes): free space for it to go on"));
}

absl::Status SegmentSet::AddSpare() {
  const std::string name = SpareName(tail_.next_spare);
  absl::StatusOr<std::unique_ptr<SegmentFile>> file =
      directory_->Create(name, options_.segment_bytes);
  if (!file.ok()) return file.status();
  tail_.next_spare += 1;
  tail_.spares.push_back(name);
  return absl::OkStatus();
}

absl::Status SegmentSet::Recycle(uint64_t sequence) {
  if (!failed_.ok()) return failed_;
  CHECK_LT(sequence, tail_.sequence) << "the active segment is in use";
  absl::StatusOr<std::unique_ptr<SegmentFile>> file = directory_->Open(SegmentName(sequence));
  if (!file.ok()) return Fail(file.status());
  // Each spare has the usual size: from a next segment that is smaller, recovery concludes that it
  // was cut short. Others were made under another option, or have grown.
  if ((*file)->Size() != options_.segment_bytes) {
    file->reset();
    return Fail(directory_->Remove(SegmentName(sequence)));
  }
  file->reset();
  const std::string name = SpareName(tail_.next_spare);
  absl::Status status = directory_->Rename(SegmentName(sequence), name);
  if (!status.ok()) return Fail(status);
  tail_.next_spare += 1;
  tail_.spares.push_back(name);
  return absl::OkStatus();
}

absl::Status SegmentSet::Maintain() {
  if (!failed_.ok()) return failed_;
  if (tail_.spares.size() > options_.reserve_segments + kSparesKept) {
    absl::Status status = directory_->Remove(tail_.spares.back());
    if (!status.ok()) return Fail(status);
    tail_.spares.pop_back();
  }
  while (tail_.spares.size() < options_.reserve_segments) {
    if (out_of_space()) {
      // Not before there is some space to spare: creating and failing for each write is costly.
      absl::StatusOr<uint64_t> free = directory_->FreeBytes();
      if (!free.ok()) return Fail(free.status());
      if (*free < options_.segment_bytes + options_.segment_bytes / 4) return absl::OkStatus();
    }
    absl::Status status = AddSpare();
    if (absl::IsResourceExhausted(status)) {
      out_of_space_.store(true, std::memory_order_relaxed);
      return absl::OkStatus();
    }
    if (!status.ok()) return Fail(status);
  }
  out_of_space_.store(false, std::memory_order_relaxed);
  return absl::OkStatus();
}

}  // namespace rasputin::consensus::log
