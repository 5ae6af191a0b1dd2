// The middle of data of many shapes, by an engine that knows sizes exactly.

#include "range/load/middle_key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "kv/key.h"
#include "kv/memory_engine.h"
#include "range/descriptor.h"

namespace rasputin::range {
namespace {

constexpr uint64_t kCollection = 5;

RangeDescriptor Range(const std::string& start = "", const std::string& end = "") {
  RangeDescriptor range;
  range.set_range_id(9);
  range.set_collection_id(kCollection);
  range.set_start_key(CollectionPrefix(kCollection) + start);
  range.set_end_key(end.empty() ? CollectionPrefix(kCollection + 1)
                                : CollectionPrefix(kCollection) + end);
  return range;
}

void Put(const std::string& user_key, size_t bytes, kv::MemoryEngine* engine) {
  kv::EngineBatch batch;
  batch.Put(kv::DataKey(kCollection, user_key), std::string(bytes, 'v'));
  ASSERT_TRUE(engine->Write(batch).ok());
}

// The share of the range's data that lies left of the key.
double LeftShare(const kv::MemoryEngine& engine, const RangeDescriptor& range,
                 const std::string& key) {
  const std::string begin = kv::DataKeyOfFull(range.start_key());
  const std::string end = kv::DataKeyOfFull(range.end_key());
  return static_cast<double>(engine.ApproximateBytes(begin, kv::DataKeyOfFull(key))) /
         static_cast<double>(engine.ApproximateBytes(begin, end));
}

std::string Digits(uint64_t n, int width) {
  char text[64];
  snprintf(text, sizeof text, "%0*llu", width, static_cast<unsigned long long>(n));
  return text;
}

TEST(MiddleKey, HalvesDataOfManyShapes) {
  std::mt19937_64 random(7);
  const auto bytes_of = [&random](size_t size) {
    std::string key(size, '\0');
    for (char& c : key) c = static_cast<char>(random());
    return key;
  };
  const struct {
    const char* name;
    std::function<std::string(int)> key;
  } shapes[] = {
      {"numbers with zeros before them", [](int i) { return "user" + Digits(i * 3, 20); }},
      {"random bytes", [&](int) { return bytes_of(16); }},
      {"a long prefix in common", [](int i) { return std::string(3000, 'p') + Digits(i, 8); }},
      {"one prefix holds nearly all",
       [](int i) { return (i % 50 == 0 ? "" : "zz" + std::string(200, 'q')) + Digits(i, 9); }},
      {"bytes 00", [](int i) { return std::string(1 + i % 300, '\0') + Digits(i, 5); }},
  };
  for (const auto& shape : shapes) {
    kv::MemoryEngine engine;
    for (int i = 0; i < 1000; ++i) Put(shape.key(i), 300, &engine);
    const RangeDescriptor range = Range();
    const std::optional<std::string> middle = MiddleKey(range, engine);
    ASSERT_TRUE(middle.has_value()) << shape.name;
    EXPECT_TRUE(ValidateSplit(range, *middle, kCollection).ok()) << shape.name;
    EXPECT_NEAR(LeftShare(engine, range, *middle), 0.5, 0.1) << shape.name;
  }
}

// Each level is a byte deeper, and the search ends before it is deep enough: still legal, and with
// data on both sides.
TEST(MiddleKey, KeysThatArePrefixesOfEachOtherAreDividedSomewhere) {
  kv::MemoryEngine engine;
  for (int i = 0; i < 1000; ++i) Put(std::string(1 + i, '\xff'), 300, &engine);
  const RangeDescriptor range = Range();
  const std::optional<std::string> middle = MiddleKey(range, engine);
  ASSERT_TRUE(middle.has_value());
  EXPECT_TRUE(ValidateSplit(range, *middle, kCollection).ok());
  EXPECT_GT(LeftShare(engine, range, *middle), 0);
  EXPECT_LT(LeftShare(engine, range, *middle), 1);
}

TEST(MiddleKey, StaysWithinTheRange) {
  kv::MemoryEngine engine;
  for (int i = 0; i < 1000; ++i) Put(Digits(i, 4), 100, &engine);
  for (const auto& [start, end] : {std::pair<std::string, std::string>("0100", "0200"),
                                   {"0999", "2"},
                                   {"0500", "0502"},
                                   {"", "0003"}}) {
    const RangeDescriptor range = Range(start, end);
    const std::optional<std::string> middle = MiddleKey(range, engine);
    if (start == "0999") {
      EXPECT_FALSE(middle.has_value()) << "a single row";
      continue;
    }
    ASSERT_TRUE(middle.has_value()) << start;
    EXPECT_TRUE(ValidateSplit(range, *middle, kCollection).ok());
    const double left = LeftShare(engine, range, *middle);
    EXPECT_GT(left, 0.3) << start;
    EXPECT_LT(left, 0.7) << start;
  }
}

TEST(MiddleKey, NothingIsDividedInTwo) {
  kv::MemoryEngine engine;
  EXPECT_FALSE(MiddleKey(Range(), engine).has_value());
  Put("only", 1000, &engine);
  EXPECT_FALSE(MiddleKey(Range(), engine).has_value());
}

TEST(MiddleKey, TheLastRangeHasAnEndAllTheSame) {
  kv::MemoryEngine engine;
  for (int i = 0; i < 100; ++i) Put(Digits(i, 4), 100, &engine);
  RangeDescriptor range = Range();
  range.set_end_key("");
  const std::optional<std::string> middle = MiddleKey(range, engine);
  ASSERT_TRUE(middle.has_value());
  EXPECT_EQ(middle->substr(0, 8), CollectionPrefix(kCollection));
}

TEST(MiddleKey, AGreatRowLiesAloneOnOneSide) {
  kv::MemoryEngine engine;
  for (int i = 0; i < 100; ++i) Put(Digits(i, 4), 10, &engine);
  Put("0050x", 1 << 20, &engine);
  const RangeDescriptor range = Range();
  const std::optional<std::string> middle = MiddleKey(range, engine);
  ASSERT_TRUE(middle.has_value());
  EXPECT_TRUE(ValidateSplit(range, *middle, kCollection).ok());
}

// Whatever the keys and sizes: legal, something on both sides, and near the middle unless one row
// is a large part of all.
TEST(MiddleKey, RandomDataIsDividedWell) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    kv::MemoryEngine engine;
    std::set<std::string> keys;
    const size_t rows = 2 + random() % 200;
    const uint64_t alphabet = 1 + random() % 255;
    while (keys.size() < rows) {
      std::string key(1 + random() % 40, '\0');
      for (char& c : key) c = static_cast<char>(random() % (alphabet + 1));
      keys.insert(key);
    }
    uint64_t largest = 0;
    uint64_t total = 0;
    for (const std::string& key : keys) {
      const uint64_t size = random() % 20 == 0 ? random() % 5000 : random() % 300;
      Put(key, size, &engine);
      largest = std::max<uint64_t>(largest, size + key.size() + 9);
      total += size + key.size() + 9;
    }
    const RangeDescriptor range = Range();
    const std::optional<std::string> middle = MiddleKey(range, engine);
    ASSERT_TRUE(middle.has_value()) << seed;
    ASSERT_TRUE(ValidateSplit(range, *middle, kCollection).ok()) << seed;
    const double off = std::abs(LeftShare(engine, range, *middle) - 0.5);
    const double row = static_cast<double>(largest) / static_cast<double>(total);
    EXPECT_LE(off, std::max(0.15, row)) << seed;
  }
}

}  // namespace
}  // namespace rasputin::range
