// Loads of several shapes against real stores, in virtual time: what is decided about the ranges,
// and why. Splits are carried out at once, as a front end would.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "range/descriptor.h"
#include "range/load/merge_decider.h"
#include "range/test_cluster.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::range {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr uint64_t kKeys = 2000;
constexpr int kPerSecond = 300;  // The threshold is 200.

std::string UserKey(uint64_t n) {
  char text[32];
  snprintf(text, sizeof text, "key%08llu", static_cast<unsigned long long>(n));
  return text;
}

std::string Full(const std::string& user) { return CollectionPrefix(kDefaultCollectionId) + user; }

Request Of(kv::Operation operation, const std::string& user_key, const std::string& body) {
  Request request;
  request.operation = operation;
  request.first_key = Full(user_key);
  if (operation != kv::Operation::kScan) request.last_key = request.first_key;
  request.body = absl::Cord(body);
  return request;
}

Request Get(uint64_t n) { return Of(kv::Operation::kGet, UserKey(n), GetBody(UserKey(n))); }

Request Set(uint64_t n, size_t bytes) {
  return Of(kv::Operation::kSet, UserKey(n), SetBody(UserKey(n), std::string(bytes, 'v')));
}

Request Delete(uint64_t n) {
  ::rasputin::kv::v1::DeleteRequest request;
  request.set_key(UserKey(n));
  return Of(kv::Operation::kDelete, UserKey(n), request.SerializeAsString());
}

Request Scan(uint64_t from) {
  ::rasputin::kv::v1::ScanRequest request;
  request.set_start(UserKey(from));
  return Of(kv::Operation::kScan, UserKey(from), request.SerializeAsString());
}

struct Counting : Completion {
  void Done(Response response) override { ++answers[response.outcome]; }
  std::map<Outcome, int> answers;
};

TestClusterOptions Options(uint64_t size_bytes) {
  TestClusterOptions options;
  options.store.split.requests_per_second = 200;
  options.store.split.size_bytes = size_bytes;
  return options;
}

class LoadPattern : public testing::Test {
 protected:
  using Draw = std::function<Request(std::mt19937_64*)>;

  void Begin(uint64_t size_bytes) {
    cluster_ = std::make_unique<TestCluster>(Options(size_bytes));
    ASSERT_TRUE(cluster_->RunUntil([this] { return cluster_->Leader(2) != 0; }));
    leader_ = cluster_->Leader(2);
  }

  Store& store() { return cluster_->store(leader_); }

  std::vector<RangeDescriptor> Ranges() {
    std::vector<RangeDescriptor> ranges;
    for (const ReplicaStatus& status : store().ListReplicas(cluster_->Now())) {
      if (status.descriptor.range_id() != kMetaRangeId) ranges.push_back(status.descriptor);
    }
    return ranges;
  }

  // Only to ranges that are led here already: a child is after a few milliseconds.
  void Submit(Request request) {
    for (const RangeDescriptor& range : ranges_) {
      if (!Contains(range, request.first_key)) continue;
      request.range = RangeId(range.range_id());
      request.generation = Generation(range.generation());
      request.completion = &counting_;
      store().Submit(cluster_->Now(), std::move(request));
      return;
    }
  }

  void Fill(size_t bytes) {
    ranges_ = Ranges();
    for (uint64_t n = 0; n < kKeys; ++n) {
      Submit(Set(n, bytes));
      if (n % 20 == 19) cluster_->RunFor(5);
    }
    cluster_->RunFor(100);
    ASSERT_EQ(counting_.answers[Outcome::kOk], static_cast<int>(kKeys));
  }

