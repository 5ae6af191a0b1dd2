// The randomized model over many seeds: safety under any faults, liveness after them.
//
// A failure prints the seed; replay it alone with --gtest_filter and RASPUTIN_LEASE_SEED.

#include "consensus/lease/lease_model.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace rasputin::consensus::lease {
namespace {

struct Totals {
  uint64_t checks_supported = 0;
  uint64_t withdrawals = 0;
  uint64_t crashes = 0;
  uint64_t suspensions = 0;
  uint64_t disk_stalls = 0;
};

void RunSeeds(int stores, uint64_t seeds) {
  Totals totals;
  uint64_t first = 1;
  if (const char* seed = std::getenv("RASPUTIN_LEASE_SEED")) {
    first = std::strtoull(seed, nullptr, 10);
    seeds = 1;
  }
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    LeaseModelOptions options;
    options.seed = seed;
    options.stores = stores;
    const LeaseModelResult result = LeaseModel(options).Run();
    ASSERT_EQ(result.violation, "");
    totals.checks_supported += result.checks_supported;
    totals.withdrawals += result.withdrawals;
    totals.crashes += result.crashes;
    totals.suspensions += result.suspensions;
    totals.disk_stalls += result.disk_stalls;
  }
  if (seeds == 1) return;
  EXPECT_GT(totals.checks_supported, 100 * seeds);
  EXPECT_GT(totals.withdrawals, seeds);
  EXPECT_GT(totals.crashes, seeds);
  EXPECT_GT(totals.suspensions, seeds);
  EXPECT_GT(totals.disk_stalls, seeds / 2);
}

TEST(LeaseModel, NobodyCountsOnWithdrawnSupportAndTwoWayLinksRegainItWithThreeStores) {
  RunSeeds(3, 1500);
}

TEST(LeaseModel, NobodyCountsOnWithdrawnSupportAndTwoWayLinksRegainItWithFiveStores) {
  RunSeeds(5, 500);
}

// [S-9] with the operator's word being true: what nobody counts on any more may end at any time.
TEST(LeaseModel, NobodyCountsOnWhatWasWithdrawnFromADeadStore) {
  uint64_t withdrawn = 0;
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    LeaseModelOptions options;
    options.seed = seed;
    options.way_out = LeaseModelOptions::Operator::kWithdrawsFromDead;
    const LeaseModelResult result = LeaseModel(options).Run();
    ASSERT_EQ(result.violation, "");
    withdrawn += result.withdrawn_early;
  }
  EXPECT_GT(withdrawn, 500u);
}

// [S-9] with the operator being wrong: why the command wants a proof.
TEST(LeaseModel, SomebodyCountsOnWhatWasWithdrawnFromALivingStore) {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    LeaseModelOptions options;
    options.seed = seed;
    options.way_out = LeaseModelOptions::Operator::kWithdrawsFromAnybody;
    if (!LeaseModel(options).Run().violation.empty()) return;
  }
  FAIL() << "the model does not notice that a living store loses what it counts on";
}

TEST(LeaseModel, SameSeedIsTheSameRun) {
  LeaseModelOptions options;
  options.seed = 77;
  const LeaseModelResult a = LeaseModel(options).Run();
  const LeaseModelResult b = LeaseModel(options).Run();
  EXPECT_EQ(a.events, b.events);
  EXPECT_EQ(a.checks_supported, b.checks_supported);
}

}  // namespace
}  // namespace rasputin::consensus::lease
