// Stores and members at the front end: changing a range's replicas, joining, leaving, and following
// the list of stores. Runs over FakeCluster.

#include <string>

#include "client/route/full_key.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "server/front/fake_cluster.h"
#include "server/front/front_end.h"

namespace rasputin::server {
namespace {

using range::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

admin::v1::ChangeReplicasRequest Change(uint64_t range, uint64_t add, uint64_t remove) {
  admin::v1::ChangeReplicasRequest request;
  request.set_range_id(range);
  request.set_add_store_id(add);
  request.set_remove_store_id(remove);
  return request;
}

// "1 2 4": the stores of the voters; other roles are marked.
std::string Members(const range::RangeDescriptor& range) {
  std::string text;
  for (const auto& replica : range.replicas()) {
    if (!text.empty()) text += " ";
    text += std::to_string(replica.store_id());
    if (replica.role() == type::v1::REPLICA_ROLE_LEARNER) text += "(learner)";
  }
  return text;
}

// Four stores, of which the first three hold the ranges.
class ChangeReplicasTest : public ::testing::Test {
 protected:
  std::string Members(uint64_t range) {
    return server::Members(*cluster_.RangeOf(client::KeyPrefix(range)));
  }
  std::string InDirectory(uint64_t range) {
    return server::Members(cluster_.InDirectory(client::KeyPrefix(range)));
  }

  // A change of range 2 that has given store 4 a copy, which does not catch up for now.
  void BeginReplacing(FakeCall* call) {
    cluster_.copies_catch_up = false;
    cluster_.Start(4, Method::kChangeReplicas, Change(2, 4, 3).SerializeAsString(), call);
    cluster_.Settle();
    cluster_.Advance(seconds(1));
    ASSERT_FALSE(call->result.has_value());
  }

