// Random clusters: the planner, applied again and again to what it made, comes to rest, leaves
// nothing that could be repaired, never plans what it must not, and uses few sets of stores.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "range/placement/planner.h"

namespace rasputin::range {
namespace {

using consensus::RangeId;
using consensus::StoreId;

// SplitMix64: the same on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15) {}
  uint64_t Below(uint64_t n) {
    uint64_t x = state_ += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return (x ^ (x >> 31)) % n;
  }

 private:
  uint64_t state_;
};

PlacementStore* Find(PlacementSnapshot* cluster, StoreId id) {
  for (PlacementStore& store : cluster->stores) {
    if (store.id == id) return &store;
  }
  return nullptr;
}

bool Lives(PlacementSnapshot* cluster, StoreId id) {
  const PlacementStore* store = Find(cluster, id);
  return store != nullptr && store->silent == consensus::Duration::zero();
}

PlacementSnapshot RandomCluster(uint64_t seed) {
  Random random(seed);
  PlacementSnapshot cluster;
  const uint64_t stores = 3 + random.Below(8);
  const bool labelled = random.Below(2) == 0;
  for (uint64_t i = 1; i <= stores; ++i) {
    PlacementStore store;
    store.id = StoreId(i);
    if (labelled) store.labels["zone"] = std::string(1, static_cast<char>('a' + random.Below(3)));
    if (random.Below(8) == 0) store.silent = std::chrono::hours(1);
    if (random.Below(8) == 0) store.state = type::v1::STORE_STATE_DRAINING;
    if (random.Below(8) == 0) store.state = type::v1::STORE_STATE_DECOMMISSIONING;
    cluster.stores.push_back(store);
  }
  if (random.Below(3) == 0) {
    cluster.collections.push_back({3, random.Below(2) == 0 ? 5u : 1u, {}});
    if (labelled && random.Below(2) == 0) cluster.collections[0].required_labels["zone"] = "a";
  }
  const uint64_t ranges = 1 + random.Below(60);
  for (uint64_t i = 1; i <= ranges; ++i) {
    PlacementRange range;
    range.id = RangeId(i);
    range.collection_id = 2 + random.Below(2);
    std::set<uint64_t> members;
    while (members.size() < 3) members.insert(1 + random.Below(random.Below(2) == 0 ? 3 : stores));
    for (const uint64_t store : members) range.members.push_back({StoreId(store), true});
    for (const auto& member : range.members) {
      if (Lives(&cluster, member.store)) range.leader = member.store;
    }
    range.size_bytes = random.Below(256) << 20;
    range.requests_per_second = random.Below(4) == 0 ? static_cast<double>(random.Below(3000)) : 0;
    cluster.ranges.push_back(range);
  }
  return cluster;
}

// Carries a move out and checks what must never be.
void Carry(const PlacementMove& move, PlacementSnapshot* cluster) {
  auto at = std::find_if(cluster->ranges.begin(), cluster->ranges.end(),
                         [&](const auto& one) { return one.id == move.range; });
  ASSERT_NE(at, cluster->ranges.end());
  auto member = [&](StoreId store) {
    return std::find_if(at->members.begin(), at->members.end(),
                        [&](const auto& one) { return one.store == store; });
  };
  if (move.kind == MoveKind::kTransferLease) {
    ASSERT_EQ(at->leader, move.from);
    ASSERT_NE(member(move.to), at->members.end());
    ASSERT_TRUE(Lives(cluster, move.to));
    ASSERT_FALSE(Find(cluster, move.to)->state == type::v1::STORE_STATE_DRAINING ||
                 Find(cluster, move.to)->state == type::v1::STORE_STATE_DECOMMISSIONING);
    at->leader = move.to;
    return;
  }
  if (move.to.IsSet()) {
    ASSERT_EQ(member(move.to), at->members.end()) << "two replicas on store " << move.to;
    ASSERT_TRUE(Lives(cluster, move.to));
    at->members.push_back({move.to, true});
  }
  if (move.from.IsSet()) {
    ASSERT_NE(member(move.from), at->members.end());
    at->members.erase(member(move.from));
    if (at->leader == move.from) at->leader = move.to;
  }
  const auto live = std::count_if(at->members.begin(), at->members.end(),
                                  [&](const auto& one) { return Lives(cluster, one.store); });
  ASSERT_GT(2 * static_cast<size_t>(live), at->members.size()) << "no majority lives";
}

// Applies plans until nothing is left; returns how many moves that took.
size_t Settle(PlacementSnapshot* cluster) {
  size_t moves = 0;
  for (int round = 0; round < 5000; ++round) {
    const PlacementPlan plan = PlanPlacement(*cluster, PlacementRules());
    size_t begun = 0;
    for (const PlacementMove& move : plan.moves) {
      if (!move.start) continue;
      ++begun;
      Carry(move, cluster);
      if (testing::Test::HasFatalFailure()) return moves;
    }
    moves += begun;
    if (begun == 0) return moves;
  }
  ADD_FAILURE() << "never comes to rest";
  return moves;
}

TEST(PlacementPlannerOnRandomClusters, ComesToRestWithNothingLeftToRepair) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    PlacementSnapshot cluster = RandomCluster(seed);
    const size_t moves = Settle(&cluster);
    if (HasFailure()) return;
    EXPECT_LE(moves, 12 * cluster.ranges.size() + 20) << "goes round in circles";
    const PlacementPlan plan = PlanPlacement(cluster, PlacementRules());
    EXPECT_TRUE(plan.moves.empty());
    for (const PlacementRange& range : cluster.ranges) {
      const bool leads = range.leader.IsSet() && Lives(&cluster, range.leader);
      if (!leads) continue;
      const bool drains = Find(&cluster, range.leader)->state >= type::v1::STORE_STATE_DRAINING;
      const bool other =
          std::any_of(range.members.begin(), range.members.end(), [&](const PlacementMember& one) {
            return Lives(&cluster, one.store) &&
                   Find(&cluster, one.store)->state == type::v1::STORE_STATE_UNSPECIFIED;
          });
      EXPECT_FALSE(drains && other) << "range " << range.id << " is still led by a draining store";
    }
  }
}

