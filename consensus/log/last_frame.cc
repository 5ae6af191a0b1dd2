// Headers are small: each bit is tried. In a body the place is computed from the difference of the
// checksums, which for one flipped bit depends on the number of bytes behind it alone.

#include "consensus/log/last_frame.h"

#include <algorithm>
#include <array>
#include <string>

#include "consensus/log/frame.h"

namespace rasputin::consensus::log {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // CRC-32C, bits reversed.
// A tear of fewer bytes than this in a sector may differ from what was written by a single bit,
// because what stood there before was almost the same.
constexpr uint64_t kDistinctBytes = 16;

// What a byte adds to the checksum, and which byte adds a given highest byte.
struct Tables {
  std::array<uint32_t, 256> add{};
  std::array<uint8_t, 256> from_high{};

  Tables() {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      uint32_t crc = byte;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
      add[byte] = crc;
      from_high[crc >> 24] = static_cast<uint8_t>(byte);
    }
  }
};

char WithBit(char byte, int bit) { return static_cast<char>(byte ^ (1 << bit)); }

// The byte and bit that, flipped, change the checksum of `length` bytes by `difference`.
bool LocateFlip(uint32_t difference, uint64_t length, uint64_t* byte, int* bit) {
  static const Tables tables;
  for (uint64_t at = length; at > 0; --at) {
    for (int i = 0; i < 8; ++i) {
      if (tables.add[size_t{1} << i] != difference) continue;
      *byte = at - 1;
      *bit = i;
      return true;
    }
    // Back by one byte.
    const uint8_t index = tables.from_high[difference >> 24];
    difference = ((difference ^ tables.add[index]) << 8) | index;
  }
  return false;
}

bool HoldsRecords(absl::string_view body, uint32_t records) {
  for (uint32_t i = 0; i < records; ++i) {
    RecordView record;
    if (!DecodeRecord(body, &record)) return false;
    body.remove_prefix(record.bytes);
  }
  return body.empty();
}

// Whether the frame [begin, end) may lack only the end of the write in the sector of `at`: what is
// there is what a new file holds, or too little to tell.
bool MayBeTorn(absl::string_view bytes, uint64_t begin, uint64_t end, uint64_t at) {
  const uint64_t sector = at / kTornSectorBytes * kTornSectorBytes;
  const uint64_t sector_end = std::min({end, sector + kTornSectorBytes, uint64_t{bytes.size()}});
  if (sector_end - std::max(begin, sector) < kDistinctBytes) return true;
  const absl::string_view rest = bytes.substr(at, sector_end - at);
  return std::all_of(rest.begin(), rest.end(), [](char byte) { return byte == '\0'; });
}

// `frame` was read from the header at `at`; the bytes behind it are as they are.
bool HasWholeBody(absl::string_view bytes, uint64_t at, const FrameHeader& frame) {
  const absl::string_view rest = bytes.substr(at + kFrameHeaderBytes);
  return frame.body_bytes <= rest.size() &&
         Crc32c(0, rest.substr(0, frame.body_bytes)) == frame.body_crc;
}

std::optional<uint64_t> FlippedInHeader(absl::string_view bytes, uint64_t sequence, uint64_t at,
                                        uint32_t chain) {
  std::string header(bytes.substr(at, kFrameHeaderBytes));
  for (char& byte : header) {
    for (int bit = 0; bit < 8; ++bit) {
      const char was = byte;
      byte = WithBit(was, bit);
      FrameHeader frame;
      const bool whole = DecodeFrameHeader(header, sequence, at, &frame) &&
                         frame.previous_crc == chain && HasWholeBody(bytes, at, frame);
      byte = was;
      if (!whole) continue;
      const uint64_t place = at + static_cast<uint64_t>(&byte - header.data());
      const uint64_t end = at + kFrameHeaderBytes + frame.body_bytes;
      return MayBeTorn(bytes, at, end, place) ? std::nullopt : std::optional<uint64_t>(place);
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> FlippedInBody(absl::string_view bytes, uint64_t at,
                                      const FrameHeader& frame) {
  const uint64_t begin = at + kFrameHeaderBytes;
  if (frame.body_bytes > bytes.size() - begin) return std::nullopt;
  std::string body(bytes.substr(begin, frame.body_bytes));
  uint64_t byte = 0;
  int bit = 0;
  if (!LocateFlip(Crc32c(0, body) ^ frame.body_crc, body.size(), &byte, &bit)) return std::nullopt;
  body[byte] = WithBit(body[byte], bit);
  // In a large frame some bit often fits the one checksum; the records' own leave no doubt.
  if (!HoldsRecords(body, frame.records)) return std::nullopt;
  if (MayBeTorn(bytes, at, begin + frame.body_bytes, begin + byte)) return std::nullopt;
  return begin + byte;
}

}  // namespace

std::optional<uint64_t> FindFlippedBit(absl::string_view bytes, uint64_t sequence, uint64_t at,
                                       uint32_t chain) {
  if (at > bytes.size() || bytes.size() - at < kFrameHeaderBytes) return std::nullopt;
  FrameHeader frame;
  if (!DecodeFrameHeader(bytes.substr(at), sequence, at, &frame)) {
    return FlippedInHeader(bytes, sequence, at, chain);
  }
  if (frame.previous_crc != chain || HasWholeBody(bytes, at, frame)) return std::nullopt;
  return FlippedInBody(bytes, at, frame);
}

std::optional<uint64_t> FindFlippedBitInSegmentHeader(absl::string_view bytes, uint64_t sequence) {
  if (bytes.size() < kSegmentHeaderBytes + kFrameHeaderBytes) return std::nullopt;
  // It names the checksum of the segment header before it.
  FrameHeader first;
  const bool written =
      DecodeFrameHeader(bytes.substr(kSegmentHeaderBytes), sequence, kSegmentHeaderBytes, &first) &&
      HasWholeBody(bytes, kSegmentHeaderBytes, first);
  if (!written) return std::nullopt;
  std::string header(bytes.substr(0, kSegmentHeaderBytes));
  for (uint64_t at = 0; at < header.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      const char was = header[at];
      header[at] = WithBit(was, bit);
      const absl::StatusOr<SegmentHeader> whole = DecodeSegmentHeader(header);
      header[at] = was;
      if (whole.ok() && whole->sequence == sequence && whole->crc == first.previous_crc) return at;
    }
  }
  return std::nullopt;
}

}  // namespace rasputin::consensus::log
