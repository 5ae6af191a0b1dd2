// A fixed sample of seeds, in both modes, small enough for every run of the suite.
//
// Each also shows that it is a function of its seed, and that something happened at all.

#include <gtest/gtest.h>

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

TEST(Simulation, HoldsUnderAnyFaults) {
  uint64_t acknowledged = 0;
  uint64_t elections = 0;
  uint64_t kills = 0;
  uint64_t torn_tails = 0;
  uint64_t splits = 0;
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    SimulationOptions options;
    options.seed = seed;
    options.length = 20 * kSecond;
    const Report report = Simulate(options);
    EXPECT_FALSE(report.violation.has_value()) << Describe(options, report);
    acknowledged += report.acknowledged;
    elections += report.elections;
    kills += report.kills;
    torn_tails += report.torn_tails;
    splits += report.splits;
  }
  // A simulator in which nothing happens violates nothing.
  EXPECT_GT(acknowledged, 50'000u);
  EXPECT_GT(elections, 200u);
  EXPECT_GT(kills, 100u);
  EXPECT_GT(torn_tails, 0u);
  EXPECT_GT(splits, 50u);
  RecordProperty("acknowledged", std::to_string(acknowledged));
  RecordProperty("elections", std::to_string(elections));
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