// `stores` stores; every range begins on the first three, as after splits of one range.
PlacementSnapshot GrownCluster(uint64_t stores, uint64_t ranges, uint64_t zones) {
  PlacementSnapshot cluster;
  for (uint64_t i = 1; i <= stores; ++i) {
    PlacementStore store;
    store.id = StoreId(i);
    if (zones > 0) {
      store.labels["zone"] = std::string(1, static_cast<char>('a' + (i - 1) % zones));
    }
    cluster.stores.push_back(store);
  }
  for (uint64_t i = 1; i <= ranges; ++i) {
    PlacementRange range;
    range.id = RangeId(i);
    range.collection_id = 2;
    for (uint64_t store = 1; store <= 3; ++store) range.members.push_back({StoreId(store), true});
    range.leader = StoreId(1);
    range.size_bytes = 32 << 20;
    cluster.ranges.push_back(range);
  }
  return cluster;
}

struct Shape {
  std::map<StoreId, int> replicas;
  std::map<StoreId, int> leaders;
  std::set<std::vector<StoreId>> sets;
};

Shape ShapeOf(const PlacementSnapshot& cluster) {
  Shape shape;
  for (const PlacementStore& store : cluster.stores) {
    shape.replicas[store.id] = 0;
    shape.leaders[store.id] = 0;
  }
  for (const PlacementRange& range : cluster.ranges) {
    std::vector<StoreId> set;
    for (const PlacementMember& member : range.members) {
      ++shape.replicas[member.store];
      set.push_back(member.store);
    }
    std::sort(set.begin(), set.end());
    shape.sets.insert(set);
    ++shape.leaders[range.leader];
  }
  return shape;
}

void ExpectEven(const std::map<StoreId, int>& counts, int mean, int slack) {
  for (const auto& [store, count] : counts) EXPECT_NEAR(count, mean, slack) << "store " << store;
}

TEST(PlacementPlannerOnGrownClusters, EvensReplicasAndLeadersWithFewMoves) {
  PlacementSnapshot cluster = GrownCluster(4, 300, 0);
  const size_t moves = Settle(&cluster);
  const Shape shape = ShapeOf(cluster);
  ExpectEven(shape.replicas, 225, 12);
  ExpectEven(shape.leaders, 75, 8);
  // 225 replicas have to reach the new store, and about 225 leaderships leave the first one.
  EXPECT_LE(moves, 600u);
}

TEST(PlacementPlannerOnGrownClusters, UsesFewSetsOfNineStores) {
  PlacementSnapshot cluster = GrownCluster(9, 300, 0);
  Settle(&cluster);
  const Shape shape = ShapeOf(cluster);
  ExpectEven(shape.replicas, 100, 6);
  // At random, nearly all of the 84 triples are in use.
  EXPECT_LE(shape.sets.size(), 20u);
  RecordProperty("sets", static_cast<int>(shape.sets.size()));
}

