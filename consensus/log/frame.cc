// The byte layouts of frame.h. README.md is the normative description; frame_test.cc holds it to a
// worked example.

#include "consensus/log/frame.h"

#include <glog/logging.h>
#include <isa-l/crc.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rasputin::consensus::log {
namespace {

constexpr char kMagic[] = "RASPULOG";
constexpr size_t kMagicBytes = 8;

void Put32(uint32_t value, char* out) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<char>(value >> (8 * i));
}

void Put64(uint64_t value, char* out) {
  for (int i = 0; i < 8; ++i) out[i] = static_cast<char>(value >> (8 * i));
}

uint32_t Get32(const char* in) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(in[i])} << (8 * i);
  return value;
}

uint64_t Get64(const char* in) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value |= uint64_t{static_cast<uint8_t>(in[i])} << (8 * i);
  return value;
}

uint32_t SegmentHeaderCrc(const char* bytes) {
  return Crc32c(Crc32c(0, {bytes, 12}), {bytes + 16, kSegmentHeaderBytes - 16});
}

uint32_t FrameHeaderCrc(uint64_t segment, uint64_t offset, const char* bytes) {
  char place[16];
  Put64(segment, place);
  Put64(offset, place + 8);
  return Crc32c(Crc32c(0, {place, sizeof(place)}), {bytes + 4, kFrameHeaderBytes - 4});
}

// Makes room for `more` bytes without giving up geometric growth.
void Reserve(size_t more, std::string* out) {
  const size_t needed = out->size() + more;
  if (needed > out->capacity()) out->reserve(needed > 2 * out->capacity() ? needed * 2 : needed);
}

// Appends the header of a record, its crc still missing; returns where the record begins.
size_t BeginRecord(RecordType type, uint64_t id, uint64_t sequence, uint32_t payload_bytes,
                   std::string* out) {
  Reserve(kRecordHeaderBytes + payload_bytes, out);
  const size_t begin = out->size();
  char header[kRecordHeaderBytes] = {};
  Put32(payload_bytes, header + 4);
  Put64(id, header + 8);
  Put64(sequence, header + 16);
  header[24] = static_cast<char>(type);
  out->append(header, sizeof(header));
  return begin;
}

void EndRecord(size_t begin, std::string* out) {
  char* record = &(*out)[begin];
  Put32(Crc32c(0, {record + 4, out->size() - begin - 4}), record);
}

void Append64(uint64_t value, std::string* out) {
  char bytes[8];
  Put64(value, bytes);
  out->append(bytes, sizeof(bytes));
}

}  // namespace

uint32_t Crc32c(uint32_t crc, absl::string_view bytes) {
  CHECK_LE(bytes.size(), size_t{1} << 30);
  // ISA-L leaves the inversions of the standard to the caller, and forgot a const.
  return ~crc32_iscsi(reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data())),  // NOLINT
                      static_cast<int>(bytes.size()), ~crc);
}

void EncodeSegmentHeader(SegmentHeader* header, char* out) {
  CHECK_GT(header->sequence, 0u);
  std::memset(out, 0, kSegmentHeaderBytes);
  std::memcpy(out, kMagic, kMagicBytes);
  Put32(kFormat, out + 8);
  Put64(header->store.value(), out + 16);
  Put64(header->sequence, out + 24);
  Put32(header->previous_end, out + 32);
  Put32(header->file_bytes, out + 36);
  header->crc = SegmentHeaderCrc(out);
  Put32(header->crc, out + 12);
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(absl::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || std::memcmp(bytes.data(), kMagic, kMagicBytes) != 0 ||
      SegmentHeaderCrc(bytes.data()) != Get32(bytes.data() + 12)) {
    return absl::DataLossError("no whole segment header");
  }
  const uint32_t format = Get32(bytes.data() + 8);
  if (format != kFormat) {
    return absl::FailedPreconditionError(absl::StrCat(
        "log format ", format, ", this version reads up to ", kFormat, ": start a newer version"));
  }
  SegmentHeader header;
  header.store = StoreId(Get64(bytes.data() + 16));
  header.sequence = Get64(bytes.data() + 24);
  header.previous_end = Get32(bytes.data() + 32);
  header.file_bytes = Get32(bytes.data() + 36);
  header.crc = Get32(bytes.data() + 12);
  return header;
}

void EncodeFrameHeader(FrameHeader* header, uint64_t segment, uint64_t offset, char* out) {
  CHECK_EQ(offset % kFrameAlignment, 0u);
  Put32(header->body_bytes, out + 4);
  Put32(header->body_crc, out + 8);
  Put32(header->records, out + 12);
  Put64(header->next_sequence, out + 16);
  Put64(header->synced_segment, out + 24);
  Put32(header->synced_offset, out + 32);
  Put32(header->previous_crc, out + 36);
  header->crc = FrameHeaderCrc(segment, offset, out);
  Put32(header->crc, out);
}

bool DecodeFrameHeader(absl::string_view bytes, uint64_t segment, uint64_t offset,
                       FrameHeader* header) {
  if (bytes.size() < kFrameHeaderBytes) return false;
  const char* in = bytes.data();
  header->crc = Get32(in);
  if (header->crc != FrameHeaderCrc(segment, offset, in)) return false;
  header->body_bytes = Get32(in + 4);
  header->body_crc = Get32(in + 8);
  header->records = Get32(in + 12);
  header->next_sequence = Get64(in + 16);
  header->synced_segment = Get64(in + 24);
  header->synced_offset = Get32(in + 32);
  header->previous_crc = Get32(in + 36);
  return true;
}

