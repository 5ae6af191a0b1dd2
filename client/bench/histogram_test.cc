// Percentiles against a sorted list.

#include "client/bench/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace rasputin::client {
namespace {

TEST(Histogram, IsExactBelow128) {
  Histogram histogram;
  for (uint64_t i = 1; i <= 100; ++i) histogram.Record(i);
  EXPECT_EQ(histogram.Percentile(0.5), 50u);
  EXPECT_EQ(histogram.Percentile(0.99), 99u);
  EXPECT_EQ(histogram.Percentile(0.991), 100u);
  EXPECT_EQ(histogram.Percentile(1), 100u);
  EXPECT_EQ(histogram.Percentile(0), 1u);
}

TEST(Histogram, IsAtMostOneSixtyFourthTooHighAboveThat) {
  std::mt19937_64 random(7);
  Histogram histogram;
  std::vector<uint64_t> values;
  for (int i = 0; i < 20000; ++i) {
    values.push_back(random() >> (random() % 63));
    histogram.Record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const size_t rank = static_cast<size_t>(std::ceil(share * values.size()));
    const uint64_t exact = values[rank - 1];
    EXPECT_GE(histogram.Percentile(share), exact) << share;
    EXPECT_LE(histogram.Percentile(share) - exact, exact / 64) << share;
  }
}

TEST(Histogram, TakesTheSmallestAndTheLargestValue) {
  Histogram histogram;
  histogram.Record(0);
  histogram.Record(UINT64_MAX);
  EXPECT_EQ(histogram.Percentile(0.5), 0u);
  EXPECT_EQ(histogram.Percentile(1), UINT64_MAX);
}

TEST(Histogram, IsZeroWithoutValues) { EXPECT_EQ(Histogram().Percentile(0.5), 0u); }

TEST(Histogram, MergesAsIfRecordedTogether) {
  Histogram one, two, both;
  for (uint64_t i = 0; i < 1000; ++i) {
    (i % 3 == 0 ? one : two).Record(i * i);
    both.Record(i * i);
  }
  one.Merge(two);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.max(), both.max());
  for (const double share : {0.1, 0.5, 0.99}) {
    EXPECT_EQ(one.Percentile(share), both.Percentile(share));
  }
}

TEST(Median, IsTheMiddleWhateverTheOrder) {
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 3, 2}), 2.5);
  EXPECT_EQ(Median({}), 0);
}

}  // namespace
}  // namespace rasputin::client
