// Implementation of wire_reader.h.
//
// Thread-safety: see the header. Invariant: position_ <= end_ <= size_, so that no read passes the
// end of the Cord.

#include "consensus/wire/wire_reader.h"

#include <glog/logging.h>

#include <algorithm>

namespace rasputin::consensus::wire {
namespace {

constexpr uint32_t kVarint = 0;
constexpr uint32_t kFixed64 = 1;
constexpr uint32_t kLengthDelimited = 2;
constexpr uint32_t kFixed32 = 5;
// Of tags and lengths, as in the generated parser.
constexpr int kShortVarintBytesMax = 5;

}  // namespace

WireReader::Field WireReader::ReadField() {
  const uint64_t tag = ReadVarint(kShortVarintBytesMax);
  // Field numbers have 29 bits and start at 1.
  if (!ok_ || tag > UINT32_MAX || (tag >> 3) == 0) {
    Fail();
    return {};
  }
  return {static_cast<uint32_t>(tag >> 3), static_cast<uint32_t>(tag & 7)};
}

uint64_t WireReader::ReadVarint(int bytes_max) {
  uint64_t value = 0;
  for (int shift = 0; shift < 7 * bytes_max; shift += 7) {
    const uint8_t byte = ReadByte();
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return ok_ ? value : 0;
  }
  Fail();
  return 0;
}

absl::Cord WireReader::ReadBytes() {
  const size_t length = ReadLength();
  if (!ok_ || length == 0) return absl::Cord();
  if (length <= copied_bytes_max_) {
    if (chunk_used_ == chunk_.size()) LoadChunk();
    if (chunk_.size() - chunk_used_ >= length) {
      absl::Cord copy(chunk_.substr(chunk_used_, length));
      chunk_used_ += length;
      position_ += length;
      return copy;
    }
  }
  SyncIterator();
  absl::Cord value = absl::Cord::AdvanceAndRead(&at_, length);
  position_ += length;
  chunk_ = position_ < size_ ? absl::Cord::ChunkRemaining(at_) : absl::string_view();
  chunk_used_ = 0;
  // Spread over chunks, but small: a reference would keep all of them in memory.
  if (length <= copied_bytes_max_) return absl::Cord(std::string(value));
  return value;
}

std::string WireReader::ReadString() { return std::string(ReadBytes()); }

void WireReader::Skip(uint32_t type) {
  switch (type) {
    case kVarint:
      ReadVarint();
      return;
    case kFixed64:
      for (int i = 0; i < 8; ++i) ReadByte();
      return;
    case kFixed32:
      for (int i = 0; i < 4; ++i) ReadByte();
      return;
    case kLengthDelimited: {
      size_t left = ReadLength();
      while (ok_ && left > 0) {
        if (chunk_used_ == chunk_.size()) LoadChunk();
        const size_t step = std::min(left, chunk_.size() - chunk_used_);
        chunk_used_ += step;
        position_ += step;
        left -= step;
      }
      return;
    }
    default:
      Fail();  // Groups are not used; the other two do not exist.
  }
}

size_t WireReader::ReadLength() {
  const uint64_t length = ReadVarint(kShortVarintBytesMax);
  if (!ok_ || length > end_ - position_) {
    Fail();
    return 0;
  }
  return static_cast<size_t>(length);
}

uint8_t WireReader::ReadByte() {
  if (!ok_ || position_ >= end_) {
    Fail();
    return 0;
  }
  if (chunk_used_ == chunk_.size()) LoadChunk();
  ++position_;
  return static_cast<uint8_t>(chunk_[chunk_used_++]);
}

void WireReader::SyncIterator() {
  absl::Cord::Advance(&at_, chunk_used_);
  chunk_.remove_prefix(chunk_used_);
  chunk_used_ = 0;
}

void WireReader::LoadChunk() {
  CHECK_LT(position_, size_);
  SyncIterator();
  chunk_ = absl::Cord::ChunkRemaining(at_);
}

}  // namespace rasputin::consensus::wire