void AppendEntryRecord(RangeId range, uint64_t sequence, const Entry& entry, std::string* out) {
  const size_t payload = kEntryHeaderBytes + entry.payload.size();
  CHECK_LT(payload, size_t{1} << 30);
  const size_t begin =
      BeginRecord(RecordType::kEntry, range.value(), sequence, static_cast<uint32_t>(payload), out);
  Append64(entry.term.value(), out);
  Append64(entry.index.value(), out);
  out->push_back(static_cast<char>(entry.type));
  for (absl::string_view chunk : entry.payload.Chunks()) out->append(chunk.data(), chunk.size());
  EndRecord(begin, out);
}

void AppendHardStateRecord(RangeId range, uint64_t sequence, const HardState& state,
                           std::string* out) {
  const size_t begin = BeginRecord(RecordType::kHardState, range.value(), sequence, 56, out);
  Append64(state.term.value(), out);
  Append64(state.vote.value(), out);
  Append64(state.bound_leader.value(), out);
  Append64(state.bound_store.value(), out);
  Append64(state.bound_term.value(), out);
  Append64(state.bound_epoch.value(), out);
  Append64(state.released_term.value(), out);
  EndRecord(begin, out);
}

void AppendLogStartRecord(RangeId range, uint64_t sequence, const LogStartRecord& start,
                          std::string* out) {
  const size_t begin = BeginRecord(RecordType::kLogStart, range.value(), sequence, 24, out);
  Append64(start.start.term.value(), out);
  Append64(start.start.index.value(), out);
  Append64(start.floor, out);
  EndRecord(begin, out);
}

void AppendRemovedRecord(RangeId range, uint64_t sequence, std::string* out) {
  EndRecord(BeginRecord(RecordType::kRemoved, range.value(), sequence, 0, out), out);
}

void AppendLeasePairRecord(uint64_t sequence, const lease::PairState& pair, std::string* out) {
  const size_t begin = BeginRecord(RecordType::kLeasePair, pair.peer.value(), sequence, 24, out);
  Append64(pair.peer.value(), out);
  Append64(pair.own_epoch.value(), out);
  Append64(pair.lowest_accepted.value(), out);
  EndRecord(begin, out);
}

void AppendEpochCounterRecord(uint64_t sequence, Epoch counter, std::string* out) {
  const size_t begin = BeginRecord(RecordType::kEpochCounter, 0, sequence, 8, out);
  Append64(counter.value(), out);
  EndRecord(begin, out);
}

void AppendDiskProbeRecord(uint64_t sequence, std::string* out) {
  EndRecord(BeginRecord(RecordType::kDiskProbe, 0, sequence, 0, out), out);
}

bool DecodeRecord(absl::string_view bytes, RecordView* record) {
  if (bytes.size() < kRecordHeaderBytes) return false;
  const char* in = bytes.data();
  const uint32_t payload_bytes = Get32(in + 4);
  if (payload_bytes > bytes.size() - kRecordHeaderBytes) return false;
  const uint8_t type = static_cast<uint8_t>(in[24]);
  if (type < static_cast<uint8_t>(RecordType::kEntry) ||
      type > static_cast<uint8_t>(RecordType::kDiskProbe)) {
    return false;
  }
  record->bytes = kRecordHeaderBytes + payload_bytes;
  if (Crc32c(0, bytes.substr(4, record->bytes - 4)) != Get32(in)) return false;
  record->type = static_cast<RecordType>(type);
  record->id = Get64(in + 8);
  record->sequence = Get64(in + 16);
  record->payload = bytes.substr(kRecordHeaderBytes, payload_bytes);
  return true;
}

bool DecodeEntryHeader(absl::string_view payload, Entry* entry) {
  if (payload.size() < kEntryHeaderBytes) return false;
  const uint8_t type = static_cast<uint8_t>(payload[16]);
  if (type < static_cast<uint8_t>(EntryType::kCommand) ||
      type > static_cast<uint8_t>(EntryType::kConfig)) {
    return false;
  }
  entry->term = Term(Get64(payload.data()));
  entry->index = Index(Get64(payload.data() + 8));
  entry->type = static_cast<EntryType>(type);
  return entry->index.IsSet();
}

bool DecodeEntry(absl::string_view payload, Entry* entry) {
  if (!DecodeEntryHeader(payload, entry)) return false;
  entry->payload = absl::Cord(payload.substr(kEntryHeaderBytes));
  return true;
}

bool DecodeHardState(absl::string_view payload, HardState* state) {
  if (payload.size() != 56) return false;
  const char* in = payload.data();
  state->term = Term(Get64(in));
  state->vote = ReplicaId(Get64(in + 8));
  state->bound_leader = ReplicaId(Get64(in + 16));
  state->bound_store = StoreId(Get64(in + 24));
  state->bound_term = Term(Get64(in + 32));
  state->bound_epoch = Epoch(Get64(in + 40));
  state->released_term = Term(Get64(in + 48));
  return true;
}

bool DecodeLogStart(absl::string_view payload, LogStartRecord* start) {
  if (payload.size() != 24) return false;
  start->start.term = Term(Get64(payload.data()));
  start->start.index = Index(Get64(payload.data() + 8));
  start->floor = Get64(payload.data() + 16);
  return true;
}

bool DecodeLeasePair(absl::string_view payload, lease::PairState* pair) {
  if (payload.size() != 24) return false;
  pair->peer = StoreId(Get64(payload.data()));
  pair->own_epoch = Epoch(Get64(payload.data() + 8));
  pair->lowest_accepted = Epoch(Get64(payload.data() + 16));
  return true;
}

bool DecodeEpochCounter(absl::string_view payload, Epoch* counter) {
  if (payload.size() != 8) return false;
  *counter = Epoch(Get64(payload.data()));
  return true;
}

}  // namespace rasputin::consensus::log
