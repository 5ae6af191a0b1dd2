// Harpoon shows what is required of it in every scenario, on a fixed sample; the long runs are
// `bazel run //tests/compare:compare`.

#include "tests/compare/scenarios.h"

#include <algorithm>
#include <string>

#include "gtest/gtest.h"
#include "tests/compare/tables.h"

namespace rasputin::compare {
namespace {

Tally TallyOf(const Scenario& scenario, Kind kind, uint64_t seeds) {
  Tally tally;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    TrialOptions options;
    options.kind = kind;
    options.seed = seed;
    tally.Add(seed, Play(scenario, options), scenario.required);
  }
  return tally;
}

const Scenario& Named(const std::string& name) {
  return *std::find_if(Scenarios().begin(), Scenarios().end(),
                       [&name](const Scenario& s) { return name == s.name; });
}

class EveryScenario : public testing::TestWithParam<size_t> {};

TEST_P(EveryScenario, HarpoonShowsWhatIsRequired) {
  const Scenario& scenario = Scenarios()[GetParam()];
  const Tally tally = TallyOf(scenario, Kind::kHarpoon, &scenario == &RandomTopology() ? 60 : 10);
  EXPECT_EQ(tally.Failures(), "");
  if (scenario.required.recovery_p95_d_max > 0) {
    EXPECT_LE(tally.RecoveryD(0.95), scenario.required.recovery_p95_d_max);
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, EveryScenario, testing::Range<size_t>(0, Scenarios().size()),
                         [](const testing::TestParamInfo<size_t>& tested) {
                           std::string name = Scenarios()[tested.param].name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Comparison, NeitherRaftEverLeadsInAConstrainedElection) {
  for (const Kind kind : {Kind::kRaft, Kind::kRaftPreVoteCheckQuorum}) {
    EXPECT_EQ(TallyOf(Named("constrained"), kind, 5).live(), 0u);
  }
}

TEST(Comparison, RaftWithoutCheckQuorumStaysWithADeafLeader) {
  EXPECT_EQ(TallyOf(Named("deaf"), Kind::kRaft, 5).live(), 0u);
  EXPECT_EQ(TallyOf(Named("deaf"), Kind::kRaftPreVoteCheckQuorum, 5).live(), 5u);
}

}  // namespace
}  // namespace rasputin::compare
