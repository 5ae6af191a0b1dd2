// Protobuf's wire format, read from a Cord without copying and written to a string.
//
// Knows tags, varints and lengths, no messages. Safe on any bytes: a reader that meets something
// malformed stops and says so. Not thread-safe; a reader must not outlive its Cord.

#ifndef RASPUTIN_KV_WIRE_H_
#define RASPUTIN_KV_WIRE_H_

#include <cstdint>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace rasputin::kv {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// A part of a Cord.
struct ByteSpan {
  uint64_t offset = 0;
  uint64_t size = 0;
};

// Access to parts of a Cord; views where it lies in one piece.
class CordBytes {
 public:
  explicit CordBytes(const absl::Cord& cord) : cord_(cord), flat_(cord.TryFlat()) {}

  // Copied to `scratch` only if the Cord is fragmented; valid as long as both.
  absl::string_view View(ByteSpan span, std::string* scratch) const;
  void AppendTo(ByteSpan span, std::string* out) const;
  bool Equals(ByteSpan span, absl::string_view other) const;
  // References the bytes.
  absl::Cord Sub(ByteSpan span) const { return cord_.Subcord(span.offset, span.size); }

 private:
  const absl::Cord& cord_;
  absl::optional<absl::string_view> flat_;
};

// Walks the fields of one message.
class WireReader {
 public:
  explicit WireReader(const absl::Cord& cord);

  // Moves to the next field; false at the end, or if the bytes are malformed: see ok().
  bool Next();
  bool ok() const { return ok_; }

  uint32_t field() const { return field_; }
  WireType type() const { return type_; }
  uint64_t number() const { return number_; }  // Any type but kBytes.
  ByteSpan span() const { return span_; }      // kBytes: of the payload, in the whole Cord.
  // kBytes: a reader of the payload as a message. Before the next Next() of this one.
  WireReader Message() const { return At(span_); }
  // A reader of `span` as a message; it must not begin before the current field.
  WireReader At(ByteSpan span) const;

 private:
  bool ReadByte(uint8_t* byte);
  bool ReadVarint(int bytes_max, uint64_t* value);  // False: not one of at most so many bytes.
  bool ReadFixed(int bytes, uint64_t* value);
  void SkipTo(uint64_t position);
  bool Fail();

  absl::Cord::ChunkIterator chunks_;
  absl::string_view chunk_;
  uint64_t chunk_offset_ = 0;  // Of `chunk_` in the Cord.
  uint64_t position_ = 0;
  uint64_t end_ = 0;   // Of the message.
  uint64_t next_ = 0;  // Where the field after the current one begins.
  bool ok_ = true;
  uint32_t field_ = 0;
  WireType type_ = WireType::kVarint;
  uint64_t number_ = 0;
  ByteSpan span_;
};

size_t VarintSize(uint64_t value);
void AppendVarint(uint64_t value, std::string* out);

// Fields with the default value are left out, as proto3 does.
void AppendNumberField(uint32_t field, uint64_t value, std::string* out);
void AppendBytesField(uint32_t field, absl::string_view value, std::string* out);
// Tag and length only: `size` bytes of payload must follow.
void AppendBytesHeader(uint32_t field, uint64_t size, std::string* out);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_WIRE_H_
