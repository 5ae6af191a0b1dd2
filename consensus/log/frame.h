// Bytes of the shared log: segment headers, frames and records (README.md has a worked example).
//
// Encoding and decoding only: no files, no state. All integers are little-endian. Decoders take any
// bytes whatever and never read outside of them. Thread-safe (free functions on values).

#ifndef RASPUTIN_CONSENSUS_LOG_FRAME_H_
#define RASPUTIN_CONSENSUS_LOG_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "consensus/core/message.h"
#include "consensus/core/ready.h"
#include "consensus/core/types.h"
#include "consensus/lease/store_leases.h"

namespace rasputin::consensus::log {

inline constexpr uint32_t kFormat = 1;
inline constexpr uint32_t kSegmentHeaderBytes = 64;
inline constexpr uint32_t kFrameHeaderBytes = 40;
inline constexpr uint32_t kRecordHeaderBytes = 25;
inline constexpr uint32_t kEntryHeaderBytes = 17;  // Term, index and type before the payload.
inline constexpr uint32_t kFrameAlignment = 8;     // Frames begin at multiples of it.

// CRC-32C (Castagnoli) of `bytes`, continuing from `crc` (0 at first).
uint32_t Crc32c(uint32_t crc, absl::string_view bytes);

constexpr uint64_t AlignFrame(uint64_t offset) {
  return (offset + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

// ---- Segment header.

struct SegmentHeader {
  StoreId store;
  uint64_t sequence = 0;      // Of the segment: 1, 2, ... without gaps.
  uint32_t previous_end = 0;  // Where the frames of the segment before it end; 0: it is the first.
  uint32_t file_bytes = 0;    // Of the file when the segment was begun; 0: not recorded.
  uint32_t crc = 0;           // Of the header; set by the functions below.
};
// Writes kSegmentHeaderBytes at `out`, and sets header->crc.
void EncodeSegmentHeader(SegmentHeader* header, char* out);
// DATA_LOSS: not a header, or damaged. FAILED_PRECONDITION: whole, but of a newer format.
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(absl::string_view bytes);

// ---- Frame header.

struct FrameHeader {
  uint32_t body_bytes = 0;
  uint32_t body_crc = 0;
  uint32_t records = 0;
  uint64_t next_sequence = 0;  // Above the sequence of every record written so far.
  // Everything before this place was synced when the frame was made: damage there is corruption.
  uint64_t synced_segment = 0;
  uint32_t synced_offset = 0;
  uint32_t previous_crc = 0;  // Header crc of the frame (or segment header) before it: the chain.
  uint32_t crc = 0;           // Of the header, its segment's sequence and its offset; set below.
};
// Writes kFrameHeaderBytes at `out`, and sets header->crc.
void EncodeFrameHeader(FrameHeader* header, uint64_t segment, uint64_t offset, char* out);
// False unless the header was written for exactly this place and is whole.
bool DecodeFrameHeader(absl::string_view bytes, uint64_t segment, uint64_t offset,
                       FrameHeader* header);

// ---- Records.

enum class RecordType : uint8_t {
  kEntry = 1,
  kHardState = 2,
  kLogStart = 3,
  kRemoved = 4,    // Everything of the range with a lower sequence is void.
  kLeasePair = 5,  // `id` is the peer's store id.
  kEpochCounter = 6,
  kDiskProbe = 7,
};

struct LogStartRecord {
  LogPosition start;
  // Entries of the range with a lower sequence are void, whatever their index.
  uint64_t floor = 0;
};

// A decoded record; `payload` points into the bytes given to DecodeRecord.
struct RecordView {
  RecordType type = RecordType::kDiskProbe;
  uint64_t id = 0;  // Range id, or peer's store id; 0: of the store.
  uint64_t sequence = 0;
  absl::string_view payload;
  uint32_t bytes = 0;  // Of the whole record.
};

constexpr uint32_t EntryRecordBytes(uint32_t payload_bytes) {
  return kRecordHeaderBytes + kEntryHeaderBytes + payload_bytes;
}
inline constexpr uint32_t kHardStateRecordBytes = kRecordHeaderBytes + 56;
inline constexpr uint32_t kLogStartRecordBytes = kRecordHeaderBytes + 24;
inline constexpr uint32_t kRemovedRecordBytes = kRecordHeaderBytes;
inline constexpr uint32_t kLeasePairRecordBytes = kRecordHeaderBytes + 24;
inline constexpr uint32_t kEpochCounterRecordBytes = kRecordHeaderBytes + 8;
inline constexpr uint32_t kDiskProbeRecordBytes = kRecordHeaderBytes;

// Each appends one record to `out`. The payload of an entry is copied once, from the cord.
void AppendEntryRecord(RangeId range, uint64_t sequence, const Entry& entry, std::string* out);
void AppendHardStateRecord(RangeId range, uint64_t sequence, const HardState& state,
                           std::string* out);
void AppendLogStartRecord(RangeId range, uint64_t sequence, const LogStartRecord& start,
                          std::string* out);
void AppendRemovedRecord(RangeId range, uint64_t sequence, std::string* out);
void AppendLeasePairRecord(uint64_t sequence, const lease::PairState& pair, std::string* out);
void AppendEpochCounterRecord(uint64_t sequence, Epoch counter, std::string* out);
void AppendDiskProbeRecord(uint64_t sequence, std::string* out);

// The record at the beginning of `bytes`. False: too short, damaged, or of no known type.
bool DecodeRecord(absl::string_view bytes, RecordView* record);

// Payloads. False: not of this form. `entry` gets its payload only from DecodeEntry.
bool DecodeEntryHeader(absl::string_view payload, Entry* entry);
bool DecodeEntry(absl::string_view payload, Entry* entry);
bool DecodeHardState(absl::string_view payload, HardState* state);
bool DecodeLogStart(absl::string_view payload, LogStartRecord* start);
bool DecodeLeasePair(absl::string_view payload, lease::PairState* pair);
bool DecodeEpochCounter(absl::string_view payload, Epoch* counter);

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_FRAME_H_
