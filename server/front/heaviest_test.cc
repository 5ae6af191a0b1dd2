// Against a plain search of the greatest, over long random histories.

#include "server/front/heaviest.h"

#include <algorithm>
#include <map>
#include <random>

#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

TEST(Heaviest, NobodyHoldsTheMostOfNothing) {
  Heaviest heaviest;
  EXPECT_FALSE(heaviest.built());
  heaviest.Build({});
  EXPECT_TRUE(heaviest.built());
  EXPECT_EQ(heaviest.Top([](uint64_t) { return uint64_t{0}; }).holds, 0u);
}

TEST(Heaviest, FindsTheGreatestWhoeverGetsMoreOrLess) {
  std::mt19937_64 random(1);
  std::map<uint64_t, uint64_t> holds;
  Heaviest heaviest;
  int built = 0;
  for (int step = 0; step < 200'000; ++step) {
    const uint64_t id = random() % 50;
    uint64_t& value = holds[id];
    if (random() % 2 == 0) {
      value += 1 + random() % 3;
      heaviest.Raise(id, value);
    } else {
      value -= std::min<uint64_t>(value, random() % 4);
    }
    if (random() % 3 != 0) continue;
    if (!heaviest.built()) {
      ++built;
      std::vector<Heaviest::Entry> all;
      for (const auto& [each, much] : holds) {
        if (much > 0) all.push_back({much, each});
      }
      heaviest.Build(std::move(all));
    }
    uint64_t most = 0;
    for (const auto& [each, much] : holds) most = std::max(most, much);
    const Heaviest::Entry top = heaviest.Top([&](uint64_t each) { return holds.at(each); });
    ASSERT_EQ(top.holds, most) << "step " << step;
    if (most > 0) {
      ASSERT_EQ(holds.at(top.id), most) << "step " << step;
    }
  }
  EXPECT_GT(built, 1) << "it never grew beyond its bound";
  EXPECT_LT(built, 1000);
}

}  // namespace
}  // namespace rasputin::server
