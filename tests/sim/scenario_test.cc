// The scenarios that must hold (consensus/README.md), on real stores in virtual time.
//
// Five stores unless said; A leads at first. Safety is judged by the checkers of every scenario.

#include "tests/sim/scenario.h"

#include <gtest/gtest.h>

namespace rasputin::sim {
namespace {

TEST(Scenario, LeaderFollowerCutChangesNoLeader) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  const uint64_t elections = scenario.Elections();
  scenario.CutBoth(a, scenario.Follower(1));
  scenario.RunFor(20 * scenario.D());
  EXPECT_EQ(scenario.Leader(), a);
  EXPECT_EQ(scenario.Elections(), elections);
}

TEST(Scenario, ChainOfThreeChangesNoLeader) {
  Scenario scenario(3);
  const int a = scenario.Leader();
  const uint64_t elections = scenario.Elections();
  scenario.CutBoth(a, scenario.Follower(2));
  scenario.RunFor(20 * scenario.D());
  EXPECT_EQ(scenario.Leader(), a);
  EXPECT_EQ(scenario.Elections(), elections);
}

TEST(Scenario, QuorumLossMakesTheHubLead) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  const int c = scenario.Follower(2);
  scenario.LeaveOnlyLinksOf(c);
  const RealTime took = scenario.TimeToAnotherLeader(a, 10 * scenario.D());
  EXPECT_GE(took, 0);
  EXPECT_LE(took, 3 * scenario.D());
  EXPECT_EQ(scenario.Leader(), c);
  const uint64_t elections = scenario.Elections();
  scenario.RunFor(10 * scenario.D());
  EXPECT_EQ(scenario.Leader(), c);
  EXPECT_EQ(scenario.Elections(), elections);
  EXPECT_TRUE(scenario.Progresses(scenario.D()));
}

TEST(Scenario, ConstrainedElectionMakesTheStaleHubLead) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  const int c = scenario.Follower(2);
  scenario.Isolate(c);
  scenario.RunFor(scenario.D());
  scenario.HealAll();
  scenario.LeaveOnlyLinksOf(c);
  // What C lacks it may not learn from A: only followers that hold it are left.
  scenario.CutBoth(a, c);
  EXPECT_GE(scenario.TimeToAnotherLeader(a, 10 * scenario.D()), 0);
  EXPECT_EQ(scenario.Leader(), c);
  EXPECT_TRUE(scenario.Progresses(scenario.D()));
  EXPECT_GE(scenario.cluster().checkers().counters().pulls, 1u);
}

TEST(Scenario, FollowerThatOnlyHearsCausesNoChurn) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  const uint64_t elections = scenario.Elections();
  scenario.Cut(scenario.Follower(1), a);
  scenario.RunFor(20 * scenario.D());
  EXPECT_EQ(scenario.Elections(), elections);
  EXPECT_TRUE(scenario.Progresses(scenario.D()));
}

TEST(Scenario, FollowerThatIsOnlyHeardCausesNoChurn) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  const uint64_t elections = scenario.Elections();
  scenario.Cut(a, scenario.Follower(1));
  scenario.RunFor(20 * scenario.D());
  EXPECT_EQ(scenario.Elections(), elections);
  EXPECT_TRUE(scenario.Progresses(scenario.D()));
}

TEST(Scenario, FlappingLinkChangesNoLeader) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  const int b = scenario.Follower(1);
  const uint64_t elections = scenario.Elections();
  for (int i = 0; i < 30; ++i) {
    scenario.CutBoth(a, b);
    scenario.RunFor(scenario.D() / 3);
    scenario.HealAll();
    scenario.RunFor(scenario.D() / 3);
  }
  EXPECT_EQ(scenario.Leader(), a);
  EXPECT_EQ(scenario.Elections(), elections);
}

