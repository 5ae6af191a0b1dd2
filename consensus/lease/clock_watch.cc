// Implementation of clock_watch.h.
//
// Thread-safety and invariants: see the header.

#include "consensus/lease/clock_watch.h"

#include <algorithm>
#include <chrono>

namespace rasputin::consensus::lease {

ClockWatch::Finding ClockWatch::Observe(const ClockReading& reading) {
  Finding finding;
  finding.now = reading;
  finding.now.boot = std::max(reading.boot, last_.boot);
  finding.now.raw = std::max(reading.raw, last_.raw);
  const Duration boot = finding.now.boot - last_.boot;
  const Duration raw = finding.now.raw - last_.raw;
  finding.elapsed = std::max(boot, raw);
  // A reading that lost the race for the lock says nothing about its wall clock either.
  if (reading.boot < last_.boot) {
    finding.now.wall_us = last_.wall_us;
    last_ = finding.now;
    return finding;
  }
  // Unsigned, because a broken clock may be anywhere; the difference then wraps as intended.
  const int64_t wall_us = static_cast<int64_t>(static_cast<uint64_t>(reading.wall_us) -
                                               static_cast<uint64_t>(last_.wall_us));
  constexpr int64_t kCenturyUs = int64_t{100} * 366 * 86400 * 1000000;
  const Duration wall =
      std::chrono::microseconds(std::max(-kCenturyUs, std::min(kCenturyUs, wall_us)));
  const Duration jump = wall - boot;
  const Duration margin =
      wall_jump_max_ + std::chrono::duration_cast<Duration>(
                           rate_error_max_ * std::chrono::duration<double, std::nano>(boot));
  if (jump > margin || jump < -margin) {
    finding.wall_jump = jump;
    finding.elapsed = std::max(finding.elapsed, wall);
  }
  last_ = finding.now;
  return finding;
}

}  // namespace rasputin::consensus::lease
