// Clock readings by clock_gettime. Thread-safe; the only state is of each thread its own.

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

// `last` if `now` is a little before it.
consensus::Instant Forward(const char* clock, consensus::Instant last, consensus::Instant now) {
  if (now >= last) return now;
  LOG_IF(FATAL, last - now > kHiddenStepBackMax)
      << clock << " went back by " << (last - now).count()
      << " ns: no lease can be reckoned by it, so this process ends. It is the kernel's or the "
         "hypervisor's fault: look at the machine's clock source, then start rasputind again";
  return last;
}

}  // namespace

consensus::ClockReading ForwardReadings::Admit(const consensus::ClockReading& reading) {
  consensus::ClockReading admitted = reading;
  admitted.boot = Forward("CLOCK_BOOTTIME", last_.boot, reading.boot);
  admitted.raw = Forward("CLOCK_MONOTONIC_RAW", last_.raw, reading.raw);
  last_ = consensus::DualInstant::At(admitted);
  return admitted;
}

consensus::Instant Now() {
  return consensus::Instant(consensus::Duration(ReadNanoseconds(CLOCK_BOOTTIME)));
}

consensus::Duration ThreadCpuTime() {
  return consensus::Duration(ReadNanoseconds(CLOCK_THREAD_CPUTIME_ID));
}

consensus::ClockReading ReadClocks() {
  consensus::ClockReading reading;
  reading.boot = Now();
  reading.raw = consensus::Instant(consensus::Duration(ReadNanoseconds(CLOCK_MONOTONIC_RAW)));
  reading.wall_us = ReadNanoseconds(CLOCK_REALTIME) / 1000;
  thread_local ForwardReadings forward;
  return forward.Admit(reading);
}

}  // namespace rasputin::server