  // A second of load and a review; splits are made, and the reasons of all verdicts kept.
  void RunSecond(const Draw& draw) {
    ranges_ = Ranges();
    for (int ms = 0; ms < 1000; ++ms) {
      for (int due = (ms + 1) * kPerSecond / 1000 - ms * kPerSecond / 1000; due > 0; --due) {
        Submit(draw(&random_));
      }
      cluster_->RunFor(1);
    }
    ReviewOptions options;
    options.quiet_max = 0;
    for (const RangeReview& review : store().ReviewRanges(cluster_->Now(), options)) {
      if (review.split.reason.empty()) continue;
      reasons_.push_back(review.split.reason);
      if (!review.split.split) continue;
      splits_.push_back(review);
      const Response response = cluster_->CallLeader(
          review.descriptor.range_id(), kv::Operation::kSplit, review.split.split_key,
          SplitBody(review.split.split_key, ++last_id_, kDefaultCollectionId));
      EXPECT_EQ(response.outcome, Outcome::kOk) << response.message;
      EXPECT_TRUE(cluster_->RunUntil([this] { return cluster_->Leader(last_id_) == leader_; }));
    }
  }

  void RunSeconds(int seconds, const Draw& draw) {
    for (int i = 0; i < seconds; ++i) RunSecond(draw);
  }

  std::unique_ptr<TestCluster> cluster_;
  int leader_ = 0;
  std::mt19937_64 random_{17};
  Counting counting_;
  std::vector<RangeDescriptor> ranges_;
  std::vector<RangeReview> splits_;
  std::vector<std::string> reasons_;
  uint64_t last_id_ = 100;
};

TEST_F(LoadPattern, AUniformLoadIsHalved) {
  Begin(64 << 20);
  Fill(100);
  counting_.answers.clear();
  RunSeconds(14, [](std::mt19937_64* random) { return Get((*random)() % kKeys); });
  ASSERT_EQ(splits_.size(), 1u);
  EXPECT_THAT(splits_[0].split.reason,
              ContainsRegex("it serves [0-9]+ requests/s for 10 s, the threshold is 200/s: "
                            "[0-9]+% of the requests lie left of the split, [0-9]+% right of it"));
  EXPECT_GT(splits_[0].split.split_key, Full(UserKey(kKeys * 3 / 10)));
  EXPECT_LT(splits_[0].split.split_key, Full(UserKey(kKeys * 7 / 10)));
  EXPECT_GT(counting_.answers[Outcome::kOk], 12 * kPerSecond);
  // Each half has half of the load, which is below the threshold.
  const size_t said = reasons_.size();
  RunSeconds(15, [](std::mt19937_64* random) { return Get((*random)() % kKeys); });
  EXPECT_EQ(reasons_.size(), said) << reasons_.back();
}

TEST_F(LoadPattern, AZipfianLoadIsDividedByRequestsNotByKeys) {
  Begin(64 << 20);
  std::vector<double> weights;
  for (uint64_t n = 0; n < kKeys; ++n) weights.push_back(1 / std::pow(n + 1, 0.99));
  std::discrete_distribution<uint64_t> zipfian(weights.begin(), weights.end());
  RunSeconds(14, [&zipfian](std::mt19937_64* random) { return Get(zipfian(*random)); });
  ASSERT_EQ(splits_.size(), 1u);
  EXPECT_THAT(splits_[0].split.reason, HasSubstr("of the requests lie left of the split"));
  EXPECT_LT(splits_[0].split.split_key, Full(UserKey(kKeys / 5))) << "where the requests are";
}

TEST_F(LoadPattern, AHotKeyIsIsolatedAndThenReported) {
  Begin(64 << 20);
  const auto hot = [](std::mt19937_64* random) {
    return Get((*random)() % 10 < 9 ? 777 : (*random)() % kKeys);
  };
  RunSeconds(40, hot);
  ASSERT_EQ(splits_.size(), 2u);
  EXPECT_EQ(splits_[0].split.split_key, Full(UserKey(777)));
  EXPECT_EQ(splits_[1].split.split_key, Full(UserKey(777)) + '\0');
  EXPECT_THAT(splits_[0].split.reason, HasSubstr("of the requests are for one key"));
  EXPECT_THAT(reasons_.back(), HasSubstr("it is a hot key, alone in its range"));
}

TEST_F(LoadPattern, ATailIsSplitOnceAndThenReported) {
  // What is left behind is enough after about 20 seconds.
  Begin(10 << 20);
  uint64_t next = 0;
  const auto append = [&next](std::mt19937_64*) { return Set(next++, 300); };
  RunSeconds(35, append);
  ASSERT_EQ(splits_.size(), 1u);
  EXPECT_THAT(splits_[0].split.reason,
              HasSubstr("of the requests move on beyond the highest keys"));
  EXPECT_GT(splits_[0].split.split_key, Full(UserKey(next / 5)));
  EXPECT_THAT(reasons_.back(), HasSubstr("a split would follow them"));
  const RangeDescriptor tail = ranges_.back();
  EXPECT_EQ(tail.range_id(), 101u);
}

