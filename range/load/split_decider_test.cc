// A table of ranges, what is decided about them, and the very words of it.

#include "range/load/split_decider.h"

#include <gtest/gtest.h>

#include "range/descriptor.h"

namespace rasputin::range {
namespace {

constexpr uint64_t kMiB = 1 << 20;

std::string Key(const std::string& user) { return CollectionPrefix(5) + user; }

KeySample Sample(const std::string& user, uint32_t left, uint32_t right, uint32_t across = 0,
                 uint32_t same = 0) {
  KeySample sample;
  sample.key = Key(user);
  sample.left = left;
  sample.right = right;
  sample.across = across;
  sample.same = same;
  return sample;
}

struct Case {
  Case() {
    descriptor.set_range_id(10);
    descriptor.set_generation(3);
    descriptor.set_collection_id(5);
    descriptor.set_start_key(Key("b"));
    descriptor.set_end_key(Key("y"));
    input.descriptor = &descriptor;
    input.size_bytes = 100 * kMiB;
    input.sustained = LoadRates();
    input.samples = &samples;
    input.middle = [this]() { return middle; };
    thresholds = ThresholdsInForce(rules, {});
  }
  SplitVerdict Decide() { return DecideSplit(input, thresholds, rules); }
  // 3,000 requests a second.
  void Busy() {
    input.sustained->reads = 2000;
    input.sustained->writes = 1000;
  }

