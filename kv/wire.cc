// See wire.h.

#include "kv/wire.h"

#include <algorithm>
#include <cstring>

namespace rasputin::kv {
namespace {

constexpr int kVarintBytesMax = 10;
// Of tags and lengths: the generated parser refuses longer ones, and every reader of a request must
// see the same.
constexpr int kShortVarintBytesMax = 5;

}  // namespace

absl::string_view CordBytes::View(ByteSpan span, std::string* scratch) const {
  if (flat_) return flat_->substr(span.offset, span.size);
  scratch->clear();
  AppendTo(span, scratch);
  return *scratch;
}

void CordBytes::AppendTo(ByteSpan span, std::string* out) const {
  if (flat_) {
    out->append(flat_->data() + span.offset, span.size);
    return;
  }
  absl::Cord::CharIterator it = cord_.char_begin();
  absl::Cord::Advance(&it, span.offset);
  for (uint64_t left = span.size; left > 0;) {
    const absl::string_view chunk = absl::Cord::ChunkRemaining(it).substr(0, left);
    out->append(chunk.data(), chunk.size());
    absl::Cord::Advance(&it, chunk.size());
    left -= chunk.size();
  }
}

bool CordBytes::Equals(ByteSpan span, absl::string_view other) const {
  if (span.size != other.size()) return false;
  if (flat_) return flat_->substr(span.offset, span.size) == other;
  return Sub(span) == other;
}

WireReader::WireReader(const absl::Cord& cord) : chunks_(cord.chunk_begin()), end_(cord.size()) {
  if (end_ > 0) chunk_ = *chunks_;
}

WireReader WireReader::At(ByteSpan span) const {
  WireReader inner = *this;
  inner.end_ = span.offset + span.size;
  inner.next_ = span.offset;
  return inner;
}

bool WireReader::Fail() {
  ok_ = false;
  return false;
}

void WireReader::SkipTo(uint64_t position) {
  position_ = position;
  while (position_ - chunk_offset_ >= chunk_.size()) {
    if (position_ >= end_) return;  // The next chunk may lie beyond the Cord.
    chunk_offset_ += chunk_.size();
    ++chunks_;
    chunk_ = *chunks_;
  }
}

bool WireReader::ReadByte(uint8_t* byte) {
  if (position_ >= end_) return false;
  if (position_ - chunk_offset_ >= chunk_.size()) SkipTo(position_);
  *byte = static_cast<uint8_t>(chunk_[position_ - chunk_offset_]);
  ++position_;
  return true;
}

bool WireReader::ReadVarint(int bytes_max, uint64_t* value) {
  uint64_t result = 0;
  for (int shift = 0; shift < 7 * bytes_max; shift += 7) {
    uint8_t byte;
    if (!ReadByte(&byte)) return false;
    if (shift == 63 && byte > 1) return false;  // Beyond 64 bits.
    result |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return true;
    }
  }
  return false;
}

bool WireReader::ReadFixed(int bytes, uint64_t* value) {
  *value = 0;
  for (int i = 0; i < bytes; ++i) {
    uint8_t byte;
    if (!ReadByte(&byte)) return false;
    *value |= static_cast<uint64_t>(byte) << (8 * i);
  }
  return true;
}

bool WireReader::Next() {
  if (!ok_) return false;
  if (next_ != position_) SkipTo(next_);
  if (position_ >= end_) return false;
  uint64_t tag;
  if (!ReadVarint(kShortVarintBytesMax, &tag)) return Fail();
  const uint64_t field = tag >> 3;
  if (field == 0 || field >= (1u << 29)) return Fail();
  field_ = static_cast<uint32_t>(field);
  switch (tag & 7) {
    case 0:
      type_ = WireType::kVarint;
      if (!ReadVarint(kVarintBytesMax, &number_)) return Fail();
      break;
    case 1:
      type_ = WireType::kFixed64;
      if (!ReadFixed(8, &number_)) return Fail();
      break;
    case 2: {
      type_ = WireType::kBytes;
      uint64_t size;
      if (!ReadVarint(kShortVarintBytesMax, &size) || size > end_ - position_) return Fail();
      span_ = {position_, size};
      next_ = position_ + size;
      return true;
    }
    case 5:
      type_ = WireType::kFixed32;
      if (!ReadFixed(4, &number_)) return Fail();
      break;
    default:
      return Fail();
  }
  next_ = position_;
  return true;
}

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

void AppendNumberField(uint32_t field, uint64_t value, std::string* out) {
  if (value == 0) return;
  AppendVarint(field << 3, out);
  AppendVarint(value, out);
}

void AppendBytesHeader(uint32_t field, uint64_t size, std::string* out) {
  AppendVarint(field << 3 | 2, out);
  AppendVarint(size, out);
}

void AppendBytesField(uint32_t field, absl::string_view value, std::string* out) {
  if (value.empty()) return;
  AppendBytesHeader(field, value.size(), out);
  out->append(value.data(), value.size());
}

}  // namespace rasputin::kv
