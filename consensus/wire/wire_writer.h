// The protobuf wire format, written field by field into a Cord; large byte strings by reference.
//
// Two sinks with the same interface: WireCounter only measures, WireWriter writes. A nested message
// is a function of a sink, run once to measure and once to write. Fields that have proto3's default
// value are left out. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_WIRE_WIRE_WRITER_H_
#define RASPUTIN_CONSENSUS_WIRE_WIRE_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace rasputin::consensus::wire {

enum WireType : uint32_t {
  kWireVarint = 0,
  kWireFixed64 = 1,
  kWireBytes = 2,
  kWireFixed32 = 5,
};

constexpr uint32_t WireTag(uint32_t field, WireType type) { return field << 3 | type; }

// Bytes of a varint: one for each seven bits, at least one.
constexpr size_t VarintBytes(uint64_t value) {
  size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

class WireCounter {
 public:
  size_t bytes() const { return bytes_; }

  void Varint(uint32_t field, uint64_t value) {
    if (value != 0) bytes_ += VarintBytes(WireTag(field, kWireVarint)) + VarintBytes(value);
  }
  void Bytes(uint32_t field, const absl::Cord& value) { AddBytes(field, value.size()); }
  void Bytes(uint32_t field, absl::string_view value) { AddBytes(field, value.size()); }
  // A field of an embedded message; written even if it is empty.
  template <typename PutFields>
  void Nested(uint32_t field, const PutFields& put_fields) {
    WireCounter inner;
    put_fields(inner);
    bytes_ += VarintBytes(WireTag(field, kWireBytes)) + VarintBytes(inner.bytes()) + inner.bytes();
  }

 private:
  void AddBytes(uint32_t field, size_t size) {
    if (size != 0) bytes_ += VarintBytes(WireTag(field, kWireBytes)) + VarintBytes(size) + size;
  }

  size_t bytes_ = 0;
};

class WireWriter {
 public:
  // Byte strings of a Cord longer than this are referenced.
  explicit WireWriter(size_t copied_bytes_max) : copied_bytes_max_(copied_bytes_max) {}

  void Varint(uint32_t field, uint64_t value) {
    if (value == 0) return;
    PutVarint(WireTag(field, kWireVarint));
    PutVarint(value);
  }
  void Bytes(uint32_t field, const absl::Cord& value);
  void Bytes(uint32_t field, absl::string_view value);
  template <typename PutFields>
  void Nested(uint32_t field, const PutFields& put_fields) {
    WireCounter inner;
    put_fields(inner);
    PutVarint(WireTag(field, kWireBytes));
    PutVarint(inner.bytes());
    put_fields(*this);
  }

  // Everything written; the writer is empty afterwards.
  absl::Cord Finish();

 private:
  void PutVarint(uint64_t value);
  void Flush();

  const size_t copied_bytes_max_;
  std::string flat_;  // What follows `cord_`.
  absl::Cord cord_;
};

}  // namespace rasputin::consensus::wire

#endif  // RASPUTIN_CONSENSUS_WIRE_WIRE_WRITER_H_
