// The real clocks of a store: one reading of all that the lease rules look at [S-8].
//
// The only place of the server that reads time for the protocol. Thread-safe.

#ifndef RASPUTIN_SERVER_CLOCK_CLOCK_H_
#define RASPUTIN_SERVER_CLOCK_CLOCK_H_

#include <chrono>

#include "consensus/core/types.h"

namespace rasputin::server {

// CLOCK_BOOTTIME (goes on during a suspend), CLOCK_MONOTONIC_RAW (is not slewed) and
// CLOCK_REALTIME.
//
// For the thread that calls it, neither monotonic clock goes back [S-8]: see ForwardReadings.
consensus::ClockReading ReadClocks();

// A step back of a monotonic clock up to this is hidden: the clock stands still until it is where
// it was. To a lease of D it is an error of the rate of 1 ms / D.
inline constexpr consensus::Duration kHiddenStepBackMax = std::chrono::milliseconds(1);

// What a clock that must not go back is taken to show, reading by reading. The kernel promises that
// neither monotonic clock ever does; virtual machines have been seen to break it by little. Beyond
// kHiddenStepBackMax the process ends: no lease can be reckoned by such a clock, and standing still
// for long would stretch those that are held. Not thread-safe; one for each thread, since readings
// of several are in no order.
class ForwardReadings {
 public:
  consensus::ClockReading Admit(const consensus::ClockReading& reading);

 private:
  consensus::DualInstant last_{consensus::Instant::min(), consensus::Instant::min()};
};

// Time of a processor that the calling thread has taken since it began.
consensus::Duration ThreadCpuTime();

// CLOCK_BOOTTIME alone: for deadlines and measurements within this process.
consensus::Instant Now();

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_CLOCK_CLOCK_H_
