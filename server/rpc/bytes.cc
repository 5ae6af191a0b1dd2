// Slices and cords hold references to each other's memory; see the header.

#include "server/rpc/bytes.h"

#include <glog/logging.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "grpcpp/support/slice.h"

namespace rasputin::server {
namespace {

absl::string_view View(const grpc::Slice& slice) {
  return absl::string_view(reinterpret_cast<const char*>(slice.begin()), slice.size());
}

// A slice over one chunk of a cord, which it keeps alive.
grpc::Slice Reference(absl::Cord chunk) {
  auto owner = std::make_unique<absl::Cord>(std::move(chunk));
  const absl::string_view bytes = *owner->chunk_begin();
  return grpc::Slice(
      const_cast<char*>(bytes.data()), bytes.size(),
      [](void* cord) { delete static_cast<absl::Cord*>(cord); }, owner.release());
}

}  // namespace

absl::Cord ToCord(grpc::ByteBuffer* buffer) {
  if (!buffer->Valid()) return absl::Cord();
  grpc::Slice single;
  if (buffer->TrySingleSlice(&single).ok()) {
    if (single.size() < kCopyBelowBytes) return absl::Cord(View(single));
    const absl::string_view bytes = View(single);
    return absl::MakeCordFromExternal(bytes, [held = std::move(single)] {});
  }
  std::vector<grpc::Slice> slices;
  CHECK(buffer->Dump(&slices).ok());
  absl::Cord cord;
  for (grpc::Slice& slice : slices) {
    const absl::string_view bytes = View(slice);
    if (bytes.size() < kCopyBelowBytes) {
      cord.Append(bytes);
    } else {
      cord.Append(absl::MakeCordFromExternal(bytes, [held = std::move(slice)] {}));
    }
  }
  return cord;
}

grpc::ByteBuffer ToByteBuffer(const absl::Cord& cord) {
  if (cord.size() < kCopyBelowBytes) {
    grpc::Slice slice(cord.size());
    char* out = reinterpret_cast<char*>(const_cast<uint8_t*>(slice.begin()));
    for (const absl::string_view chunk : cord.Chunks()) {
      chunk.copy(out, chunk.size());
      out += chunk.size();
    }
    return grpc::ByteBuffer(&slice, 1);
  }
  std::vector<grpc::Slice> slices;
  size_t offset = 0;
  for (const absl::string_view chunk : cord.Chunks()) {
    if (chunk.size() < kCopyBelowBytes) {
      slices.emplace_back(chunk.data(), chunk.size());
    } else {
      absl::Cord part = cord.Subcord(offset, chunk.size());
      // A part that is not one piece of memory is copied: a slice needs one.
      if (part.TryFlat().has_value()) {
        slices.push_back(Reference(std::move(part)));
      } else {
        slices.emplace_back(chunk.data(), chunk.size());
      }
    }
    offset += chunk.size();
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace rasputin::server
