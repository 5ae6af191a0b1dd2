// See version_clock.h.

#include "range/version_clock.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace rasputin::range {
namespace {

constexpr uint64_t kWallMaxUs = (uint64_t{1} << 48) * 1000;

int64_t Microseconds(consensus::Instant boot) {
  return std::chrono::duration_cast<std::chrono::microseconds>(boot.time_since_epoch()).count();
}

}  // namespace

void VersionClock::OnPeer(consensus::StoreId peer, consensus::Instant boot, uint64_t wall_us) {
  if (wall_us == 0 || wall_us >= kWallMaxUs) return;
  peers_[peer] = static_cast<int64_t>(wall_us) - Microseconds(boot);
}

int64_t VersionClock::LowerMedian(int64_t own) const {
  std::vector<int64_t> all = {own};
  for (const auto& [peer, offset] : peers_) all.push_back(offset);
  std::sort(all.begin(), all.end());
  return all[(all.size() - 1) / 2];
}

int64_t VersionClock::Observe(const consensus::ClockReading& now) {
  // Without peers: where this clock would be now.
  int64_t believed_us = wall_us_ + Microseconds(now.boot) - Microseconds(boot_);
  if (!peers_.empty()) {
    const int64_t boot_us = Microseconds(now.boot);
    believed_us = boot_us + LowerMedian(now.wall_us - boot_us);
  }
  const int64_t differs_us = now.wall_us - believed_us;
  boot_ = now.boot;
  if (std::abs(differs_us) > kJumpMaxUs) {
    wall_us_ = believed_us;
    const bool first = !refused_;
    refused_ = true;
    return first ? differs_us : 0;
  }
  refused_ = false;
  wall_us_ = now.wall_us;
  return 0;
}

uint64_t VersionClock::Next(uint64_t floor) const {
  const uint64_t wall_ms = static_cast<uint64_t>(std::max<int64_t>(wall_us_, 0)) / 1000;
  return std::max(wall_ms << 16, floor + 1);
}

}  // namespace rasputin::range
