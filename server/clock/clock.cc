// Clock readings by clock_gettime. Thread-safe; no state.

#include "server/clock/clock.h"

#include <glog/logging.h>
#include <time.h>

#include <cstdint>

namespace rasputin::server {
namespace {

int64_t ReadNanoseconds(clockid_t clock) {
  timespec time;
  PCHECK(clock_gettime(clock, &time) == 0) << "clock " << clock;
  return static_cast<int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
}

}  // namespace

consensus::Instant Now() {
  return consensus::Instant(consensus::Duration(ReadNanoseconds(CLOCK_BOOTTIME)));
}

consensus::ClockReading ReadClocks() {
  consensus::ClockReading reading;
  reading.boot = Now();
  reading.raw = consensus::Instant(consensus::Duration(ReadNanoseconds(CLOCK_MONOTONIC_RAW)));
  reading.wall_us = ReadNanoseconds(CLOCK_REALTIME) / 1000;
  return reading;
}

}  // namespace rasputin::server