  SplitRules rules;
  type::v1::SplitThresholds thresholds;
  RangeDescriptor descriptor;
  std::vector<KeySample> samples = {Sample("m", 480, 500, 20)};
  std::optional<std::string> middle = Key("k");
  SplitInput input;
};

void ExpectSplit(const SplitVerdict& verdict, const std::string& user_key,
                 const std::string& reason) {
  EXPECT_TRUE(verdict.split) << verdict.reason;
  EXPECT_EQ(verdict.split_key, Key(user_key));
  EXPECT_EQ(verdict.reason, reason);
}

void ExpectNone(const SplitVerdict& verdict, const std::string& reason) {
  EXPECT_FALSE(verdict.split);
  EXPECT_EQ(verdict.split_key, "");
  EXPECT_EQ(verdict.reason, reason);
}

constexpr char kBusy[] = "it serves 3,000 requests/s for 10 s, the threshold is 2,500/s";

TEST(SplitDecider, SaysNothingBelowAllThresholds) {
  Case c;
  ExpectNone(c.Decide(), "");
  c.input.sustained.reset();
  ExpectNone(c.Decide(), "");
}

TEST(SplitDecider, SplitsByLoadWhereItIsDivided) {
  Case c;
  c.Busy();
  ExpectSplit(c.Decide(), "m",
              std::string(kBusy) +
                  ": 48% of the requests lie left of the split, 50% right of it, 2% across");
}

TEST(SplitDecider, EachMeasureOfLoadHasItsThreshold) {
  const struct {
    double LoadRates::*measure;
    double just;
    double beyond;
    const char* cause;
  } cases[] = {
      {&LoadRates::reads, 2500, 2501,
       "it serves 2,501 requests/s for 10 s, the threshold is 2,500/s"},
      {&LoadRates::writes, 2500, 2600,
       "it serves 2,600 requests/s for 10 s, the threshold is 2,500/s"},
      {&LoadRates::cpu_cores, 0.5, 0.62, "it takes 0.62 cores for 10 s, the threshold is 0.50"},
      {&LoadRates::read_bytes, 30.0 * kMiB, 31.0 * kMiB,
       "it returns 31 MiB/s for 10 s, the threshold is 30 MiB/s"},
      {&LoadRates::written_bytes, 8.0 * kMiB, 8.5 * kMiB,
       "it is written 8.5 MiB/s for 10 s, the threshold is 8 MiB/s"},
  };
  for (const auto& measure : cases) {
    Case c;
    *c.input.sustained.*measure.measure = measure.just;
    ExpectNone(c.Decide(), "");
    *c.input.sustained.*measure.measure = measure.beyond;
    EXPECT_TRUE(c.Decide().split);
    EXPECT_EQ(c.Decide().reason.rfind(measure.cause, 0), 0u) << c.Decide().reason;
  }
}

TEST(SplitDecider, SplitsByLoadOnlyWhereSamplesSayHow) {
  const struct {
    std::vector<KeySample> samples;
    const char* reason;
  } cases[] = {
      {{}, "no sampled key has seen 100 requests yet"},
      {{Sample("m", 10, 20)}, "no sampled key has seen 100 requests yet"},
      {{Sample("m", 300, 300, 400)},
       "scans and batches cross the sampled keys, half of them with 40% of the requests or more"},
      {{Sample("m", 300, 700)},
       "no sampled key divides the load, the best leaves 30% left and 70% right"},
  };
  for (const auto& samples : cases) {
    Case c;
    c.Busy();
    c.samples = samples.samples;
    ExpectNone(c.Decide(), std::string(kBusy) + ", but " + samples.reason);
  }
  Case c;
  c.Busy();
  c.input.samples = nullptr;
  EXPECT_FALSE(c.Decide().split);
}

TEST(SplitDecider, IsolatesAHotKeyInTwoStepsAndThenReportsIt) {
  Case c;
  c.Busy();
  c.samples = {Sample("m", 200, 800, 0, 710)};
  ExpectSplit(c.Decide(), "m",
              std::string(kBusy) +
                  ": 71% of the requests are for one key: what lies before it goes on without it");
  c.descriptor.set_start_key(Key("m"));
  ExpectSplit(c.Decide(), std::string("m\0", 2),
              std::string(kBusy) +
                  ": 71% of the requests are for one key: what lies behind it goes on without it");
  c.descriptor.set_end_key(Key(std::string("m\0", 2)));
  ExpectNone(c.Decide(),
             std::string(kBusy) +
                 ", but it is a hot key, alone in its range: no split spreads its load, spread its "
                 "requests over more keys, or read it less often");
}

TEST(SplitDecider, SplitsATailThatLeavesEnoughBehind) {
  Case c;
  c.Busy();
  c.samples = {Sample("s", 50, 950), Sample("t", 60, 940)};
  ExpectSplit(c.Decide(), "t",
              std::string(kBusy) +
                  ": 94% of the requests move on beyond the highest keys: the range is split "
                  "there; keys that do not grow in order would spread them");
  c.input.size_bytes = 51 * kMiB;
  ExpectNone(c.Decide(),
             std::string(kBusy) +
                 ", but 94% of the requests move on beyond the highest keys: a split would follow "
                 "them with 51 MiB left behind, less than 51.2 MiB; keys that do not grow in order "
                 "would spread them");
}

TEST(SplitDecider, SplitsAHeadAlike) {
  Case c;
  c.Busy();
  c.samples = {Sample("s", 950, 50), Sample("t", 960, 40)};
  ExpectSplit(c.Decide(), "s",
              std::string(kBusy) +
                  ": 95% of the requests move on below the lowest keys: the range is split there; "
                  "keys that do not grow in order would spread them");
}

TEST(SplitDecider, SplitsBySizeInTheMiddle) {
  Case c;
  c.input.size_bytes = 256 * kMiB;
  ExpectSplit(c.Decide(), "k",
              "it holds 256 MiB, the threshold is 256 MiB: split in the middle of its data");
  c.middle = std::nullopt;
  ExpectNone(c.Decide(), "it holds 256 MiB, the threshold is 256 MiB, but no key divides its data");
  c.middle = Key("z");
  ExpectNone(c.Decide(), "it holds 256 MiB, the threshold is 256 MiB, but no key divides its data");
}

TEST(SplitDecider, SplitsBySizeWhereTheLoadCannotBeDivided) {
  Case c;
  c.Busy();
  c.input.size_bytes = 300 * kMiB;
  c.samples = {Sample("m", 300, 300, 400)};
  ExpectSplit(c.Decide(), "k",
              "it holds 300 MiB, the threshold is 256 MiB: split in the middle of its data");
}

TEST(SplitDecider, TriesOnceAMinute) {
  Case c;
  c.Busy();
  c.input.since_attempt = std::chrono::seconds(59);
  ExpectNone(c.Decide(), std::string(kBusy) +
                             ", but the last attempt was 59 s ago, the next one comes after 60 s");
  c.input.since_attempt = std::chrono::seconds(60);
  EXPECT_TRUE(c.Decide().split);
}

TEST(SplitDecider, SearchesForNoKeyWhereARangeHasToWait) {
  Case c;
  c.input.size_bytes = 256 * kMiB;
  c.input.must_wait = true;
  c.input.middle = []() -> std::optional<std::string> {
    ADD_FAILURE() << "a search costs a hundred questions";
    return std::nullopt;
  };
  ExpectNone(c.Decide(),
             "it holds 256 MiB, the threshold is 256 MiB, but it waits: as many splits are under "
             "way on this store as may be at a time");
}

TEST(SplitDecider, SaysThatTheSizeIsExceededWithoutASearchForAKey) {
  Case c;
  c.input.size_bytes = 256 * kMiB;
  c.input.middle = nullptr;
  ExpectNone(c.Decide(), "it holds 256 MiB, the threshold is 256 MiB");
}

TEST(SplitDecider, LeavesRangesAloneWithWhichSomethingIsUnderWay) {
  Case c;
  c.Busy();
  c.descriptor.mutable_merge()->set_right_range_id(11);
  ExpectNone(c.Decide(),
             std::string(kBusy) + ", but a merge with its right neighbour is under way");
  c.descriptor.clear_merge();
  c.descriptor.mutable_frozen_by()->set_left_range_id(9);
  ExpectNone(c.Decide(),
             std::string(kBusy) + ", but it is frozen for a merge with its left neighbour");
  c.descriptor.clear_frozen_by();
  auto* replica = c.descriptor.add_replicas();
  replica->set_replica_id(1);
  replica->set_store_id(1);
  replica->set_role(type::v1::REPLICA_ROLE_OUTGOING);
  ExpectNone(c.Decide(), std::string(kBusy) + ", but its members are being changed");
  c.descriptor.set_dropped(true);
  ExpectNone(c.Decide(), std::string(kBusy) + ", but its collection was dropped");
}

TEST(SplitDecider, NeverSplitsTheMetaRange) {
  Case c;
  c.Busy();
  c.descriptor.set_range_id(kMetaRangeId);
  ExpectNone(c.Decide(), "");
}

TEST(SplitDecider, NeverProposesAnIllegalKey) {
  Case c;
  c.Busy();
  for (const char* key : {"a", "b", "y", "z"}) {
    for (const std::vector<KeySample>& samples : {std::vector<KeySample>{Sample(key, 500, 500)},
                                                  {Sample(key, 0, 1000, 0, 900)},
                                                  {Sample(key, 0, 1000)},
                                                  {Sample(key, 1000, 0)}}) {
      c.samples = samples;
      const SplitVerdict verdict = c.Decide();
      if (verdict.split) {
        EXPECT_TRUE(ValidateSplit(c.descriptor, verdict.split_key, 5).ok()) << verdict.reason;
      }
    }
  }
}

}  // namespace
}  // namespace rasputin::range
