// The placement controller over FakeCluster: what it does by itself, and what operators say to it
// at any node.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "client/route/full_key.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/fake_cluster.h"
#include "server/front/front_end.h"
#include "server/front/placement_view.h"

namespace rasputin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::ResultOf;
using ::testing::SizeIs;

FrontOptions WithPlacement() {
  FrontOptions options;
  options.placement = true;
  options.placement_rules.store_suspect_after = seconds(10);
  options.placement_rules.store_dead_after = seconds(30);
  return options;
}

admin::v1::DrainStoreRequest Want(uint64_t store, type::v1::StoreState state) {
  admin::v1::DrainStoreRequest request;
  request.set_store_id(store);
  request.set_state(state);
  return request;
}

// Four stores, of which the first three hold the ranges; the first leads them.
class PlacementTest : public ::testing::Test {
 protected:
  void SetUp() override { Lead(1); }

  // The store leads the meta range, and every node is told so.
  void Lead(uint64_t store) {
    cluster_.SetLeader(1, store);
    for (uint64_t node = 1; node <= 4; ++node) {
      cluster_.front(node).OnLeader(RangeId(1), StoreId(store));
    }
  }

  void RunFor(Duration time) {
    const Instant end = cluster_.now.boot + time;
    while (cluster_.now.boot < end) {
      Lead(cluster_.Leader(1));
      cluster_.Advance(milliseconds(50));
    }
  }

  void Silence(uint64_t store) {
    for (uint64_t other = 1; other <= 4; ++other) {
      if (other == store) continue;
      cluster_.disconnected.insert({other, store});
      cluster_.disconnected.insert({store, other});
    }
    cluster_.BreakConnectionsOf(store);
  }

  // The stores of the members, ascending.
  std::vector<uint64_t> Members(uint64_t range) {
    std::vector<uint64_t> stores;
    for (const auto& one : cluster_.RangeOf(client::KeyPrefix(range))->replicas()) {
      stores.push_back(one.store_id());
    }
    std::sort(stores.begin(), stores.end());
    return stores;
  }

  admin::v1::GetPlanResponse Plan(uint64_t node) {
    const FakeCall call = cluster_.Call(node, Method::kGetPlan, admin::v1::GetPlanRequest());
    EXPECT_TRUE(call.ok()) << call.result->message;
    return call.Body<admin::v1::GetPlanResponse>();
  }

  // Of all stores' decisions about the range, as an operator at this node is shown them.
  std::vector<type::v1::Decision> DecisionsOf(uint64_t node, uint64_t range) {
    admin::v1::DescribeRangeRequest request;
    request.set_range_id(range);
    const FakeCall call = cluster_.Call(node, Method::kDescribeRange, request);
    EXPECT_TRUE(call.ok()) << call.result->message;
    const auto report = call.Body<admin::v1::DescribeRangeResponse>();
    return {report.decisions().begin(), report.decisions().end()};
  }

  // The two do not hear each other; all others hear both.
  void Cut(uint64_t a, uint64_t b) {
    cluster_.disconnected.insert({a, b});
    cluster_.disconnected.insert({b, a});
  }

  void Pause(bool paused) {
    admin::v1::SetPlacementRequest request;
    request.set_paused(paused);
    ASSERT_TRUE(cluster_.Call(3, Method::kSetPlacement, request).ok());
  }

  FakeCluster cluster_{4, WithPlacement(), 3};
};

TEST_F(PlacementTest, MakesReplicasOfASilentStoreAnewElsewhere) {
  RunFor(seconds(5));
  const std::vector<uint64_t> before = Members(2);
  Silence(3);
  RunFor(seconds(25));
  EXPECT_EQ(Members(2), before);
  RunFor(seconds(20));
  EXPECT_THAT(Members(1), ElementsAre(1, 2, 4));
  EXPECT_THAT(Members(2), ElementsAre(1, 2, 4));
  const admin::v1::GetPlanResponse plan = Plan(2);
  EXPECT_EQ(plan.controller_store_id(), cluster_.Leader(1));
  EXPECT_THAT(plan.planned(), IsEmpty());
  EXPECT_THAT(plan.under_way(), IsEmpty());
  EXPECT_THAT(plan.done(), Contains(ResultOf([](const auto& one) { return one.reason(); },
                                             HasSubstr("store 3 has not answered for"))));
  EXPECT_EQ(plan.ranges_short(), 0u);
}

