// A table of neighbours, what is decided about them, and the very words of it.

#include "range/load/merge_decider.h"

#include <gtest/gtest.h>

#include <functional>

#include "range/descriptor.h"

namespace rasputin::range {
namespace {

constexpr uint64_t kMiB = 1 << 20;

struct Pair {
  RangeReview left;
  RangeDescriptor right;
  type::v1::RangeLoad right_load;
  type::v1::SplitThresholds thresholds;
  MergeRules rules;
};

RangeDescriptor Range(uint64_t id, const std::string& start, const std::string& end) {
  RangeDescriptor range;
  range.set_range_id(id);
  range.set_generation(3);
  range.set_collection_id(5);
  range.set_start_key(CollectionPrefix(5) + start);
  range.set_end_key(CollectionPrefix(5) + end);
  for (uint64_t i = 1; i <= 3; ++i) {
    auto* replica = range.add_replicas();
    replica->set_replica_id(i);
    replica->set_store_id(i);
    replica->set_role(type::v1::REPLICA_ROLE_VOTER);
  }
  return range;
}

// Two that are merged: 10 MiB and 20 MiB, quiet, old.
Pair Quiet() {
  Pair pair;
  pair.left.descriptor = Range(10, "a", "m");
  pair.right = Range(11, "m", "z");
  // Replicas have ids of their range.
  for (auto& replica : *pair.right.mutable_replicas()) {
    replica.set_replica_id(replica.replica_id() + 5);
  }
  for (type::v1::RangeLoad* load : {&pair.left.load, &pair.right_load}) {
    load->set_size_bytes((load == &pair.left.load ? 10 : 20) * kMiB);
    load->set_age_seconds(3600);
    load->set_observed_seconds(300);
    load->set_peak_requests_per_second(100);
  }
  pair.thresholds.set_size_bytes(256 * kMiB);
  pair.thresholds.set_requests_per_second(2500);
  pair.thresholds.set_cpu_millicores(500);
  pair.thresholds.set_read_bytes_per_second(30 * kMiB);
  pair.thresholds.set_written_bytes_per_second(8 * kMiB);
  return pair;
}

MergeVerdict Decide(const Pair& pair) {
  return DecideMerge(pair.left, pair.right, pair.right_load, pair.thresholds, pair.rules);
}

TEST(MergeDecider, MergesSmallQuietOldNeighbours) {
  const MergeVerdict verdict = Decide(Quiet());
  EXPECT_TRUE(verdict.merge);
  EXPECT_EQ(verdict.reason,
            "the ranges hold 10 MiB and 20 MiB, each below 51.2 MiB, and together had at most 200 "
            "requests/s in five minutes");
}

TEST(MergeDecider, SaysWhatStandsAgainstIt) {
  const struct {
    std::function<void(Pair*)> change;
    const char* reason;
  } cases[] = {
      {[](Pair* p) { p->left.load.set_size_bytes(52 * kMiB); },
       "the left range holds 52 MiB, ranges are merged below 51.2 MiB"},
      {[](Pair* p) { p->right_load.set_size_bytes(300 * kMiB); },
       "the right range holds 300 MiB, ranges are merged below 51.2 MiB"},
      {[](Pair* p) { p->right_load.set_peak_requests_per_second(1150); },
       "together they had up to 1,250 requests/s in five minutes, ranges are merged below 1,250/s"},
      {[](Pair* p) { p->left.load.set_cpu_cores(0.25); },
       "together they took up to 0.25 cores in five minutes, ranges are merged below 0.25"},
      {[](Pair* p) {
         p->left.load.set_peak_cpu_cores(0.2);
         p->right_load.set_peak_cpu_cores(0.1);
       },
       "together they took up to 0.30 cores in five minutes, ranges are merged below 0.25"},
      {[](Pair* p) { p->left.load.set_read_bytes_per_second(15 * kMiB); },
       "together they returned up to 15 MiB/s in five minutes, ranges are merged below 15 MiB/s"},
      {[](Pair* p) { p->right_load.set_peak_read_bytes_per_second(31 * kMiB); },
       "together they returned up to 31 MiB/s in five minutes, ranges are merged below 15 MiB/s"},
      {[](Pair* p) { p->left.load.set_written_bytes_per_second(5 * kMiB); },
       "together they were written up to 5 MiB/s in five minutes, ranges are merged below 4 MiB/s"},
      {[](Pair* p) {
         p->left.load.set_peak_written_bytes_per_second(2 * kMiB);
         p->right_load.set_written_bytes_per_second(2 * kMiB);
       },
       "together they were written up to 4 MiB/s in five minutes, ranges are merged below 4 MiB/s"},
      {[](Pair* p) { p->left.load.set_age_seconds(599); },
       "the left range is 9 min old, ranges are merged from 10 min on"},
      {[](Pair* p) { p->right_load.set_age_seconds(61); },
       "the right range is 61 s old, ranges are merged from 10 min on"},
      {[](Pair* p) { p->right_load.set_observed_seconds(299); },
       "the leader of the right range has measured its load for 4 min, it is believed from 5 min "
       "on"},
      {[](Pair* p) { p->right.set_start_key(CollectionPrefix(5) + "n"); },
       "range 11 is not the right neighbour"},
      {[](Pair* p) { p->right.set_collection_id(6); }, "the ranges belong to two collections"},
      {[](Pair* p) { p->left.descriptor.mutable_merge()->set_right_range_id(9); },
       "the left range cannot be merged now: another merge of it is under way"},
      {[](Pair* p) { p->right.mutable_frozen_by()->set_left_range_id(9); },
       "the right range cannot be merged now: it is frozen for another merge"},
      {[](Pair* p) { p->left.descriptor.set_range_id(1); }, "the meta range is never merged"},
      {[](Pair* p) { p->left.descriptor.set_dropped(true); },
       "the left range is of a dropped collection"},
      {[](Pair* p) { p->right.set_dropped(true); },
       "the collection is being dropped, and the left range is still to be emptied"},
  };
  for (const auto& c : cases) {
    Pair pair = Quiet();
    c.change(&pair);
    const MergeVerdict verdict = Decide(pair);
    EXPECT_FALSE(verdict.merge) << c.reason;
    EXPECT_FALSE(verdict.align) << c.reason;
    EXPECT_EQ(verdict.reason, c.reason);
    // The same on other stores: nothing is moved for a merge that is not wanted.
    pair.right.mutable_replicas(2)->set_store_id(9);
    EXPECT_FALSE(Decide(pair).align) << c.reason;
    EXPECT_EQ(Decide(pair).reason, c.reason);
  }
}

TEST(MergeDecider, WhereOnlyTheStoresStandAgainstItTheReplicasAreToBeMoved) {
  Pair elsewhere = Quiet();
  elsewhere.right.mutable_replicas(0)->set_store_id(4);
  Pair copied = Quiet();
  copied.right.mutable_replicas(0)->set_role(type::v1::REPLICA_ROLE_LEARNER);
  for (const Pair& pair : {elsewhere, copied}) {
    const MergeVerdict verdict = Decide(pair);
    EXPECT_FALSE(verdict.merge);
    EXPECT_TRUE(verdict.align);
    EXPECT_EQ(verdict.reason, Decide(Quiet()).reason);
    EXPECT_EQ(StoresObstacle(pair.left.descriptor, pair.right),
              "different stores hold the ranges: their replicas have to be moved first");
  }
  EXPECT_FALSE(Decide(Quiet()).align);
}

// What was split just now has not been measured for the 10 seconds that a peak is the mean of.
TEST(MergeDecider, APeakIsNotLessThanWhatIsMeasuredNow) {
  Pair pair = Quiet();
  pair.rules.age_min = pair.rules.observed_min = std::chrono::seconds(2);
  pair.right_load.set_reads_per_second(800);
  pair.right_load.set_writes_per_second(500);
  EXPECT_EQ(Decide(pair).reason,
            "together they had up to 1,400 requests/s in five minutes, ranges are merged below "
            "1,250/s");
}

TEST(MergeDecider, AVoterIsAVoterHoweverItIsWritten) {
  Pair pair = Quiet();
  for (auto& replica : *pair.left.descriptor.mutable_replicas()) replica.clear_role();
  EXPECT_TRUE(Decide(pair).merge) << Decide(pair).reason;
}

TEST(MergeDecider, TheLastRangeHasNoRightNeighbour) {
  Pair pair = Quiet();
  pair.left.descriptor.set_end_key("");
  pair.right.set_start_key("");
  EXPECT_FALSE(Decide(pair).merge);
}

TEST(MergeDecider, ADroppedRangeIsAbsorbedWhateverTheEngineStillHoldsOfIt) {
  Pair pair = Quiet();
  pair.right.set_collection_id(6);
  pair.right.set_dropped(true);
  pair.right_load.set_size_bytes(900 * kMiB);
  pair.right_load.set_age_seconds(0);
  EXPECT_TRUE(Decide(pair).merge);
}

TEST(MergeDecider, OneOfTwoIsAsOldAsTheYoungerAndAsBusyAsBoth) {
  Pair pair = Quiet();
  pair.right_load.set_age_seconds(700);
  pair.right_load.set_cpu_cores(0.05);
  pair.left.load.set_peak_cpu_cores(0.2);
  pair.left.load.set_peak_read_bytes_per_second(300);
  pair.right_load.set_peak_read_bytes_per_second(400);
  pair.right_load.set_peak_written_bytes_per_second(90);
  pair.left.load.set_writes_per_second(3);
  pair.right_load.set_writes_per_second(4);
  const type::v1::RangeLoad both = LoadOfBoth(pair.left, pair.right, pair.right_load);
  EXPECT_EQ(both.range_id(), 10u);
  EXPECT_EQ(both.age_seconds(), 700u);
  EXPECT_EQ(both.peak_requests_per_second(), 200);
  EXPECT_EQ(both.peak_read_bytes_per_second(), 700);
  EXPECT_EQ(both.peak_written_bytes_per_second(), 90);
  EXPECT_EQ(both.peak_cpu_cores(), 0.25);
  EXPECT_EQ(both.writes_per_second(), 7);
  EXPECT_EQ(both.cpu_cores(), 0.05);
  pair.right.set_dropped(true);
  EXPECT_EQ(LoadOfBoth(pair.left, pair.right, pair.right_load).age_seconds(), 3600u);
}

// A chain is merged as long as everything that it had to do together is little.
TEST(MergeDecider, AChainEndsWhereTheLoadOfAllTogetherIsTooMuch) {
  Pair pair = Quiet();
  pair.left.load.set_peak_requests_per_second(400);
  pair.right_load.set_peak_requests_per_second(400);
  int merged = 0;
  for (; merged < 10 && Decide(pair).merge; ++merged) {
    pair.left.load = LoadOfBoth(pair.left, pair.right, pair.right_load);
    pair.left.load.set_observed_seconds(300);
  }
  EXPECT_EQ(merged, 2) << "1,200 requests/s are below half of the threshold, 1,600 are not";
}

TEST(MergeDecider, OldEnoughIsAFlag) {
  Pair pair = Quiet();
  pair.left.load.set_age_seconds(5);
  pair.left.load.set_observed_seconds(5);
  pair.rules.age_min = std::chrono::seconds(5);
  pair.rules.observed_min = std::chrono::seconds(5);
  EXPECT_TRUE(Decide(pair).merge);
}

}  // namespace
}  // namespace rasputin::range
