// A queue that is searched by bisection: sequences only grow.

#include "consensus/log/entry_cache.h"

#include <glog/logging.h>

#include <algorithm>

namespace rasputin::consensus::log {

void EntryCache::Add(uint64_t sequence, const absl::Cord& payload) {
  CHECK(items_.empty() || items_.back().sequence < sequence);
  items_.push_back({sequence, payload});
  bytes_ += Cost(items_.back());
  Evict();
}

const absl::Cord* EntryCache::Find(uint64_t sequence) const {
  auto found =
      std::lower_bound(items_.begin(), items_.end(), sequence,
                       [](const Item& item, uint64_t wanted) { return item.sequence < wanted; });
  if (found == items_.end() || found->sequence != sequence) return nullptr;
  return &found->payload;
}

void EntryCache::SetWrittenBelow(uint64_t sequence) {
  CHECK_GE(sequence, written_below_);
  written_below_ = sequence;
  Evict();
}

void EntryCache::Evict() {
  while (bytes_ > bytes_max_ && !items_.empty() && items_.front().sequence < written_below_) {
    bytes_ -= Cost(items_.front());
    items_.pop_front();
  }
}

}  // namespace rasputin::consensus::log
