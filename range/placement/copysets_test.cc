// The family of store sets: regular, small, across failure domains.

#include "range/placement/copysets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace rasputin::range {
namespace {

std::vector<uint32_t> FirstStores(uint32_t count) {
  std::vector<uint32_t> stores;
  for (uint32_t i = 0; i < count; ++i) stores.push_back(i);
  return stores;
}

Copysets Of(uint32_t count, uint32_t size, uint32_t zones) {
  DomainTable table;
  std::vector<Domains> domains;
  for (uint32_t i = 0; i < count; ++i) {
    domains.push_back(table.Number({{"zone", std::to_string(i * zones / count)}}));
  }
  return Copysets(FirstStores(count), domains, size);
}

TEST(Copysets, EachStoreIsInAsManySetsAsEveryOther) {
  for (uint32_t count = 3; count <= 20; ++count) {
    for (const uint32_t size : {1u, 3u, 5u, 7u}) {
      if (size > count) continue;
      std::map<uint32_t, int> uses;
      const Copysets copysets = Of(count, size, 1);
      for (const StoreSet& set : copysets.family()) {
        ASSERT_EQ(std::set<uint32_t>(set.begin(), set.end()).size(), size);
        for (const uint32_t store : set) ++uses[store];
      }
      ASSERT_EQ(uses.size(), count);
      for (const auto& [store, number] : uses) {
        EXPECT_EQ(number, uses.begin()->second) << "store " << store << " of " << count;
      }
    }
  }
}

TEST(Copysets, NineStoresHaveSixSetsOfThree) { EXPECT_EQ(Of(9, 3, 1).family().size(), 6u); }

TEST(Copysets, SetsOfThreeZonesHaveOneStoreOfEach) {
  const Copysets copysets = Of(9, 3, 3);
  for (const StoreSet& set : copysets.family()) {
    std::set<uint32_t> zones;
    for (const uint32_t store : set) zones.insert(store / 3);
    EXPECT_EQ(zones.size(), 3u);
  }
}

TEST(Copysets, DistanceCountsTheMovesLeftAndOnlySetsWithTheTarget) {
  const Copysets copysets = Of(9, 3, 1);
  const StoreSet member = copysets.family().front();
  EXPECT_EQ(copysets.Distance(member, member[0]), 0u);
  for (uint32_t to = 0; to < 9; ++to) {
    StoreSet near = {member[0], member[1], to};
    std::sort(near.begin(), near.end());
    const bool inside = std::set<uint32_t>(near.begin(), near.end()) ==
                        std::set<uint32_t>(member.begin(), member.end());
    if (!inside) {
      EXPECT_GT(copysets.Distance(near, to), 0u) << to;
    }
  }
}

TEST(Copysets, FewerStoresThanReplicasHaveNone) {
  EXPECT_TRUE(Of(2, 3, 1).family().empty());
  EXPECT_EQ(Of(2, 3, 1).Distance({0, 1}, 1), 2u);
}

}  // namespace
}  // namespace rasputin::range
