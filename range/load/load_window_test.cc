// Means, bursts and peaks, in virtual time.

#include "range/load/load_window.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace rasputin::range {
namespace {

using consensus::Instant;

Instant At(double seconds) {
  return Instant(std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)));
}

LoadCounts Reads(uint32_t n) {
  LoadCounts counts;
  counts.reads = n;
  return counts;
}

// `n` reads in each second from `from` to before `to`.
void Feed(int from, int to, uint32_t n, LoadWindow* window) {
  for (int second = from; second < to; ++second) window->Add(At(second + 0.5), Reads(n));
}

TEST(LoadWindow, MeansAreOfSecondsThatAreOver) {
  LoadWindow window(At(100));
  window.Add(At(100.9), Reads(100));
  EXPECT_EQ(window.Mean(At(100.9)).reads, 0);
  EXPECT_EQ(window.Mean(At(101)).reads, 100);
  EXPECT_EQ(window.Mean(At(105.5)).reads, 20);
  EXPECT_EQ(window.Mean(At(110)).reads, 10);
  EXPECT_EQ(window.Mean(At(110.999)).reads, 10);
  EXPECT_EQ(window.Mean(At(111)).reads, 0);
}

TEST(LoadWindow, EachMeasureHasItsOwnMean) {
  LoadWindow window(At(0));
  window.Add(At(0.5), {10, 20, 3000, 4000, 500'000'000});
  const LoadRates rates = window.Mean(At(10));
  EXPECT_EQ(rates.reads, 1);
  EXPECT_EQ(rates.writes, 2);
  EXPECT_EQ(rates.read_bytes, 300);
  EXPECT_EQ(rates.written_bytes, 400);
  EXPECT_DOUBLE_EQ(rates.cpu_cores, 0.05);
  EXPECT_EQ(rates.requests(), 3);
}

TEST(LoadWindow, SustainedNeedsTheWholeTime) {
  LoadWindow window(At(0));
  Feed(0, 20, 50, &window);
  LoadWindow young(At(10));
  Feed(10, 20, 50, &young);
  EXPECT_FALSE(young.Sustained(At(19.9), 10).has_value());
  EXPECT_EQ(young.Sustained(At(20), 10)->reads, 50);
  EXPECT_EQ(window.Sustained(At(20), 10)->reads, 50);
}

TEST(LoadWindow, ABurstIsNotSustained) {
  LoadWindow window(At(0));
  Feed(0, 10, 10, &window);
  Feed(10, 14, 10'000, &window);
  EXPECT_GT(window.Mean(At(14)).reads, 4000);
  EXPECT_EQ(window.Sustained(At(14), 10)->reads, 10);
  EXPECT_EQ(window.Sustained(At(14), 4)->reads, 10'000);
}

TEST(LoadWindow, ReadsMayTakeThePlaceOfWrites) {
  LoadWindow window(At(0));
  for (int second = 0; second < 10; ++second) {
    LoadCounts counts;
    (second < 5 ? counts.reads : counts.writes) = 80;
    window.Add(At(second), counts);
  }
  EXPECT_EQ(window.Sustained(At(10), 10)->requests(), 80);
}

TEST(LoadWindow, ThePeakIsOfFiveMinutes) {
  LoadWindow window(At(7));
  Feed(20, 30, 40, &window);
  EXPECT_EQ(window.Peaks(At(31)).requests, 40);
  EXPECT_EQ(window.Peaks(At(300)).requests, 40);
  EXPECT_EQ(window.Peaks(At(345)).requests, 0);
  // Also where nothing was added or asked in between, and after a very long time.
  Feed(400, 402, 5, &window);
  EXPECT_EQ(window.Peaks(At(404)).requests, 1);
  EXPECT_EQ(window.Peaks(At(1'000'000)).requests, 0);
}

TEST(LoadWindow, EachMeasureHasItsOwnPeak) {
  LoadWindow window(At(0));
  window.Add(At(0.5), {0, 0, 3'000'000'000, 0, 0});
  window.Add(At(40.5), {10, 20, 0, 4000, 0});
  window.Add(At(80.5), {0, 0, 1000, 500, 500'000'000});
  const LoadPeaks peaks = window.Peaks(At(100));
  EXPECT_EQ(peaks.requests, 3);
  EXPECT_EQ(peaks.read_bytes, 300'000'000);
  EXPECT_EQ(peaks.written_bytes, 400);
  EXPECT_NEAR(peaks.cpu_cores, 0.05, 1e-6);
  EXPECT_EQ(window.Peaks(At(330)).read_bytes, 100);
  EXPECT_EQ(window.Peaks(At(400)).written_bytes, 0);
  EXPECT_EQ(window.Peaks(At(400)).cpu_cores, 0);
  EXPECT_LE(sizeof(LoadWindow), 900u);
}

TEST(LoadWindow, ObservesAtMostFiveMinutes) {
  LoadWindow window(At(1000));
  EXPECT_EQ(window.ObservedSeconds(At(1000)), 0);
  EXPECT_EQ(window.ObservedSeconds(At(1042)), 42);
  EXPECT_EQ(window.ObservedSeconds(At(5000)), 300);
}

TEST(LoadWindow, TimeThatGoesBackCountsAsTheLatest) {
  LoadWindow window(At(50));
  window.Add(At(55), Reads(10));
  window.Add(At(51), Reads(10));
  EXPECT_EQ(window.Mean(At(60)).reads, 2);
}

// Against a list of everything that was added.
TEST(LoadWindow, AgreesWithAModel) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 50; ++round) {
    int64_t now = static_cast<int64_t>(random() % 1000);
    const int64_t start = now;
    LoadWindow window(At(static_cast<double>(start)));
    std::deque<std::pair<int64_t, uint32_t>> added;
    double peak_low = 0;
    for (int step = 0; step < 300; ++step) {
      now += static_cast<int64_t>(random() % 4 == 0 ? random() % 40 : random() % 2);
      const auto n = static_cast<uint32_t>(random() % 1000);
      window.Add(At(static_cast<double>(now)), Reads(n));
      added.emplace_back(now, n);
      uint64_t in_window = 0;
      for (const auto& [second, count] : added) {
        if (second < now && second >= now - 10) in_window += count;
      }
      const auto divisor = static_cast<double>(std::min<int64_t>(10, now - start));
      const double expected = divisor == 0 ? 0 : static_cast<double>(in_window) / divisor;
      ASSERT_DOUBLE_EQ(window.Mean(At(static_cast<double>(now))).reads, expected);
      peak_low = std::max(peak_low, static_cast<double>(in_window) / 10);
      if (now - start < 290) {
        ASSERT_GE(window.Peaks(At(static_cast<double>(now))).requests * 1.0001, peak_low);
      }
    }
  }
}

}  // namespace
}  // namespace rasputin::range