  FakeCluster cluster_{4, {}, 3};
};

TEST_F(ChangeReplicasTest, ReplacesAStoreFromAnyNodeAndTheDirectorySaysSo) {
  cluster_.SetLeader(2, 2);
  const FakeCall call = cluster_.Call(4, Method::kChangeReplicas, Change(2, 4, 3));
  ASSERT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(Members(2), "1 2 4");
  EXPECT_EQ(InDirectory(2), "1 2 4");
  EXPECT_EQ(cluster_.steps_taken, 2);
  EXPECT_EQ(server::Members(call.Body<admin::v1::ChangeReplicasResponse>().range()), "1 2 4");
}

TEST_F(ChangeReplicasTest, AlsoOfTheMetaRangeAndOfTheLeadersOwnStore) {
  for (const uint64_t range : {1, 2}) {
    const FakeCall call = cluster_.Call(2, Method::kChangeReplicas, Change(range, 4, 1));
    ASSERT_TRUE(call.ok()) << call.result->message;
    EXPECT_EQ(Members(range), "2 3 4");
    EXPECT_EQ(InDirectory(range), "2 3 4");
  }
}

TEST_F(ChangeReplicasTest, RepeatedItChangesNothing) {
  ASSERT_TRUE(cluster_.Call(1, Method::kChangeReplicas, Change(2, 4, 3)).ok());
  const int steps = cluster_.steps_taken;
  EXPECT_TRUE(cluster_.Call(3, Method::kChangeReplicas, Change(2, 4, 3)).ok());
  EXPECT_EQ(cluster_.steps_taken, steps);
}

TEST_F(ChangeReplicasTest, ACallThatRunsOutOfTimeSaysWhatItWaitsForAndTheNextOneGoesOn) {
  cluster_.copies_catch_up = false;
  const FakeCall late = cluster_.Call(1, Method::kChangeReplicas, Change(2, 4, 3));
  EXPECT_EQ(late.result->code, absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(late.result->message, HasSubstr("the copy on store 4 is catching up"));
  EXPECT_THAT(late.result->message, HasSubstr("17 entries to go"));
  EXPECT_EQ(Members(2), "1 2 3 4(learner)");
  cluster_.copies_catch_up = true;
  ASSERT_TRUE(cluster_.Call(2, Method::kChangeReplicas, Change(2, 4, 3)).ok());
  EXPECT_EQ(Members(2), "1 2 4");
}

TEST_F(ChangeReplicasTest, ALeaderThatChangesOnTheWayIsFollowed) {
  FakeCall call;
  ASSERT_NO_FATAL_FAILURE(BeginReplacing(&call));
  cluster_.SetLeader(2, 2);
  cluster_.copies_catch_up = true;
  cluster_.RunUntilDone(call);
  ASSERT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(Members(2), "1 2 4");
}

TEST_F(ChangeReplicasTest, TheDeadStoreNeedNotAnswer) {
  for (uint64_t from = 1; from <= 4; ++from) cluster_.disconnected.insert({from, 3});
  const FakeCall call = cluster_.Call(4, Method::kChangeReplicas, Change(2, 4, 3));
  ASSERT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(Members(2), "1 2 4");
}

TEST_F(ChangeReplicasTest, ANewStoreThatDoesNotAnswerIsRefusedBeforeAnythingIsDone) {
  cluster_.disconnected = {{1, 4}, {2, 4}, {3, 4}};
  const FakeCall call = cluster_.Call(1, Method::kChangeReplicas, Change(2, 4, 3));
  EXPECT_EQ(call.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(call.result->message, HasSubstr("store 4 does not answer"));
  EXPECT_EQ(cluster_.steps_taken, 0);
}

TEST_F(ChangeReplicasTest, ANewStoreThatAnswersOthersIsAdded) {
  cluster_.disconnected = {{1, 4}};
  const FakeCall call = cluster_.Call(1, Method::kChangeReplicas, Change(2, 4, 3));
  ASSERT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(Members(2), "1 2 4");
}

TEST_F(ChangeReplicasTest, ANewStoreThatAnswersAMomentLaterIsAdded) {
  cluster_.disconnected = {{1, 4}, {2, 4}, {3, 4}};
  FakeCall call;
  cluster_.Start(1, Method::kChangeReplicas, Change(2, 4, 3).SerializeAsString(), &call);
  for (int i = 0; i < 15; ++i) cluster_.Advance(std::chrono::milliseconds(100));
  ASSERT_FALSE(call.result.has_value()) << call.result->message;
  cluster_.disconnected.clear();
  cluster_.RunUntilDone(call);
  ASSERT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(Members(2), "1 2 4");
}

TEST_F(ChangeReplicasTest, RefusesWhatCannotBeMeant) {
  const auto code = [this](const admin::v1::ChangeReplicasRequest& request) {
    return cluster_.Call(1, Method::kChangeReplicas, request).result->code;
  };
  EXPECT_EQ(code(Change(2, 0, 0)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Change(2, 3, 3)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Change(2, 9, 3)), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(Change(9, 4, 3)), absl::StatusCode::kNotFound);
  ASSERT_EQ(code(Change(2, 0, 3)), absl::StatusCode::kOk);
  ASSERT_EQ(code(Change(2, 0, 2)), absl::StatusCode::kOk);
  EXPECT_EQ(code(Change(2, 0, 1)), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Members(2), "1");
}

TEST_F(ChangeReplicasTest, AStoreIsTakenOffTheListOnceItIsEmpty) {
  admin::v1::DecommissionStoreRequest forget;
  forget.set_store_id(3);
  const FakeCall early = cluster_.Call(1, Method::kDecommissionStore, forget);
  EXPECT_EQ(early.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(early.result->message, HasSubstr("2 ranges have a replica on store 3"));
  for (const uint64_t range : {1, 2}) {
    ASSERT_TRUE(cluster_.Call(2, Method::kChangeReplicas, Change(range, 4, 3)).ok());
  }
  for (const uint64_t node : {1, 2}) {
    EXPECT_TRUE(cluster_.Call(node, Method::kDecommissionStore, forget).ok());
  }
  const FakeCall list = cluster_.Call(1, Method::kListStores, admin::v1::ListStoresRequest());
  const auto stores = list.Body<admin::v1::ListStoresResponse>();
  ASSERT_EQ(stores.statuses_size(), 3);
  EXPECT_EQ(stores.stores_size(), 3);
  EXPECT_EQ(stores.statuses(2).store().store_id(), 4u);
}

// The store is retired between the step that gives it a copy and the one that gives it a vote.
TEST_F(ChangeReplicasTest, AStoreThatWasTakenOffTheListMeanwhileGetsNoVote) {
  cluster_.intercept = [this](StoreId, const range::Request& request) {
    if (request.operation == kv::Operation::kMeta && Members(2) == "1 2 3 4(learner)") {
      cluster_.intercept = nullptr;
      storage::v1::MetaCommand retire;
      retire.mutable_retire_store()->set_store_id(4);
      cluster_.ApplyToMeta(retire);
    }
    return std::optional<range::Response>();
  };
  const FakeCall call = cluster_.Call(1, Method::kChangeReplicas, Change(2, 4, 3));
  ASSERT_EQ(cluster_.intercept, nullptr) << "the store was not retired";
  EXPECT_EQ(call.result->code, absl::StatusCode::kNotFound);
  EXPECT_THAT(call.result->message,
              HasSubstr("there is no store 4 on the list of stores any more"));
  EXPECT_THAT(call.result->message, HasSubstr("`rasputin range replicas 2 remove 4`"));
  EXPECT_EQ(Members(2), "1 2 3 4(learner)");
  ASSERT_TRUE(cluster_.Call(2, Method::kChangeReplicas, Change(2, 0, 4)).ok()) << "as it says";
  EXPECT_EQ(Members(2), "1 2 3");
}

TEST_F(ChangeReplicasTest, AStoreWhoseCopyCatchesUpStaysOnTheList) {
  FakeCall change;
  ASSERT_NO_FATAL_FAILURE(BeginReplacing(&change));
  admin::v1::DecommissionStoreRequest forget;
  forget.set_store_id(4);
  const FakeCall early = cluster_.Call(1, Method::kDecommissionStore, forget);
  EXPECT_EQ(early.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(early.result->message, HasSubstr("1 range has a replica on store 4"));
}

TEST_F(ChangeReplicasTest, TheListOfStoresTellsTheDeadFromTheLivingAndWhatTheyHold) {
  cluster_.disconnected = {{1, 3}};
  const FakeCall call = cluster_.Call(1, Method::kListStores, admin::v1::ListStoresRequest());
  const auto stores = call.Body<admin::v1::ListStoresResponse>();
  ASSERT_EQ(stores.statuses_size(), 4);
  EXPECT_TRUE(stores.statuses(0).reachable());
  EXPECT_EQ(stores.statuses(0).leaders(), 2u);
  EXPECT_FALSE(stores.statuses(2).reachable());
  EXPECT_EQ(stores.statuses(2).ranges(), 2u);
  EXPECT_EQ(stores.statuses(3).ranges(), 0u);
}

peer::v1::JoinRequest Join(uint64_t token) {
  peer::v1::JoinRequest request;
  request.set_cluster_id(99);
  request.set_join_token(token);
  request.mutable_store()->set_peer_address("new:7770");
  request.mutable_store()->set_client_address("new:8880");
  return request;
}

TEST(JoinCall, GivesAnIdAndWhereTheOthersAre) {
  FakeCluster cluster;
  cluster.SetLeader(1, 2);
  const FakeCall call = cluster.Call(3, Method::kJoin, Join(5));
  ASSERT_TRUE(call.ok()) << call.result->message;
  const auto manifest = call.Body<peer::v1::JoinResponse>().manifest();
  EXPECT_EQ(manifest.store_id(), 4u);
  EXPECT_EQ(manifest.cluster_id(), 99u);
  EXPECT_TRUE(manifest.joined());
  ASSERT_EQ(manifest.bootstrap().stores_size(), 4);
  EXPECT_EQ(manifest.bootstrap().stores(3).peer_address(), "new:7770");
  ASSERT_EQ(manifest.bootstrap().ranges_size(), 1);
  EXPECT_EQ(manifest.bootstrap().ranges(0).range_id(), client::kMetaRangeId);
}

TEST(JoinCall, RepeatedAtAnotherNodeItGivesTheSameStore) {
  FakeCluster cluster;
  for (const uint64_t node : {1, 2}) {
    const FakeCall call = cluster.Call(node, Method::kJoin, Join(5));
    EXPECT_EQ(call.Body<peer::v1::JoinResponse>().manifest().store_id(), 4u);
  }
  const FakeCall other = cluster.Call(1, Method::kJoin, Join(6));
  EXPECT_EQ(other.Body<peer::v1::JoinResponse>().manifest().store_id(), 5u);
}

TEST(JoinCall, AStoreOfAnotherClusterIsRefused) {
  FakeCluster cluster;
  peer::v1::JoinRequest request = Join(5);
  request.set_cluster_id(98);
  const FakeCall call = cluster.Call(1, Method::kJoin, request);
  EXPECT_EQ(call.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(call.result->message, HasSubstr("cluster 99, not to 98"));
}

FrontOptions Watching() {
  FrontOptions options;
  options.stores_period = seconds(10);
  return options;
}

TEST(StoreWatch, EveryNodeLearnsOfANewStoreWithinThePeriod) {
  FakeCluster cluster(3, Watching());
  cluster.Settle();
  ASSERT_EQ(cluster.stores_told[2].size(), 3u);
  ASSERT_TRUE(cluster.Call(1, Method::kJoin, Join(5)).ok());
  for (int second = 0; second <= 10; ++second) cluster.Advance(seconds(1));
  for (uint64_t node = 1; node <= 3; ++node) EXPECT_EQ(cluster.stores_told[node].size(), 4u);
}

// A list longer than a page.
TEST(ListOfStores, IsReadWholeByWhoeverReadsIt) {
  constexpr int kStores = 1203;
  FakeCluster cluster(3, Watching());
  for (uint64_t id = 4; id <= kStores; ++id) {
    storage::v1::MetaCommand put;
    put.mutable_put_store()->mutable_store()->set_peer_address("p" + std::to_string(id));
    cluster.ApplyToMeta(put);
  }
  for (int second = 0; second <= 11; ++second) cluster.Advance(seconds(1));
  EXPECT_EQ(cluster.stores_told[2].size(), size_t{kStores});
  const FakeCall join = cluster.Call(2, Method::kJoin, Join(5));
  const auto manifest = join.Body<peer::v1::JoinResponse>().manifest();
  EXPECT_EQ(manifest.store_id(), uint64_t{kStores + 1});
  EXPECT_EQ(manifest.bootstrap().stores_size(), kStores + 1);
  const FakeCall list = cluster.Call(1, Method::kListStores, admin::v1::ListStoresRequest());
  EXPECT_EQ(list.Body<admin::v1::ListStoresResponse>().stores_size(), kStores + 1);
  admin::v1::DrainStoreRequest drain;
  drain.set_store_id(kStores);
  drain.set_state(type::v1::STORE_STATE_DRAINING);
  EXPECT_TRUE(cluster.Call(3, Method::kDrainStore, drain).ok());
}

TEST(StoreWatch, AStoreThatIsMetIsLookedForSoonButNotOftenerThanOnceASecond) {
  FakeCluster cluster(3, Watching());
  cluster.Settle();
  ASSERT_TRUE(cluster.Call(1, Method::kJoin, Join(5)).ok());
  cluster.Advance(milliseconds(1000));
  const uint64_t reads = cluster.front(2).counters().directory_reads;
  for (int knock = 0; knock < 100; ++knock) {
    cluster.front(2).LookForStores();
    cluster.Advance(milliseconds(10));
  }
  EXPECT_EQ(cluster.stores_told[2].size(), 4u);
  EXPECT_LE(cluster.front(2).counters().directory_reads, reads + 2);
}

TEST(StoreWatch, ANodeThatMovedWritesItsNewAddress) {
  FrontOptions options = Watching();
  options.own_store.set_store_id(2);
  options.own_store.set_peer_address("elsewhere:7770");
  options.own_store.set_client_address("elsewhere:8880");
  FakeCluster cluster(3, options);
  for (int second = 0; second <= 2; ++second) cluster.Advance(seconds(1));
  const FakeCall call = cluster.Call(1, Method::kListStores, admin::v1::ListStoresRequest());
  const auto stores = call.Body<admin::v1::ListStoresResponse>();
  ASSERT_EQ(stores.stores_size(), 3);
  EXPECT_EQ(stores.stores(1).peer_address(), "elsewhere:7770");
  EXPECT_EQ(cluster.stores_told[1][1].client_address(), "elsewhere:8880");
}

}  // namespace
}  // namespace rasputin::server
