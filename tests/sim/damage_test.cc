// A fixed sample of runs in which disks of a minority are damaged beside all other faults.

#include "tests/sim/damage.h"

#include <gtest/gtest.h>

#include "tests/sim/simulation.h"

namespace rasputin::sim {
namespace {

// Wrong answers, lost writes, doubled writes, damage that a start did not notice, stores that were
// not replaced: all of them are violations.
TEST(Damage, OfAMinorityIsFoundOrHarmlessAndRepaired) {
  DamageReport sum;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SimulationOptions options;
    options.seed = seed;
    options.length = 20 * kSecond;
    options.damage = true;
    const Report report = Simulate(options);
    EXPECT_FALSE(report.violation.has_value())
        << report.violation->guarantee << ": " << report.violation->details
        << "\nreplay: bazel run //tests/sim:sim -- --seed=" << seed
        << " --seconds=20 --damage --trace";
    sum.Add(report.damage);
  }
  // Half of what these seeds reach or less.
  const DamageFate all = sum.Sum();
  EXPECT_GT(all.made, 35u);
  EXPECT_GT(all.found_at_start, 20u);
  EXPECT_GT(all.found_running + all.found_by_look, 1u);
  EXPECT_GT(sum.repairs.size(), 30u);
  for (const DamageFate& fate : sum.fates) EXPECT_GT(fate.made, 0u);
  EXPECT_EQ(all.made, all.found_at_start + all.found_running + all.found_by_look + all.harmless +
                          all.undetectable);
}

TEST(Damage, IsAFunctionOfTheSeed) {
  SimulationOptions options;
  options.seed = 5;
  options.length = 10 * kSecond;
  options.damage = true;
  EXPECT_EQ(Simulate(options).hash, Simulate(options).hash);
}

}  // namespace
}  // namespace rasputin::sim
