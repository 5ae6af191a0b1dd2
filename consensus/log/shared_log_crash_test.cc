// Crashes at every kind of moment, judged by a model: crash_run.h.
//
// LOG_CRASH_SEEDS chooses another number of seeds; a failure names its seed.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "consensus/log/crash_run.h"

namespace rasputin::consensus::log {
namespace {

int Seeds(int normally) {
  const char* wanted = std::getenv("LOG_CRASH_SEEDS");
  return wanted == nullptr ? normally : std::atoi(wanted);
}

TEST(SharedLogCrash, WhatWasReportedDurableIsRecoveredAndNothingIsInvented) {
  uint64_t torn_tails = 0, recycled = 0, copied = 0, crashes = 0, torn_sectors = 0;
  for (int seed = 1; seed <= Seeds(1000); ++seed) {
    CrashRun run(static_cast<uint64_t>(seed));
    for (int cycle = 0; cycle < 12; ++cycle) {
      ASSERT_TRUE(run.Reopen()) << "seed " << seed << " cycle " << cycle << ": " << run.failure();
      run.Work(cycle % 4 == 3 ? 400 : 30);
      ASSERT_EQ(run.failure(), "") << "seed " << seed << " cycle " << cycle;
      run.Crash();
    }
    torn_tails += run.torn_tails();
    recycled += run.recycled();
    copied += run.copied();
    crashes += run.directory().stats().crashes;
    torn_sectors += run.directory().stats().sectors_torn;
  }
  // A test that does nothing finds nothing.
  EXPECT_GT(torn_tails, 0u);
  EXPECT_GT(torn_sectors, 0u);
  EXPECT_GT(recycled, 0u);
  EXPECT_GT(copied, 0u);
  std::printf(
      "%lu crashes, %lu torn tails, %lu torn sectors, %lu segments recycled, %lu bytes "
      "copied\n",
      crashes, torn_tails, torn_sectors, recycled, copied);
}

}  // namespace
}  // namespace rasputin::consensus::log
