// The six renamings of three replicas, and the mixing of hashes under them.
//
// Two states that differ only by a renaming behave alike, so one of them is explored. Each part of
// a state has one hash per renaming; the parts' hashes are added, which needs no order. Plain
// values.

#ifndef RASPUTIN_CONSENSUS_MODEL_NAMING_H_
#define RASPUTIN_CONSENSUS_MODEL_NAMING_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "consensus/core/core_access.h"

namespace rasputin::consensus::model {

constexpr size_t kReplicas = StateBytes::kReplicas;
constexpr size_t kNamings = 6;

// kNames[n][r]: what replica r + 1 is called under renaming n; the first leaves names as they are.
constexpr std::array<StateBytes::Names, kNamings> kNames = {
    StateBytes::Names{1, 2, 3}, StateBytes::Names{1, 3, 2}, StateBytes::Names{2, 1, 3},
    StateBytes::Names{2, 3, 1}, StateBytes::Names{3, 1, 2}, StateBytes::Names{3, 2, 1}};

using Hashes = std::array<uint64_t, kNamings>;

// One step of splitmix64.
inline uint64_t MixBits(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

inline uint64_t HashBytes(const std::string& bytes) {
  uint64_t hash = 1469598103934665603ULL;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ULL;
  return MixBits(hash ^ bytes.size());
}

}  // namespace rasputin::consensus::model

#endif  // RASPUTIN_CONSENSUS_MODEL_NAMING_H_
