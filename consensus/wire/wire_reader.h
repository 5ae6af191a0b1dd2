// The protobuf wire format, read from a Cord; large byte strings by reference.
//
// Takes any bytes: the first violation (end of input, overlong varint, unknown wire type) makes the
// reader fail for good, after which every read returns zero and AtEnd() is true. Not thread-safe.
// The Cord must outlive the reader.

#ifndef RASPUTIN_CONSENSUS_WIRE_WIRE_READER_H_
#define RASPUTIN_CONSENSUS_WIRE_WIRE_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace rasputin::consensus::wire {

class WireReader {
 public:
  // Byte strings longer than `copied_bytes_max` refer to the memory of `bytes`.
  WireReader(const absl::Cord& bytes, size_t copied_bytes_max)
      : at_(bytes.char_begin()),
        chunk_(bytes.empty() ? absl::string_view() : absl::Cord::ChunkRemaining(at_)),
        size_(bytes.size()),
        end_(bytes.size()),
        copied_bytes_max_(copied_bytes_max) {}

  bool ok() const { return ok_; }
  // For a caller that finds values out of range.
  void Fail() { ok_ = false; }
  // At the end of the current message, or failed.
  bool AtEnd() const { return !ok_ || position_ == end_; }

  struct Field {
    uint32_t number = 0;  // 0: failed.
    uint32_t type = 0;
  };
  Field ReadField();
  // Of at most so many bytes.
  uint64_t ReadVarint(int bytes_max = 10);
  absl::Cord ReadBytes();
  std::string ReadString();
  // Passes over the value of a field.
  void Skip(uint32_t type);

  // Reads an embedded message: read_field(Field) is called for each of its fields and must consume
  // its value.
  template <typename ReadFieldValue>
  void ReadNested(const ReadFieldValue& read_field) {
    const size_t length = ReadLength();
    const size_t outer_end = end_;
    if (ok_) end_ = position_ + length;
    while (!AtEnd()) {
      const Field field = ReadField();
      if (ok_) read_field(field);
    }
    end_ = outer_end;
  }

 private:
  // The length of what follows, which lies within the current message; 0 if failed.
  size_t ReadLength();
  uint8_t ReadByte();
  // The chunk is consumed from the front; the iterator stays where the chunk began to be read.
  void SyncIterator();
  void LoadChunk();

  absl::Cord::CharIterator at_;
  absl::string_view chunk_;  // Of the Cord at `at_`.
  size_t chunk_used_ = 0;    // Bytes of `chunk_` that were read.
  size_t position_ = 0;
  const size_t size_;
  size_t end_;  // Of the current message; at most size_.
  const size_t copied_bytes_max_;
  bool ok_ = true;
};

}  // namespace rasputin::consensus::wire

#endif  // RASPUTIN_CONSENSUS_WIRE_WIRE_READER_H_
