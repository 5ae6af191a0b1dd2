// Tables of thresholds.

#include "range/load/split_rules.h"

#include <gtest/gtest.h>

namespace rasputin::range {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(SplitRules, WhatACollectionSetsComesBeforeTheFlags) {
  SplitRules rules;
  rules.requests_per_second = 7;
  type::v1::SplitThresholds collection;
  collection.set_size_bytes(5);
  collection.set_cpu_millicores(6);
  const type::v1::SplitThresholds in_force = ThresholdsInForce(rules, collection);
  EXPECT_EQ(in_force.size_bytes(), 5u);
  EXPECT_EQ(in_force.cpu_millicores(), 6u);
  EXPECT_EQ(in_force.requests_per_second(), 7u);
  EXPECT_EQ(in_force.read_bytes_per_second(), 30 * kMiB);
  EXPECT_EQ(in_force.written_bytes_per_second(), 8 * kMiB);
}

TEST(SizeCap, IsTwiceTheThresholdOrWhatWasFound) {
  SizeCap found_small;
  found_small.Follow(10 * kMiB, 64 * kMiB);
  found_small.Follow(100 * kMiB, 64 * kMiB);
  EXPECT_EQ(found_small.bytes(), 128 * kMiB);
  EXPECT_FALSE(found_small.is_of_size());
  SizeCap found_large;
  found_large.Follow(200 * kMiB, 64 * kMiB);
  found_large.Follow(300 * kMiB, 64 * kMiB);
  EXPECT_EQ(found_large.bytes(), 400 * kMiB);
  EXPECT_TRUE(found_large.is_of_size());
}

TEST(SizeCap, ALoweredThresholdLeavesRoom) {
  SizeCap cap;
  cap.Follow(200 * kMiB, 256 * kMiB);
  EXPECT_EQ(cap.bytes(), 512 * kMiB);
  cap.Follow(210 * kMiB, 16 * kMiB);
  EXPECT_EQ(cap.bytes(), 420 * kMiB);
  cap.Follow(400 * kMiB, 16 * kMiB);
  EXPECT_EQ(cap.bytes(), 420 * kMiB);
  cap.Follow(400 * kMiB, 512 * kMiB);
  EXPECT_EQ(cap.bytes(), 1024 * kMiB) << "raised again";
}

TEST(SplitRules, SmallDatabasesSplitEarlier) {
  const struct {
    uint64_t size_mib, ranges, expected_mib;
  } cases[] = {
      {256, 0, 16},   {256, 1, 16},      {256, 2, 32}, {256, 15, 240}, {256, 16, 256},
      {256, 17, 256}, {256, 20000, 256}, {64, 1, 16},  {64, 4, 64},    {64, 5, 64},
      {16, 1, 16},    {8, 1, 8},         {1, 1000, 1},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(SizeForRanges(SplitRules(), c.size_mib * kMiB, c.ranges), c.expected_mib * kMiB)
        << c.size_mib << " MiB, " << c.ranges << " ranges";
  }
}

TEST(SplitRules, AMergedRangeIsBelowTheSizeAtWhichItSplits) {
  for (uint64_t ranges = 2; ranges < 100; ++ranges) {
    const uint64_t before = SizeForRanges(SplitRules(), 256 * kMiB, ranges);
    const uint64_t after = SizeForRanges(SplitRules(), 256 * kMiB, ranges - 1);
    EXPECT_LT(2 * before / 5, after) << ranges;
  }
}

}  // namespace
}  // namespace rasputin::range
