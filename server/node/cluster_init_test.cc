// Claims about initialising: never two clusters, whoever is asked, whatever is down.

#include "server/node/cluster_init.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/node/bootstrap_plan.h"

namespace rasputin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Nodes of one process, wired directly.
class ClusterInitTest : public ::testing::Test {
 protected:
  struct Node {
    std::optional<storage::v1::StoreManifest> manifest;
    bool complete = false;
    std::unique_ptr<ClusterInit> init;
  };

  void AddNode(const std::string& address, const std::vector<std::string>& seeds) {
    Node* node = &nodes_[address];
    ClusterInit::Self self;
    self.probe.set_peer_address(address);
    self.seeds = NormalizedSeeds(seeds, address);
    self.storage_dir = "/data/" + address;
    for (const std::string& seed : self.seeds) self.probe.add_seed_peers(seed);
    ClusterInit::Ports ports;
    ports.call_peer = [this](const std::string& to, const std::string& method,
                             const google::protobuf::MessageLite& request,
                             google::protobuf::MessageLite* response) {
      return Call(to, method, request, response);
    };
    ports.manifest = [node] { return node->manifest; };
    ports.adopt = [node](const storage::v1::StoreManifest& manifest) -> absl::Status {
      if (node->manifest.has_value() && node->manifest->cluster_id() != manifest.cluster_id()) {
        return absl::FailedPreconditionError("part of another cluster");
      }
      node->manifest = manifest;
      return absl::OkStatus();
    };
    ports.is_complete = [node] { return node->complete; };
    ports.mark_complete = [node] {
      node->complete = true;
      return absl::OkStatus();
    };
    ports.new_cluster_id = [this] { return ++last_cluster_id_; };
    node->init = std::make_unique<ClusterInit>(self, ports);
  }

  void AddThree() {
    for (const char* address : {"a:1", "b:1", "c:1"}) AddNode(address, {"a:1", "b:1", "c:1"});
  }

  absl::Status Call(const std::string& to, const std::string& method,
                    const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite* response) {
    if (down_.count(to) > 0) return absl::UnavailableError("connection refused");
    if (method == down_method_) return absl::UnavailableError("connection reset");
    if (method == "Probe" && !answer_.ok()) return answer_;
    ClusterInit* init = nodes_.at(to).init.get();
    if (method == "Probe") {
      *static_cast<peer::v1::ProbeResponse*>(response) = init->Probe();
      return absl::OkStatus();
    }
    if (method == "Bootstrap") {
      if (bootstraps_left_-- <= 0) return absl::UnavailableError("connection reset");
      return init->Bootstrap(static_cast<const peer::v1::BootstrapRequest&>(request).manifest());
    }
    const absl::StatusOr<ClusterInit::Result> result = init->Initialize();
    if (!result.ok()) return result.status();
    auto* initialized = static_cast<peer::v1::InitializeResponse*>(response);
    initialized->set_cluster_id(result->cluster_id);
    for (const auto& store : result->stores) *initialized->add_stores() = store;
    return absl::OkStatus();
  }

  std::set<uint64_t> Clusters() const {
    std::set<uint64_t> clusters;
    for (const auto& [address, node] : nodes_) {
      if (node.manifest.has_value()) clusters.insert(node.manifest->cluster_id());
    }
    return clusters;
  }

  std::map<std::string, Node> nodes_;
  std::set<std::string> down_;
  std::string down_method_;
  int bootstraps_left_ = 100;
  absl::Status answer_ = absl::OkStatus();  // Of every Probe, unless OK.
  uint64_t last_cluster_id_ = 100;
};

TEST_F(ClusterInitTest, AnyNodeInitialisesAllSeeds) {
  AddThree();
  ASSERT_TRUE(nodes_["c:1"].init->Init().ok());
  std::set<uint64_t> stores;
  for (const auto& [address, node] : nodes_) {
    ASSERT_TRUE(node.manifest.has_value()) << address;
    stores.insert(node.manifest->store_id());
  }
  EXPECT_EQ(stores, (std::set<uint64_t>{1, 2, 3}));
  EXPECT_EQ(Clusters().size(), 1u);
}

TEST_F(ClusterInitTest, RepeatingItOnAnotherNodeChangesNothing) {
  AddThree();
  const uint64_t first = nodes_["b:1"].init->Init()->cluster_id;
  for (const char* address : {"a:1", "b:1", "c:1"}) {
    const absl::StatusOr<ClusterInit::Result> again = nodes_[address].init->Init();
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->cluster_id, first);
    EXPECT_TRUE(again->already_initialized);
  }
}

TEST_F(ClusterInitTest, ASeedThatIsDownRefusesAndLeavesNothingBehind) {
  AddThree();
  down_.insert("b:1");
  const absl::StatusOr<ClusterInit::Result> result = nodes_["c:1"].init->Init();
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("seed b:1 cannot be reached"));
  EXPECT_TRUE(Clusters().empty());
  down_.clear();
  EXPECT_TRUE(nodes_["c:1"].init->Init().ok());
  EXPECT_EQ(Clusters().size(), 1u);
}

