// Buckets, merging, and what happens at the bound.

#include "range/load/operation_histograms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace rasputin::range {
namespace {

uint64_t CountOf(const type::v1::Histogram& histogram) {
  uint64_t count = 0;
  for (const auto& bucket : histogram.buckets()) count += bucket.count();
  return count;
}

TEST(OperationHistograms, BucketsAreLogarithmic) {
  const struct {
    uint64_t value;
    uint32_t bucket;
  } cases[] = {{0, 0}, {1, 69}, {2, 110}, {99, 461}, {1000, 691}, {1'000'000, 1382}};
  for (const auto& c : cases) EXPECT_EQ(BucketOf(c.value), c.bucket) << c.value;
  EXPECT_EQ(BucketOf(~uint64_t{0}), 4095u);
  for (uint64_t value = 1; value < uint64_t{1} << 58; value = value * 3 / 2 + 1) {
    const double found = ValueOfBucket(BucketOf(value));
    EXPECT_NEAR(found + 1, static_cast<double>(value) + 1,
                0.0051 * (static_cast<double>(value) + 1));
  }
}

TEST(OperationHistograms, EachOperationHasItsOwn) {
  OperationHistograms histograms;
  EXPECT_TRUE(histograms.empty());
  histograms.Add(kv::Operation::kBatch, 0, 0);
  histograms.Add(kv::Operation::kGet, 100, 2000);
  histograms.Add(kv::Operation::kGet, 100, 3000);
  histograms.Add(kv::Operation::kSplit, 100, 3000);
  const std::vector<type::v1::OperationLoad> loads = histograms.Export();
  ASSERT_EQ(loads.size(), 2u);
  EXPECT_EQ(loads[0].operation(), "get");
  ASSERT_EQ(loads[0].latency_us().buckets_size(), 1);
  EXPECT_EQ(loads[0].latency_us().buckets(0).bucket(), BucketOf(100));
  EXPECT_EQ(loads[0].latency_us().buckets(0).count(), 2u);
  EXPECT_EQ(loads[0].size_bytes().buckets_size(), 2);
  EXPECT_EQ(loads[1].operation(), "batch");
  EXPECT_EQ(loads[1].size_bytes().buckets(0).bucket(), 0u);
}

// At the bound it gets coarser, not larger, and loses no count.
TEST(OperationHistograms, StaysWithinItsBound) {
  constexpr kv::Operation kAll[] = {kv::Operation::kGet,    kv::Operation::kScan,
                                    kv::Operation::kSet,    kv::Operation::kCas,
                                    kv::Operation::kDelete, kv::Operation::kBatch};
  std::mt19937_64 random(3);
  OperationHistograms histograms;
  for (int i = 0; i < 60'000; ++i) {
    histograms.Add(kAll[i % 6], random() >> (random() % 64), random() >> (random() % 64));
  }
  size_t buckets = 0;
  for (const type::v1::OperationLoad& load : histograms.Export()) {
    EXPECT_EQ(CountOf(load.latency_us()), 10'000u);
    EXPECT_EQ(CountOf(load.size_bytes()), 10'000u);
    for (const type::v1::Histogram* h : {&load.latency_us(), &load.size_bytes()}) {
      buckets += static_cast<size_t>(h->buckets_size());
      for (int b = 1; b < h->buckets_size(); ++b) {
        EXPECT_LT(h->buckets(b - 1).bucket(), h->buckets(b).bucket());
      }
    }
  }
  EXPECT_LE(buckets, OperationHistograms::kSlotsOfRange * 3 / 4);
  EXPECT_LE(histograms.coarseness(), 8u);
}

TEST(OperationHistograms, AUsualRangeKeepsGoodQuantiles) {
  std::mt19937_64 random(4);
  std::lognormal_distribution<double> latency(std::log(800), 0.6);
  OperationHistograms histograms;
  std::vector<double> values;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(latency(random));
    histograms.Add(i % 2 == 0 ? kv::Operation::kGet : kv::Operation::kSet,
                   static_cast<uint64_t>(values.back()), 300 + random() % 200);
  }
  std::sort(values.begin(), values.end());
  const double tolerance = 0.03 + 0.01 * (1 << histograms.coarseness());
  type::v1::Histogram all;
  for (const type::v1::OperationLoad& load : histograms.Export()) {
    AddHistogram(load.latency_us(), &all);
  }
  EXPECT_EQ(CountOf(all), 20'000u);
  for (const double share : {0.1, 0.5, 0.9, 0.99}) {
    const double exact = values[static_cast<size_t>(share * 20'000)];
    EXPECT_NEAR(Quantile(all, share), exact, tolerance * exact) << share;
  }
  EXPECT_LE(histograms.coarseness(), 3u);
}

TEST(OperationHistograms, MergingAddsCounts) {
  type::v1::Histogram a;
  type::v1::Histogram b;
  const auto add = [](uint32_t bucket, uint64_t count, type::v1::Histogram* to) {
    to->add_buckets()->set_bucket(bucket);
    to->mutable_buckets(to->buckets_size() - 1)->set_count(count);
  };
  add(1, 10, &a);
  add(5, 20, &a);
  add(5, 3, &b);
  add(9, 4, &b);
  AddHistogram(a, &b);
  ASSERT_EQ(b.buckets_size(), 3);
  EXPECT_EQ(b.buckets(0).count(), 10u);
  EXPECT_EQ(b.buckets(1).count(), 23u);
  EXPECT_EQ(b.buckets(2).count(), 4u);
  EXPECT_EQ(Quantile(type::v1::Histogram(), 0.5), 0);
}

}  // namespace
}  // namespace rasputin::range
