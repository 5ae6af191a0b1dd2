// Gives versions: hybrid logical timestamps of 48 bits wall milliseconds and 16 bits counter.
//
// Wall time comes with the caller's clock readings; a jump against the monotonic clock of more than
// 60 s (formats.md "Version") is not followed: the clock runs on from where it was. Deterministic;
// not thread-safe.

#ifndef RASPUTIN_RANGE_VERSION_CLOCK_H_
#define RASPUTIN_RANGE_VERSION_CLOCK_H_

#include <cstdint>

#include "consensus/core/types.h"

namespace rasputin::range {

class VersionClock {
 public:
  static constexpr int64_t kJumpMaxUs = 60'000'000;

  explicit VersionClock(const consensus::ClockReading& now)
      : boot_(now.boot), wall_us_(now.wall_us) {}

  // Takes a reading. Returns the microseconds of a jump that was refused; 0: none. Each refusal is
  // returned once: later readings are compared with what this clock then shows.
  int64_t Observe(const consensus::ClockReading& now);

  // A version greater than `floor` and not before the wall time observed last.
  uint64_t Next(uint64_t floor) const;

  int64_t wall_us() const { return wall_us_; }

 private:
  consensus::Instant boot_;
  int64_t wall_us_;
  bool refused_ = false;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_VERSION_CLOCK_H_
