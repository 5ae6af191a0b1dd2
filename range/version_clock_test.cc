// Versions grow whatever the clocks do.

#include "range/version_clock.h"

#include <gtest/gtest.h>

namespace rasputin::range {
namespace {

using consensus::ClockReading;
using consensus::Instant;

ClockReading At(int64_t boot_ms, int64_t wall_ms) {
  ClockReading reading;
  reading.boot = Instant(std::chrono::milliseconds(boot_ms));
  reading.raw = reading.boot;
  reading.wall_us = wall_ms * 1000;
  return reading;
}

TEST(VersionClock, VersionHoldsWallMillisecondsAboveSixteenBits) {
  const VersionClock clock(At(0, 1'700'000'000'000));
  EXPECT_EQ(clock.Next(0) >> 16, 1'700'000'000'000u);
  EXPECT_EQ(clock.Next(0) & 0xffff, 0u);
}

TEST(VersionClock, IsAboveTheFloorWhenTheWallClockIsBehind) {
  const VersionClock clock(At(0, 1000));
  const uint64_t floor = uint64_t{5000} << 16;
  EXPECT_EQ(clock.Next(floor), floor + 1);
}

TEST(VersionClock, FollowsStepsUpToSixtySeconds) {
  VersionClock clock(At(0, 1'000'000));
  EXPECT_EQ(clock.Observe(At(10, 1'059'000)), 0);
  EXPECT_EQ(clock.Next(0) >> 16, 1'059'000u);
}

TEST(VersionClock, RefusesAndReportsALargerJumpOnce) {
  VersionClock clock(At(0, 1'000'000));
  EXPECT_EQ(clock.Observe(At(10, 2'000'010)), 1'000'000'000);
  EXPECT_EQ(clock.Next(0) >> 16, 1'000'010u);
  EXPECT_EQ(clock.Observe(At(20, 2'000'020)), 0);
  EXPECT_EQ(clock.Next(0) >> 16, 1'000'020u);
  EXPECT_EQ(clock.Observe(At(30, 1'000'030)), 0);
  EXPECT_LT(clock.Observe(At(40, 10)), 0);
}

}  // namespace
}  // namespace rasputin::range
