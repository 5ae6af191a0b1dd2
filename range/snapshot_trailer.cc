// See snapshot_trailer.h.

#include "range/snapshot_trailer.h"

#include <string>

#include "absl/strings/string_view.h"
#include "consensus/log/frame.h"

namespace rasputin::range {
namespace {

constexpr char kFormat = 1;
constexpr size_t kCrcBytes = 4;
constexpr size_t kCountBytes = 8;

void AppendNumber(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = bytes; i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t ReadNumber(absl::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

}  // namespace

absl::Cord EncodeTrailer(const SnapshotTrailer& trailer) {
  std::string bytes(1, kFormat);
  AppendNumber(trailer.crc32c, kCrcBytes, &bytes);
  AppendNumber(trailer.chunks, kCountBytes, &bytes);
  return absl::Cord(std::move(bytes));
}

std::optional<SnapshotTrailer> DecodeTrailer(const absl::Cord& data) {
  const std::string bytes(data);
  if (bytes.size() != 1 + kCrcBytes + kCountBytes || bytes[0] != kFormat) return std::nullopt;
  SnapshotTrailer trailer;
  trailer.crc32c = static_cast<uint32_t>(ReadNumber(absl::string_view(bytes).substr(1, kCrcBytes)));
  trailer.chunks = ReadNumber(absl::string_view(bytes).substr(1 + kCrcBytes));
  return trailer;
}

uint32_t ChecksumOf(const absl::Cord& data, uint32_t crc) {
  for (const absl::string_view piece : data.Chunks()) crc = consensus::log::Crc32c(crc, piece);
  return crc;
}

}  // namespace rasputin::range
