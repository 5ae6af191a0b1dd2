// Thousands of seeded runs of a few cores under loss, reordering, crashes, cuts and stalled disks.
//
// CORE_CLUSTER_SEEDS=first:count in the environment replays or extends a run. Not responsible for
// whole stores: tests/sim.

#include "consensus/core/core_cluster.h"

#include <cstdlib>
#include <iostream>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace rasputin::consensus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Range {
  uint64_t first;
  uint64_t count;
};

Range Seeds(uint64_t count) {
  Range range{1, count};
  if (const char* text = std::getenv("CORE_CLUSTER_SEEDS")) {
    char* end = nullptr;
    range.first = std::strtoull(text, &end, 10);
    range.count = *end == ':' ? std::strtoull(end + 1, nullptr, 10) : 1;
  }
  return range;
}

ClusterOptions Swarm(uint64_t seed) {
  ClusterOptions options;
  options.seed = seed;
  options.replicas = seed % 4 == 0 ? 5 : 3;
  if (seed % 3 != 0) options.loss = 0.05;
  if (seed % 5 != 0) options.duplicate = 0.1;
  if (seed % 2 != 0) options.long_delay = 0.02;
  return options;
}

ClusterCounts Add(ClusterCounts a, const ClusterCounts& b) {
  a.messages += b.messages;
  a.elections += b.elections;
  a.abdications += b.abdications;
  a.crashes += b.crashes;
  a.acknowledged += b.acknowledged;
  a.reads += b.reads;
  a.read_indexes += b.read_indexes;
  a.pulls += b.pulls;
  a.truncations += b.truncations;
  a.transfers += b.transfers;
  a.releases += b.releases;
  a.bindings_ended += b.bindings_ended;
  a.changes += b.changes;
  a.joint_changes += b.joint_changes;
  a.removals += b.removals;
  a.snapshots += b.snapshots;
  a.created += b.created;
  a.reelections += b.reelections;
  return a;
}

std::string Violations(const CoreCluster& cluster) {
  return absl::StrJoin(cluster.violations(), "\n");
}

// Proposes until something was acknowledged; false: not within 10 D.
bool BecomesLive(CoreCluster* cluster) {
  const uint64_t before = cluster->counts().acknowledged;
  const Duration end = cluster->now() + seconds(20);
  bool live = false;
  while (!live && cluster->now() < end) {
    if (const int leader = cluster->Leader(); leader >= 0) {
      cluster->Propose(leader);
    } else {
      cluster->QueryBindings();
    }
    live = cluster->RunUntil(milliseconds(50),
                             [&] { return cluster->counts().acknowledged > before; });
  }
  return live;
}

TEST(CoreCluster, IsSafeUnderAnyFaultsAndLiveAfterThem) {
  ClusterCounts total;
  const Range seeds = Seeds(1500);
  uint64_t slow = 0;
  for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    CoreCluster cluster(Swarm(seed));
    for (int step = 0; step < 200; ++step) cluster.RandomStep(0.3);
    cluster.Calm();
    const Duration calm = cluster.now();
    const bool live = BecomesLive(&cluster);
    if (cluster.now() - calm > seconds(6)) ++slow;
    cluster.CheckLogs();
    ASSERT_EQ(Violations(cluster), "");
    ASSERT_TRUE(live) << "seed " << seed << ": no progress within 10 D after the faults ended";
    total = Add(total, cluster.counts());
  }
  std::cout << seeds.count << " seeds: " << total.elections << " elections, " << total.abdications
            << " abdications, " << total.crashes << " crashes, " << total.acknowledged
            << " acknowledged, " << total.reads << " lease reads, " << total.read_indexes
            << " read indexes, " << total.pulls << " pulls, " << total.truncations
            << " truncations, " << total.transfers << " transfers, " << total.releases
            << " releases, " << total.bindings_ended << " bindings ended, " << slow
            << " recoveries above 3 D" << std::endl;
  if (seeds.count < 100) return;
  EXPECT_GT(total.pulls, 0u);
  EXPECT_GT(total.truncations, 0u);
  EXPECT_GT(total.releases, 0u);
  EXPECT_GT(total.bindings_ended, 0u);
  EXPECT_GT(total.read_indexes, 0u);
}

// Six stores: learners come and become voters, voters are replaced, the leader too, logs are cut,
// and who fell behind or is new gets a snapshot; with all faults of the run above.
TEST(CoreCluster, IsSafeWhileMembersComeAndGo) {
  ClusterCounts total;
  const Range seeds = Seeds(600);
  for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    ClusterOptions options = Swarm(seed);
    options.replicas = 3;
    options.stores = 6;
    CoreCluster cluster(options);
    for (int step = 0; step < 250; ++step) {
      cluster.RandomStep(0.15);
      cluster.RandomChange();
    }
    cluster.Calm();
    const bool live = BecomesLive(&cluster);
    cluster.CheckLogs();
    ASSERT_EQ(Violations(cluster), "");
    ASSERT_TRUE(live) << "seed " << seed << ": no progress within 10 D after the faults ended";
    total = Add(total, cluster.counts());
  }
  std::cout << seeds.count << " seeds: " << total.changes << " changes of members, "
            << total.joint_changes << " of voters, " << total.removals << " replicas removed, "
            << total.snapshots << " snapshots installed, " << total.created << " of them new, "
            << total.elections << " elections, " << total.reelections << " [H-12], "
            << total.crashes << " crashes, " << total.acknowledged << " acknowledged, "
            << total.reads << " lease reads" << std::endl;
  if (seeds.count < 100) return;
  EXPECT_GT(total.joint_changes, seeds.count);
  EXPECT_GT(total.removals, seeds.count);
  EXPECT_GT(total.snapshots, total.created);
  EXPECT_GT(total.created, seeds.count);
  EXPECT_GT(total.reelections, 0u);
}

TEST(CoreCluster, SameSeedGivesTheSameRun) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    uint64_t hashes[2];
    for (uint64_t& hash : hashes) {
      ClusterOptions options = Swarm(seed);
      options.stores = 6;
      CoreCluster cluster(options);
      for (int step = 0; step < 100; ++step) {
        cluster.RandomStep(0.3);
        cluster.RandomChange();
      }
      hash = cluster.hash();
    }
    EXPECT_EQ(hashes[0], hashes[1]) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rasputin::consensus
