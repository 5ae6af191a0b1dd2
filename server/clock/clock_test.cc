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

TEST(Clock, WallTimeIsInMicrosecondsSince1970) {
  const int64_t wall_us = ReadClocks().wall_us;
  EXPECT_GT(wall_us, int64_t{1600000000} * 1000000);
  EXPECT_LT(wall_us, int64_t{8000000000} * 1000000);
}

}  // namespace
}  // namespace rasputin::server
