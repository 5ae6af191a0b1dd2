// What a store says about the load of its ranges, over real stores in virtual time.

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "range/descriptor.h"
#include "range/merge_steps.h"
#include "range/test_cluster.h"

namespace rasputin::range {
namespace {

constexpr uint64_t kRange = 2;

std::string Key(const std::string& user) { return CollectionPrefix(kDefaultCollectionId) + user; }

Response Set(TestCluster* cluster, const std::string& key, size_t value_bytes) {
  return cluster->CallLeader(kRange, kv::Operation::kSet, Key(key),
                             SetBody(key, std::string(value_bytes, 'v')));
}

ReviewOptions NoQuiet() {
  ReviewOptions options;
  options.quiet_max = 0;
  return options;
}

struct LoadTest : testing::Test {
  LoadTest() {
    cluster.RunUntil([this] { return cluster.Leader(kRange) != 0; });
    leader = cluster.Leader(kRange);
  }
  Store& store() { return cluster.store(leader); }
  // The right half is range 10.
  void SplitAtM() {
    ASSERT_EQ(cluster
                  .CallLeader(kRange, kv::Operation::kSplit, Key("m"),
                              SplitBody(Key("m"), 10, kDefaultCollectionId))
                  .outcome,
              Outcome::kOk);
  }

