// What followers of a node's copy of the directory are given.

#include "server/front/directory_copy.h"

#include <gtest/gtest.h>

#include "rasputin/admin/v1/admin.pb.h"

namespace rasputin::server {
namespace {

using admin::v1::FollowRangesResponse;

type::v1::RangeDescriptor Range(uint64_t id, uint64_t generation) {
  type::v1::RangeDescriptor range;
  range.set_range_id(id);
  range.set_generation(generation);
  return range;
}

DirectoryCopy::Ranges Ranges(uint64_t count) {
  DirectoryCopy::Ranges ranges;
  for (uint64_t id = 1; id <= count; ++id) ranges[id] = Range(id, 1);
  return ranges;
}

FollowRangesResponse Decode(const absl::Cord& page) {
  FollowRangesResponse response;
  EXPECT_TRUE(response.ParseFromString(std::string(page)));
  return response;
}

uint64_t Leader(uint64_t range_id) { return range_id % 3; }

TEST(DirectoryCopy, TellsAChangeAsOnePageThatFollowersShare) {
  DirectoryCopy copy(Leader);
  copy.Replace(Ranges(3), {});
  const uint64_t before = copy.version();
  storage::v1::MetaQueryResult changes;
  *changes.add_ranges() = Range(2, 5);
  changes.add_gone_range_ids(3);
  changes.add_stores()->set_store_id(7);
  copy.Apply(changes);
  ASSERT_EQ(copy.version(), before + 1);
  const FollowRangesResponse page = Decode(*copy.PageAfter(before));
  ASSERT_EQ(page.routes_size(), 1);
  EXPECT_EQ(page.routes(0).range().generation(), 5u);
  EXPECT_EQ(page.routes(0).leader_store_id(), 2u);
  EXPECT_EQ(page.gone_range_ids(0), 3u);
  EXPECT_EQ(page.stores(0).store_id(), 7u);
  EXPECT_EQ(copy.RangeCount(), 2u);
}

TEST(DirectoryCopy, WhatIsKnownAlreadyIsNoChange) {
  DirectoryCopy copy(Leader);
  copy.Replace(Ranges(3), {});
  const uint64_t before = copy.version();
  storage::v1::MetaQueryResult changes;
  *changes.add_ranges() = Range(2, 1);
  changes.add_gone_range_ids(9);
  copy.Apply(changes);
  copy.Replace(Ranges(3), {});
  EXPECT_EQ(copy.version(), before);
}

TEST(DirectoryCopy, AStoreThatWasTakenOffTheListIsToldAndForgotten) {
  std::vector<type::v1::StoreDescriptor> stores(2);
  stores[0].set_store_id(1);
  stores[1].set_store_id(2);
  DirectoryCopy copy(Leader);
  copy.Replace(Ranges(1), stores);
  storage::v1::MetaQueryResult changes;
  changes.add_gone_store_ids(1);
  changes.add_gone_store_ids(9);
  copy.Apply(changes);
  FollowRangesResponse page = Decode(*copy.PageAfter(copy.version() - 1));
  ASSERT_EQ(page.gone_store_ids_size(), 1);
  EXPECT_EQ(page.gone_store_ids(0), 1u);
  page = Decode(copy.TakeSnapshot()->pages[0]);
  ASSERT_EQ(page.stores_size(), 1);
  EXPECT_EQ(page.stores(0).store_id(), 2u);
  copy.Replace(Ranges(1), {});
  page = Decode(*copy.PageAfter(copy.version() - 1));
  ASSERT_EQ(page.gone_store_ids_size(), 1);
  EXPECT_EQ(page.gone_store_ids(0), 2u);
}

TEST(DirectoryCopy, ReadAfreshTellsWhatHasGoneMeanwhile) {
  DirectoryCopy copy(Leader);
  copy.Replace(Ranges(3), {});
  const uint64_t before = copy.version();
  copy.Replace(Ranges(2), {});
  ASSERT_EQ(copy.version(), before + 1);
  EXPECT_EQ(Decode(*copy.PageAfter(before)).gone_range_ids(0), 3u);
}

TEST(DirectoryCopy, ASnapshotHasEverythingOnceAndIsShared) {
  DirectoryCopy copy(Leader);
  copy.Replace(Ranges(1200), {});
  const auto snapshot = copy.TakeSnapshot();
  EXPECT_EQ(copy.TakeSnapshot(), snapshot);
  int routes = 0;
  for (size_t i = 0; i < snapshot->pages.size(); ++i) {
    const FollowRangesResponse page = Decode(snapshot->pages[i]);
    routes += page.routes_size();
    EXPECT_EQ(page.complete(), i + 1 == snapshot->pages.size());
  }
  EXPECT_EQ(routes, 1200);
}

TEST(DirectoryCopy, ForgetsOldChangesAndMakesTheSnapshotAnewThen) {
  DirectoryCopy copy(Leader);
  copy.Replace(Ranges(1), {});
  const auto old = copy.TakeSnapshot();
  for (uint64_t generation = 2; generation < 2 + DirectoryCopy::kDeltasMax; ++generation) {
    storage::v1::MetaQueryResult changes;
    *changes.add_ranges() = Range(1, generation);
    copy.Apply(changes);
  }
  EXPECT_NE(copy.PageAfter(old->version), nullptr);
  storage::v1::MetaQueryResult changes;
  *changes.add_ranges() = Range(1, 1000);
  copy.Apply(changes);
  EXPECT_EQ(copy.PageAfter(old->version), nullptr);
  EXPECT_NE(copy.PageAfter(old->version + 1), nullptr);
  const auto fresh = copy.TakeSnapshot();
  EXPECT_EQ(fresh->version, copy.version());
  EXPECT_EQ(Decode(fresh->pages[0]).routes(0).range().generation(), 1000u);
}

}  // namespace
}  // namespace rasputin::server
