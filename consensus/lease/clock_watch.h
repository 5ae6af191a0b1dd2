// Looks at clock readings for pauses, for jumps of the wall clock and for rates that differ too
// much [S-8].
//
// A value type; what follows from a finding is StoreLeases' business. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_LEASE_CLOCK_WATCH_H_
#define RASPUTIN_CONSENSUS_LEASE_CLOCK_WATCH_H_

#include "consensus/core/types.h"

namespace rasputin::consensus::lease {

class ClockWatch {
 public:
  // `rate_error_max` widens the margin of a jump with the time between two readings.
  ClockWatch(const ClockReading& start, Duration wall_jump_max, double rate_error_max)
      : last_(start),
        compared_(start),
        wall_jump_max_(wall_jump_max),
        rate_error_max_(rate_error_max) {}

  struct Finding {
    ClockReading now;      // The reading, never before the previous one on either monotonic clock.
    Duration elapsed{};    // Since the previous reading: the most that any clock says.
    Duration wall_jump{};  // REALTIME against BOOTTIME, if beyond the margin; positive: forward.
    // The same since the last jump or drift that was found, or since drift was last counted anew
    // (after 10 wall_jump_max / rate_error_max): beyond the margin without any jump, one of the two
    // clocks runs at a rate that is wrong by more than `rate_error_max`.
    Duration wall_drift{};
  };
  Finding Observe(const ClockReading& reading);

  const ClockReading& last() const { return last_; }

 private:
  // What the bound on rates allows between two readings.
  Duration DriftMargin(const ClockReading& from, const ClockReading& to) const;
  // What REALTIME gained on BOOTTIME between two readings, if beyond the margin; else zero.
  Duration Gained(const ClockReading& from, const ClockReading& to) const;

  ClockReading last_;
  ClockReading compared_;  // Drift is counted from here.
  Duration wall_jump_max_;
  double rate_error_max_;
};

}  // namespace rasputin::consensus::lease

#endif  // RASPUTIN_CONSENSUS_LEASE_CLOCK_WATCH_H_
