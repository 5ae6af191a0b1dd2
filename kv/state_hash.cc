// See state_hash.h. FNV-1a (offset basis and prime of its 64-bit form) over length-prefixed keys
// and values, 8 bytes at a time, with a multiply-shift at the end of each step to spread the upper
// bits.

#include "kv/state_hash.h"

#include <memory>

namespace rasputin::kv {
namespace {

uint64_t Mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x100000001b3u;
  return hash ^ (hash >> 29);
}

uint64_t MixBytes(uint64_t hash, absl::string_view bytes) {
  hash = Mix(hash, bytes.size());
  while (!bytes.empty()) {
    uint64_t word = 0;
    const absl::string_view part = bytes.substr(0, 8);
    for (size_t i = 0; i < part.size(); ++i) {
      word |= static_cast<uint64_t>(static_cast<uint8_t>(part[i])) << (8 * i);
    }
    hash = Mix(hash, word);
    bytes.remove_prefix(part.size());
  }
  return hash;
}

}  // namespace

absl::StatusOr<uint64_t> StateHash(const Engine& engine, absl::string_view begin,
                                   absl::string_view end) {
  uint64_t hash = 0xcbf29ce484222325u;
  const std::unique_ptr<EngineIterator> rows = engine.NewIterator(begin, end);
  for (rows->Seek(begin); rows->Valid(); rows->Next()) {
    hash = MixBytes(MixBytes(hash, rows->key()), rows->value());
  }
  if (!rows->status().ok()) return rows->status();
  return hash;
}

}  // namespace rasputin::kv
