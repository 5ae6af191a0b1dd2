// Loads of several shapes, as the samples see them, and tables of what samples say.

#include "range/load/key_sampler.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <random>
#include <string>

namespace rasputin::range {
namespace {

using consensus::Instant;
using Kind = LoadDivision::Kind;

std::string Key(uint64_t n) {
  char text[32];
  snprintf(text, sizeof text, "key%010llu", static_cast<unsigned long long>(n));
  return text;
}

KeySample Sample(const std::string& key, uint32_t left, uint32_t right, uint32_t across = 0,
                 uint32_t same = 0) {
  KeySample sample;
  sample.key = key;
  sample.left = left;
  sample.right = right;
  sample.across = across;
  sample.same = same;
  return sample;
}

using Touched = std::pair<std::string, std::string>;

// After so many requests at a steady rate.
LoadDivision After(int requests, uint64_t seed,
                   const std::function<Touched(std::mt19937_64*)>& draw) {
  KeySampler sampler(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < requests; ++i) {
    const Touched touched = draw(&random);
    const Instant now(std::chrono::microseconds(i * 250));
    if (sampler.Wants(now)) sampler.Observe(touched.first, touched.second);
  }
  EXPECT_LE(sampler.samples().size(), KeySampler::kKeys);
  return DivideLoad(sampler.samples());
}

Touched One(uint64_t n) { return {Key(n), Key(n)}; }

TEST(KeySampler, AUniformLoadIsDividedInTheMiddle) {
  int divided = 0;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const LoadDivision division =
        After(20'000, seed, [](std::mt19937_64* random) { return One((*random)() % 1'000'000); });
    // It may be that no sample lies in the middle quarter; the next ones do.
    if (division.kind == Kind::kUneven) continue;
    ++divided;
    ASSERT_EQ(division.kind, Kind::kBalanced) << seed;
    EXPECT_GT(division.key, Key(300'000)) << seed;
    EXPECT_LT(division.key, Key(700'000)) << seed;
  }
  EXPECT_GE(divided, 25);
}

TEST(KeySampler, ASkewedLoadIsDividedWhereItsRequestsAre) {
  int divided = 0;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    // Half of the requests go to a hundredth of the keys.
    const LoadDivision division = After(20'000, seed, [](std::mt19937_64* random) {
      return One((*random)() % 2 == 0 ? (*random)() % 10'000 : (*random)() % 1'000'000);
    });
    if (division.kind == Kind::kUneven) continue;
    ++divided;
    ASSERT_EQ(division.kind, Kind::kBalanced) << seed;
    EXPECT_LT(division.key, Key(300'000)) << seed;
  }
  EXPECT_GE(divided, 25);
}

TEST(KeySampler, AHotKeyIsNamed) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const LoadDivision division = After(20'000, seed, [](std::mt19937_64* random) {
      return One((*random)() % 10 < 7 ? 4711 : (*random)() % 1'000'000);
    });
    ASSERT_EQ(division.kind, Kind::kHotKey) << seed;
    EXPECT_EQ(division.key, Key(4711)) << seed;
    EXPECT_NEAR(division.same, 0.7, 0.2) << seed;
  }
}

TEST(KeySampler, AscendingKeysAreATail) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    uint64_t next = 1000;
    const LoadDivision division = After(20'000, seed, [&next](std::mt19937_64* random) {
      // One of eight goes anywhere below.
      return One((*random)() % 8 == 0 ? (*random)() % next : next++);
    });
    ASSERT_EQ(division.kind, Kind::kTail) << seed;
    EXPECT_GT(division.key, Key(12'000)) << seed;
    EXPECT_GT(division.right, 0.8) << seed;
  }
}

TEST(KeySampler, DescendingKeysAreAHead) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    uint64_t next = 1'000'000;
    const LoadDivision division =
        After(20'000, seed, [&next](std::mt19937_64*) { return One(next--); });
    ASSERT_EQ(division.kind, Kind::kHead) << seed;
    EXPECT_LT(division.key, Key(990'000)) << seed;
  }
}

TEST(KeySampler, LongScansCrossMostKeys) {
  int crossed = 0;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const LoadDivision division = After(20'000, seed, [](std::mt19937_64* random) {
      const uint64_t from = (*random)() % 300'000;
      return Touched(Key(from), Key(from + 700'000));
    });
    // At the edges of the range nothing crosses; most samples lie elsewhere.
    if (division.kind == Kind::kUneven) continue;
    ++crossed;
    ASSERT_EQ(division.kind, Kind::kCrossed) << seed;
    EXPECT_GE(division.across, kAcrossMax) << seed;
  }
  EXPECT_GE(crossed, 25);
}

TEST(KeySampler, AChangedLoadIsSeenSoon) {
  int drawn = 0;
  const LoadDivision division = After(80'000, 5, [&drawn](std::mt19937_64* random) {
    return One((*random)() % 1000 + (++drawn < 40'000 ? 0 : 500'000));
  });
  ASSERT_EQ(division.kind, Kind::kBalanced);
  EXPECT_GT(division.key, Key(500'000));
}

TEST(KeySampler, LooksAtABoundedPartOfTheRequests) {
  KeySampler sampler(1);
  for (int second = 0; second < 10; ++second) {
    int looked = 0;
    for (int i = 0; i < 50'000; ++i) {
      if (sampler.Wants(Instant(std::chrono::seconds(second)))) ++looked;
    }
    if (second == 0) continue;
    EXPECT_GT(looked, 150);
    EXPECT_LT(looked, 400);
  }
}

TEST(KeySampler, KeysAreCut) {
  KeySampler sampler(1);
  sampler.Observe(std::string(5000, 'a'), std::string(5000, 'a'));
  ASSERT_EQ(sampler.samples().size(), 1u);
  EXPECT_EQ(sampler.samples()[0].key, std::string(KeySampler::kKeyBytesMax, 'a'));
}

TEST(DivideLoad, TableOfSamples) {
  const struct {
    const char* name;
    std::vector<KeySample> samples;
    Kind kind;
    const char* key;
  } cases[] = {
      {"nothing sampled", {}, Kind::kUnknown, ""},
      {"99 requests", {Sample("m", 50, 49)}, Kind::kUnknown, ""},
      {"100 requests", {Sample("m", 50, 50)}, Kind::kBalanced, "m"},
      {"just balanced", {Sample("m", 623, 377)}, Kind::kBalanced, "m"},
      {"just not balanced", {Sample("m", 625, 375)}, Kind::kUneven, "m"},
      {"the better of two", {Sample("m", 550, 450), Sample("n", 520, 480)}, Kind::kBalanced, "n"},
      {"crossed less",
       {Sample("m", 400, 400, 200), Sample("n", 460, 440, 100)},
       Kind::kBalanced,
       "n"},
      {"crossed too much", {Sample("m", 375, 375, 250)}, Kind::kCrossed, "m"},
      {"hot before balanced", {Sample("m", 450, 550, 0, 501)}, Kind::kHotKey, "m"},
      {"half is not hot", {Sample("m", 450, 550, 0, 500)}, Kind::kBalanced, "m"},
      {"tail", {Sample("a", 100, 900), Sample("m", 150, 850)}, Kind::kTail, "m"},
      {"just no tail", {Sample("a", 200, 800), Sample("m", 200, 800)}, Kind::kUneven, "a"},
      {"head", {Sample("a", 850, 150), Sample("m", 900, 100)}, Kind::kHead, "a"},
      {"three equal keys",
       {Sample("a", 0, 999, 0, 333), Sample("b", 333, 666, 0, 333), Sample("c", 666, 333, 0, 333)},
       Kind::kUneven,
       "b"},
  };
  for (const auto& c : cases) {
    const LoadDivision division = DivideLoad(c.samples);
    EXPECT_EQ(static_cast<int>(division.kind), static_cast<int>(c.kind)) << c.name;
    EXPECT_EQ(division.key, c.key) << c.name;
  }
}

}  // namespace
}  // namespace rasputin::range
