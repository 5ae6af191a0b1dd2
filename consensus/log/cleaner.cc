// The walk of cleaner.h, through a window of the file so that small frames cost no read each.

#include "consensus/log/cleaner.h"

#include <glog/logging.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "consensus/log/frame.h"
#include "consensus/log/segment_set.h"

namespace rasputin::consensus::log {
namespace {

constexpr uint64_t kWindowBytes = 256 << 10;

absl::Status Damaged(uint32_t segment, uint64_t offset) {
  return absl::DataLossError(
      absl::StrCat("the log is damaged: ", SegmentName(segment), " at offset ", offset));
}

}  // namespace

absl::Status Cleaner::CopyFrame(absl::string_view body, const Limits& limits, IsCurrent is_current,
                                std::string* buffer, std::vector<CopiedRecord>* copied,
                                bool* finished) {
  *finished = false;
  while (body_skipped_ < body.size()) {
    RecordView record;
    const uint64_t at = offset_ + kFrameHeaderBytes + body_skipped_;
    if (!DecodeRecord(body.substr(body_skipped_), &record)) return Damaged(segment_, at);
    RecordKey key;
    key.type = record.type;
    key.id = record.id;
    key.sequence = record.sequence;
    key.bytes = record.bytes;
    if (record.type == RecordType::kEntry) {
      Entry entry;
      if (!DecodeEntryHeader(record.payload, &entry)) return Damaged(segment_, at);
      key.index = entry.index;
    }
    const Place place{segment_, static_cast<uint32_t>(at)};
    if (is_current(key, place)) {
      if (buffer->size() + record.bytes > limits.buffer_bytes) return absl::OkStatus();
      key.offset = static_cast<uint32_t>(buffer->size());
      buffer->append(body.data() + body_skipped_, record.bytes);
      copied->push_back({key, place});
    }
    body_skipped_ += record.bytes;
  }
  *finished = true;
  return absl::OkStatus();
}

absl::Status Cleaner::Step(uint32_t segment, const SegmentFile& file, const Limits& limits,
                           IsCurrent is_current, std::string* buffer,
                           std::vector<CopiedRecord>* copied) {
  if (segment != segment_) {
    segment_ = segment;
    offset_ = kSegmentHeaderBytes;
    body_skipped_ = 0;
    at_end_ = false;
  }
  if (at_end_) return Damaged(segment_, offset_);
  const uint64_t size = file.Size();
  std::string window;
  for (uint64_t scanned = 0; scanned < limits.scan_bytes;) {
    uint64_t begin = offset_;
    absl::Status status = file.Read(begin, std::min(kWindowBytes, size - begin), &window);
    if (absl::IsOutOfRange(status)) return Damaged(segment_, begin);  // Cut short meanwhile.
    if (!status.ok()) return status;
    FrameHeader frame;
    while (true) {
      absl::string_view rest = absl::string_view(window).substr(offset_ - begin);
      if (rest.size() < kFrameHeaderBytes && begin + window.size() < size) break;
      if (!DecodeFrameHeader(rest, segment_, offset_, &frame)) {
        at_end_ = true;
        return absl::OkStatus();
      }
      const uint64_t whole = kFrameHeaderBytes + uint64_t{frame.body_bytes};
      if (whole > size - offset_) return Damaged(segment_, offset_);
      if (whole > rest.size()) {
        if (offset_ != begin) break;  // The next window begins with it.
        status = file.Read(begin, whole, &window);
        if (absl::IsOutOfRange(status)) return Damaged(segment_, begin);
        if (!status.ok()) return status;
        rest = window;
      }
      const absl::string_view body = rest.substr(kFrameHeaderBytes, frame.body_bytes);
      if (Crc32c(0, body) != frame.body_crc) return Damaged(segment_, offset_);
      bool finished = false;
      status = CopyFrame(body, limits, is_current, buffer, copied, &finished);
      if (!status.ok() || !finished) return status;
      scanned += AlignFrame(whole);
      bytes_scanned_ += AlignFrame(whole);
      offset_ = std::min(size, AlignFrame(offset_ + whole));
      body_skipped_ = 0;
      if (offset_ - begin >= window.size()) break;
    }
  }
  return absl::OkStatus();
}

}  // namespace rasputin::consensus::log
