// The clocks of one simulated machine: BOOTTIME, MONOTONIC_RAW and wall clock, each with its own
// error.
//
// Maps simulated real time to readings and back. Rates are fixed for a run; wall time can be
// stepped; a suspend stops the raw clock (not BOOTTIME) for a while, as Linux has it; a reboot
// starts both monotonic clocks anew. A value; not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_SIM_CLOCK_H_
#define RASPUTIN_TESTS_SIM_SIM_CLOCK_H_

#include <cstdint>

#include "consensus/core/types.h"
#include "tests/sim/scheduler.h"

namespace rasputin::sim {

struct ClockErrors {
  int64_t boot_ppm = 0;  // Rate error of BOOTTIME in parts per million.
  int64_t raw_ppm = 0;   // Of MONOTONIC_RAW.
  int64_t wall_offset_us = 0;
};

class SimClock {
 public:
  explicit SimClock(const ClockErrors& errors) : errors_(errors) {}

  consensus::ClockReading At(RealTime real) const;
  // Earliest real time at which BOOTTIME reads `boot` or more; far away for Instant::max().
  RealTime RealAt(consensus::Instant boot) const;

  // The machine sleeps in [from, from + length): the raw clock stands still.
  void Suspend(RealTime from, RealTime length);
  // Ends a sleep early: no process runs on a machine that sleeps.
  void Wake(RealTime real);
  void StepWall(int64_t by_us) { errors_.wall_offset_us += by_us; }
  // Both monotonic clocks start again at `uptime_ns`. No process of the machine lives meanwhile.
  void Reboot(RealTime real, int64_t uptime_ns);

 private:
  ClockErrors errors_;
  RealTime origin_ = 0;  // Real time at which boot_ and raw_ were read.
  int64_t boot_ = 1'000'000'000;
  int64_t raw_ = 1'000'000'000;
  RealTime asleep_from_ = 0;
  RealTime asleep_until_ = 0;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_SIM_CLOCK_H_
