// Implementation of wire_writer.h.
//
// Thread-safety: see the header.

#include "consensus/wire/wire_writer.h"

#include <utility>

namespace rasputin::consensus::wire {

void WireWriter::Bytes(uint32_t field, const absl::Cord& value) {
  if (value.empty()) return;
  PutVarint(WireTag(field, kWireBytes));
  PutVarint(value.size());
  if (value.size() <= copied_bytes_max_) {
    for (absl::string_view chunk : value.Chunks()) flat_.append(chunk.data(), chunk.size());
    return;
  }
  Flush();
  cord_.Append(value);
}

void WireWriter::Bytes(uint32_t field, absl::string_view value) {
  if (value.empty()) return;
  PutVarint(WireTag(field, kWireBytes));
  PutVarint(value.size());
  flat_.append(value.data(), value.size());
}

absl::Cord WireWriter::Finish() {
  Flush();
  return std::exchange(cord_, absl::Cord());
}

void WireWriter::PutVarint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) flat_.push_back(static_cast<char>(value | 0x80));
  flat_.push_back(static_cast<char>(value));
}

void WireWriter::Flush() {
  if (flat_.empty()) return;
  // A copy for a few bytes; a long run of small messages is handed over as it is.
  if (flat_.size() <= copied_bytes_max_) {
    cord_.Append(absl::string_view(flat_));
    flat_.clear();
  } else {
    cord_.Append(std::exchange(flat_, std::string()));
  }
}

}  // namespace rasputin::consensus::wire
