// The real clocks of a store: one reading of all that the lease rules look at [S-8].
//
// The only place of the server that reads time for the protocol. Thread-safe.

#ifndef RASPUTIN_SERVER_CLOCK_CLOCK_H_
#define RASPUTIN_SERVER_CLOCK_CLOCK_H_

#include "consensus/core/types.h"

namespace rasputin::server {

// CLOCK_BOOTTIME (goes on during a suspend), CLOCK_MONOTONIC_RAW (is not slewed) and
// CLOCK_REALTIME.
consensus::ClockReading ReadClocks();

// CLOCK_BOOTTIME alone: for deadlines and measurements within this process.
consensus::Instant Now();

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_CLOCK_CLOCK_H_
