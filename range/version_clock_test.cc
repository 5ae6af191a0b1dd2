// Versions grow whatever the clocks do.

#include "range/version_clock.h"

#include <gtest/gtest.h>

#include <vector>

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

// ---- With other stores. Boot clocks of different machines have nothing in common: only the own
// one counts.

constexpr int64_t kNow = 1'700'000'000'000;
constexpr int64_t kYear = int64_t{365} * 24 * 3600 * 1000;
constexpr int64_t kHour = 3'600'000;

// What a clock that reads `own_ms` shows beside others that read `peers_ms` at the same instant.
int64_t Shown(int64_t own_ms, const std::vector<int64_t>& peers_ms) {
  VersionClock clock(At(0, own_ms));
  uint64_t store = 2;
  for (const int64_t peer_ms : peers_ms) {
    clock.OnPeer(consensus::StoreId(store++), Instant(), static_cast<uint64_t>(peer_ms * 1000));
  }
  clock.Observe(At(0, own_ms));
  return clock.wall_us() / 1000;
}

TEST(VersionClockAmongPeers, OneWrongClockOfThreeMovesNobody) {
  for (const int64_t wrong : {kNow + 10 * kYear, kNow - 2 * kHour}) {
    EXPECT_EQ(Shown(wrong, {kNow, kNow}), kNow);
    EXPECT_EQ(Shown(kNow, {wrong, kNow}), kNow);
  }
}

TEST(VersionClockAmongPeers, OfTwoThatDifferTheEarlierIsBelieved) {
  EXPECT_EQ(Shown(kNow + 10 * kYear, {kNow}), kNow);
  EXPECT_EQ(Shown(kNow, {kNow + 10 * kYear}), kNow);
  EXPECT_EQ(Shown(kNow, {kNow - kHour}), kNow - kHour);
}

TEST(VersionClockAmongPeers, AnOwnClockWithinAMinuteOfTheMedianIsFollowed) {
  EXPECT_EQ(Shown(kNow + 60'000, {kNow, kNow}), kNow + 60'000);
  EXPECT_EQ(Shown(kNow + 60'001, {kNow, kNow}), kNow);
  EXPECT_EQ(Shown(kNow - 60'001, {kNow, kNow}), kNow);
}

TEST(VersionClockAmongPeers, APeerThatSaysNoUsableTimeIsIgnored) {
  VersionClock clock(At(0, kNow));
  clock.OnPeer(consensus::StoreId(2), Instant(), 0);
  clock.OnPeer(consensus::StoreId(2), Instant(), ~uint64_t{0});
  clock.OnPeer(consensus::StoreId(2), Instant(), (uint64_t{1} << 48) * 1000);
  clock.Observe(At(10, kNow + 10));
  EXPECT_EQ(clock.wall_us() / 1000, kNow + 10);
}

// Started before its clock was set, 2 h behind; NTP steps it later.
TEST(VersionClockAmongPeers, AStepToTheRightTimeIsFollowed) {
  VersionClock clock(At(0, kNow - 2 * kHour));
  EXPECT_EQ(clock.Observe(At(10, kNow + 10)), 2 * kHour * 1000) << "nobody to ask yet";
  EXPECT_EQ(clock.wall_us() / 1000, kNow - 2 * kHour + 10);
  for (const uint64_t store : {2, 3}) {
    clock.OnPeer(consensus::StoreId(store), Instant(std::chrono::milliseconds(20)),
                 static_cast<uint64_t>(kNow + 20) * 1000);
  }
  EXPECT_EQ(clock.Observe(At(20, kNow + 20)), 0);
  EXPECT_EQ(clock.wall_us() / 1000, kNow + 20);
}

TEST(VersionClockAmongPeers, AllThreeSteppedOneAfterAnotherEndAtTheNewTime) {
  VersionClock clock(At(0, 1000));
  const auto hear = [&clock](uint64_t store, int64_t boot_ms, int64_t wall_ms) {
    clock.OnPeer(consensus::StoreId(store), Instant(std::chrono::milliseconds(boot_ms)),
                 static_cast<uint64_t>(wall_ms) * 1000);
  };
  hear(2, 0, 1000);
  hear(3, 0, 1000);
  EXPECT_GT(clock.Observe(At(1000, kNow)), 0) << "alone in its opinion: refused and reported";
  EXPECT_EQ(clock.wall_us() / 1000, 2000);
  hear(2, 2000, kNow + 1000);
  EXPECT_EQ(clock.Observe(At(3000, kNow + 2000)), 0);
  EXPECT_EQ(clock.wall_us() / 1000, kNow + 2000) << "two of three";
}

// The peers' messages are from before the step of the own clock: nothing is to be asked again.
TEST(VersionClockAmongPeers, AStepOfTheOwnClockDoesNotMoveWhatIsKnownOfThePeers) {
  VersionClock clock(At(0, kNow));
  clock.OnPeer(consensus::StoreId(2), Instant(), static_cast<uint64_t>(kNow) * 1000);
  clock.OnPeer(consensus::StoreId(3), Instant(), static_cast<uint64_t>(kNow) * 1000);
  EXPECT_EQ(clock.Observe(At(1000, kNow + 1000 + kYear)), kYear * 1000);
  EXPECT_EQ(clock.Observe(At(2000, kNow + 2000 + kYear)), 0) << "reported once";
  EXPECT_EQ(clock.wall_us() / 1000, kNow + 2000);
  EXPECT_EQ(clock.Observe(At(3000, kNow + 3000)), 0);
  EXPECT_EQ(clock.Observe(At(4000, kNow + 4000 + kYear)), kYear * 1000) << "a new occasion";
}

}  // namespace
}  // namespace rasputin::range