TEST_F(ClusterInitTest, ASeedThatAnswersWithAnErrorIsNotCalledUnreachable) {
  AddThree();
  answer_ = absl::UnimplementedError("no such method");
  absl::StatusOr<ClusterInit::Result> result = nodes_["c:1"].init->Init();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("seed b:1 refused: no such method"));
  answer_ = absl::DeadlineExceededError("no answer");
  result = nodes_["c:1"].init->Init();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("seed b:1 cannot be reached"));
  EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("seed a:1 cannot")))
      << "the appointed node answered";
}

TEST_F(ClusterInitTest, ABrokenOffAttemptIsFinishedWithTheSameCluster) {
  AddThree();
  down_method_ = "Bootstrap";
  EXPECT_FALSE(nodes_["a:1"].init->Init().ok());
  ASSERT_EQ(Clusters().size(), 1u);
  const uint64_t cluster = *Clusters().begin();
  down_method_.clear();
  const absl::StatusOr<ClusterInit::Result> result = nodes_["b:1"].init->Init();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->cluster_id, cluster);
  EXPECT_EQ(Clusters(), (std::set<uint64_t>{cluster}));
}

// The appointed node dies between the second store and the third.
TEST_F(ClusterInitTest, ANodeThatHasItsIdentityDoesNotSayDoneWhileAnotherSeedHasNone) {
  AddThree();
  bootstraps_left_ = 1;
  EXPECT_FALSE(nodes_["a:1"].init->Init().ok());
  ASSERT_TRUE(nodes_["b:1"].manifest.has_value());
  ASSERT_FALSE(nodes_["c:1"].manifest.has_value());
  bootstraps_left_ = 100;

  down_.insert("a:1");
  absl::StatusOr<ClusterInit::Result> result = nodes_["b:1"].init->Init();
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("seed a:1"));
  EXPECT_FALSE(nodes_["c:1"].manifest.has_value());

  down_ = {"c:1"};
  result = nodes_["b:1"].init->Init();
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("seed c:1 cannot be reached"));

  down_.clear();
  result = nodes_["b:1"].init->Init();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(nodes_["c:1"].manifest.has_value());
  EXPECT_EQ(Clusters(), (std::set<uint64_t>{result->cluster_id}));
}

TEST_F(ClusterInitTest, ASeedOfAnotherClusterIsRefused) {
  AddThree();
  nodes_["c:1"].manifest.emplace();
  nodes_["c:1"].manifest->set_cluster_id(9);
  const absl::StatusOr<ClusterInit::Result> result = nodes_["a:1"].init->Init();
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("cluster 9 exists already"));
  EXPECT_FALSE(nodes_["a:1"].manifest.has_value());
}

TEST_F(ClusterInitTest, AWipedSeedOfACompleteClusterIsNotGivenItsIdentityAgain) {
  AddThree();
  ASSERT_TRUE(nodes_["a:1"].init->Init().ok());
  nodes_["b:1"].manifest.reset();
  EXPECT_TRUE(nodes_["a:1"].init->Init().ok());
  EXPECT_FALSE(nodes_["b:1"].manifest.has_value());
}

TEST_F(ClusterInitTest, AWipedSeedIsToldThatItsDirectoryIsLostAndNotThatAllIsWell) {
  AddThree();
  ASSERT_TRUE(nodes_["a:1"].init->Init().ok());
  EXPECT_EQ(nodes_["b:1"].init->lost(), "");
  const uint64_t cluster = *Clusters().begin();
  // The one that the seed list appoints learns it from the others.
  for (const char* address : {"b:1", "a:1"}) {
    const auto manifest = nodes_[address].manifest;
    nodes_[address].manifest.reset();
    nodes_[address].complete = false;
    const absl::StatusOr<ClusterInit::Result> refused = nodes_[address].init->Init();
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << address;
    const std::string lost = nodes_[address].init->lost();
    EXPECT_THAT(lost, HasSubstr("cluster " + std::to_string(cluster) + " exists already"));
    EXPECT_THAT(lost, HasSubstr("restore its directory /data/" + std::string(address)));
    EXPECT_EQ(refused.status().message(), lost);
    EXPECT_FALSE(nodes_[address].manifest.has_value());
    nodes_[address].manifest = manifest;
  }
  EXPECT_EQ(Clusters(), (std::set<uint64_t>{cluster}));
}

TEST_F(ClusterInitTest, SeedListsThatDifferAreRefused) {
  AddNode("a:1", {"a:1", "b:1"});
  AddNode("b:1", {"b:1"});
  const absl::StatusOr<ClusterInit::Result> result = nodes_["a:1"].init->Init();
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("must be equal"));
}

TEST_F(ClusterInitTest, ANodeThatIsNotItsOwnSeedIsTold) {
  AddNode("x:1", {"a:1", "b:1"});
  AddNode("a:1", {"a:1", "b:1"});
  AddNode("b:1", {"a:1", "b:1"});
  EXPECT_TRUE(nodes_["x:1"].init->Init().ok());  // Forwarded to a:1.
  EXPECT_FALSE(nodes_["x:1"].manifest.has_value());
}

}  // namespace
}  // namespace rasputin::server
