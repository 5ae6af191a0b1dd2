// A fixed sample of seeds, in both modes, small enough for every run of the suite.
//
// Each also shows that it is a function of its seed, and that something happened at all.

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/sim/coverage.h"
#include "tests/sim/simulation.h"

namespace rasputin::sim {
namespace {

std::string Describe(const SimulationOptions& options, const Report& report) {
  std::string text = "seed " + std::to_string(options.seed) + ", faults: " + report.plan;
  if (report.violation.has_value()) {
    text += "\n" + report.violation->guarantee + ": " + report.violation->details;
  }
  return text + "\nreplay: bazel run //tests/sim:sim -- --seed=" + std::to_string(options.seed) +
         " --seconds=" + std::to_string(options.length / kSecond) +
         (options.liveness ? " --liveness" : "") + " --trace";
}

std::string NeverMet(const Report& sum) {
  std::string names;
  for (size_t i = 0; i < kSituations; ++i) {
    if (sum.situations[i] == 0) names += std::string("\n") + NameOf(static_cast<Situation>(i));
  }
  return names;
}

// Goes on until each named situation was met: the rarest come once in some hundred seeds, and which
// seeds those are changes with every change of the code.
TEST(Simulation, HoldsUnderAnyFaultsInEverySituation) {
  constexpr uint64_t kSeedsMin = 120;
  constexpr uint64_t kSeedsMax = 2000;
  Report sum;
  uint64_t seed = 1;
  for (; seed <= kSeedsMin || (seed <= kSeedsMax && !NeverMet(sum).empty()); ++seed) {
    SimulationOptions options;
    options.seed = seed;
    options.length = 20 * kSecond;
    const Report report = Simulate(options);
    EXPECT_FALSE(report.violation.has_value()) << Describe(options, report);
    sum.acknowledged += report.acknowledged;
    sum.elections += report.elections;
    sum.pulls += report.pulls;
    sum.kills += report.kills;
    sum.power_losses += report.power_losses;
    sum.torn_tails += report.torn_tails;
    sum.splits += report.splits;
    sum.merges += report.merges;
    sum.pauses += report.pauses;
    sum.disk_errors += report.disk_errors;
    sum.engine_stalls += report.engine_stalls;
    sum.engine_failures += report.engine_failures;
    for (size_t i = 0; i < kSituations; ++i) sum.situations[i] += report.situations[i];
  }
  EXPECT_EQ(NeverMet(sum), "") << "in " << seed - 1 << " seeds";
  std::printf("%lu seeds met all %zu situations\n", seed - 1, size_t{kSituations});
  // A simulator in which nothing happens violates nothing. A half or less of what these seeds reach
  // (of the rarest, torn tails, they reach about ten), so that changed code does not fail by luck.
  EXPECT_GT(sum.acknowledged, 50'000u);
  EXPECT_GT(sum.elections, 500u);
  EXPECT_GT(sum.pulls, 50u);
  EXPECT_GT(sum.kills - sum.power_losses, 300u);
  EXPECT_GT(sum.power_losses, 150u);
  EXPECT_GT(sum.torn_tails, 0u);
  EXPECT_GT(sum.splits, 50u);
  EXPECT_GT(sum.merges, 4u);
  EXPECT_GT(sum.pauses, 80u);
  EXPECT_GT(sum.disk_errors, 50u);
  EXPECT_GT(sum.engine_stalls, 50u);
  EXPECT_GT(sum.engine_failures, 30u);
  RecordProperty("acknowledged", std::to_string(sum.acknowledged));
  RecordProperty("elections", std::to_string(sum.elections));
}

TEST(Simulation, MakesProgressInFrozenTopologies) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SimulationOptions options;
    options.seed = seed;
    options.liveness = true;
    const Report report = Simulate(options);
    EXPECT_FALSE(report.violation.has_value()) << Describe(options, report);
  }
}

TEST(Simulation, IsAFunctionOfItsSeed) {
  for (const uint64_t seed : {3, 14, 15, 92}) {
    SimulationOptions options;
    options.seed = seed;
    options.length = 10 * kSecond;
    EXPECT_EQ(Simulate(options).hash, Simulate(options).hash) << "seed " << seed;
  }
  SimulationOptions one;
  one.length = 2 * kSecond;
  SimulationOptions other = one;
  other.seed = 2;
  EXPECT_NE(Simulate(one).hash, Simulate(other).hash);
}

}  // namespace
}  // namespace rasputin::sim
