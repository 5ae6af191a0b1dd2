// The operators' calls at the front end: creating collections through crashes, splitting,
// describing, handing leases over, listing, status, and the upkeep of the directory. Runs over
// FakeCluster.

#include <string>

#include "client/route/full_key.h"
#include "gtest/gtest.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "server/front/fake_cluster.h"
#include "server/front/front_end.h"

namespace rasputin::server {
namespace {

using range::Outcome;
using std::chrono::milliseconds;

admin::v1::CreateCollectionRequest Create(const std::string& name) {
  admin::v1::CreateCollectionRequest request;
  request.set_name(name);
  request.set_type(type::v1::COLLECTION_TYPE_KV);
  return request;
}

kv::v1::SetRequest SetIn(const std::string& collection, const std::string& key) {
  kv::v1::SetRequest request;
  request.set_collection(collection);
  request.set_key(key);
  request.set_value("v");
  return request;
}

admin::v1::SplitRangeRequest SplitAt(const std::string& key) {
  admin::v1::SplitRangeRequest request;
  request.set_split_key(key);
  return request;
}

TEST(CreateCollection, GivesTheCollectionARangeOfItsOwnThatEveryNodeServes) {
  FakeCluster cluster;
  cluster.SetLeader(2, 2);
  const FakeCall call = cluster.Call(3, Method::kCreateCollection, Create("orders"));
  ASSERT_TRUE(call.ok()) << call.result->message;
  const auto collection = call.Body<admin::v1::CreateCollectionResponse>().collection();
  EXPECT_TRUE(collection.ready());
  EXPECT_EQ(cluster.RangeOf(client::KeyPrefix(collection.id()))->collection_id(), collection.id());
  for (uint64_t store = 1; store <= 3; ++store) {
    EXPECT_TRUE(cluster.Call(store, Method::kSet, SetIn("orders", "k")).ok());
    EXPECT_TRUE(cluster.Call(store, Method::kSet, SetIn("", "k")).ok());
  }
}

TEST(CreateCollection, RepeatedAnywhereGivesTheSameCollection) {
  FakeCluster cluster;
  const FakeCall first = cluster.Call(1, Method::kCreateCollection, Create("orders"));
  const FakeCall again = cluster.Call(2, Method::kCreateCollection, Create("orders"));
  ASSERT_TRUE(again.ok()) << again.result->message;
  EXPECT_EQ(first.result->body, again.result->body);
  EXPECT_EQ(cluster.RangeCount(), 3u);
}

TEST(CreateCollection, OfSeveralAtOnceGivesEachItsRange) {
  FakeCluster cluster;
  FakeCall calls[6];
  for (uint64_t i = 0; i < 6; ++i) {
    cluster.Start(i % 3 + 1, Method::kCreateCollection,
                  Create("c" + std::to_string(i)).SerializeAsString(), &calls[i]);
  }
  for (auto& call : calls) cluster.RunUntilDone(call);
  for (uint64_t i = 0; i < 6; ++i) {
    ASSERT_TRUE(calls[i].ok()) << calls[i].result->message;
    const auto id = calls[i].Body<admin::v1::CreateCollectionResponse>().collection().id();
    EXPECT_EQ(cluster.RangeOf(client::KeyPrefix(id))->start_key(), client::KeyPrefix(id));
  }
}

// A node crashes after its n-th request of the creation was executed, before it learns the answer.
class CreationCrash : public ::testing::TestWithParam<int> {};

TEST_P(CreationCrash, IsFinishedByRepeatingTheCallAtAnotherNode) {
  FakeCluster cluster;
  // Node 3 leads nothing, so every step is a message.
  cluster.CrashDuring(3, Method::kCreateCollection, Create("orders").SerializeAsString(),
                      GetParam());

  const FakeCall call = cluster.Call(2, Method::kCreateCollection, Create("orders"));
  ASSERT_TRUE(call.ok()) << call.result->message;
  const auto collection = call.Body<admin::v1::CreateCollectionResponse>().collection();
  EXPECT_EQ(cluster.RangeOf(client::KeyPrefix(collection.id()))->collection_id(), collection.id());
  EXPECT_EQ(cluster.RangeCount(), 3u);
  for (uint64_t store = 1; store <= 3; ++store) {
    EXPECT_TRUE(cluster.Call(store, Method::kSet, SetIn("orders", "k")).ok());
  }
}

// Steps: register, take ids, split, put ranges, mark ready.
INSTANTIATE_TEST_SUITE_P(AfterStep, CreationCrash, ::testing::Range(1, 6));

TEST(CreateCollection, RefusesBadNamesAndTypes) {
  FakeCluster cluster;
  for (const std::string& name : {std::string(), std::string("a b"), std::string(129, 'x')}) {
    EXPECT_EQ(cluster.Call(1, Method::kCreateCollection, Create(name)).result->code,
              absl::StatusCode::kInvalidArgument);
  }
  admin::v1::CreateCollectionRequest untyped;
  untyped.set_name("orders");
  EXPECT_EQ(cluster.Call(1, Method::kCreateCollection, untyped).result->code,
            absl::StatusCode::kInvalidArgument);
}

TEST(ListCollections, NamesTheDefaultAndTheNewOnes) {
  FakeCluster cluster;
  cluster.Call(1, Method::kCreateCollection, Create("orders"));
  const FakeCall call =
      cluster.Call(3, Method::kListCollections, admin::v1::ListCollectionsRequest());
  const auto response = call.Body<admin::v1::ListCollectionsResponse>();
  ASSERT_EQ(response.collections_size(), 2);
  EXPECT_EQ(response.collections(0).name(), "default");
  EXPECT_EQ(response.collections(1).name(), "orders");
}

TEST(GetCollection, SaysNotFoundForAnUnknownName) {
  FakeCluster cluster;
  admin::v1::GetCollectionRequest request;
  request.set_name("nowhere");
  EXPECT_EQ(cluster.Call(1, Method::kGetCollection, request).result->code,
            absl::StatusCode::kNotFound);
}

TEST(SplitRange, MakesTheKeyBeginARangeAndTheDirectoryKnowIt) {
  FakeCluster cluster;
  cluster.SetLeader(2, 3);
  const FakeCall call = cluster.Call(1, Method::kSplitRange, SplitAt("m"));
  ASSERT_TRUE(call.ok()) << call.result->message;
  const auto response = call.Body<admin::v1::SplitRangeResponse>();
  EXPECT_EQ(response.left().end_key(), client::FullKey(2, "m"));
  EXPECT_EQ(response.right().start_key(), client::FullKey(2, "m"));
  EXPECT_EQ(cluster.InDirectory(client::FullKey(2, "x")).range_id(), response.right().range_id());
  EXPECT_EQ(cluster.InDirectory(client::FullKey(2, "a")).generation(),
            response.left().generation());
}

TEST(SplitRange, AtTheStartOfARangeSucceedsWithoutASplit) {
  FakeCluster cluster;
  const auto first = cluster.Call(1, Method::kSplitRange, SplitAt("m"));
  const auto again = cluster.Call(3, Method::kSplitRange, SplitAt("m"));
  ASSERT_TRUE(again.ok()) << again.result->message;
  EXPECT_EQ(again.Body<admin::v1::SplitRangeResponse>().right().range_id(),
            first.Body<admin::v1::SplitRangeResponse>().right().range_id());
  EXPECT_EQ(cluster.RangeCount(), 3u);
}

TEST(SplitRange, SixteenTimesGivesSixteenDistinctRangesFromOneBlockOfIds) {
  FakeCluster cluster;
  for (char c = 'b'; c <= 'p'; ++c) {
    ASSERT_TRUE(cluster.Call(2, Method::kSplitRange, SplitAt(std::string(1, c))).ok());
  }
  admin::v1::ListRangesRequest request;
  request.set_collection("default");
  request.set_limit(5);
  std::string previous_end = client::KeyPrefix(2);
  int ranges = 0;
  do {
    const FakeCall call = cluster.Call(1, Method::kListRanges, request);
    ASSERT_TRUE(call.ok());
    const auto response = call.Body<admin::v1::ListRangesResponse>();
    for (const auto& route : response.routes()) {
      EXPECT_EQ(route.range().start_key(), previous_end);
      previous_end = route.range().end_key();
      ++ranges;
    }
    request.set_from_key(response.resume_key());
  } while (!request.from_key().empty());
  EXPECT_EQ(ranges, 16);
  EXPECT_TRUE(previous_end.empty());
}

TEST(LookupRange, NamesTheRangeItsLeaderAndTheAddressesOfItsStores) {
  FakeCluster cluster;
  cluster.SetLeader(2, 3);
  cluster.TellObservers(2);
  cluster.front(1).OnLeader(RangeId(2), StoreId(3));
  admin::v1::LookupRangeRequest request;
  request.set_key("k");
  const auto response =
      cluster.Call(1, Method::kLookupRange, request).Body<admin::v1::LookupRangeResponse>();
  EXPECT_EQ(response.route().range().range_id(), 2u);
  EXPECT_EQ(response.route().leader_store_id(), 3u);
  ASSERT_EQ(response.stores_size(), 3);
  EXPECT_EQ(response.stores(2).client_address(), "node3:8880");
}

TEST(ListRanges, NamesTheLeaderOfARangeThatNobodyUses) {
  FakeCluster cluster;
  const uint64_t unused = cluster.Call(2, Method::kSplitRange, SplitAt("m"))
                              .Body<admin::v1::SplitRangeResponse>()
                              .right()
                              .range_id();
  cluster.SetLeader(unused, 3);
  cluster.RestartFront(1);
  const auto list = cluster.Call(1, Method::kListRanges, admin::v1::ListRangesRequest())
                        .Body<admin::v1::ListRangesResponse>();
  ASSERT_EQ(list.routes_size(), 3);
  EXPECT_EQ(list.routes(2).range().range_id(), unused);
  EXPECT_EQ(list.routes(2).leader_store_id(), 3u);
}

TEST(ListRanges, AsksLeadersForNoMoreThanWhoTheyAre) {
  FakeCluster cluster;
  cluster.Call(1, Method::kListRanges, admin::v1::ListRangesRequest());
  EXPECT_EQ(cluster.described, 0);
  EXPECT_EQ(cluster.described_briefly, 2);
  admin::v1::DescribeRangeRequest request;
  request.set_range_id(2);
  cluster.Call(3, Method::kDescribeRange, request);
  EXPECT_EQ(cluster.described, 1);
  EXPECT_EQ(cluster.described_briefly, 2);
}

TEST(ListRanges, NamesNoLeaderThatHasLostItsRange) {
  FakeCluster cluster;
  cluster.SetLeader(2, 3);
  cluster.front(1).OnLeader(RangeId(2), StoreId(3));
  cluster.SetLeader(2, 0);
  const auto list = cluster.Call(1, Method::kListRanges, admin::v1::ListRangesRequest())
                        .Body<admin::v1::ListRangesResponse>();
  ASSERT_EQ(list.routes_size(), 2);
  EXPECT_EQ(list.routes(0).leader_store_id(), 1u);
  EXPECT_EQ(list.routes(1).leader_store_id(), 0u);
}

TEST(DescribeRange, IsAnsweredByTheLeaderWhoeverIsAsked) {
  FakeCluster cluster;
  cluster.SetLeader(2, 3);
  admin::v1::DescribeRangeRequest request;
  request.set_range_id(2);
  for (uint64_t store = 1; store <= 3; ++store) {
    const auto response = cluster.Call(store, Method::kDescribeRange, request)
                              .Body<admin::v1::DescribeRangeResponse>();
    EXPECT_EQ(response.store_id(), 3u);
    EXPECT_TRUE(response.serving());
  }
  request.set_range_id(12345);
  EXPECT_EQ(cluster.Call(1, Method::kDescribeRange, request).result->code,
            absl::StatusCode::kNotFound);
}

TEST(DescribeRange, SaysWhatTheLeaderMeasured) {
  FakeCluster cluster;
  cluster.SetLeader(2, 3);
  range::RangeReview& review = cluster.reviews[2];
  review.load.set_reads_per_second(70);
  review.load.set_size_bytes(4096);
  review.thresholds.set_requests_per_second(2500);
  review.operations.emplace_back().set_operation("get");
  admin::v1::DescribeRangeRequest request;
  request.set_range_id(2);
  const auto response =
      cluster.Call(1, Method::kDescribeRange, request).Body<admin::v1::DescribeRangeResponse>();
  EXPECT_EQ(response.load().range_id(), 2u);
  EXPECT_EQ(response.load().reads_per_second(), 70);
  EXPECT_EQ(response.approximate_bytes(), 4096u);
  EXPECT_EQ(response.thresholds().requests_per_second(), 2500u);
  ASSERT_EQ(response.operations_size(), 1);
  EXPECT_EQ(response.operations(0).operation(), "get");
}

TEST(TransferLease, AnswersWhenTheTargetLeads) {
  FakeCluster cluster;
  admin::v1::TransferLeaseRequest request;
  request.set_range_id(2);
  for (const uint64_t target : {3, 2, 2, 1}) {
    request.set_target_store_id(target);
    const FakeCall call = cluster.Call(2, Method::kTransferLease, request);
    ASSERT_TRUE(call.ok()) << call.result->message;
    EXPECT_EQ(cluster.Leader(2), target);
  }
  request.set_target_store_id(9);
  EXPECT_EQ(cluster.Call(2, Method::kTransferLease, request).result->code,
            absl::StatusCode::kFailedPrecondition);
}

TEST(TransferLease, AsksALeaderThatRefusesAgainForAWhileAndThenSaysItsReason) {
  FakeCluster cluster;
  admin::v1::TransferLeaseRequest request;
  request.set_range_id(2);
  request.set_target_store_id(3);
  cluster.handovers_to_refuse = 4;
  EXPECT_TRUE(cluster.Call(2, Method::kTransferLease, request).ok());
  EXPECT_EQ(cluster.Leader(2), 3u);
  cluster.handovers_to_refuse = 1000;
  request.set_target_store_id(1);
  const FakeCall refused = cluster.Call(2, Method::kTransferLease, request);
  EXPECT_EQ(refused.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.result->message, "the target cannot be reached");
  EXPECT_EQ(cluster.Leader(2), 3u);
}

TEST(GetStatus, CountsStoresRangesAndLeadersAndMarksTheUnreachable) {
  FakeCluster cluster;
  cluster.Call(1, Method::kSplitRange, SplitAt("m"));
  cluster.SetLeader(2, 2);
  cluster.disconnected.insert({1, 3});
  const FakeCall call = cluster.Call(1, Method::kGetStatus, admin::v1::GetStatusRequest());
  const auto status = call.Body<admin::v1::GetStatusResponse>();
  EXPECT_EQ(status.cluster_id(), 99u);
  EXPECT_EQ(status.store_id(), 1u);
  EXPECT_TRUE(status.meta_available());
  EXPECT_EQ(status.ranges(), 3u);
  EXPECT_EQ(status.collections(), 1u);
  ASSERT_EQ(status.stores_size(), 3);
  EXPECT_TRUE(status.stores(1).reachable());
  EXPECT_EQ(status.stores(1).leaders(), 1u);
  EXPECT_FALSE(status.stores(2).reachable());
}

TEST(GetStatus, AnswersWithoutAQuorum) {
  FakeCluster cluster;
  cluster.SetLeader(1, 0);
  cluster.disconnected = {{1, 2}, {1, 3}};
  const FakeCall call = cluster.Call(1, Method::kGetStatus, admin::v1::GetStatusRequest());
  ASSERT_TRUE(call.ok());
  const auto status = call.Body<admin::v1::GetStatusResponse>();
  EXPECT_FALSE(status.meta_available());
  EXPECT_EQ(status.stores_size(), 3);
}

TEST(GetStatus, CallsTheMetaRangeAvailableOnlyIfAllOfItWasRead) {
  for (const int answered : {1, 2}) {
    FakeCluster cluster;
    int asked = 0;
    cluster.intercept = [&](StoreId, const range::Request& request) {
      std::optional<range::Response> refusal;
      if (request.operation == kv::Operation::kMetaRead && ++asked > answered) {
        refusal.emplace();
        refusal->outcome = Outcome::kNotLeader;
      }
      return refusal;
    };
    const FakeCall call = cluster.Call(1, Method::kGetStatus, admin::v1::GetStatusRequest());
    ASSERT_TRUE(call.ok());
    EXPECT_FALSE(call.Body<admin::v1::GetStatusResponse>().meta_available());
    EXPECT_EQ(call.Body<admin::v1::GetStatusResponse>().stores_size(), 3);
  }
}

TEST(Upkeep, WritesWhatTheLeaderKnowsOnceTheMetaRangeIsBack) {
  FakeCluster cluster;
  cluster.SetLeader(1, 0);
  cluster.SplitSilently(client::FullKey(2, "m"), 50);
  cluster.TellObservers(2);
  cluster.TellObservers(50);
  for (int i = 0; i < 30; ++i) cluster.Advance(std::chrono::seconds(1));
  EXPECT_EQ(cluster.InDirectory(client::FullKey(2, "x")).range_id(), 2u);
  cluster.SetLeader(1, 3);
  for (int i = 0; i < 30; ++i) cluster.Advance(milliseconds(500));
  EXPECT_EQ(cluster.InDirectory(client::FullKey(2, "x")).range_id(), 50u);
  EXPECT_EQ(cluster.InDirectory(client::FullKey(2, "a")).generation(), 2u);
}

TEST(Upkeep, IsDoneByANewLeaderForItsPredecessor) {
  FakeCluster cluster;
  cluster.SetLeader(2, 0);
  cluster.SplitSilently(client::FullKey(2, "m"), 50);
  cluster.TellObservers(50);
  cluster.Settle();
  EXPECT_EQ(cluster.InDirectory(client::FullKey(2, "x")).range_id(), 2u);
  cluster.SetLeader(50, 2);
  cluster.front(2).OnLeader(RangeId(50), StoreId(2));
  cluster.Settle();
  EXPECT_EQ(cluster.InDirectory(client::FullKey(2, "x")).range_id(), 50u);
}

}  // namespace
}  // namespace rasputin::server
