// The measurement of tests/scale at a small size: every step of it succeeds on real servers.

#include "tests/scale/scale.h"

#include <gtest/gtest.h>

#include <iostream>

namespace rasputin::scale {
namespace {

TEST(Scale, AllRangesAreLedAndWrittenToAfterALossAndARestartOfAll) {
  ScaleOptions options;
  options.binary = "server/rasputind";
  options.directory = testing::TempDir();
  options.ranges = 60;
  options.idle_seconds = 2;
  options.samples = 20;
  options.callers = 8;
  const ScaleReport report = RunScale(options);
  std::cout << ToString({report});
  EXPECT_GE(report.lost_leaderships, 15u);
  EXPECT_GT(report.grown.memory_mib, 0);
}

}  // namespace
}  // namespace rasputin::scale
