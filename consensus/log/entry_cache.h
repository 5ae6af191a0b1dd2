// Payloads of recent entries of all ranges, in the order of their records' sequences.
//
// Bounded: the oldest go first, but never one that is not written yet (it has no other home). Cords
// are shared, not copied. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_LOG_ENTRY_CACHE_H_
#define RASPUTIN_CONSENSUS_LOG_ENTRY_CACHE_H_

#include <cstdint>
#include <deque>

#include "absl/strings/cord.h"

namespace rasputin::consensus::log {

class EntryCache {
 public:
  // `bytes_max` counts payloads and what it costs to keep them.
  explicit EntryCache(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // `sequence` is above all before it (CHECK).
  void Add(uint64_t sequence, const absl::Cord& payload);
  // nullptr: not held (any more). Valid until the next change.
  const absl::Cord* Find(uint64_t sequence) const;
  // Records below `sequence` are written: they may be forgotten.
  void SetWrittenBelow(uint64_t sequence);

  uint64_t bytes() const { return bytes_; }
  size_t size() const { return items_.size(); }

 private:
  struct Item {
    uint64_t sequence = 0;
    absl::Cord payload;
  };
  static uint64_t Cost(const Item& item) { return sizeof(Item) + item.payload.size(); }
  void Evict();

  const uint64_t bytes_max_;
  std::deque<Item> items_;
  uint64_t bytes_ = 0;
  uint64_t written_below_ = 0;
};

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_ENTRY_CACHE_H_
