// A few damaged files of real servers, in every run of the suite; //tests/process:flip_servers does
// more.

#include "tests/process/flip.h"

#include <gtest/gtest.h>

#include <iostream>

namespace rasputin::process {
namespace {

// [H-18] A damaged CURRENT is always seen; a segment's damage may lie where nothing reads it.
TEST(Flip, AStoreWhoseDamageIsSeenIsReplacedWithoutAnOperatorAndNoAnswerIsWrong) {
  FlipOptions options;
  options.binary = "server/rasputind";
  options.directory = testing::TempDir();
  options.rounds = 2;
  options.targets = {FlipTarget::kSegment, FlipTarget::kCurrent};
  const FlipReport report = RunFlips(options);
  std::cout << ToString(report);
  EXPECT_EQ(report.counters.explanation, "");
  EXPECT_EQ(report.wrong_answers, 0u);
  EXPECT_TRUE(report.linearizable) << report.violation;
  EXPECT_EQ(report.not_repaired, 0);
  EXPECT_GE(report.detected_at_start, 1);
}

}  // namespace
}  // namespace rasputin::process
