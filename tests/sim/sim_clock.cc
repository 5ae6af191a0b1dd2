// Readings of simulated clocks; see sim_clock.h.

#include "tests/sim/sim_clock.h"

#include <algorithm>

namespace rasputin::sim {
namespace {

constexpr int64_t kMillion = 1'000'000;
// 2026-01-01T00:00:00Z.
constexpr int64_t kWallOriginUs = 1'767'225'600'000'000;

int64_t Scale(int64_t real_ns, int64_t ppm) {
  return static_cast<int64_t>(static_cast<__int128>(real_ns) * (kMillion + ppm) / kMillion);
}

}  // namespace

consensus::ClockReading SimClock::At(RealTime real) const {
  const int64_t elapsed = real - origin_;
  const int64_t asleep = std::max<int64_t>(0, std::min(real, asleep_until_) - asleep_from_);
  consensus::ClockReading reading;
  reading.boot = consensus::Instant(consensus::Duration(boot_ + Scale(elapsed, errors_.boot_ppm)));
  reading.raw =
      consensus::Instant(consensus::Duration(raw_ + Scale(elapsed - asleep, errors_.raw_ppm)));
  reading.wall_us = kWallOriginUs + real / 1000 + errors_.wall_offset_us;
  return reading;
}

RealTime SimClock::RealAt(consensus::Instant boot) const {
  const int64_t wanted = boot.time_since_epoch().count();
  constexpr int64_t kFar = int64_t{1} << 60;
  if (wanted > kFar) return kFar;
  if (wanted <= boot_) return origin_;  // Instant::min() too: no difference to it is taken.
  const int64_t ahead = wanted - boot_;
  RealTime real = origin_ + static_cast<int64_t>(static_cast<__int128>(ahead) * kMillion /
                                                 (kMillion + errors_.boot_ppm));
  real = std::max(origin_, real - 2);  // The division was rounded.
  while (At(real).boot < boot) ++real;
  return real;
}

void SimClock::Suspend(RealTime from, RealTime length) {
  const consensus::ClockReading reading = At(from);
  boot_ = reading.boot.time_since_epoch().count();
  raw_ = reading.raw.time_since_epoch().count();
  origin_ = from;
  asleep_from_ = from;
  asleep_until_ = from + length;
}

void SimClock::Wake(RealTime real) {
  if (real >= asleep_until_) return;
  const consensus::ClockReading reading = At(real);
  boot_ = reading.boot.time_since_epoch().count();
  raw_ = reading.raw.time_since_epoch().count();
  origin_ = real;
  asleep_from_ = asleep_until_ = real;
}

void SimClock::Reboot(RealTime real, int64_t uptime_ns) {
  origin_ = real;
  boot_ = uptime_ns;
  raw_ = uptime_ns;
  asleep_from_ = real;
  asleep_until_ = real;
}

}  // namespace rasputin::sim
