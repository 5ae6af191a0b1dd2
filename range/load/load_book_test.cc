// Requests are taken down where they belong, and the time of a turn is divided.

#include "range/load/load_book.h"

#include <gtest/gtest.h>

#include <map>

namespace rasputin::range {
namespace {

using consensus::Duration;
using consensus::Instant;
using consensus::RangeId;

Instant At(int seconds) { return Instant(std::chrono::seconds(seconds)); }

RequestWork Work(kv::Operation operation, uint64_t bytes, uint32_t operations = 1) {
  RequestWork work;
  work.operation = operation;
  work.writes = kv::IsWrite(operation);
  work.bytes = bytes;
  work.operations = operations;
  return work;
}

struct Book {
  void Cpu(int second, Duration cpu) {
    book.OnTurnCpu(At(second), cpu, [this](RangeId range) {
      const auto found = ranges.find(range.value());
      return found == ranges.end() ? nullptr : &found->second;
    });
  }
  void Request(int second, uint64_t range, const RequestWork& work) {
    book.OnRequest(At(second), RangeId(range), work, &ranges[range]);
  }
  LoadRates Rates(uint64_t range, int second) {
    return ranges.at(range).meter->window.Mean(At(second));
  }

  LoadBook book{At(0), 7};
  std::map<uint64_t, RangeLoadState> ranges;
};

TEST(LoadBook, ARangeWithoutRequestsHasNoMeter) {
  Book b;
  b.Request(1, 7, Work(kv::Operation::kSplit, 100));
  b.Request(1, 7, Work(kv::Operation::kFreeze, 100));
  EXPECT_EQ(b.ranges[7].meter, nullptr);
  EXPECT_TRUE(b.book.metered().empty());
  b.Request(1, 7, Work(kv::Operation::kGet, 100));
  b.Request(2, 7, Work(kv::Operation::kGet, 100));
  EXPECT_NE(b.ranges[7].meter, nullptr);
  EXPECT_EQ(b.book.metered(), std::set<RangeId>{RangeId(7)});
}

TEST(LoadBook, CountsOperationsAndBytesAtTheRangeAndInTotal) {
  Book b;
  b.Request(0, 7, Work(kv::Operation::kScan, 1000));
  b.Request(0, 7, Work(kv::Operation::kBatch, 500, 30));
  b.Request(0, 8, Work(kv::Operation::kSet, 50));
  const LoadRates rates = b.Rates(7, 1);
  EXPECT_EQ(rates.reads, 1);
  EXPECT_EQ(rates.writes, 30);
  EXPECT_EQ(rates.read_bytes, 1000);
  EXPECT_EQ(rates.written_bytes, 500);
  EXPECT_EQ(b.book.total().Mean(At(1)).requests(), 32);
  EXPECT_EQ(b.ranges[7].meter->bytes_since, 500u);
}

TEST(LoadBook, SamplesKeysAndKeepsHistograms) {
  Book b;
  RequestWork work = Work(kv::Operation::kSet, 50);
  work.first_key = work.last_key = "some key";
  b.Request(0, 7, work);
  b.Request(0, 7, Work(kv::Operation::kMeta, 50));
  b.book.OnAnswer(kv::Operation::kSet, std::chrono::microseconds(99), 1000, &b.ranges[7]);
  b.book.OnAnswer(kv::Operation::kSet, std::chrono::microseconds(-5), 1000, &b.ranges[8]);
  ASSERT_EQ(b.ranges[7].meter->keys.samples().size(), 1u);
  EXPECT_EQ(b.ranges[7].meter->keys.samples()[0].key, "some key");
  const std::vector<type::v1::OperationLoad> own = b.ranges[7].meter->histograms.Export();
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(own[0].latency_us().buckets(0).bucket(), BucketOf(99));
  EXPECT_EQ(b.book.histograms().Export()[0].latency_us().buckets_size(), 2);
  EXPECT_EQ(b.ranges[8].meter, nullptr);
}

TEST(LoadBook, AMeterIsSmall) {
  const size_t bytes = sizeof(RangeMeter) + KeySampler::kKeys * sizeof(KeySample) +
                       OperationHistograms::kSlotsOfRange * 6;
  EXPECT_LE(bytes, 4096u);
  EXPECT_LE(sizeof(RangeLoadState), 32u);
}

TEST(LoadBook, DividesTheTimeOfATurnByCost) {
  Book b;
  for (int i = 0; i < 4; ++i) b.Request(0, 7, Work(kv::Operation::kGet, 10));  // 4
  b.Request(0, 8, Work(kv::Operation::kSet, 8192));                            // 2 + 2
  b.book.OnFollowed(4096);                                                     // 1 + 1
  b.Cpu(0, std::chrono::milliseconds(100));
  EXPECT_DOUBLE_EQ(b.Rates(7, 1).cpu_cores, 0.04);
  EXPECT_DOUBLE_EQ(b.Rates(8, 1).cpu_cores, 0.04);
  EXPECT_DOUBLE_EQ(b.book.total().Mean(At(1)).cpu_cores, 0.1);
  // The next turn begins with nothing.
  b.Request(1, 8, Work(kv::Operation::kGet, 0));
  b.Cpu(1, std::chrono::milliseconds(100));
  EXPECT_DOUBLE_EQ(b.Rates(7, 2).cpu_cores, 0.02);
  EXPECT_DOUBLE_EQ(b.Rates(8, 2).cpu_cores, 0.07);
}

TEST(LoadBook, ARangeThatIsGoneLosesItsPartOfTheTurn) {
  Book b;
  b.Request(0, 7, Work(kv::Operation::kGet, 0));
  b.Request(0, 8, Work(kv::Operation::kGet, 0));
  b.ranges.erase(7);
  b.Cpu(0, std::chrono::milliseconds(100));
  EXPECT_DOUBLE_EQ(b.Rates(8, 1).cpu_cores, 0.05);
}

TEST(LoadBook, TurnsThatAreNeverTimedCostNothing) {
  Book b;
  for (int i = 0; i < 100'000; ++i) {
    b.Request(0, 1 + static_cast<uint64_t>(i % 3), Work(kv::Operation::kSet, 1 << 20));
  }
  b.Cpu(0, std::chrono::seconds(1000));
  double cores = 0;
  for (uint64_t range = 1; range <= 3; ++range) cores += b.Rates(range, 1).cpu_cores;
  EXPECT_LE(cores, 2.001);
  EXPECT_GT(cores, 1.9);
}

}  // namespace
}  // namespace rasputin::range
