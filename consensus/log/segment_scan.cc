// Walks the chain of frames; behind its end, looks for a frame that proves the end to be damage.

#include "consensus/log/segment_scan.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "consensus/log/last_frame.h"

namespace rasputin::consensus::log {
namespace {

// Calls `sink` for each record of a frame's body, which begins at `offset` of the file.
absl::Status ReadBody(absl::string_view body, uint32_t records, uint64_t offset, RecordSink sink) {
  for (uint32_t i = 0; i < records; ++i) {
    RecordView record;
    if (!DecodeRecord(body, &record)) {
      return absl::DataLossError(absl::StrCat("no record at offset ", offset));
    }
    if (absl::Status status = sink(record, offset); !status.ok()) return status;
    body.remove_prefix(record.bytes);
    offset += record.bytes;
  }
  if (body.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(body.size(), " bytes of no record at offset ", offset));
}

// The first frame header at or behind `from` that says that something behind `end` was synced.
std::optional<uint64_t> FindWitness(absl::string_view bytes, uint64_t sequence, uint64_t from,
                                    uint64_t end) {
  for (uint64_t at = AlignFrame(from); at + kFrameHeaderBytes <= bytes.size();
       at += kFrameAlignment) {
    // A cheap look before the checksum: the low byte of the segment that was synced.
    if (static_cast<uint8_t>(bytes[at + 24]) != static_cast<uint8_t>(sequence)) continue;
    FrameHeader header;
    if (!DecodeFrameHeader(bytes.substr(at), sequence, at, &header)) continue;
    if (header.synced_segment == sequence && header.synced_offset > end &&
        header.synced_offset <= at) {
      return at;
    }
  }
  return std::nullopt;
}

enum class FrameState { kWhole, kTorn, kNone };

// What is at scan.end: a whole frame that continues the chain, one with a damaged body, or neither.
FrameState LookAt(absl::string_view bytes, uint64_t sequence, const SegmentScan& scan,
                  FrameHeader* header) {
  if (scan.end + kFrameHeaderBytes > bytes.size()) return FrameState::kNone;
  const absl::string_view rest = bytes.substr(scan.end);
  if (!DecodeFrameHeader(rest, sequence, scan.end, header)) return FrameState::kNone;
  if (header->previous_crc != scan.chain) return FrameState::kNone;
  if (header->body_bytes > rest.size() - kFrameHeaderBytes) return FrameState::kTorn;
  const absl::string_view body = rest.substr(kFrameHeaderBytes, header->body_bytes);
  return Crc32c(0, body) == header->body_crc ? FrameState::kWhole : FrameState::kTorn;
}

// Mutant 40: what can be decoded of a torn frame is kept.
absl::Status KeepTornRecords(absl::string_view body, uint64_t offset, RecordSink sink) {
  RecordView record;
  while (DecodeRecord(body, &record)) {
    if (absl::Status status = sink(record, offset); !status.ok()) return status;
    body.remove_prefix(record.bytes);
    offset += record.bytes;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SegmentScan> ScanSegment(absl::string_view bytes, StoreId store, uint64_t sequence,
                                        std::optional<uint64_t> stated_end, const Mutants& mutants,
                                        RecordSink sink) {
  SegmentScan scan;
  absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(bytes);
  if (absl::IsFailedPrecondition(header.status())) return header.status();
  if (!header.ok() || header->sequence != sequence) {
    // Never begun, or begun by a write that was torn, unless a later frame says otherwise.
    scan.witness = FindWitness(bytes, sequence, kSegmentHeaderBytes, 0);
    scan.flipped = FindFlippedBitInSegmentHeader(bytes, sequence);
    return scan;
  }
  if (header->store != store) {
    return absl::FailedPreconditionError(absl::StrCat("the log belongs to store ",
                                                      header->store.value(), ", not to store ",
                                                      store.value(), ": check the data directory"));
  }
  scan.started = true;
  scan.header = *header;
  scan.end = kSegmentHeaderBytes;
  scan.chain = header->crc;
  scan.cut_short = header->file_bytes > bytes.size();
  FrameHeader frame;
  FrameState state = FrameState::kNone;
  while (!stated_end.has_value() || scan.end < *stated_end) {
    state = LookAt(bytes, sequence, scan, &frame);
    if (state != FrameState::kWhole) break;
    absl::Status read = ReadBody(bytes.substr(scan.end + kFrameHeaderBytes, frame.body_bytes),
                                 frame.records, scan.end + kFrameHeaderBytes, sink);
    if (!read.ok()) return read;
    scan.frames += 1;
    scan.chain = frame.crc;
    scan.next_sequence = frame.next_sequence;
    scan.end = AlignFrame(scan.end + kFrameHeaderBytes + frame.body_bytes);
  }
  if (stated_end.has_value()) return scan;
  uint64_t behind = scan.end + kFrameAlignment;
  if (state == FrameState::kTorn) {
    scan.torn_bytes = kFrameHeaderBytes + uint64_t{frame.body_bytes};
    // What a torn frame holds is clients' bytes: they bear witness to nothing.
    behind = scan.end + scan.torn_bytes;
  }
  scan.witness = FindWitness(bytes, sequence, behind, scan.end);
  if (!scan.witness.has_value()) {
    scan.flipped = FindFlippedBit(bytes, sequence, scan.end, scan.chain);
  }
  if (state == FrameState::kTorn && !scan.witness.has_value() && mutants.Has(40)) {
    const uint64_t body = scan.end + kFrameHeaderBytes;
    absl::Status kept = KeepTornRecords(bytes.substr(body, frame.body_bytes), body, sink);
    if (!kept.ok()) return kept;
  }
  return scan;
}

}  // namespace rasputin::consensus::log
