// Claims about joining: who joins by itself, who does not, and what a broken-off attempt costs.

#include "server/node/cluster_join.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

using ::testing::HasSubstr;
using Outcome = ClusterJoin::Outcome;

constexpr char kSelf[] = "d:1";

// Seeds of one cluster, and a meta range that gives out ids by token.
class ClusterJoinTest : public ::testing::Test {
 protected:
  ClusterJoinTest() {
    for (const char* address : {"a:1", "b:1", "c:1"}) AddSeed(address, 77);
  }

  void AddSeed(const std::string& address, uint64_t cluster) {
    peer::v1::ProbeResponse& probe = seeds_[address];
    probe.set_peer_address(address);
    probe.set_cluster_id(cluster);
    for (const char* seed : {"a:1", "b:1", "c:1"}) probe.add_seed_peers(seed);
  }

  absl::Status Call(const std::string& to, const std::string& method,
                    const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite* response) {
    if (down_.count(to) > 0) return absl::UnavailableError("connection refused");
    if (method == "Probe") {
      *static_cast<peer::v1::ProbeResponse*>(response) = seeds_.at(to);
      return absl::OkStatus();
    }
    const auto& join = static_cast<const peer::v1::JoinRequest&>(request);
    auto [store, is_new] = stores_.try_emplace(join.join_token(), next_store_);
    next_store_ += is_new;
    if (answers_lost_ > 0) {
      --answers_lost_;
      return absl::UnavailableError("connection reset");
    }
    auto* manifest = static_cast<peer::v1::JoinResponse*>(response)->mutable_manifest();
    manifest->set_cluster_id(join.cluster_id());
    manifest->set_store_id(store->second);
    manifest->set_joined(true);
    return absl::OkStatus();
  }

  ClusterJoin::Result Try(bool as_new_store = false, uint64_t token = 1,
                          const std::string& address = kSelf) {
    ClusterJoin::Self self;
    self.store.set_peer_address(address);
    self.seeds = {"a:1", "b:1", "c:1", address};
    self.as_new_store = as_new_store;
    self.token = token;
    ClusterJoin::Ports ports;
    ports.call_peer = [this](const std::string& to, const std::string& method,
                             const google::protobuf::MessageLite& request,
                             google::protobuf::MessageLite* response) {
      return Call(to, method, request, response);
    };
    ports.has_store = [this] { return manifest_.has_value(); };
    ports.adopt = [this](const storage::v1::StoreManifest& manifest) {
      if (adopt_.ok()) manifest_ = manifest;
      return adopt_;
    };
    ports.finish_init = [this] {
      if (init_gives_identity_) manifest_.emplace().set_store_id(1);
    };
    ports.report_lost = [this](uint64_t cluster) { lost_ = cluster; };
    return ClusterJoin(self, ports).Try();
  }

  std::map<std::string, peer::v1::ProbeResponse> seeds_;
  std::set<std::string> down_;
  std::map<uint64_t, uint64_t> stores_;  // By token.
  uint64_t next_store_ = 4;
  int answers_lost_ = 0;
  bool init_gives_identity_ = false;
  absl::Status adopt_;
  std::optional<storage::v1::StoreManifest> manifest_;
  uint64_t lost_ = 0;
};

TEST_F(ClusterJoinTest, ANodeThatTheClusterDoesNotNameJoinsThroughAnySeed) {
  down_ = {"a:1", "c:1"};
  const ClusterJoin::Result result = Try();
  EXPECT_EQ(result.outcome, Outcome::kHasStore);
  ASSERT_TRUE(manifest_.has_value());
  EXPECT_EQ(manifest_->store_id(), 4u);
}

TEST_F(ClusterJoinTest, WithoutAClusterItWaits) {
  for (auto& [address, probe] : seeds_) probe.set_cluster_id(0);
  EXPECT_EQ(Try().outcome, Outcome::kNoCluster);
  down_ = {"a:1", "b:1", "c:1"};
  EXPECT_EQ(Try().outcome, Outcome::kNoCluster);
  EXPECT_TRUE(stores_.empty());
}

TEST_F(ClusterJoinTest, SeedsOfTwoClustersAreRefused) {
  AddSeed("b:1", 78);
  const ClusterJoin::Result result = Try();
  EXPECT_EQ(result.outcome, Outcome::kNotYet);
  EXPECT_THAT(result.text, HasSubstr("cluster 77, seed b:1 to cluster 78"));
  EXPECT_TRUE(stores_.empty());
}

TEST_F(ClusterJoinTest, ASeedThatLostItsDirectoryDoesNotJoinUnlessItIsTold) {
  EXPECT_EQ(Try(false, 1, "c:1").outcome, Outcome::kNotYet);
  EXPECT_EQ(lost_, 77u);
  EXPECT_TRUE(stores_.empty());
  EXPECT_EQ(Try(true, 1, "c:1").outcome, Outcome::kHasStore);
  EXPECT_EQ(manifest_->store_id(), 4u) << "it took an identity that may have voted";
}

TEST_F(ClusterJoinTest, ASeedWhoseInitialisationBrokeOffGetsItsIdentityEvenIfItIsToldToJoin) {
  init_gives_identity_ = true;
  EXPECT_EQ(Try(true, 1, "c:1").outcome, Outcome::kHasStore);
  EXPECT_EQ(manifest_->store_id(), 1u);
  EXPECT_TRUE(stores_.empty());
}

TEST_F(ClusterJoinTest, AnAnswerThatIsLostCostsNoStore) {
  answers_lost_ = 3;
  EXPECT_EQ(Try().outcome, Outcome::kNotYet);
  EXPECT_EQ(Try().outcome, Outcome::kHasStore);
  EXPECT_EQ(manifest_->store_id(), 4u);
  EXPECT_EQ(stores_.size(), 1u);
}

TEST_F(ClusterJoinTest, ACrashBeforeTheManifestCostsAnIdAndNeverUsesOneTwice) {
  adopt_ = absl::UnavailableError("the disk is full");
  EXPECT_EQ(Try().outcome, Outcome::kNotYet);
  adopt_ = absl::OkStatus();
  EXPECT_EQ(Try(false, 2).outcome, Outcome::kHasStore);
  EXPECT_EQ(manifest_->store_id(), 5u);
}

}  // namespace
}  // namespace rasputin::server