  TestCluster cluster{3};
  int leader = 0;
};

TEST_F(LoadTest, CountsWhatItsLeaderServes) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(Set(&cluster, "k" + std::to_string(i), 1000).outcome, Outcome::kOk);
  }
  for (int i = 0; i < 40; ++i) {
    const std::string key = "k" + std::to_string(i % 20);
    ASSERT_TRUE(ValueOf(cluster.CallLeader(kRange, kv::Operation::kGet, Key(key), GetBody(key))));
  }
  cluster.RunFor(9000);
  const std::vector<RangeReview> reviews = store().ReviewRanges(cluster.Now(), NoQuiet());
  ASSERT_EQ(reviews.size(), 1u);
  const type::v1::RangeLoad& load = reviews[0].load;
  EXPECT_EQ(load.range_id(), kRange);
  EXPECT_NEAR(load.reads_per_second(), 4, 0.5);
  EXPECT_NEAR(load.writes_per_second(), 2, 0.3);
  EXPECT_GT(load.written_bytes_per_second(), 2000);
  EXPECT_GT(load.read_bytes_per_second(), 4000);
  EXPECT_GT(load.size_bytes(), 20'000u);
  EXPECT_LT(load.size_bytes(), 30'000u);
  EXPECT_EQ(reviews[0].thresholds.requests_per_second(), 2500u);
  EXPECT_EQ(reviews[0].thresholds.size_bytes(), 16u << 20);
  EXPECT_TRUE(store().ReviewRanges(cluster.Now(), NoQuiet()).empty()) << "nothing new to say";
  EXPECT_NEAR(store().TotalLoad(cluster.Now()).writes_per_second(), 2, 0.3);
  EXPECT_GT(store().TotalLoad(cluster.Now()).size_bytes(), 40'000u) << "rows, and their log";
  const std::vector<type::v1::RangeLoad> loads = store().ListLoads(cluster.Now(), 10);
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(loads[0].range_id(), kRange);
  EXPECT_TRUE(store().ListLoads(cluster.Now(), 0).empty());
}

TEST_F(LoadTest, OnlyTheLeaderHasALoad) {
  ASSERT_EQ(Set(&cluster, "k", 1000).outcome, Outcome::kOk);
  cluster.RunFor(1500);
  for (int id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.store(id).DescribeLoad(cluster.Now(), RangeId(kRange)).has_value(),
              id == leader);
    EXPECT_EQ(cluster.store(id).ListLoads(cluster.Now(), 10).size(), id == leader ? 1u : 0u);
  }
}

TEST_F(LoadTest, QuietRangesAreReviewedInTurn) {
  SplitAtM();
  ASSERT_TRUE(cluster.RunUntil([this] { return cluster.Leader(10) == leader; }));
  ReviewOptions one;
  one.quiet_max = 1;
  std::set<uint64_t> seen;
  for (int i = 0; i < 6; ++i) {
    const std::vector<RangeReview> reviews = store().ReviewRanges(cluster.Now(), one);
    ASSERT_LE(reviews.size(), 1u);
    for (const RangeReview& review : reviews) seen.insert(review.descriptor.range_id());
  }
  EXPECT_EQ(seen.count(kRange), 1u);
  EXPECT_EQ(seen.count(10), 1u);
}

TEST_F(LoadTest, AReviewMayBeDoneAFewRangesAtATime) {
  SplitAtM();
  ASSERT_TRUE(cluster.RunUntil([this] { return cluster.Leader(10) == leader; }));
  cluster.RunFor(1000);
  store().ReviewRanges(cluster.Now(), NoQuiet());
  ASSERT_EQ(Set(&cluster, "a", 100).outcome, Outcome::kOk);
  ASSERT_EQ(
      cluster.CallLeader(10, kv::Operation::kSet, Key("z"), SetBody("z", std::string(100, 'v')))
          .outcome,
      Outcome::kOk);
  ReviewOptions one = NoQuiet();
  one.ranges_max = 1;
  std::vector<uint64_t> seen;
  for (bool more = true; more;) {
    ASSERT_LT(seen.size(), 10u);
    const std::vector<RangeReview> reviews = store().ReviewRanges(cluster.Now(), one, &more);
    ASSERT_LE(reviews.size(), 1u);
    for (const RangeReview& review : reviews) seen.push_back(review.descriptor.range_id());
  }
  EXPECT_EQ(seen, (std::vector<uint64_t>{kRange, 10}));
  bool more = true;
  EXPECT_TRUE(store().ReviewRanges(cluster.Now(), NoQuiet(), &more).empty());
  EXPECT_FALSE(more);
}

TEST_F(LoadTest, ASplitBeginsANewMeasurement) {
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Set(&cluster, "a", 1000).outcome, Outcome::kOk);
  cluster.RunFor(5000);
  EXPECT_GT(store().DescribeLoad(cluster.Now(), RangeId(kRange))->load.writes_per_second(), 1);
  SplitAtM();
  cluster.RunFor(2000);
  const RangeReview left = *store().DescribeLoad(cluster.Now(), RangeId(kRange));
  EXPECT_EQ(left.load.writes_per_second(), 0);
  EXPECT_EQ(left.load.age_seconds(), 0u) << "seen first by this very question";
  EXPECT_EQ(left.thresholds.size_bytes(), 32u << 20) << "two ranges of users";
  EXPECT_GT(left.load.size_bytes(), 0u);
  cluster.RunFor(3000);
  EXPECT_EQ(store().DescribeLoad(cluster.Now(), RangeId(kRange))->load.age_seconds(), 3u);
  EXPECT_LT(store().DescribeLoad(cluster.Now(), RangeId(10))->load.size_bytes(), 100u);
}

TEST_F(LoadTest, AMergedRangeIsNewUnlessItIsSaidWhatItsHalvesWereLike) {
  SplitAtM();
  MergeSteps steps(&cluster);
  ASSERT_EQ(steps.Merge(kRange, 10).outcome, Outcome::kOk);
  const auto load = [this] { return store().DescribeLoad(cluster.Now(), RangeId(kRange))->load; };
  EXPECT_EQ(load().age_seconds(), 0u);
  RangeDescriptor merged = store().DescribeLoad(cluster.Now(), RangeId(kRange))->descriptor;
  type::v1::RangeLoad before;
  before.set_age_seconds(1000);
  before.set_writes_per_second(50);
  before.set_cpu_cores(0.1);
  before.set_peak_requests_per_second(70);
  before.set_peak_read_bytes_per_second(7000);
  before.set_peak_written_bytes_per_second(8000);
  before.set_peak_cpu_cores(0.3);
  for (int id = 1; id <= 3; ++id) cluster.store(id).CarryLoad(cluster.Now(), merged, before);
  EXPECT_EQ(load().age_seconds(), 1000u);
  EXPECT_EQ(load().observed_seconds(), 300u);
  EXPECT_EQ(load().writes_per_second(), 50);
  EXPECT_EQ(load().cpu_cores(), 0.1);
  cluster.RunFor(11'000);
  EXPECT_EQ(load().writes_per_second(), 0) << "its own ten seconds count by now";
  EXPECT_EQ(load().peak_requests_per_second(), 70);
  EXPECT_EQ(load().peak_read_bytes_per_second(), 7000);
  EXPECT_EQ(load().peak_written_bytes_per_second(), 8000);
  EXPECT_EQ(load().peak_cpu_cores(), 0.3);
  EXPECT_EQ(load().age_seconds(), 1011u);
  cluster.RunFor(290'000);
  EXPECT_EQ(load().peak_requests_per_second(), 0);
  EXPECT_EQ(load().peak_read_bytes_per_second(), 0);
  EXPECT_EQ(load().age_seconds(), 1301u);
  // Said too late: the range has changed since.
  merged.set_generation(merged.generation() - 1);
  before.set_age_seconds(5000);
  store().CarryLoad(cluster.Now(), merged, before);
  EXPECT_EQ(load().age_seconds(), 1301u);
  ASSERT_EQ(cluster
                .CallLeader(kRange, kv::Operation::kSplit, Key("m"),
                            SplitBody(Key("m"), 11, kDefaultCollectionId))
                .outcome,
            Outcome::kOk);
  EXPECT_EQ(load().age_seconds(), 0u) << "a split begins anew";
}

TEST_F(LoadTest, WhatWasWrittenIsRememberedForFiveMinutes) {
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Set(&cluster, "a", 100'000).outcome, Outcome::kOk);
  const auto load = [this] { return store().DescribeLoad(cluster.Now(), RangeId(kRange))->load; };
  cluster.RunFor(11'000);
  EXPECT_GE(load().peak_written_bytes_per_second(), 200'000);
  cluster.RunFor(100'000);
  EXPECT_EQ(load().written_bytes_per_second(), 0);
  EXPECT_GE(load().peak_written_bytes_per_second(), 200'000);
}

TEST_F(LoadTest, WhatWasMeasuredBeforeAMergeCountsInTheOrderOfTheBusiest) {
  SplitAtM();
  ASSERT_EQ(cluster
                .CallLeader(10, kv::Operation::kSplit, Key("t"),
                            SplitBody(Key("t"), 11, kDefaultCollectionId))
                .outcome,
            Outcome::kOk);
  ASSERT_TRUE(cluster.RunUntil([this] { return cluster.Leader(11) == leader; }));
  MergeSteps steps(&cluster);
  ASSERT_EQ(steps.Merge(kRange, 10).outcome, Outcome::kOk);
  ASSERT_EQ(cluster.Leader(kRange), leader);
  type::v1::RangeLoad before;
  before.set_writes_per_second(50);
  const auto merged = store().DescribeLoad(cluster.Now(), RangeId(kRange))->descriptor;
  store().CarryLoad(cluster.Now(), merged, before);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(
        cluster.CallLeader(11, kv::Operation::kSet, Key("z"), SetBody("z", std::string(100, 'v')))
            .outcome,
        Outcome::kOk);
  }
  cluster.RunFor(1500);
  const std::vector<type::v1::RangeLoad> loads = store().ListLoads(cluster.Now(), 1);
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(loads[0].range_id(), kRange);
  EXPECT_EQ(loads[0].writes_per_second(), 50);
}

TEST_F(LoadTest, ACollectionsThresholdsCount) {
  ReviewOptions options;
  options.thresholds[kDefaultCollectionId].set_requests_per_second(77);
  store().ReviewRanges(cluster.Now(), options);
  EXPECT_EQ(store().DescribeLoad(cluster.Now(), RangeId(kRange))->thresholds.requests_per_second(),
            77u);
}

TEST_F(LoadTest, ReplicasSayTheirSizeOnceTheEngineWasAsked) {
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Set(&cluster, "a", 1000).outcome, Outcome::kOk);
  const auto size = [this] {
    for (const ReplicaStatus& status : store().ListReplicas(cluster.Now())) {
      if (status.descriptor.range_id() == kRange) return status.approximate_bytes;
    }
    return uint64_t{0};
  };
  EXPECT_EQ(size(), 0u);
  store().ReviewRanges(cluster.Now(), NoQuiet());
  EXPECT_GT(size(), 1000u);
}

TEST_F(LoadTest, TheTimeOfATurnIsTheRanges) {
  ASSERT_EQ(Set(&cluster, "a", 1000).outcome, Outcome::kOk);
  store().OnTurnCpu(cluster.Now(), std::chrono::milliseconds(100));
  cluster.RunFor(1000);
  EXPECT_GT(store().DescribeLoad(cluster.Now(), RangeId(kRange))->load.cpu_cores(), 0.01);
}

}  // namespace
}  // namespace rasputin::range
