// Implementation of clock_watch.h.
//
// Thread-safety and invariants: see the header.

#include "consensus/lease/clock_watch.h"

#include <algorithm>
#include <chrono>

namespace rasputin::consensus::lease {

namespace {

// Drift is counted anew once the margin for it is so many times the one for a jump: rates are told
// from the bound to within a tenth of it, and what has long gone right hides nothing.
constexpr int kDriftMargins = 10;

// Unsigned, because a broken clock may be anywhere; the difference then wraps as intended.
Duration WallBetween(const ClockReading& from, const ClockReading& to) {
  const int64_t wall_us =
      static_cast<int64_t>(static_cast<uint64_t>(to.wall_us) - static_cast<uint64_t>(from.wall_us));
  constexpr int64_t kCenturyUs = int64_t{100} * 366 * 86400 * 1000000;
  return std::chrono::microseconds(std::max(-kCenturyUs, std::min(kCenturyUs, wall_us)));
}

}  // namespace

Duration ClockWatch::DriftMargin(const ClockReading& from, const ClockReading& to) const {
  return std::chrono::duration_cast<Duration>(
      rate_error_max_ * std::chrono::duration<double, std::nano>(to.boot - from.boot));
}

Duration ClockWatch::Gained(const ClockReading& from, const ClockReading& to) const {
  const Duration gained = WallBetween(from, to) - (to.boot - from.boot);
  const Duration margin = wall_jump_max_ + DriftMargin(from, to);
  return gained > margin || gained < -margin ? gained : Duration::zero();
}

ClockWatch::Finding ClockWatch::Observe(const ClockReading& reading) {
  Finding finding;
  finding.now = reading;
  finding.now.boot = std::max(reading.boot, last_.boot);
  finding.now.raw = std::max(reading.raw, last_.raw);
  finding.elapsed = std::max(finding.now.boot - last_.boot, finding.now.raw - last_.raw);
  // A reading that lost the race for the lock says nothing about its wall clock either.
  if (reading.boot < last_.boot) {
    finding.now.wall_us = last_.wall_us;
    last_ = finding.now;
    return finding;
  }
  finding.wall_jump = Gained(last_, finding.now);
  if (finding.wall_jump != Duration::zero()) {
    finding.elapsed = std::max(finding.elapsed, WallBetween(last_, finding.now));
    compared_ = finding.now;
  } else {
    finding.wall_drift = Gained(compared_, finding.now);
    if (finding.wall_drift != Duration::zero() ||
        DriftMargin(compared_, finding.now) >= kDriftMargins * wall_jump_max_) {
      compared_ = finding.now;
    }
  }
  last_ = finding.now;
  return finding;
}

}  // namespace rasputin::consensus::lease