TEST(PlacementPlannerOnGrownClusters, SpreadsOverZonesAndStaysEven) {
  PlacementSnapshot cluster = GrownCluster(9, 300, 3);
  Settle(&cluster);
  const Shape shape = ShapeOf(cluster);
  ExpectEven(shape.replicas, 100, 6);
  EXPECT_LE(shape.sets.size(), 20u);
  for (const std::vector<StoreId>& set : shape.sets) {
    std::set<uint64_t> zones;
    for (const StoreId store : set) zones.insert((store.value() - 1) % 3);
    EXPECT_EQ(zones.size(), 3u);
  }
}

TEST(PlacementPlannerOnGrownClusters, RebuildsALostStoreOntoAllOthers) {
  PlacementSnapshot cluster = GrownCluster(9, 300, 0);
  Settle(&cluster);
  cluster.stores[4].silent = std::chrono::hours(1);
  // What it led elects somebody else.
  for (PlacementRange& range : cluster.ranges) {
    for (const PlacementMember& member : range.members) {
      if (range.leader == StoreId(5)) range.leader = member.store;
    }
  }
  Settle(&cluster);
  Shape shape = ShapeOf(cluster);
  EXPECT_EQ(shape.replicas[StoreId(5)], 0);
  shape.replicas.erase(StoreId(5));
  ExpectEven(shape.replicas, 112, 8);
  EXPECT_LE(shape.sets.size(), 30u);
}

std::set<StoreId> StoresOf(const PlacementRange& range) {
  std::set<StoreId> stores;
  for (const PlacementMember& member : range.members) stores.insert(member.store);
  return stores;
}

// What happens to a cluster whose load is gone: neighbours are aligned and merged, a few at a time,
// until one range is left.
TEST(PlacementPlannerOnGrownClusters, EveryPairIsAlignedWithFewMovesAndTheRestStaysEven) {
  constexpr uint64_t kRanges = 120;
  PlacementSnapshot cluster = GrownCluster(5, kRanges, 0);
  Settle(&cluster);
  size_t moves = 0;
  while (cluster.ranges.size() > 1) {
    for (size_t i = 0; i + 1 < cluster.ranges.size() && i < 16; i += 2) {
      cluster.pairs.push_back({cluster.ranges[i].id, cluster.ranges[i + 1].id, ""});
    }
    moves += Settle(&cluster);
    if (HasFailure()) return;
    for (size_t i = 0; i < cluster.pairs.size(); ++i) {
      EXPECT_EQ(StoresOf(cluster.ranges[i]), StoresOf(cluster.ranges[i + 1]));
      cluster.ranges.erase(cluster.ranges.begin() + static_cast<ptrdiff_t>(i + 1));
    }
    cluster.pairs.clear();
    std::map<StoreId, int> replicas = ShapeOf(cluster).replicas;
    const int mean = static_cast<int>(3 * cluster.ranges.size() / 5);
    ExpectEven(replicas, mean, 20);
  }
  // Each of 119 merges costs at most three moves and three handovers, and the balance about as
  // much.
  EXPECT_LE(moves, 6 * 2 * kRanges);
}

TEST(PlacementPlannerOnRandomClusters, PairsComeToRestTogether) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    PlacementSnapshot cluster = RandomCluster(seed);
    for (size_t i = 0; i + 1 < cluster.ranges.size() && i < 10; i += 2) {
      cluster.pairs.push_back({cluster.ranges[i].id, cluster.ranges[i + 1].id, ""});
    }
    const size_t moves = Settle(&cluster);
    if (HasFailure()) return;
    EXPECT_LE(moves, 12 * cluster.ranges.size() + 40) << "goes round in circles";
    EXPECT_TRUE(PlanPlacement(cluster, PlacementRules()).moves.empty());
  }
}

TEST(PlacementPlannerOnGrownClusters, LoadsThatFluctuateMoveNothing) {
  PlacementSnapshot cluster = GrownCluster(3, 60, 0);
  for (PlacementRange& range : cluster.ranges) range.requests_per_second = 500;
  Settle(&cluster);
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    for (PlacementRange& range : cluster.ranges) {
      range.requests_per_second = 450 + static_cast<double>(random.Below(100));
    }
    EXPECT_TRUE(PlanPlacement(cluster, PlacementRules()).moves.empty()) << round;
  }
}

}  // namespace
}  // namespace rasputin::range
