// What the planner does about one thing that is wrong, as a table of small clusters.

#include "range/placement/planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "range/placement/text_case.h"

namespace rasputin::range {
namespace {

struct Case {
  const char* name;
  const char* cluster;
  const char* plan;
};

class PlannerTable : public testing::TestWithParam<Case> {};

TEST_P(PlannerTable, PlansExactly) {
  const PlacementSnapshot snapshot = ParseSnapshot(GetParam().cluster);
  EXPECT_EQ(PrintPlan(PlanPlacement(snapshot, PlacementRules())), GetParam().plan);
}

constexpr Case kRepairs[] = {
    {"NothingIsWrong", "store 1\nstore 2\nstore 3\nrange 7 1* 2 3\n", ""},
    {"DeadStoreIsReplaced", "store 1\nstore 2\nstore 3 silent=300\nstore 4\nrange 7 1* 2 3\n",
     "replace 7 3->4 dead-store\n"},
    {"SilentStoreIsNotYet", "store 1\nstore 2\nstore 3 silent=299\nstore 4\nrange 7 1* 2 3\n", ""},
    {"UnlistedStoreIsDead", "store 1\nstore 2\nstore 4\nrange 7 1* 2 3\n",
     "replace 7 3->4 dead-store\n"},
    {"DeadStoreWithoutSpareStays", "store 1\nstore 2\nstore 3 silent=300\nrange 7 1* 2 3\n", ""},
    {"NoMajorityIsLeftAlone",
     "store 1\nstore 2 silent=300\nstore 3 silent=300\nstore 4\nstore 5\nrange 7 1 2 3\n", ""},
    {"SilentIsNotAliveEither",
     "store 1\nstore 2 silent=20\nstore 3 silent=300\nstore 4\nrange 7 1* 2 3\n", ""},
    {"ASuspectIsNoTarget",
     "store 1\nstore 2\nstore 3 silent=300\nstore 4 silent=20\nrange 7 1* 2 3", ""},
    {"AFullStoreIsNoTarget", "store 1\nstore 2\nstore 3 silent=300\nstore 4 free=4\nrange 7 1* 2 3",
     ""},
    {"JointOrMergingIsLeftAlone",
     "store 1\nstore 2\nstore 3 silent=300\nstore 4\nrange 7 1* 2 3 blocked\n", ""},
    {"ACopyBegunIsFinished",
     "store 1\nstore 2\nstore 3 silent=300\nstore 4\nstore 5\nrange 7 1* 2 3 learner=5\n",
     "replace 7 3->5 dead-store\n"},
    {"TooManyAndOneDeadIsRemoved",
     "store 1\nstore 2\nstore 3 silent=300\nstore 4\nstore 5\nrange 7 1* 2 3 4\n",
     "remove 7 3-> dead-store\n"},
    {"UnderWayIsNotBegunAgain",
     "store 1\nstore 2\nstore 3 silent=300\nstore 4\nrange 7 1* 2 3\nmoving replace 7 3 4\n", ""},
    {"RequiredLabel",
     "store 1 disk=ssd\nstore 2 disk=ssd\nstore 3\nstore 4\nstore 5 disk=ssd\n"
     "collection 2 require=disk:ssd\nrange 7 1* 2 3\n",
     "replace 7 3->5 constraint\n"},
    {"RequiredLabelWithoutStore",
     "store 1 disk=ssd\nstore 2 disk=ssd\nstore 3\nstore 4\n"
     "collection 2 require=disk:ssd\nrange 7 1* 2 3\n",
     ""},
    {"TheLeaderGoesFirst",
     "store 1\nstore 2 disk=ssd\nstore 3 disk=ssd\nstore 4 disk=ssd\n"
     "collection 2 require=disk:ssd\nrange 7 1* 2 3\n",
     "lease 7 1->2 constraint\n"},
    {"DrainTakesTheLeadershipOnly",
     "store 1 state=draining\nstore 2\nstore 3\nrange 7 1* 2 3\nrange 8 1 2* 3\n",
     "lease 7 1->3 drain\n"},
    {"DrainingIsNoTarget",
     "store 1\nstore 2\nstore 3 silent=300\nstore 4 state=draining\nrange 7 1* 2 3\n", ""},
    {"LeaderOfADrainedPairOfThree",
     "store 1 state=draining\nstore 2 state=draining\nstore 3\nrange 7 1* 2 3\n",
     "lease 7 1->3 drain\n"},
    {"DecommissionTakesTheReplica",
     "store 1\nstore 2\nstore 3 state=decommissioning\nstore 4\nrange 7 1* 2 3\n",
     "replace 7 3->4 decommission\n"},
    {"DecommissionTakesTheLeadershipFirst",
     "store 1\nstore 2\nstore 3 state=decommissioning\nstore 4\nrange 7 1 2 3*\n",
     "lease 7 3->1 drain\n"},
    {"DecommissionWithoutSpareStays",
     "store 1\nstore 2\nstore 3 state=decommissioning\nrange 7 1* 2 3\n", ""},
    {"DecommissionWaitsForWhoLags",
     "store 1\nstore 2\nstore 3 state=decommissioning\nstore 4\nrange 7 1* 2 3 lagging=2\n", ""},
    {"WithoutALeaderThatAnswersNothingIsBegun",
     "store 1 silent=20\nstore 2\nstore 3 state=decommissioning\nstore 4\nrange 7 1* 2 3\n", ""},
    {"WhoLagsItselfMayLeave",
     "store 1\nstore 2\nstore 3 state=decommissioning\nstore 4\nrange 7 1* 2 3 lagging=3\n",
     "replace 7 3->4 decommission\n"},
    {"ALearnerThatLagsHoldsNobodyBack",
     "store 1\nstore 2\nstore 3 state=decommissioning\nstore 4\nstore 5\n"
     "range 7 1* 2 3 learner=5 lagging=5\n",
     "replace 7 3->5 decommission\n"},
    {"OfTooManyTheOneThatLagsGoes",
     "store 1\nstore 2\nstore 3\nstore 4\nrange 7 1* 2 3 4 lagging=3\n", "remove 7 3-> factor\n"},
    {"WhoLagsGetsNoLeadership",
     "store 1 state=draining\nstore 2\nstore 3\nrange 7 1* 2 3 lagging=2\n",
     "lease 7 1->3 drain\n"},
    {"DecommissionWaitsForWhoLagsButNotForALeftOver",
     "store 1\nstore 2\nstore 3 state=decommissioning\nstore 4\nstore 5 silent=300\n"
     "range 7 1* 2 3 learner=5 learner_for=60 lagging=2\n",
     "remove 7 5-> leftover\n"},
    {"DecommissionWithoutSpareKeepsNoLeftOver",
     "store 1\nstore 2\nstore 3 state=decommissioning\nstore 4 state=draining\n"
     "range 7 1* 2 3 learner=4 learner_for=60\n",
     "remove 7 4-> leftover\n"},
    {"DrainsThoughADeadStoreCannotBeReplaced",
     "store 1 state=draining\nstore 2\nstore 3 silent=300\nrange 7 1* 2 3\n",
     "lease 7 1->2 drain\n"},
    {"ADeadStoreIsReplacedBeforeAnythingDrains",
     "store 1 state=draining\nstore 2\nstore 3 silent=300\nstore 4\nrange 7 1* 2 3\n",
     "replace 7 3->4 dead-store\n"},
    {"TheOnlyReplicaMovesWithItsLeadership",
     "store 1 state=decommissioning\nstore 2\ncollection 2 factor=1\nrange 7 1*\n",
     "replace 7 1->2 decommission\n"},
    {"EmptyAndDecommissionedIsRetired",
     "store 1\nstore 2\nstore 3\nstore 4 state=decommissioning\nrange 7 1* 2 3\n", "retire 4\n"},
    {"OneOnItsWayToItKeepsItListed",
     "store 1\nstore 2\nstore 3\nstore 4 state=decommissioning\nrange 7 1* 2 3\n"
     "moving replace 7 3 4\n",
     ""},
};

INSTANTIATE_TEST_SUITE_P(Repairs, PlannerTable, testing::ValuesIn(kRepairs),
                         [](const auto& info) { return info.param.name; });

constexpr Case kChoices[] = {
    {"FactorRaised",
     "store 1\nstore 2\nstore 3\nstore 4\nstore 5\ncollection 2 factor=5\nrange 7 1* 2 3\n",
     "add 7 ->4 factor\n"},
    {"NoEvenNumberOfVoters",
     "store 1\nstore 2\nstore 3\nstore 4\ncollection 2 factor=5\nrange 7 1* 2 3\n", ""},
    {"OneOfTwoStores", "store 1\nstore 2\nrange 7 1*\n", ""},
    {"OneOfThreeStores", "store 1\nstore 2\nstore 3\nrange 7 1*\n", "add 7 ->2 factor\n"},
    {"FactorLowered", "store 1\nstore 2\nstore 3\ncollection 2 factor=1\nrange 7 1* 2 3\n",
     "remove 7 2-> factor\n"},
    {"FactorLoweredWhereTheyAreClose",
     "store 1 zone=a\nstore 2 zone=b\nstore 3 zone=b\nstore 4 zone=c\nrange 7 1* 2 3 4\n",
     "remove 7 2-> factor\n"},
    {"SpreadOverZones",
     "store 1 zone=a\nstore 2 zone=a\nstore 3 zone=b\nstore 4 zone=c\nrange 7 1* 2 3\n",
     "replace 7 2->4 spread\n"},
    {"SpreadOverRacksOfOneZone",
     "store 1 zone=a rack=1\nstore 2 zone=a rack=1\nstore 3 zone=a rack=2\n"
     "store 4 zone=a rack=3\nrange 7 1* 2 3\n",
     "replace 7 2->4 spread\n"},
    {"SpreadWaitsAfterAMove",
     "store 1 zone=a\nstore 2 zone=a\nstore 3 zone=b\nstore 4 zone=c\nrange 7 1* 2 3 moved=59\n",
     ""},
    {"ADeadStoreIsReplacedInItsZone",
     "store 1 zone=a\nstore 2 zone=b\nstore 3 zone=c silent=300\nstore 4 zone=a\n"
     "store 5 zone=c\nrange 7 1* 2 3\n",
     "replace 7 3->5 dead-store\n"},
    {"LeftoverLearner",
     "store 1\nstore 2\nstore 3\nstore 4\nrange 7 1* 2 3 learner=4 learner_for=60\n",
     "remove 7 4-> leftover\n"},
    {"YoungLearner",
     "store 1\nstore 2\nstore 3\nstore 4\nrange 7 1* 2 3 learner=4 learner_for=59\n", ""},
    {"LeadersByNumber",
     "store 1\nstore 2\nstore 3\nrange 7 1* 2 3\nrange 8 1* 2 3\nrange 9 1* 2 3\n",
     "lease 7 1->2 balance\nlease 8 1->3 balance\n"},
    {"LeadersByLoadBeforeNumber",
     "store 1\nstore 2\nstore 3\nrange 7 1* 2 3 rps=1000\nrange 8 1* 2 3 rps=900\n"
     "range 9 1 2* 3 rps=1\n",
     "lease 7 1->3 balance\n"},
    {"OneHotRangeCannotBeHalved",
     "store 1\nstore 2\nstore 3\nrange 7 1* 2 3 rps=9000\nrange 8 1 2* 3 rps=1\n"
     "range 9 1 2 3* rps=1\n",
     ""},
    {"LeadersRestAfterAMove",
     "store 1\nstore 2\nstore 3\nrange 7 1* 2 3 moved=5\nrange 8 1* 2 3 moved=5\n"
     "range 9 1* 2 3 moved=5\n",
     ""},
    {"ReplicasByNumber",
     "store 1\nstore 2\nstore 3\nstore 4\nrange 5 1* 2 3\nrange 6 1 2* 3\nrange 7 1 2 3*\n"
     "range 8 1* 2 3\n",
     "replace 5 2->4 balance\nreplace 6 1->4 balance\n"},
    {"ReplicasByBytes",
     "store 1\nstore 2\ncollection 2 factor=1\nrange 5 1* mib=900\nrange 6 1* mib=400\n"
     "range 7 2* mib=10\nrange 8 2* mib=10\n",
     "replace 6 1->2 balance\nreplace 7 2->1 balance\n"},
    {"ReplicasByLoad",
     "store 1\nstore 2\ncollection 2 factor=1\nrange 5 1* rps=900\nrange 6 1* rps=400\n"
     "range 7 2* rps=10\nrange 8 2* rps=10\n",
     "replace 6 1->2 balance\nreplace 7 2->1 balance\n"},
    {"NoBalanceWhileSomethingIsBroken",
     "store 1\nstore 2\nstore 3\nstore 4\nstore 5 silent=300\nrange 5 1* 2 3\nrange 6 1 2* 3\n"
     "range 7 1 2 3*\nrange 8 1* 2 3\nrange 9 1 2* 5\n",
     "replace 9 5->4 dead-store\n"},
};

INSTANTIATE_TEST_SUITE_P(Choices, PlannerTable, testing::ValuesIn(kChoices),
                         [](const auto& info) { return info.param.name; });

// Range 8 is to be absorbed by range 7.
constexpr Case kPairs[] = {
    {"TheRightRangeGoesToTheLeftOnesStores",
     "store 1\nstore 2\nstore 3\nstore 4\nstore 5\nrange 7 1* 2 3\nrange 8 3* 4 5\npair 7 8\n",
     "replace 8 4->1 align\n"},
    {"ItsLeaderGoesLastAndHandsOverFirst",
     "store 1\nstore 2\nstore 3\nstore 4\nrange 7 1* 2 3\nrange 8 1 2 4*\npair 7 8\n",
     "lease 8 4->2 align\n"},
    {"ItsHandoverWaitsForRepairs",
     "store 1\nstore 2\nstore 3\nstore 4\nstore 5 silent=300\nrange 7 1* 2 3\nrange 8 1 2 4*\n"
     "range 9 1* 2 5\npair 7 8\n",
     "replace 9 5->3 dead-store\n"},
    {"TheOnlyReplicaMovesWithItsLeadership",
     "store 1\nstore 2\ncollection 2 factor=1\nrange 7 1*\nrange 8 2*\npair 7 8\n",
     "replace 8 2->1 align\n"},
    {"OnTheSameStoresNothingIsMoved",
     "store 1\nstore 2\nstore 3\nrange 7 1* 2 3\nrange 8 1* 2 3\npair 7 8\n", ""},
    {"BalanceTakesOthers",
     "store 1\nstore 2\nstore 3\nrange 7 1* 2 3\nrange 8 1* 2 3\nrange 9 1* 2 3\npair 7 8\n",
     "lease 9 1->2 balance\n"},
    {"RepairsGoFirst",
     "store 1\nstore 2\nstore 3\nstore 4\nstore 5\nstore 6 silent=300\nrange 7 1* 2 3\n"
     "range 8 1 2* 4\nrange 9 3* 4 6\npair 7 8\n",
     "replace 9 6->5 dead-store\n"},
    {"ARepairOfTheRightRangeTakesItToTheLeftOnesStores",
     "store 1\nstore 2\nstore 3\nstore 4\nstore 5 silent=300\nrange 7 1* 2 3\n"
     "range 8 1 2* 5\npair 7 8\n",
     "replace 8 5->3 dead-store\n"},
    {"NotOntoAFullStore",
     "store 1\nstore 2\nstore 3 free=3\nstore 4\nrange 7 1* 2 3\nrange 8 1 2* 4\npair 7 8\n", ""},
    {"NotWhileTheLeftRangeIsMoved",
     "store 1\nstore 2\nstore 3\nstore 4\nstore 5\nrange 7 1* 2 3\nrange 8 1 2* 4\npair 7 8\n"
     "moving replace 7 3 5\n",
     ""},
    {"NotWhileAMemberLags",
     "store 1\nstore 2\nstore 3\nstore 4\nrange 7 1* 2 3\nrange 8 1 2* 4 lagging=2\npair 7 8\n",
     ""},
    {"WithoutAPauseBetweenTheSteps",
     "store 1\nstore 2\nstore 3\nstore 4\nrange 7 1* 2 3\nrange 8 1 2* 4 moved=1\npair 7 8\n",
     "replace 8 4->3 align\n"},
    {"ARangeTakesPartInOnePair",
     "store 1\nstore 2\nstore 3\nstore 4\nrange 7 1* 2 3\nrange 8 1 2* 4\nrange 9 1 3* 4\n"
     "pair 7 8\npair 8 9\n",
     "replace 8 4->3 align\n"},
    {"APairThatIsGoneIsNone", "store 1\nstore 2\nstore 3\nrange 7 1* 2 3\npair 7 8\npair 6 7\n",
     ""},
};

INSTANTIATE_TEST_SUITE_P(Pairs, PlannerTable, testing::ValuesIn(kPairs),
                         [](const auto& info) { return info.param.name; });

std::string ManyRanges(int count, const std::string& members) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "range " + std::to_string(100 + i) + " " + members + "\n";
  return text;
}

size_t CountStarted(const PlacementPlan& plan) {
  return static_cast<size_t>(std::count_if(plan.moves.begin(), plan.moves.end(),
                                           [](const auto& one) { return one.start; }));
}

TEST(PlacementPlanner, BeginsAsManyMovesAsOneStoreMayTake) {
  const PlacementPlan plan = PlanPlacement(
      ParseSnapshot("store 1\nstore 2\nstore 3 silent=300\nstore 4\n" + ManyRanges(500, "1* 2 3")),
      PlacementRules());
  EXPECT_EQ(plan.moves.size(), kMovesListedMax + 0);
  EXPECT_EQ(plan.moves_unlisted, 400u);
  EXPECT_EQ(plan.ranges_short, 500u);
  const size_t replaced =
      static_cast<size_t>(std::count_if(plan.moves.begin(), plan.moves.end(), [](const auto& one) {
        return one.start && one.kind == MoveKind::kReplace;
      }));
  EXPECT_EQ(replaced, 2u);
}

TEST(PlacementPlanner, BeginsAsManyMovesAsTheClusterMayMake) {
  std::string cluster;
  for (int i = 1; i <= 20; ++i) cluster += "store " + std::to_string(i) + "\n";
  const PlacementPlan plan =
      PlanPlacement(ParseSnapshot(cluster + "store 21 silent=300\n" + ManyRanges(50, "1 2 21")),
                    PlacementRules());
  EXPECT_EQ(CountStarted(plan), 8u);
}

TEST(PlacementPlanner, HandsOverAsManyLeadershipsAsItMay) {
  const PlacementPlan plan = PlanPlacement(
      ParseSnapshot("store 1 state=draining\nstore 2\nstore 3\n" + ManyRanges(50, "1* 2 3")),
      PlacementRules());
  EXPECT_EQ(plan.moves.size(), 50u);
  EXPECT_EQ(CountStarted(plan), 16u);
}

TEST(PlacementPlanner, SaysWhoWaitsForWhatLags) {
  const PlacementPlan plan =
      PlanPlacement(ParseSnapshot("store 1\nstore 2\nstore 3 state=decommissioning\nstore 4\n"
                                  "range 7 1* 2 3 lagging=2\nrange 8 1* 2 3\n"),
                    PlacementRules());
  ASSERT_EQ(plan.obstacles.size(), 1u);
  EXPECT_NE(plan.obstacles[0].find("1 range (one is 7) should leave a store, and wait"),
            std::string::npos);
}

TEST(PlacementPlanner, SaysWhatStandsInTheWay) {
  const PlacementPlan plan =
      PlanPlacement(ParseSnapshot("store 1\nstore 2 silent=300\nstore 3\nstore 9 free=1\n"
                                  "range 7 1* 2 3\nrange 8 2 4 1\n"),
                    PlacementRules());
  ASSERT_EQ(plan.obstacles.size(), 4u);
  EXPECT_NE(plan.obstacles[0].find("1 range (one is 8) have no majority"), std::string::npos);
  EXPECT_NE(plan.obstacles[1].find("1 range (one is 7) should leave a store"), std::string::npos);
  EXPECT_NE(plan.obstacles[2].find("store 9 gets no replicas"), std::string::npos);
  EXPECT_NE(plan.obstacles[3].find("1 store does not answer"), std::string::npos);
}

TEST(PlacementPlanner, GivesReasonsWithFigures) {
  const PlacementPlan plan = PlanPlacement(
      ParseSnapshot("store 1\nstore 2\nstore 3 silent=312\nstore 4\nrange 7 1* 2 3 mib=64\n"),
      PlacementRules());
  ASSERT_EQ(plan.moves.size(), 1u);
  EXPECT_EQ(plan.moves[0].reason,
            "store 3 has not answered for 312 s; store 4 holds 0 replicas, 0 MiB");
}

TEST(PlacementPlanner, SaysForWhichMergeARangeIsMoved) {
  const PlacementPlan plan = PlanPlacement(
      ParseSnapshot(
          "store 1\nstore 2\nstore 3\nstore 4\nrange 7 1* 2 3\nrange 8 1 2* 4\npair 7 8\n"),
      PlacementRules());
  ASSERT_EQ(plan.moves.size(), 1u);
  EXPECT_EQ(
      plan.moves[0].reason,
      "it is to be merged with range 7, which other stores hold: both are small; store 3 holds "
      "1 replicas, 0 MiB");
}

TEST(PlacementPlanner, AlignsAFewPairsAtATime) {
  std::string cluster;
  for (int i = 1; i <= 40; ++i) cluster += "store " + std::to_string(i) + "\n";
  for (int i = 0; i < 10; ++i) {
    const int first = 4 * i + 1;
    for (const int range : {0, 1}) {
      cluster += "range " + std::to_string(100 + 2 * i + range);
      for (const int store : {first, first + 1}) cluster += " " + std::to_string(store);
      cluster += "* " + std::to_string(first + 2 + range) + "\n";
    }
    cluster += "pair " + std::to_string(100 + 2 * i) + " " + std::to_string(101 + 2 * i) + "\n";
  }
  PlacementRules rules;
  rules.pairs_max = 3;
  const PlacementPlan plan = PlanPlacement(ParseSnapshot(cluster), rules);
  EXPECT_EQ(std::count_if(plan.moves.begin(), plan.moves.end(),
                          [](const auto& one) { return one.cause == MoveCause::kAlign; }),
            3);
}

// Wishes may be many and out of date; what each costs must not grow with the number of ranges.
TEST(PlacementPlanner, PairsOfManyRangesCostLittle) {
  constexpr uint64_t kCount = 20'000;
  PlacementSnapshot cluster = ParseSnapshot("store 1\nstore 2\nstore 3\n");
  for (uint64_t id = 1; id <= kCount; ++id) {
    PlacementRange range;
    range.id = consensus::RangeId(id);
    for (uint64_t store = 1; store <= 3; ++store) {
      PlacementMember member;
      member.store = consensus::StoreId(store);
      range.members.push_back(member);
    }
    range.leader = consensus::StoreId(1 + id % 3);
    cluster.ranges.push_back(range);
  }
  const auto duration = [&cluster] {
    const auto begin = std::chrono::steady_clock::now();
    PlanPlacement(cluster, PlacementRules());
    return std::chrono::steady_clock::now() - begin;
  };
  const auto without = duration();
  for (uint64_t i = 0; i < 2 * kCount; ++i) {
    cluster.pairs.push_back({consensus::RangeId(kCount), consensus::RangeId(kCount + 1 + i), ""});
  }
  EXPECT_LE(duration(), 5 * without + std::chrono::milliseconds(200));
}

}  // namespace
}  // namespace rasputin::range
