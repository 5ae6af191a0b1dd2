// The patterns have the shape that their names say.

#include "tests/growth/key_picker.h"

#include <map>
#include <set>

#include "gtest/gtest.h"

namespace rasputin::growth {
namespace {

TEST(Zipfian, GivesEveryRankItsOwnKey) {
  const Zipfian zipfian(1000);
  std::set<uint64_t> keys;
  for (uint64_t rank = 0; rank < 1000; ++rank) keys.insert(zipfian.KeyOf(rank));
  EXPECT_EQ(keys.size(), 1000u);
  EXPECT_EQ(*keys.rbegin(), 999u);
}

TEST(Zipfian, DrawsTheFirstRankAboutAsOftenAsTheSumSays) {
  const Zipfian zipfian(1000);
  KeyPicker picker(Distribution::kZipfian, 1000, &zipfian, 1);
  uint64_t first = 0;
  for (int i = 0; i < 100'000; ++i) first += picker.Next() == zipfian.KeyOf(0) ? 1 : 0;
  // 1 / sum(1 / rank^0.99) = 0.1296 for a thousand ranks.
  EXPECT_NEAR(static_cast<double>(first) / 100'000, 0.1296, 0.01);
}

TEST(KeyPicker, DrawsUniformlyOverAllKeys) {
  KeyPicker picker(Distribution::kUniform, 10, nullptr, 1);
  std::map<uint64_t, int> counts;
  for (int i = 0; i < 10'000; ++i) ++counts[picker.Next()];
  ASSERT_EQ(counts.size(), 10u);
  for (const auto& [key, count] : counts) EXPECT_NEAR(count, 1000, 150) << key;
}

TEST(KeyPicker, GivesNineOfTenToTheHotKey) {
  KeyPicker picker(Distribution::kOneKey, 1000, nullptr, 1);
  int hot = 0;
  for (int i = 0; i < 10'000; ++i) hot += picker.Next() == 500 ? 1 : 0;
  EXPECT_NEAR(hot, 9000, 150);
}

}  // namespace
}  // namespace rasputin::growth