TEST_F(PlacementTest, AStoreThatComesBackInTimeKeepsItsReplicas) {
  RunFor(seconds(5));
  const std::vector<uint64_t> before = Members(2);
  ASSERT_THAT(before, Contains(3));
  Silence(3);
  RunFor(seconds(20));
  cluster_.disconnected.clear();
  RunFor(seconds(60));
  EXPECT_EQ(Members(2), before);
}

TEST_F(PlacementTest, DrainHandsLeadershipsOverAndTheControllerWithThem) {
  ASSERT_TRUE(cluster_.Call(4, Method::kDrainStore, Want(1, type::v1::STORE_STATE_DRAINING)).ok());
  RunFor(seconds(20));
  EXPECT_NE(cluster_.Leader(1), 1u);
  EXPECT_NE(cluster_.Leader(2), 1u);
  EXPECT_THAT(Members(1), Contains(1)) << "a drained store keeps its replicas";
  const admin::v1::GetPlanResponse plan = Plan(3);
  EXPECT_EQ(plan.controller_store_id(), cluster_.Leader(1));
  EXPECT_EQ(plan.stores(0).store().state(), type::v1::STORE_STATE_DRAINING);
}

TEST_F(PlacementTest, DecommissionEmptiesTheStoreAndTakesItOffTheList) {
  ASSERT_TRUE(
      cluster_.Call(2, Method::kDrainStore, Want(1, type::v1::STORE_STATE_DECOMMISSIONING)).ok());
  RunFor(seconds(30));
  EXPECT_THAT(Members(1), ElementsAre(2, 3, 4));
  EXPECT_THAT(Members(2), ElementsAre(2, 3, 4));
  const FakeCall call = cluster_.Call(2, Method::kListStores, admin::v1::ListStoresRequest());
  ASSERT_TRUE(call.ok());
  EXPECT_THAT(call.Body<admin::v1::ListStoresResponse>().stores(), SizeIs(3));
}

TEST_F(PlacementTest, PausedItSaysWhatItWouldDo) {
  admin::v1::SetPlacementRequest pause;
  pause.set_paused(true);
  ASSERT_TRUE(cluster_.Call(3, Method::kSetPlacement, pause).ok());
  ASSERT_TRUE(
      cluster_.Call(2, Method::kDrainStore, Want(3, type::v1::STORE_STATE_DECOMMISSIONING)).ok());
  RunFor(seconds(10));
  EXPECT_THAT(Members(2), ElementsAre(1, 2, 3));
  Lead(2);
  RunFor(seconds(10));
  EXPECT_THAT(Members(2), ElementsAre(1, 2, 3)) << "another controller reads that it is paused";
  const admin::v1::GetPlanResponse plan = Plan(4);
  EXPECT_TRUE(plan.paused());
  ASSERT_THAT(plan.planned(), SizeIs(2));
  EXPECT_THAT(plan.planned(0).reason(), HasSubstr("store 3 is being decommissioned"));
  pause.set_paused(false);
  ASSERT_TRUE(cluster_.Call(3, Method::kSetPlacement, pause).ok());
  RunFor(seconds(10));
  EXPECT_THAT(Members(2), ElementsAre(1, 2, 4));
}

TEST_F(PlacementTest, ANewControllerGoesOnWithACopyThatWasBegun) {
  cluster_.copies_catch_up = false;
  ASSERT_TRUE(
      cluster_.Call(2, Method::kDrainStore, Want(3, type::v1::STORE_STATE_DECOMMISSIONING)).ok());
  RunFor(seconds(5));
  EXPECT_THAT(Members(2), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Plan(1).under_way(), SizeIs(2));
  Lead(2);
  cluster_.copies_catch_up = true;
  RunFor(seconds(10));
  EXPECT_THAT(Members(2), ElementsAre(1, 2, 4));
  EXPECT_EQ(cluster_.steps_taken, 2 * 2);
}

