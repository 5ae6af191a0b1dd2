// The queue against std::deque, in all mixtures of its operations.

#include "consensus/core/short_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>

namespace rasputin::consensus {
namespace {

TEST(ShortQueue, HoldsWhatADequeHolds) {
  std::mt19937 random(1);
  ShortQueue<int> queue;
  std::deque<int> expected;
  for (int i = 0; i < 200'000; ++i) {
    // Grows for a while, shrinks for a while.
    const bool grows = random() % 100 < (i / 500 % 2 == 0 ? 70u : 30u);
    if (grows || expected.empty()) {
      queue.push_back(i);
      expected.push_back(i);
    } else if (random() % 8 == 0) {
      queue.pop_back();
      expected.pop_back();
    } else {
      queue.pop_front();
      expected.pop_front();
    }
    if (random() % 5000 == 0) {
      queue.clear();
      expected.clear();
    }
    ASSERT_EQ(queue.size(), expected.size());
    ASSERT_EQ(queue.empty(), expected.empty());
    if (expected.empty()) continue;
    ASSERT_EQ(queue.front(), expected.front());
    ASSERT_EQ(queue.back(), expected.back());
    ASSERT_EQ(queue[expected.size() / 2], expected[expected.size() / 2]);
    if (i % 1000 != 0) continue;
    ASSERT_EQ(std::deque<int>(queue.begin(), queue.end()), expected);
  }
}

TEST(ShortQueue, LetsItemsGoWhenTheyAreAllTaken) {
  ShortQueue<std::shared_ptr<int>> queue;
  const auto item = std::make_shared<int>(1);
  for (int i = 0; i < 100; ++i) queue.push_back(item);
  EXPECT_EQ(item.use_count(), 101);
  while (!queue.empty()) queue.pop_front();
  EXPECT_EQ(item.use_count(), 1);
}

}  // namespace
}  // namespace rasputin::consensus
