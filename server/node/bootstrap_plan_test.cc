// Claims about the first start's decisions, as tables.

#include "server/node/bootstrap_plan.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

peer::v1::ProbeResponse Probe(const std::string& address, const std::vector<std::string>& seeds,
                              uint64_t cluster = 0) {
  peer::v1::ProbeResponse probe;
  probe.set_peer_address(address);
  probe.set_client_address(address + "0");
  probe.set_cluster_id(cluster);
  for (const std::string& seed : seeds) probe.add_seed_peers(seed);
  return probe;
}

TEST(BootstrapPlan, SeedListsThatDifferInOrderOnlyAreEqual) {
  EXPECT_THAT(NormalizedSeeds({"b:1", "a:1", "b:1"}, "b:1"), ElementsAre("a:1", "b:1"));
  EXPECT_THAT(NormalizedSeeds({}, "b:1"), ElementsAre("b:1"));
}

TEST(BootstrapPlan, ASeedOfAnotherClusterIsRefused) {
  const std::vector<std::string> seeds = {"a:1", "b:1"};
  EXPECT_TRUE(CheckSeed("b:1", Probe("b:1", seeds), seeds).ok());
  EXPECT_THAT(std::string(CheckSeed("b:1", Probe("b:1", seeds, 9), seeds).message()),
              HasSubstr("already part of cluster 9"));
  EXPECT_THAT(std::string(CheckSeed("b:1", Probe("c:1", seeds), seeds).message()),
              HasSubstr("calls itself c:1"));
  EXPECT_THAT(std::string(CheckSeed("b:1", Probe("b:1", {"b:1"}), seeds).message()),
              HasSubstr("must be equal"));
}

TEST(BootstrapPlan, TheFirstRangesCoverTheKeyspaceWithoutAGap) {
  for (const int stores : {1, 2, 3, 5}) {
    std::vector<peer::v1::ProbeResponse> probes;
    for (int i = 0; i < stores; ++i) probes.push_back(Probe(std::string(1, 'a' + i) + ":1", {}));
    const storage::v1::BootstrapRecord record = PlanCluster(77, probes);
    ASSERT_EQ(record.stores_size(), stores);
    ASSERT_EQ(record.ranges_size(), 2);
    EXPECT_EQ(record.ranges(0).end_key(), record.ranges(1).start_key());
    EXPECT_EQ(record.ranges(1).end_key(), "");
    for (const auto& range : record.ranges()) {
      EXPECT_EQ(range.replicas_size(), std::min(stores, 3));
      EXPECT_EQ(range.next_replica_id(), static_cast<uint64_t>(range.replicas_size()) + 1);
    }
  }
}

TEST(BootstrapPlan, TheFirstRangesHaveAsManyReplicasAsAskedForAndNoMoreThanStores) {
  std::vector<peer::v1::ProbeResponse> probes;
  for (int i = 0; i < 5; ++i) probes.push_back(Probe(std::string(1, 'a' + i) + ":1", {}));
  for (const int members : {1, 2, 5, 7}) {
    const storage::v1::BootstrapRecord record = PlanCluster(77, probes, members);
    for (const auto& range : record.ranges()) {
      EXPECT_EQ(range.replicas_size(), std::min(members, 5));
    }
  }
}

TEST(BootstrapPlan, ADirectoryOfAnotherClusterIsRefused) {
  storage::v1::StoreManifest manifest;
  manifest.set_cluster_id(77);
  manifest.set_store_id(2);
  const storage::v1::BootstrapRecord record = PlanCluster(77, {Probe("a:1", {}), Probe("b:1", {})});
  const std::vector<type::v1::StoreDescriptor> stores(record.stores().begin(),
                                                      record.stores().end());
  EXPECT_TRUE(CheckDirectory(manifest, stores, {"a:1", "b:1"}).ok());
  EXPECT_TRUE(CheckDirectory(manifest, stores, {"b:1", "c:1"}).ok());
  EXPECT_THAT(std::string(CheckDirectory(manifest, stores, {"x:1", "y:1"}).message()),
              HasSubstr("belongs to store 2 of cluster 77, to which none of --seed-peers=x:1,y:1"));
}

}  // namespace
}  // namespace rasputin::server
