// A few kills of real servers, in every run of the suite; //tests/process:kill_servers does more.

#include "tests/process/kill.h"

#include <gtest/gtest.h>

#include <iostream>

namespace rasputin::process {
namespace {

KillOptions Options() {
  KillOptions options;
  options.binary = "server/rasputind";
  options.directory = testing::TempDir();
  options.kills = 4;
  options.kills_of_all = 1;
  options.pause_ms = 200;
  return options;
}

void Check(const KillReport& report) {
  std::cout << ToString(report);
  EXPECT_EQ(report.counters.explanation, "");
  EXPECT_TRUE(report.linearizable) << report.violation;
  EXPECT_EQ(report.unsettled, "");
  EXPECT_GT(report.counters.acknowledged, 100u);
}

TEST(Kill, NoAcknowledgedIncrementIsLostAndNoneDoubled) { Check(RunKills(Options())); }

TEST(Kill, NoneIsLostOrDoubledWhileMembersChange) {
  KillOptions options = Options();
  options.changes = true;
  options.nodes = 4;
  options.ranges = 2;
  const KillReport report = RunKills(options);
  Check(report);
  EXPECT_GT(report.changes.completed, 0u);
}

}  // namespace
}  // namespace rasputin::process
