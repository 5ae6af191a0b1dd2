// The steps of replacing a store, against a cluster that is a map.

#include "server/node/store_replacer.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rasputin/admin/v1/admin.pb.h"

namespace rasputin::server {
namespace {

using Progress = StoreReplacer::Progress;

struct FakeCluster {
  std::map<uint64_t, std::set<uint64_t>> ranges;  // Range to its stores.
  std::set<uint64_t> stores;
  std::set<uint64_t> stuck;  // Ranges that cannot be changed at the moment.
  bool reachable = true;

  template <typename Message>
  static Message As(const google::protobuf::MessageLite& request) {
    Message message;
    EXPECT_TRUE(message.ParseFromString(request.SerializeAsString()));
    return message;
  }
  static CallResult Refusal(absl::StatusCode code) {
    CallResult result;
    result.code = code;
    result.message = "not now";
    return result;
  }

  CallResult Call(Method method, const google::protobuf::MessageLite& request) {
    if (!reachable) return Refusal(absl::StatusCode::kUnavailable);
    CallResult result;
    if (method == Method::kListRanges) {
      // One range in each page.
      const auto from = As<admin::v1::ListRangesRequest>(request).from_key();
      auto at = ranges.lower_bound(from.empty() ? 0 : std::stoull(from));
      admin::v1::ListRangesResponse page;
      if (at != ranges.end()) {
        auto* range = page.add_routes()->mutable_range();
        range->set_range_id(at->first);
        for (const uint64_t store : at->second) range->add_replicas()->set_store_id(store);
        if (++at != ranges.end()) page.set_resume_key(std::to_string(at->first));
      }
      result.body = absl::Cord(page.SerializeAsString());
    } else if (method == Method::kChangeReplicas) {
      const auto change = As<admin::v1::ChangeReplicasRequest>(request);
      if (stuck.count(change.range_id()) > 0) return Refusal(absl::StatusCode::kDeadlineExceeded);
      ranges[change.range_id()].erase(change.remove_store_id());
      ranges[change.range_id()].insert(change.add_store_id());
    } else if (method == Method::kDecommissionStore) {
      const uint64_t store = As<admin::v1::DecommissionStoreRequest>(request).store_id();
      for (const auto& [range, on] : ranges) {
        if (on.count(store) > 0) return Refusal(absl::StatusCode::kFailedPrecondition);
      }
      stores.erase(store);
    }
    return result;
  }
  StoreReplacer Replacer(uint64_t own, std::vector<uint64_t> old) {
    return StoreReplacer(own, std::move(old),
                         [this](Method method, const google::protobuf::MessageLite& request) {
                           return Call(method, request);
                         });
  }
};

int RunToTheEnd(StoreReplacer* replacer) {
  for (int steps = 1; steps < 100; ++steps) {
    if (replacer->Run().progress == Progress::kDone) return steps;
  }
  return -1;
}

TEST(StoreReplacer, EveryReplicaIsReplacedThenTheStoreForgotten) {
  FakeCluster cluster;
  cluster.ranges = {{1, {1, 2, 3}}, {2, {1, 2}}, {5, {2, 3}}, {7, {1, 2, 3}}};
  cluster.stores = {1, 2, 3, 4};
  StoreReplacer replacer = cluster.Replacer(4, {3});
  EXPECT_GT(RunToTheEnd(&replacer), 0);
  EXPECT_EQ(replacer.ranges_replaced(), 3u);
  EXPECT_EQ(cluster.ranges, (std::map<uint64_t, std::set<uint64_t>>{
                                {1, {1, 2, 4}}, {2, {1, 2}}, {5, {2, 4}}, {7, {1, 2, 4}}}));
  EXPECT_EQ(cluster.stores, (std::set<uint64_t>{1, 2, 4}));
}

TEST(StoreReplacer, ANewProcessGoesOnWhereTheLastOneEnded) {
  FakeCluster cluster;
  for (uint64_t range = 1; range <= 8; ++range) cluster.ranges[range] = {1, 2, 3};
  cluster.stores = {1, 2, 3, 4};
  for (int process = 0; process < 9; ++process) cluster.Replacer(4, {3}).Run();
  EXPECT_EQ(cluster.stores, (std::set<uint64_t>{1, 2, 4}));
}

TEST(StoreReplacer, ARangeThatIsStuckKeepsNoOtherOneWaiting) {
  FakeCluster cluster;
  cluster.ranges = {{1, {1, 2, 3}}, {2, {1, 2, 3}}, {3, {1, 2, 3}}};
  cluster.stores = {1, 2, 3, 4};
  cluster.stuck = {1};
  StoreReplacer replacer = cluster.Replacer(4, {3});
  for (int i = 0; i < 10; ++i) EXPECT_NE(replacer.Run().progress, Progress::kDone);
  EXPECT_EQ(cluster.ranges[2].count(4) + cluster.ranges[3].count(4), 2u);
  EXPECT_EQ(cluster.stores.count(3), 1u);
  cluster.stuck.clear();
  EXPECT_GT(RunToTheEnd(&replacer), 0);
  EXPECT_EQ(cluster.stores.count(3), 0u);
}

TEST(StoreReplacer, WaitsForAClusterThatDoesNotAnswer) {
  FakeCluster cluster;
  cluster.ranges = {{1, {1, 2, 3}}};
  cluster.stores = {1, 2, 3, 4};
  cluster.reachable = false;
  StoreReplacer replacer = cluster.Replacer(4, {3});
  EXPECT_EQ(replacer.Run().progress, Progress::kRetry);
  EXPECT_NE(replacer.Run().text.find("not now"), std::string::npos);
  cluster.reachable = true;
  EXPECT_GT(RunToTheEnd(&replacer), 0);
}

// A store that was damaged before it had replaced an earlier one; and an id that is not known.
TEST(StoreReplacer, SeveralStoresAreReplacedAndTheOwnNever) {
  FakeCluster cluster;
  cluster.ranges = {{1, {1, 2, 3}}, {2, {1, 2, 4}}, {3, {1, 2, 5}}};
  cluster.stores = {1, 2, 3, 4, 5};
  StoreReplacer replacer = cluster.Replacer(5, {3, 0, 5, 4});
  EXPECT_GT(RunToTheEnd(&replacer), 0);
  EXPECT_EQ(cluster.stores, (std::set<uint64_t>{1, 2, 5}));
  EXPECT_EQ(cluster.ranges[3], (std::set<uint64_t>{1, 2, 5}));
}

}  // namespace
}  // namespace rasputin::server