TEST_F(LoadPattern, LongScansAreNotDivided) {
  Begin(64 << 20);
  Fill(20);
  RunSeconds(13, [](std::mt19937_64* random) { return Scan((*random)() % (kKeys / 3)); });
  EXPECT_TRUE(splits_.empty());
  ASSERT_FALSE(reasons_.empty());
  EXPECT_THAT(reasons_.back(), HasSubstr("scans and batches cross the sampled keys"));
}

TEST_F(LoadPattern, WhatGrowsIsHalvedBySize) {
  Begin(400 << 10);
  uint64_t drawn = 0;
  const auto slowly = [&drawn](std::mt19937_64* random) {
    // Half of them: below the threshold of requests. The rest is for no range.
    return ++drawn % 2 == 0 ? Request() : Set((*random)() % 1'000'000, 500);
  };
  RunSeconds(12, slowly);
  ASSERT_GE(splits_.size(), 1u);
  EXPECT_THAT(splits_[0].split.reason,
              ContainsRegex("it holds [0-9.]+ KiB, the threshold is 400 KiB: split in the middle"));
  EXPECT_GT(splits_[0].split.split_key, Full(UserKey(300'000)));
  EXPECT_LT(splits_[0].split.split_key, Full(UserKey(700'000)));
}

TEST_F(LoadPattern, WhoMustWaitForOthersSplitsHasMadeNoAttempt) {
  Begin(100 << 10);
  Fill(200);
  ReviewOptions options;
  options.splits_max = 0;
  const std::vector<RangeReview> waits = store().ReviewRanges(cluster_->Now(), options);
  ASSERT_FALSE(waits.empty());
  EXPECT_THAT(waits.back().split.reason, HasSubstr("it waits"));
  cluster_->RunFor(1000);
  options.splits_max = 1;
  const std::vector<RangeReview> next = store().ReviewRanges(cluster_->Now(), options);
  ASSERT_FALSE(next.empty());
  EXPECT_TRUE(next.back().split.split) << next.back().split.reason;
}

TEST_F(LoadPattern, WhoOnlyAsksMakesNoAttempt) {
  Begin(8 << 10);
  ASSERT_EQ(
      cluster_
          ->CallLeader(2, kv::Operation::kSet, Full("x"), SetBody("x", std::string(50'000, 'v')))
          .outcome,
      Outcome::kOk);
  for (const bool briefly : {false, true}) {
    EXPECT_THAT(store().DescribeLoad(cluster_->Now(), RangeId(2), briefly)->split.reason,
                HasSubstr("the threshold is 8 KiB"));
    cluster_->RunFor(1000);
  }
  // One row: a search for a key is an attempt, and there was none.
  const auto reason = [this] {
    return store().ReviewRanges(cluster_->Now(), {}).back().split.reason;
  };
  EXPECT_THAT(reason(), HasSubstr("but no key divides its data"));
  EXPECT_THAT(reason(), HasSubstr("but the last attempt was"));
}

TEST_F(LoadPattern, ARangeBeyondTwiceItsSizeTakesNoMore) {
  Begin(100 << 10);
  Fill(2);
  store().ReviewRanges(cluster_->Now(), {});
  counting_.answers.clear();
  Fill(200);
  store().ReviewRanges(cluster_->Now(), {});
  counting_.answers.clear();
  Submit(Set(1, 200));
  Submit(Get(1));
  Submit(Delete(1));
  cluster_->RunFor(50);
  EXPECT_EQ(counting_.answers[Outcome::kOverloaded], 1);
  EXPECT_EQ(counting_.answers[Outcome::kOk], 2);
  Response refused = cluster_->CallLeader(2, kv::Operation::kSet, Full("x"), SetBody("x", "value"));
  EXPECT_THAT(refused.message, HasSubstr("its limit is 200 KiB (2 times its size threshold)"));
  EXPECT_EQ(refused.retry_after, std::chrono::seconds(1));
  // Where nobody looks after the ranges any more, they grow.
  cluster_->RunFor(10'000);
  EXPECT_EQ(cluster_->CallLeader(2, kv::Operation::kSet, Full("x"), SetBody("x", "value")).outcome,
            Outcome::kOk);
}

TEST_F(LoadPattern, ALoweredThresholdRefusesNothingUntilTheRangeHasDoubled) {
  Begin(64 << 20);
  Fill(200);
  store().ReviewRanges(cluster_->Now(), {});
  ReviewOptions lowered;
  lowered.thresholds[kDefaultCollectionId].set_size_bytes(50 << 10);
  store().ReviewRanges(cluster_->Now(), lowered);
  EXPECT_EQ(cluster_->CallLeader(2, kv::Operation::kSet, Full("x"), SetBody("x", "value")).outcome,
            Outcome::kOk);
  counting_.answers.clear();
  Fill(600);
  store().ReviewRanges(cluster_->Now(), lowered);
  const Response refused =
      cluster_->CallLeader(2, kv::Operation::kSet, Full("x"), SetBody("x", "value"));
  EXPECT_EQ(refused.outcome, Outcome::kOverloaded);
  EXPECT_THAT(refused.message, HasSubstr("(2 times what it held when that was set)"));
}

TEST_F(LoadPattern, ARefusedWriterIsRefusedForAsLongAsItTries) {
  Begin(100 << 10);
  Fill(2);
  store().ReviewRanges(cluster_->Now(), {});
  counting_.answers.clear();
  Fill(200);
  const auto set = [this] {
    return cluster_->CallLeader(2, kv::Operation::kSet, Full("x"), SetBody("x", "value")).outcome;
  };
  for (int i = 0; i < 100; ++i) {
    store().ReviewRanges(cluster_->Now(), {});
    ASSERT_EQ(set(), Outcome::kOverloaded) << i;
    cluster_->RunFor(4000);
  }
}

TEST_F(LoadPattern, ASingleRowIsNeverRefused) {
  Begin(8 << 10);
  const auto set = [this](size_t bytes) {
    return cluster_->CallLeader(2, kv::Operation::kSet, Full("x"),
                                SetBody("x", std::string(bytes, 'v')));
  };
  for (const size_t bytes : {100, 20'000, 50'000, 50'000}) {
    EXPECT_EQ(set(bytes).outcome, Outcome::kOk);
    cluster_->RunFor(1000);
    const std::vector<RangeReview> reviews = store().ReviewRanges(cluster_->Now(), {});
    ASSERT_FALSE(reviews.empty());
    EXPECT_FALSE(reviews[0].split.split);
  }
}

TEST_F(LoadPattern, WhatWasDeletedMayBeMerged) {
  Begin(400 << 10);
  Fill(500);
  RunSeconds(3, [](std::mt19937_64* random) { return Get((*random)() % 10); });
  ASSERT_GE(splits_.size(), 1u) << "by size";
  const auto decide = [this] {
    const std::vector<RangeDescriptor> ranges = Ranges();
    const RangeReview left = *store().DescribeLoad(cluster_->Now(), RangeId(2));
    for (const RangeDescriptor& range : ranges) {
      if (range.start_key() != left.descriptor.end_key()) continue;
      const RangeReview right = *store().DescribeLoad(cluster_->Now(), RangeId(range.range_id()));
      return DecideMerge(left, right.descriptor, right.load, left.thresholds, MergeRules());
    }
    return MergeVerdict();
  };
  decide();
  EXPECT_THAT(decide().reason, HasSubstr("ranges are merged below 80 KiB"));
  ranges_ = Ranges();
  for (uint64_t n = 0; n < kKeys; ++n) {
    Submit(Delete(n));
    if (n % 20 == 19) cluster_->RunFor(5);
  }
  cluster_->RunFor(1000);
  EXPECT_FALSE(decide().merge);
  cluster_->RunFor(601'000);
  const MergeVerdict verdict = decide();
  EXPECT_TRUE(verdict.merge) << verdict.reason;
}

}  // namespace
}  // namespace rasputin::range
