// Rates, suspension and inversion of simulated clocks.

#include "tests/sim/sim_clock.h"

#include <gtest/gtest.h>

namespace rasputin::sim {
namespace {

TEST(SimClock, RunsAtItsOwnRate) {
  ClockErrors errors;
  errors.boot_ppm = 10'000;
  errors.raw_ppm = -10'000;
  const SimClock clock(errors);
  const auto from = clock.At(0);
  const auto to = clock.At(kSecond);
  EXPECT_EQ((to.boot - from.boot).count(), 1'010'000'000);
  EXPECT_EQ((to.raw - from.raw).count(), 990'000'000);
}

TEST(SimClock, RealAtIsTheFirstInstantAtWhichTheClockShowsIt) {
  for (const int64_t ppm : {-9999, -1, 0, 1, 9999}) {
    ClockErrors errors;
    errors.boot_ppm = ppm;
    const SimClock clock(errors);
    for (RealTime real = 100; real < 3 * kSecond; real = real * 7 + 3) {
      const RealTime found = clock.RealAt(clock.At(real).boot);
      EXPECT_EQ(clock.At(found).boot, clock.At(real).boot);
      EXPECT_LT(clock.At(found - 1).boot, clock.At(real).boot);
    }
  }
}

TEST(SimClock, WhatIsDueAtOnceWasDueAtTheOrigin) {
  const SimClock clock{ClockErrors()};
  EXPECT_EQ(clock.RealAt(consensus::Instant::min()), 0);
  EXPECT_EQ(clock.RealAt(clock.At(0).boot), 0);
}

TEST(SimClock, SuspendStopsTheRawClockAlone) {
  SimClock clock{ClockErrors()};
  clock.Suspend(kSecond, 2 * kSecond);
  EXPECT_EQ((clock.At(3 * kSecond).boot - clock.At(kSecond).boot).count(), 2 * kSecond);
  EXPECT_EQ((clock.At(3 * kSecond).raw - clock.At(kSecond).raw).count(), 0);
  EXPECT_EQ((clock.At(4 * kSecond).raw - clock.At(kSecond).raw).count(), kSecond);
}

TEST(SimClock, BothClocksRunOnceAMachineIsWokenEarly) {
  SimClock clock{ClockErrors()};
  clock.Suspend(kSecond, 10 * kSecond);
  const auto before = clock.At(2 * kSecond);
  clock.Wake(2 * kSecond);
  EXPECT_EQ(clock.At(2 * kSecond).raw, before.raw);
  EXPECT_EQ(clock.At(2 * kSecond).boot, before.boot);
  EXPECT_EQ((clock.At(3 * kSecond).raw - before.raw).count(), kSecond);
  EXPECT_EQ((clock.At(3 * kSecond).boot - before.boot).count(), kSecond);
}

TEST(SimClock, AStepOfTheWallMovesNothingElse) {
  SimClock clock{ClockErrors()};
  const auto before = clock.At(kSecond);
  clock.StepWall(-5'000'000);
  const auto after = clock.At(kSecond);
  EXPECT_EQ(after.wall_us, before.wall_us - 5'000'000);
  EXPECT_EQ(after.boot, before.boot);
  EXPECT_EQ(after.raw, before.raw);
}

}  // namespace
}  // namespace rasputin::sim