TEST_F(PlacementTest, RefusesToEmptyAStoreWhoseReplicasHaveNowhereToGo) {
  ASSERT_TRUE(
      cluster_.Call(1, Method::kDrainStore, Want(4, type::v1::STORE_STATE_DECOMMISSIONING)).ok());
  const FakeCall call =
      cluster_.Call(1, Method::kDrainStore, Want(3, type::v1::STORE_STATE_DECOMMISSIONING));
  ASSERT_FALSE(call.ok());
  EXPECT_EQ(call.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(call.result->message, HasSubstr("2 stores would be left"));
}

TEST_F(PlacementTest, RefusesWhatIsNoStateAndNoStore) {
  EXPECT_EQ(
      cluster_.Call(1, Method::kDrainStore, Want(9, type::v1::STORE_STATE_DRAINING)).result->code,
      absl::StatusCode::kNotFound);
  EXPECT_EQ(cluster_.Call(1, Method::kDrainStore, Want(2, type::v1::STORE_STATE_UNSPECIFIED))
                .result->code,
            absl::StatusCode::kInvalidArgument);
}

TEST_F(PlacementTest, ARangeWhoseMoveFailsRestsAndTheReasonIsShown) {
  // Each of two ranges gives up after ten refusals.
  cluster_.handovers_to_refuse = 20;
  ASSERT_TRUE(cluster_.Call(4, Method::kDrainStore, Want(1, type::v1::STORE_STATE_DRAINING)).ok());
  std::string reason;
  for (int i = 0; i < 100 && reason.empty(); ++i) {
    RunFor(milliseconds(100));
    const admin::v1::GetPlanResponse plan = Plan(4);
    for (const auto& one : plan.done()) {
      if (one.outcome() == type::v1::DECISION_OUTCOME_FAILED) reason = one.reason();
    }
  }
  EXPECT_THAT(reason, HasSubstr("failed: the target cannot be reached"));
  RunFor(seconds(30));
  EXPECT_NE(cluster_.Leader(2), 1u);
}

TEST_F(PlacementTest, AStoreThatTheControllerAloneCannotReachKeepsItsReplicas) {
  cluster_.SetLeader(2, 2);
  RunFor(seconds(5));
  const std::vector<uint64_t> before = Members(2);
  ASSERT_THAT(before, Contains(3));
  Cut(1, 3);
  RunFor(seconds(90));
  EXPECT_EQ(Members(2), before);
  const admin::v1::GetPlanResponse plan = Plan(4);
  EXPECT_EQ(plan.controller_store_id(), 1u);
  EXPECT_THAT(plan.obstacles(), IsEmpty());
  EXPECT_THAT(plan.done(), Not(Contains(ResultOf([](const auto& one) { return one.reason(); },
                                                 HasSubstr("has not answered")))));
  EXPECT_TRUE(plan.stores(2).reachable());
}

TEST_F(PlacementTest, WhatIsLedOutOfTheControllersReachIsMovedThroughOthers) {
  cluster_.SetLeader(2, 3);
  RunFor(seconds(5));
  Cut(1, 3);
  RunFor(seconds(5));
  ASSERT_TRUE(
      cluster_.Call(2, Method::kDrainStore, Want(2, type::v1::STORE_STATE_DECOMMISSIONING)).ok());
  RunFor(seconds(30));
  EXPECT_THAT(Members(2), ElementsAre(1, 3, 4)) << "store 3 leads it";
  ASSERT_TRUE(cluster_.Call(2, Method::kDrainStore, Want(3, type::v1::STORE_STATE_DRAINING)).ok());
  RunFor(seconds(30));
  EXPECT_NE(cluster_.Leader(2), 3u);
  ASSERT_EQ(cluster_.Leader(1), 1u) << "the controller is where it was";
  const admin::v1::GetPlanResponse plan = Plan(4);
  for (const auto& one : plan.done()) {
    EXPECT_EQ(one.outcome(), type::v1::DECISION_OUTCOME_DONE) << one.reason();
  }
}

// Of a split the directory knows the left half alone; the plan says what the store waits for.
TEST_F(PlacementTest, AStoreThatMayNotBeTakenOffTheListYetIsAnObstacle) {
  Lead(1);
  RunFor(seconds(3));
  const uint64_t child = 77;
  cluster_.SplitSilently(client::KeyPrefix(2) + "m", child);
  cluster_.TellObservers(2);
  RunFor(seconds(1));
  ASSERT_TRUE(
      cluster_.Call(2, Method::kDrainStore, Want(4, type::v1::STORE_STATE_DECOMMISSIONING)).ok());
  RunFor(seconds(5));
  const admin::v1::GetPlanResponse waits = Plan(2);
  ASSERT_EQ(waits.obstacles_size(), 1) << waits.ShortDebugString();
  EXPECT_THAT(waits.obstacles(0), ::testing::StartsWith("store 4 holds nothing and stays on the "
                                                        "list: the directory does not know yet "
                                                        "which range lies behind range 2"));
  cluster_.TellObservers(child);
  RunFor(seconds(15));
  EXPECT_EQ(Plan(2).stores_size(), 3);
  EXPECT_EQ(Plan(2).obstacles_size(), 0);
}

// A view that knows of stores 1 to 3, as of `now`.
PlacementView ThreeStores(const ClockReading& now) {
  std::vector<type::v1::StoreDescriptor> stores(3);
  for (uint64_t id = 1; id <= 3; ++id) stores[id - 1].set_store_id(id);
  PlacementView view;
  view.OnStores(now, stores);
  return view;
}

TEST(PlacementView, AStoreThatOthersHearIsNotSilent) {
  ClockReading now;
  now.boot = Instant(seconds(1));
  PlacementView view = ThreeStores(now);
  now.boot += seconds(100);
  type::v1::StoreLoad load;
  load.set_store_id(1);
  load.add_supporting_store_ids(2);
  view.OnLoad(now, load);
  EXPECT_EQ(view.Silent(now, 1), Duration::zero());
  EXPECT_EQ(view.Silent(now, 2), Duration::zero());
  EXPECT_EQ(view.Silent(now, 3), Duration(seconds(100)));
}

// Store 1 led the range and said who lags; store 2 leads it now and has said so, too.
TEST(PlacementView, ALateReportOfAnEarlierLeaderTakesNothingBack) {
  ClockReading now;
  now.boot = Instant(seconds(1));
  PlacementView view = ThreeStores(now);
  storage::v1::MetaQueryResult changes;
  changes.add_ranges()->set_range_id(7);
  view.OnChanges(now, changes);
  for (const uint64_t leader : {1, 2}) {
    type::v1::StoreLoad load;
    load.set_store_id(leader);
    load.add_led_range_ids(7);
    load.add_lagging_range_ids(7);
    load.add_lagging_store_ids(3);
    view.OnLoad(now, load);
  }
  type::v1::StoreLoad late;
  late.set_store_id(1);
  view.OnLoad(now, late);
  const range::PlacementSnapshot snapshot = view.Snapshot(now);
  ASSERT_EQ(snapshot.ranges.size(), 1u);
  EXPECT_EQ(snapshot.ranges[0].leader, StoreId(2));
  EXPECT_THAT(snapshot.ranges[0].lagging, ElementsAre(StoreId(3)));
}

TEST_F(PlacementTest, AControllerWhoseFirstReadBreaksOffReadsEverythingAgain) {
  Pause(true);
  for (uint64_t i = 0; i < 1100; ++i) {
    const uint64_t id = 10 + i;
    cluster_.SplitSilently(client::FullKey(2, std::to_string(100000 + i)), id);
    cluster_.TellObservers(id);
  }
  RunFor(seconds(5));
  int failures = 0;
  cluster_.intercept = [&failures](StoreId, const range::Request& request) {
    std::optional<range::Response> answer;
    storage::v1::MetaQuery query;
    const bool reads = request.operation == kv::Operation::kMetaRead &&
                       query.ParseFromString(std::string(request.body));
    if (reads && !query.ranges_from().empty() && query.limit() == 1000 && failures == 0) {
      ++failures;
      answer.emplace();
      answer->outcome = range::Outcome::kFailedPrecondition;
    }
    return answer;
  };
  Lead(2);
  RunFor(seconds(10));
  EXPECT_EQ(failures, 1);
  const admin::v1::GetPlanResponse plan = Plan(4);
  EXPECT_EQ(plan.controller_store_id(), 2u);
  EXPECT_EQ(plan.stores(0).ranges(), cluster_.RangeCount());
}

TEST_F(PlacementTest, TheOptionsOfMoreCollectionsThanAPageCount) {
  for (int i = 0; i < 1000; ++i) {
    storage::v1::MetaCommand create;
    create.mutable_create_collection()->mutable_collection()->set_name("c" + std::to_string(i));
    create.mutable_create_collection()->mutable_collection()->set_type(
        type::v1::COLLECTION_TYPE_KV);
    cluster_.ApplyToMeta(create);
  }
  admin::v1::CreateCollectionRequest last;
  last.set_name("last");
  last.set_type(type::v1::COLLECTION_TYPE_KV);
  last.mutable_options()->set_replication_factor(1);
  const FakeCall created = cluster_.Call(1, Method::kCreateCollection, last);
  ASSERT_TRUE(created.ok()) << created.result->message;
  RunFor(seconds(30));
  const uint64_t id = created.Body<admin::v1::CreateCollectionResponse>().collection().id();
  EXPECT_THAT(Members(id), SizeIs(1));
  const FakeCall status = cluster_.Call(2, Method::kGetStatus, admin::v1::GetStatusRequest());
  EXPECT_EQ(status.Body<admin::v1::GetStatusResponse>().collections(), 1002u);
}

TEST_F(PlacementTest, AMoveOfARangeWhoseLeaderFallsSilentGivesItsPlaceUp) {
  cluster_.SetLeader(2, 2);
  cluster_.copies_catch_up = false;
  ASSERT_TRUE(
      cluster_.Call(1, Method::kDrainStore, Want(3, type::v1::STORE_STATE_DECOMMISSIONING)).ok());
  RunFor(seconds(5));
  ASSERT_THAT(Plan(1).under_way(), SizeIs(2));
  Silence(2);
  RunFor(seconds(13));
  admin::v1::GetPlanResponse plan = Plan(1);
  ASSERT_THAT(plan.under_way(), SizeIs(1));
  EXPECT_EQ(plan.under_way(0).range_id(), 1u);
  EXPECT_THAT(plan.done(), Contains(ResultOf([](const auto& one) { return one.reason(); },
                                             HasSubstr("store 2 does not answer any more"))));
  cluster_.SetLeader(2, 1);
  cluster_.copies_catch_up = true;
  RunFor(seconds(40));
  EXPECT_THAT(Members(2), Not(Contains(3)));
}

TEST_F(PlacementTest, AReplicaThatLagsHoldsOthersBackAndNotItself) {
  cluster_.lagging[2] = 2;
  ASSERT_TRUE(
      cluster_.Call(2, Method::kDrainStore, Want(3, type::v1::STORE_STATE_DECOMMISSIONING)).ok());
  RunFor(seconds(10));
  EXPECT_THAT(Members(2), Contains(3));
  EXPECT_THAT(Plan(1).obstacles(), Contains(HasSubstr("which lags behind")));
  cluster_.lagging[2] = 3;
  RunFor(seconds(10));
  EXPECT_THAT(Members(2), ElementsAre(1, 2, 4));
}

TEST_F(PlacementTest, WhatItDecidesIsShownWhereARangeIsDescribedAndInTheLog) {
  cluster_.SetLeader(2, 2);
  ASSERT_TRUE(
      cluster_.Call(2, Method::kDrainStore, Want(3, type::v1::STORE_STATE_DECOMMISSIONING)).ok());
  RunFor(seconds(10));
  ASSERT_THAT(Members(2), ElementsAre(1, 2, 4));
  ASSERT_EQ(cluster_.Leader(2), 2u) << "another store than the one that decides";
  const auto moved = [](const auto& one) {
    return one.kind() == type::v1::DECISION_KIND_REPLICAS && one.range_id() == 2 &&
           one.outcome() == type::v1::DECISION_OUTCOME_DONE;
  };
  EXPECT_THAT(DecisionsOf(4, 2), Contains(ResultOf(moved, true)));
  const FakeCall loads = cluster_.Call(4, Method::kListLoads, admin::v1::ListLoadsRequest());
  EXPECT_THAT(loads.Body<admin::v1::ListLoadsResponse>().decisions(),
              Contains(ResultOf(moved, true)));
}

TEST_F(PlacementTest, ADropWhoseCallerIsGoneIsGoneOnWith) {
  admin::v1::CreateCollectionRequest create;
  create.set_name("orders");
  create.set_type(type::v1::COLLECTION_TYPE_KV);
  ASSERT_TRUE(cluster_.Call(1, Method::kCreateCollection, create).ok());
  storage::v1::MetaCommand drop;
  drop.mutable_drop_collection()->set_collection_id(3);
  cluster_.ApplyToMeta(drop);
  RunFor(seconds(60));
  EXPECT_FALSE(cluster_.RangeOf(client::KeyPrefix(3))->dropped()) << "its caller may live";
  RunFor(seconds(40));
  EXPECT_TRUE(cluster_.RangeOf(client::KeyPrefix(3))->dropped());
  admin::v1::GetCollectionRequest get;
  get.set_name("orders");
  EXPECT_EQ(cluster_.Call(2, Method::kGetCollection, get).result->code,
            absl::StatusCode::kNotFound);
}

TEST_F(PlacementTest, WhoDrainsIsToldThatNothingMoves) {
  const auto obstacles = [this] {
    const FakeCall call =
        cluster_.Call(4, Method::kDrainStore, Want(3, type::v1::STORE_STATE_DRAINING));
    EXPECT_TRUE(call.ok());
    return call.Body<admin::v1::DrainStoreResponse>().obstacles();
  };
  RunFor(seconds(3));
  EXPECT_THAT(obstacles(), IsEmpty());
  Pause(true);
  RunFor(seconds(3));
  EXPECT_THAT(obstacles(), ElementsAre(HasSubstr("paused")));
}

TEST_F(PlacementTest, AStoreThatDrainsIsNoHomeForReplicas) {
  ASSERT_TRUE(cluster_.Call(1, Method::kDrainStore, Want(4, type::v1::STORE_STATE_DRAINING)).ok());
  const FakeCall call =
      cluster_.Call(1, Method::kDrainStore, Want(3, type::v1::STORE_STATE_DECOMMISSIONING));
  ASSERT_FALSE(call.ok());
  EXPECT_THAT(call.result->message, HasSubstr("2 stores would be left"));
}

// Whoever answers whenever it is asked is never taken for silent, however soon that would be.
TEST(PlacementImpatient, StoresThatAnswerAreNotSuspected) {
  FrontOptions options;
  options.placement = true;
  options.placement_rules.store_suspect_after = seconds(2);
  options.placement_rules.store_dead_after = seconds(2);
  FakeCluster cluster(4, options, 3);
  int looks = 0;
  for (int i = 0; i < 600; ++i) {
    for (uint64_t node = 1; node <= 4; ++node) {
      cluster.front(node).OnLeader(RangeId(1), StoreId(cluster.Leader(1)));
    }
    cluster.Advance(milliseconds(50));
    if (i % 20 != 0) continue;
    const FakeCall call = cluster.Call(1, Method::kGetPlan, admin::v1::GetPlanRequest());
    if (!call.ok()) continue;  // The meta range has just been handed over.
    ++looks;
    const auto plan = call.Body<admin::v1::GetPlanResponse>();
    EXPECT_EQ(plan.ranges_short(), 0u);
    for (const auto& store : plan.stores()) EXPECT_TRUE(store.reachable());
  }
  EXPECT_GT(looks, 20);
}

TEST(PlacementOff, MovesNothingAndSaysSo) {
  FakeCluster cluster(4, {}, 3);
  for (uint64_t node = 1; node <= 4; ++node) {
    cluster.front(node).OnLeader(RangeId(1), StoreId(1));
  }
  const FakeCall drain =
      cluster.Call(4, Method::kDrainStore, Want(1, type::v1::STORE_STATE_DRAINING));
  ASSERT_TRUE(drain.ok());
  EXPECT_THAT(drain.Body<admin::v1::DrainStoreResponse>().obstacles(),
              ElementsAre(HasSubstr("--placement=false")));
  for (int i = 0; i < 100; ++i) cluster.Advance(milliseconds(100));
  EXPECT_EQ(cluster.Leader(2), 1u);
  const FakeCall call = cluster.Call(2, Method::kGetPlan, admin::v1::GetPlanRequest());
  ASSERT_TRUE(call.ok());
  EXPECT_THAT(call.Body<admin::v1::GetPlanResponse>().obstacles(0), HasSubstr("--placement=false"));
}

}  // namespace
}  // namespace rasputin::server
