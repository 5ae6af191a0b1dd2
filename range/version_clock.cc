// See version_clock.h.

#include "range/version_clock.h"

#include <algorithm>
#include <cstdlib>

namespace rasputin::range {

int64_t VersionClock::Observe(const consensus::ClockReading& now) {
  const int64_t elapsed_us =
      std::chrono::duration_cast<std::chrono::microseconds>(now.boot - boot_).count();
  const int64_t expected_us = wall_us_ + elapsed_us;
  const int64_t jump_us = now.wall_us - expected_us;
  boot_ = now.boot;
  if (std::abs(jump_us) > kJumpMaxUs) {
    wall_us_ = expected_us;
    const bool first = !refused_;
    refused_ = true;
    return first ? jump_us : 0;
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