TEST(Scenario, IsolatedLeaderStopsServingBeforeAnotherStarts) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  scenario.Isolate(a);
  EXPECT_TRUE(scenario.RunUntil([&] { return !scenario.IsServing(a); }, 2 * scenario.D()));
  const RealTime took = scenario.TimeToAnotherLeader(a, 10 * scenario.D());
  EXPECT_GE(took, 0);
  EXPECT_LE(took, 3 * scenario.D());
  EXPECT_TRUE(scenario.Progresses(scenario.D()));
}

TEST(Scenario, StrandedFollowerComesBackWithoutAChange) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  const uint64_t elections = scenario.Elections();
  scenario.Isolate(scenario.Follower(1));
  scenario.RunFor(30 * scenario.D());
  scenario.HealAll();
  scenario.RunFor(5 * scenario.D());
  EXPECT_EQ(scenario.Leader(), a);
  EXPECT_EQ(scenario.Elections(), elections);
}

TEST(Scenario, PausedLeaderServesNoStaleReadWhenItResumes) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Scenario scenario(5, seed);
    const int a = scenario.Leader();
    scenario.cluster().node(a).Pause(10 * scenario.D(), false);
    const RealTime took = scenario.TimeToAnotherLeader(a, 8 * scenario.D());
    EXPECT_GE(took, 0);
    scenario.RunFor(10 * scenario.D());
    EXPECT_TRUE(scenario.Progresses(scenario.D()));
  }
}

TEST(Scenario, DeafLeaderAbdicatesAndAnotherLeads) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  scenario.Isolate(a, false, true);
  const RealTime took = scenario.TimeToAnotherLeader(a, 10 * scenario.D());
  EXPECT_GE(took, 0);
  EXPECT_LE(took, 2 * scenario.D());
  EXPECT_TRUE(scenario.Progresses(scenario.D()));
}

TEST(Scenario, MuteLeaderIsReplaced) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  scenario.Isolate(a, true, false);
  const RealTime took = scenario.TimeToAnotherLeader(a, 10 * scenario.D());
  EXPECT_GE(took, 0);
  EXPECT_LE(took, 3 * scenario.D());
  EXPECT_TRUE(scenario.Progresses(scenario.D()));
}

TEST(Scenario, LeaderWithAStalledDiskIsReplaced) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  scenario.cluster().node(a).StallDisk(true);
  EXPECT_TRUE(scenario.RunUntil([&] { return !scenario.IsServing(a); }, 2 * scenario.D()));
  EXPECT_GE(scenario.TimeToAnotherLeader(a, 5 * scenario.D()), 0);
  EXPECT_TRUE(scenario.Progresses(scenario.D()));
  scenario.cluster().node(a).StallDisk(false);
  scenario.RunFor(2 * scenario.D());
}

// Its disk works, its lease thread asks for support as ever: only [S-7] ends what it holds.
TEST(Scenario, LeaderWhoseShardHangsIsReplaced) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Scenario scenario(5, seed);
    const int a = scenario.Leader();
    scenario.cluster().node(a).HangShard(10 * scenario.D());
    EXPECT_TRUE(scenario.RunUntil([&] { return !scenario.IsServing(a); }, 3 * scenario.D() / 2));
    EXPECT_GE(scenario.TimeToAnotherLeader(a, 2 * scenario.D()), 0);
    EXPECT_TRUE(scenario.Progresses(scenario.D()));
    scenario.RunFor(12 * scenario.D());
    EXPECT_TRUE(scenario.Progresses(scenario.D()));
  }
}

TEST(Scenario, TurnOfLessThanHalfALeaseChangesNoLeader) {
  Scenario scenario(5);
  const int a = scenario.Leader();
  const uint64_t elections = scenario.Elections();
  for (int i = 0; i < 10; ++i) {
    scenario.cluster().node(a).HangShard(scenario.D() / 2 - 10 * kMillisecond);
    scenario.RunFor(scenario.D());
  }
  EXPECT_EQ(scenario.Leader(), a);
  EXPECT_EQ(scenario.Elections(), elections);
}

}  // namespace
}  // namespace rasputin::sim
