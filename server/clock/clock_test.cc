// Claims about the clock readings that a store is driven by.

#include "server/clock/clock.h"

#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

TEST(Clock, MonotonicReadingsNeverGoBack) {
  consensus::ClockReading last = ReadClocks();
  for (int i = 0; i < 1000; ++i) {
    const consensus::ClockReading next = ReadClocks();
    ASSERT_GE(next.boot, last.boot);
    ASSERT_GE(next.raw, last.raw);
    last = next;
  }
}

TEST(Clock, TimeOfTheThreadCountsWhatItDoes) {
  const consensus::Duration before = ThreadCpuTime();
  volatile int spun = 0;
  while (ThreadCpuTime() == before) spun = spun + 1;
  EXPECT_GT(ThreadCpuTime(), before);
}

consensus::ClockReading At(consensus::Duration boot, consensus::Duration raw) {
  return {consensus::Instant(boot), consensus::Instant(raw), 7};
}

TEST(Clock, ASmallStepBackIsHiddenUntilTheClockIsWhereItWas) {
  ForwardReadings readings;
  const consensus::Duration second = std::chrono::seconds(1);
  EXPECT_EQ(readings.Admit(At(-second, -second)).boot, consensus::Instant(-second));
  EXPECT_EQ(readings.Admit(At(second, second)).raw, consensus::Instant(second));
  const consensus::ClockReading back = readings.Admit(At(second - kHiddenStepBackMax, 2 * second));
  EXPECT_EQ(back.boot, consensus::Instant(second));
  EXPECT_EQ(back.raw, consensus::Instant(2 * second)) << "each clock for itself";
  EXPECT_EQ(back.wall_us, 7);
  EXPECT_EQ(readings.Admit(At(3 * second, 3 * second)).boot, consensus::Instant(3 * second));
}

// [S-8]: a lease that is reckoned by a clock that stands still lasts too long.
TEST(Clock, AGreaterStepBackEndsTheProcess) {
  const consensus::Duration second = std::chrono::seconds(1);
  const consensus::Duration beyond = second - kHiddenStepBackMax - consensus::Duration(1);
  ForwardReadings readings;
  readings.Admit(At(second, second));
  EXPECT_DEATH(readings.Admit(At(beyond, second)), "CLOCK_BOOTTIME went back by 1000001 ns");
  EXPECT_DEATH(readings.Admit(At(second, beyond)), "CLOCK_MONOTONIC_RAW went back");
}

TEST(Clock, WallTimeIsInMicrosecondsSince1970) {
  const int64_t wall_us = ReadClocks().wall_us;
  EXPECT_GT(wall_us, int64_t{1600000000} * 1000000);
  EXPECT_LT(wall_us, int64_t{8000000000} * 1000000);
}

}  // namespace
}  // namespace rasputin::server
