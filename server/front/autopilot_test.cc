// What a store does about its ranges without being asked: splits, merges, limits, and what it says
// of them. Runs over FakeCluster, with the loads that a test makes up.

#include "server/front/autopilot.h"

#include <algorithm>
#include <string>
#include <vector>

#include "client/route/full_key.h"
#include "client/route/router.h"
#include "gtest/gtest.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/fake_cluster.h"

namespace rasputin::server {
namespace {

using range::RangeDescriptor;
using std::chrono::milliseconds;
using std::chrono::seconds;
using type::v1::DECISION_KIND_MERGE;
using type::v1::DECISION_KIND_SPLIT;
using type::v1::DECISION_OUTCOME_BEGUN;
using type::v1::DECISION_OUTCOME_DONE;
using type::v1::DECISION_OUTCOME_FAILED;
using type::v1::DECISION_OUTCOME_NOT_TAKEN;

std::string Full(const std::string& key) { return client::FullKey(2, key); }

FrontOptions WithAutopilot(uint32_t splits_max = 4, uint32_t merges_max = 1) {
  FrontOptions options;
  options.autopilot.enabled = true;
  options.autopilot.splits_max = splits_max;
  options.autopilot.merges_max = merges_max;
  return options;
}

// A range that is small, idle and old, and need not split.
range::RangeReview Quiet() {
  range::RangeReview review;
  review.load.set_size_bytes(1000);
  review.load.set_age_seconds(100'000);
  review.load.set_observed_seconds(300);
  review.thresholds.set_size_bytes(256 << 20);
  review.thresholds.set_requests_per_second(2500);
  review.thresholds.set_cpu_millicores(500);
  review.thresholds.set_read_bytes_per_second(30 << 20);
  review.thresholds.set_written_bytes_per_second(8 << 20);
  return review;
}

range::RangeReview Busy(const std::string& split_key) {
  range::RangeReview review = Quiet();
  review.split.split = !split_key.empty();
  review.split.split_key = split_key;
  review.split.reason = "3,100 requests/s for 10 s";
  return review;
}

admin::v1::DescribeRangeResponse Describe(FakeCluster* cluster, uint64_t range) {
  admin::v1::DescribeRangeRequest request;
  request.set_range_id(range);
  const FakeCall call = cluster->Call(1, Method::kDescribeRange, request);
  EXPECT_TRUE(call.ok()) << call.result->message;
  return call.Body<admin::v1::DescribeRangeResponse>();
}

std::vector<type::v1::DecisionOutcome> OutcomesOf(const admin::v1::DescribeRangeResponse& report,
                                                  type::v1::DecisionKind kind) {
  std::vector<type::v1::DecisionOutcome> outcomes;
  for (const auto& decision : report.decisions()) {
    if (decision.kind() == kind) outcomes.push_back(decision.outcome());
  }
  return outcomes;
}

// Range 2 cut in two, the right one led by store 2.
uint64_t SplitInTwo(FakeCluster* cluster) {
  admin::v1::SplitRangeRequest split;
  split.set_split_key("m");
  EXPECT_TRUE(cluster->Call(1, Method::kSplitRange, split).ok());
  const uint64_t right = cluster->RangeOf(Full("m"))->range_id();
  cluster->SetLeader(right, 2);
  return right;
}

TEST(Autopilot, SplitsWhereTheDeciderSaysAndTellsWhy) {
  FakeCluster cluster(3, WithAutopilot());
  cluster.reviews[2] = Busy(Full("k"));
  cluster.Settle();
  cluster.reviews[2] = Quiet();
  cluster.Advance(milliseconds(1));
  EXPECT_EQ(cluster.RangeOf(Full("k"))->start_key(), Full("k"));
  EXPECT_EQ(cluster.InDirectory(Full("k")).range_id(), cluster.RangeOf(Full("k"))->range_id());
  const auto report = Describe(&cluster, 2);
  EXPECT_EQ(OutcomesOf(report, DECISION_KIND_SPLIT),
            (std::vector{DECISION_OUTCOME_DONE, DECISION_OUTCOME_BEGUN}));
  EXPECT_EQ(report.decisions(report.decisions_size() - 1).reason(), "3,100 requests/s for 10 s");
  EXPECT_EQ(report.decisions(0).store_id(), 1u);
  EXPECT_EQ(report.thresholds().requests_per_second(), 2500u);
  const auto child = Describe(&cluster, cluster.RangeOf(Full("k"))->range_id());
  ASSERT_EQ(child.decisions_size(), 1);
  EXPECT_EQ(child.decisions(0).reason(), "it was split off range 2: 3,100 requests/s for 10 s");
}

TEST(Autopilot, ReviewsAllRangesInASecondAFewAtATime) {
  FrontOptions options = WithAutopilot();
  options.autopilot.ranges_max = 1;
  FakeCluster cluster(3, options);
  const uint64_t right = SplitInTwo(&cluster);
  cluster.SetLeader(right, 1);
  cluster.reviews[2] = Busy("");
  cluster.reviews[right] = Busy("");
  cluster.Advance(seconds(1));
  EXPECT_TRUE(Describe(&cluster, right).decisions().empty());
  for (int i = 0; i < 5; ++i) cluster.Advance(milliseconds(2));
  EXPECT_EQ(Describe(&cluster, 2).decisions_size(), 1);
  EXPECT_EQ(Describe(&cluster, right).decisions_size(), 1);
}

TEST(Autopilot, DoesNothingIfItIsOff) {
  FakeCluster cluster;
  cluster.reviews[2] = Busy(Full("k"));
  for (int i = 0; i < 5; ++i) cluster.Advance(seconds(1));
  EXPECT_EQ(cluster.RangeCount(), 2u);
}

TEST(Autopilot, SaysWhyABusyRangeIsNotSplit) {
  FakeCluster cluster(3, WithAutopilot());
  cluster.reviews[2] = Busy("");
  for (int i = 0; i < 5; ++i) cluster.Advance(seconds(1));
  EXPECT_EQ(cluster.RangeCount(), 2u);
  EXPECT_EQ(OutcomesOf(Describe(&cluster, 2), DECISION_KIND_SPLIT),
            (std::vector{DECISION_OUTCOME_NOT_TAKEN}));
}

TEST(Autopilot, KeepsToTheNumberOfSplitsAtATime) {
  FakeCluster cluster(3, WithAutopilot(/*splits_max=*/1));
  const uint64_t right = SplitInTwo(&cluster);
  cluster.SetLeader(right, 1);
  // The first split's answer from the directory does not come.
  cluster.SetLeader(1, 3);
  cluster.held = {{3, 1}};
  cluster.reviews[2] = Busy(Full("c"));
  cluster.reviews[right] = Busy(Full("t"));
  cluster.Advance(seconds(1));
  cluster.Advance(milliseconds(1));
  EXPECT_LE(cluster.RangeCount(), 4u);
  cluster.held.clear();
  const auto waits = Describe(&cluster, right);
  ASSERT_EQ(waits.decisions_size(), 1);
  EXPECT_EQ(waits.decisions(0).outcome(), DECISION_OUTCOME_NOT_TAKEN);
  EXPECT_NE(waits.decisions(0).reason().find("it waits"), std::string::npos);
}

TEST(Autopilot, WhatWaitsIsSplitAsSoonAsAnotherSplitIsDone) {
  FakeCluster cluster(3, WithAutopilot(/*splits_max=*/1));
  const uint64_t right = SplitInTwo(&cluster);
  cluster.SetLeader(right, 1);
  cluster.reviews[2] = Busy(Full("c"));
  cluster.reviews[right] = Busy(Full("t"));
  cluster.Advance(seconds(1));
  cluster.reviews[2] = Quiet();
  cluster.Advance(milliseconds(1));
  EXPECT_EQ(cluster.RangeCount(), 4u);
  cluster.Advance(seconds(1));
  cluster.Advance(milliseconds(1));
  EXPECT_EQ(cluster.RangeOf(Full("t"))->start_key(), Full("t"));
}

TEST(Autopilot, MergesQuietNeighboursWhoeverLeadsThem) {
  FakeCluster cluster(3, WithAutopilot());
  const uint64_t right = SplitInTwo(&cluster);
  cluster.reviews[2] = Quiet();
  cluster.reviews[right] = Quiet();
  for (int i = 0; i < 3; ++i) cluster.Advance(seconds(1));
  EXPECT_EQ(cluster.RangeCount(), 2u);
  EXPECT_EQ(cluster.RangeOf(Full("z"))->range_id(), 2u);
  EXPECT_EQ(OutcomesOf(Describe(&cluster, 2), DECISION_KIND_MERGE).front(), DECISION_OUTCOME_DONE);
  EXPECT_EQ(cluster.carried[2].age_seconds(), 100'000u) << "the next merge need not wait";
}

// The verdict is about two ranges: the next one is not absorbed in the place of one that is gone.
TEST(Autopilot, WhatSomebodyElseHasMergedMeanwhileIsNotFollowedByOneMore) {
  FakeCluster cluster(3, WithAutopilot());
  const uint64_t right = SplitInTwo(&cluster);
  admin::v1::SplitRangeRequest split;
  split.set_split_key("t");
  ASSERT_TRUE(cluster.Call(1, Method::kSplitRange, split).ok());
  const uint64_t next = cluster.RangeOf(Full("t"))->range_id();
  cluster.reviews[2] = Quiet();
  cluster.reviews[right] = Quiet();
  cluster.reviews[next] = Quiet();
  cluster.reviews[next].load.set_peak_requests_per_second(2000);
  bool merged = false;
  // Between the verdict and the merge, when its driver looks for both.
  cluster.intercept = [&](StoreId,
                          const range::Request& request) -> std::optional<range::Response> {
    storage::v1::MetaQuery query;
    const bool looks = request.operation == kv::Operation::kMetaRead &&
                       query.ParseFromString(std::string(request.body)) && query.limit() == 2;
    if (!looks || merged) return std::nullopt;
    merged = true;
    cluster.MergeSilently(2);
    cluster.reviews.erase(right);
    storage::v1::MetaCommand command;
    *command.mutable_put_ranges()->add_ranges() = *cluster.RangeOf(Full("a"));
    cluster.ApplyToMeta(command);
    return std::nullopt;
  };
  for (int i = 0; i < 20 && !merged; ++i) cluster.Advance(milliseconds(100));
  for (int i = 0; i < 3; ++i) cluster.Advance(milliseconds(100));
  EXPECT_TRUE(merged);
  EXPECT_EQ(cluster.requests_executed(kv::Operation::kMergeBegin), 0u);
  EXPECT_EQ(cluster.RangeOf(Full("z"))->range_id(), next);
  EXPECT_EQ(cluster.carried[2].age_seconds(), 100'000u);
  const auto report = Describe(&cluster, 2);
  EXPECT_EQ(report.range().replicas_size(), 3) << "what was learned of the absorbed range's place";
  EXPECT_EQ(OutcomesOf(report, DECISION_KIND_MERGE),
            (std::vector{DECISION_OUTCOME_DONE, DECISION_OUTCOME_BEGUN}));
}

TEST(Autopilot, ABusyNeighbourIsNotAbsorbed) {
  FakeCluster cluster(3, WithAutopilot());
  const uint64_t right = SplitInTwo(&cluster);
  cluster.reviews[2] = Quiet();
  cluster.reviews[right] = Quiet();
  cluster.reviews[right].load.set_peak_requests_per_second(2000);
  for (int i = 0; i < 3; ++i) cluster.Advance(seconds(1));
  EXPECT_EQ(cluster.RangeCount(), 3u);
  const auto report = Describe(&cluster, 2);
  ASSERT_EQ(report.decisions_size(), 1);
  EXPECT_EQ(report.decisions(0).outcome(), DECISION_OUTCOME_NOT_TAKEN);
  EXPECT_NE(report.decisions(0).reason().find("requests/s"), std::string::npos);
}

TEST(Autopilot, SaysWhyARangeIsNotMergedThoughNobodyHasLookedAtIt) {
  FakeCluster cluster(3, WithAutopilot());
  const uint64_t right = SplitInTwo(&cluster);
  cluster.SetLeader(right, 1);
  cluster.reviews[2] = Quiet();
  cluster.reviews[2].load.set_size_bytes(200 << 20);
  const auto report = Describe(&cluster, 2);
  ASSERT_EQ(report.decisions_size(), 1);
  EXPECT_EQ(report.decisions(0).outcome(), DECISION_OUTCOME_NOT_TAKEN);
  EXPECT_NE(report.decisions(0).reason().find("holds 200 MiB"), std::string::npos);
}

TEST(Autopilot, ARangeThatIsTooLargeItselfCostsNoQuestion) {
  FakeCluster cluster(3, WithAutopilot());
  const uint64_t right = SplitInTwo(&cluster);
  cluster.reviews[2] = Quiet();
  cluster.reviews[2].load.set_size_bytes(200 << 20);
  cluster.reviews[right] = Quiet();
  const int asked = cluster.forwards[{1, 2}];
  for (int i = 0; i < 3; ++i) cluster.Advance(seconds(1));
  EXPECT_EQ((cluster.forwards[{1, 2}]), asked);
  EXPECT_EQ(cluster.RangeCount(), 3u);
}

TEST(Autopilot, AMergeThatFailedIsTriedAgainAMinuteLater) {
  FakeCluster cluster(3, WithAutopilot());
  const uint64_t right = SplitInTwo(&cluster);
  cluster.reviews[2] = Quiet();
  cluster.reviews[right] = Quiet();
  cluster.members_hold_freezes = false;
  for (int i = 0; i < 30; ++i) cluster.Advance(seconds(1));
  EXPECT_EQ(cluster.requests_executed(kv::Operation::kMergeBegin), 1u);
  EXPECT_EQ(OutcomesOf(Describe(&cluster, 2), DECISION_KIND_MERGE).front(),
            DECISION_OUTCOME_FAILED);
  cluster.members_hold_freezes = true;
  for (int i = 0; i < 40; ++i) cluster.Advance(seconds(1));
  EXPECT_EQ(cluster.RangeCount(), 2u);
}

TEST(Autopilot, AMergeThatFailsAgainAndAgainIsTriedLessAndLess) {
  FakeCluster cluster(3, WithAutopilot());
  const uint64_t right = SplitInTwo(&cluster);
  cluster.reviews[2] = Quiet();
  cluster.reviews[right] = Quiet();
  cluster.members_hold_freezes = false;
  // After 1, 3, 7, 15, 31 and 63 minutes.
  for (int i = 0; i < 60; ++i) {
    for (int j = 0; j < 60; ++j) cluster.Advance(seconds(1));
  }
  EXPECT_EQ(cluster.requests_executed(kv::Operation::kMergeBegin), 6u);
}

TEST(Autopilot, NothingIsBegunWhileAMemberIsAway) {
  for (const uint64_t away : {2, 3}) {
    FakeCluster cluster(3, WithAutopilot());
    const uint64_t right = SplitInTwo(&cluster);
    cluster.reviews[2] = Quiet();
    cluster.reviews[right] = Quiet();
    cluster.stores_away = {away};
    for (int i = 0; i < 90; ++i) cluster.Advance(seconds(1));
    EXPECT_EQ(cluster.requests_executed(kv::Operation::kMergeBegin), 0u);
    const auto report = Describe(&cluster, 2);
    ASSERT_EQ(report.decisions_size(), 1);
    EXPECT_EQ(report.decisions(0).outcome(), DECISION_OUTCOME_NOT_TAKEN);
    EXPECT_EQ(report.decisions(0).reason().find("store " + std::to_string(away)), 0u);
    cluster.stores_away.clear();
    for (int i = 0; i < 3; ++i) cluster.Advance(seconds(1));
    EXPECT_EQ(cluster.RangeCount(), 2u);
  }
}

TEST(Autopilot, TheRightRangesLeaderIsAskedWhoIsAway) {
  FakeCluster cluster(4, WithAutopilot(), /*members=*/3);
  const uint64_t right = SplitInTwo(&cluster);
  cluster.reviews[2] = Quiet();
  cluster.reviews[right] = Quiet();
  // As the right range's leader sees it, which the left one's does not lack.
  cluster.stores_away = {1};
  for (int i = 0; i < 90; ++i) cluster.Advance(seconds(1));
  EXPECT_EQ(cluster.requests_executed(kv::Operation::kMergeBegin), 0u);
}

TEST(Autopilot, NeverMergesIfItMustNot) {
  FakeCluster cluster(3, WithAutopilot(/*splits_max=*/4, /*merges_max=*/0));
  const uint64_t right = SplitInTwo(&cluster);
  cluster.reviews[2] = Quiet();
  cluster.reviews[right] = Quiet();
  for (int i = 0; i < 5; ++i) cluster.Advance(seconds(1));
  EXPECT_EQ(cluster.RangeCount(), 3u);
}

// Four stores; range 2 is on the first three, its right neighbour on the second to the fourth,
// which leads it.
uint64_t SplitApart(FakeCluster* cluster) {
  const uint64_t right = SplitInTwo(cluster);
  admin::v1::ChangeReplicasRequest change;
  change.set_range_id(right);
  change.set_add_store_id(4);
  change.set_remove_store_id(1);
  EXPECT_TRUE(cluster->Call(1, Method::kChangeReplicas, change).ok());
  cluster->SetLeader(right, 4);
  cluster->SetLeader(2, 3);  // Leaderships are even: balance moves none.
  for (uint64_t node = 1; node <= 4; ++node) {
    cluster->front(node).OnLeader(RangeId(1), StoreId(1));
    cluster->front(node).OnLeader(RangeId(right), StoreId(4));
  }
  cluster->TellObservers(2);
  cluster->TellObservers(right);
  cluster->reviews[2] = Quiet();
  cluster->reviews[right] = Quiet();
  return right;
}

TEST(Autopilot, NeighboursOnDifferentStoresAreBroughtTogetherByPlacementAndMerged) {
  FrontOptions options = WithAutopilot();
  options.placement = true;
  FakeCluster cluster(4, options, 3);
  const uint64_t right = SplitApart(&cluster);
  for (int i = 0; i < 400 && cluster.RangeCount() > 2; ++i) {
    // A new leader has measured nothing yet.
    if (cluster.Leader(right) != 4) {
      cluster.reviews[right].load.set_age_seconds(1);
      cluster.reviews[right].load.set_observed_seconds(1);
    }
    cluster.Advance(milliseconds(100));
  }
  EXPECT_EQ(cluster.RangeCount(), 2u);
  const FakeCall call = cluster.Call(2, Method::kGetPlan, admin::v1::GetPlanRequest());
  const auto plan = call.Body<admin::v1::GetPlanResponse>();
  int aligned = 0;
  for (const auto& one : plan.done()) {
    aligned += one.reason().find("it is to be merged with range 2") != std::string::npos;
  }
  EXPECT_EQ(aligned, 2) << "a handover and a replica: " << plan.DebugString();
  const auto outcomes = OutcomesOf(Describe(&cluster, 2), DECISION_KIND_MERGE);
  const std::vector wanted{DECISION_OUTCOME_DONE, DECISION_OUTCOME_BEGUN};
  EXPECT_NE(std::search(outcomes.begin(), outcomes.end(), wanted.begin(), wanted.end()),
            outcomes.end());
}

TEST(Autopilot, SaysThatTheStoresStandAgainstAMerge) {
  FakeCluster cluster(4, WithAutopilot(), 3);
  const uint64_t right = SplitApart(&cluster);
  for (int i = 0; i < 5; ++i) cluster.Advance(seconds(1));
  const auto report = Describe(&cluster, 2);
  ASSERT_GE(report.decisions_size(), 1);
  EXPECT_NE(report.decisions(0).reason().find("replicas have to be moved first"),
            std::string::npos);
  EXPECT_EQ(cluster.requests_executed(kv::Operation::kMergeBegin), 0u);
  // The wish ends with its reason: a new leader that has measured nothing is not believed.
  cluster.reviews[right].load.set_peak_requests_per_second(2000);
  for (int i = 0; i < 6; ++i) cluster.Advance(seconds(1));
  cluster.reviews[right] = Quiet();
  cluster.reviews[right].load.set_observed_seconds(1);
  for (int i = 0; i < 6; ++i) cluster.Advance(seconds(1));
  EXPECT_NE(Describe(&cluster, 2).decisions(0).reason().find("believed from"), std::string::npos);
}

TEST(Autopilot, NothingIsMovedForAMergeThatIsNotWanted) {
  FrontOptions options = WithAutopilot();
  options.placement = true;
  FakeCluster cluster(4, options, 3);
  const uint64_t right = SplitApart(&cluster);
  cluster.reviews[right].load.set_size_bytes(100 << 20);
  for (int i = 0; i < 300; ++i) cluster.Advance(milliseconds(100));
  EXPECT_EQ(cluster.RangeCount(), 3u);
  EXPECT_TRUE(client::HasMember(*cluster.RangeOf(Full("m")), 4));
}

TEST(ListLoads, GathersRangesAndDecisionsOfAllStoresThatAnswer) {
  FakeCluster cluster(3, WithAutopilot());
  const uint64_t right = SplitInTwo(&cluster);
  cluster.reviews[2] = Busy("");
  cluster.reviews[2].load.set_reads_per_second(10);
  cluster.reviews[right] = Busy("");
  cluster.reviews[right].load.set_writes_per_second(20);
  cluster.Advance(seconds(1));
  admin::v1::ListLoadsRequest request;
  request.set_limit(2);
  FakeCall call = cluster.Call(3, Method::kListLoads, request);
  auto response = call.Body<admin::v1::ListLoadsResponse>();
  ASSERT_EQ(response.ranges_size(), 2);
  EXPECT_EQ(response.ranges(0).load().range_id(), right);
  EXPECT_EQ(response.ranges(0).route().leader_store_id(), 2u);
  EXPECT_EQ(response.ranges(0).last_decision().reason(), "3,100 requests/s for 10 s");
  EXPECT_EQ(response.ranges(1).load().range_id(), 2u);
  EXPECT_EQ(response.decisions_size(), 2);
  ASSERT_EQ(response.stores_size(), 3);
  EXPECT_TRUE(response.stores(1).reachable());
  EXPECT_EQ(response.stores(1).load().leaders(), 1u);

  cluster.disconnected = {{3, 2}};
  call = cluster.Call(3, Method::kListLoads, request);
  response = call.Body<admin::v1::ListLoadsResponse>();
  EXPECT_FALSE(response.stores(1).reachable());
  EXPECT_EQ(response.ranges(0).load().range_id(), 2u);
}

}  // namespace
}  // namespace rasputin::server
