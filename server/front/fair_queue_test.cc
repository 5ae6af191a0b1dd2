// Order and bounds of what waits for the store.

#include "server/front/fair_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace rasputin::server {
namespace {

using consensus::Duration;
using consensus::Instant;
using std::chrono::milliseconds;
using std::chrono::seconds;

class FairQueueTest : public testing::Test {
 protected:
  FairOptions options_;
  Instant now_{std::chrono::hours(1)};
  uint64_t last_id_ = 0;
  std::vector<FairQueue::Evicted> evicted_;

  FairItem Item(uint64_t collection, uint64_t range, int64_t cost = 1, bool writes = false) {
    FairItem item;
    item.id = ++last_id_;
    item.collection = collection;
    item.range = range;
    item.cost = cost;
    item.writes = writes;
    item.bytes = 100;
    return item;
  }

  // Turns until nothing may leave; each item ends at the end of its turn. Collections in the order
  // in which their items left.
  std::vector<uint64_t> Drain(FairQueue* queue, int turns_max = 1000) {
    std::vector<uint64_t> order;
    for (int turn = 0; turn < turns_max; ++turn) {
      queue->BeginTurn();
      std::vector<FairItem> turn_items;
      while (const auto popped = queue->Pop(now_)) {
        order.push_back(popped->item.collection);
        turn_items.push_back(popped->item);
      }
      for (const FairItem& item : turn_items) queue->Done(item, item.cost);
      if (turn_items.empty()) break;
    }
    return order;
  }
};

TEST_F(FairQueueTest, ALaneKeepsItsOrder) {
  FairQueue queue(options_);
  for (int i = 0; i < 500; ++i) ASSERT_FALSE(queue.Push(now_, Item(1, 1), &evicted_));
  uint64_t expected = 0;
  for (int turn = 0; turn < 10; ++turn) {
    queue.BeginTurn();
    while (const auto popped = queue.Pop(now_)) {
      EXPECT_EQ(popped->item.id, ++expected);
      queue.Done(popped->item, 1);
    }
  }
  EXPECT_EQ(expected, 500u);
  EXPECT_EQ(queue.held_requests(), 0u);
  EXPECT_EQ(queue.held_bytes(), 0u);
  EXPECT_EQ(queue.lanes(), 0u);
}

TEST_F(FairQueueTest, ANewcomerWaitsForOneQuantumOfABusyCollection) {
  FairQueue queue(options_);
  for (int i = 0; i < 4000; ++i) ASSERT_FALSE(queue.Push(now_, Item(1, 1), &evicted_));
  queue.BeginTurn();
  for (int i = 0; i < 50; ++i) {
    const auto popped = queue.Pop(now_);
    ASSERT_EQ(popped->item.collection, 1u);
    queue.Done(popped->item, 1);
  }
  ASSERT_FALSE(queue.Push(now_, Item(2, 2), &evicted_));
  int64_t before = 0;
  while (true) {
    if (!queue.Ready()) queue.BeginTurn();
    const auto popped = queue.Pop(now_);
    ASSERT_TRUE(popped.has_value());
    if (popped->item.collection == 2) break;
    before += popped->item.cost;
    queue.Done(popped->item, 1);
  }
  EXPECT_LE(before, options_.quantum + 1);
}

TEST_F(FairQueueTest, ATurnGivesOutItsCostAndAtMostOneRequestMore) {
  options_.lane_cost_max = 1 << 20;
  FairQueue queue(options_);
  for (int i = 0; i < 300; ++i) ASSERT_FALSE(queue.Push(now_, Item(1, 1, 7), &evicted_));
  queue.BeginTurn();
  int64_t cost = 0;
  while (const auto popped = queue.Pop(now_)) cost += popped->item.cost;
  EXPECT_GE(cost, options_.turn_cost);
  EXPECT_LT(cost, options_.turn_cost + 7);
  EXPECT_TRUE(queue.HeldBack());
  EXPECT_FALSE(queue.Ready());
}

TEST_F(FairQueueTest, OfALaneOnlySoMuchIsUnderWay) {
  options_.turn_cost = 1 << 20;
  options_.lane_cost_max = 50;
  options_.lane_requests_min = 1;
  FairQueue queue(options_);
  for (int i = 0; i < 20; ++i) ASSERT_FALSE(queue.Push(now_, Item(1, 1, 10, true), &evicted_));
  ASSERT_FALSE(queue.Push(now_, Item(1, 1, 1, false), &evicted_));
  queue.BeginTurn();
  std::vector<FairItem> writes;
  int reads = 0;
  while (const auto popped = queue.Pop(now_)) {
    if (popped->item.writes) writes.push_back(popped->item);
    reads += popped->item.writes ? 0 : 1;
  }
  EXPECT_EQ(writes.size(), 5u);
  EXPECT_EQ(reads, 1) << "reads of the range do not wait for its writes";
  EXPECT_FALSE(queue.HeldBack()) << "the next turn changes nothing";
  queue.Done(writes[0], 10);
  EXPECT_TRUE(queue.Pop(now_).has_value());
  EXPECT_FALSE(queue.Pop(now_).has_value());
}

TEST_F(FairQueueTest, LargeRequestsOfALaneDoNotWaitForEachOther) {
  options_.turn_cost = 1 << 20;
  FairQueue queue(options_);
  for (int i = 0; i < 9; ++i) ASSERT_FALSE(queue.Push(now_, Item(1, 1, 4096, true), &evicted_));
  queue.BeginTurn();
  for (uint64_t i = 0; i < options_.lane_requests_min; ++i) {
    EXPECT_TRUE(queue.Pop(now_).has_value()) << i;
  }
  EXPECT_FALSE(queue.Pop(now_).has_value());
}

// Collections with very different requests get the same share of the cost; so do ranges of one.
TEST_F(FairQueueTest, SharesAreEqualByCostBetweenCollectionsAndBetweenRanges) {
  struct Case {
    const char* name;
    std::vector<std::pair<uint64_t, uint64_t>> lanes;  // Collection and range.
    std::vector<int64_t> costs;                        // Of a request of that lane.
    std::vector<double> shares;
  };
  const std::vector<Case> cases = {
      {"two of one cost", {{1, 1}, {2, 2}}, {1, 1}, {0.5, 0.5}},
      {"large and small requests", {{1, 1}, {2, 2}}, {40, 1}, {0.5, 0.5}},
      {"many ranges of one against one of the other",
       {{1, 1}, {1, 2}, {1, 3}, {2, 4}},
       {1, 1, 1, 1},
       {1 / 6.0, 1 / 6.0, 1 / 6.0, 0.5}},
      {"a scan-heavy range beside another of its collection",
       {{1, 1}, {1, 2}},
       {100, 3},
       {0.5, 0.5}},
  };
  for (const Case& one : cases) {
    FairQueue queue(options_);
    std::map<uint64_t, int64_t> cost_of_range;
    int64_t total = 0;
    std::map<uint64_t, FairItem> sample;
    const auto refill = [&](size_t i) {
      ASSERT_FALSE(
          queue.Push(now_, Item(one.lanes[i].first, one.lanes[i].second, one.costs[i]), &evicted_));
    };
    for (size_t i = 0; i < one.lanes.size(); ++i) {
      for (int n = 0; n < 4; ++n) refill(i);
    }
    while (total < 100000) {
      queue.BeginTurn();
      while (const auto popped = queue.Pop(now_)) {
        cost_of_range[popped->item.range] += popped->item.cost;
        total += popped->item.cost;
        queue.Done(popped->item, popped->item.cost);
        for (size_t i = 0; i < one.lanes.size(); ++i) {
          if (one.lanes[i].second == popped->item.range) refill(i);
        }
      }
    }
    for (size_t i = 0; i < one.lanes.size(); ++i) {
      const double share =
          static_cast<double>(cost_of_range[one.lanes[i].second]) / static_cast<double>(total);
      EXPECT_NEAR(share, one.shares[i], 0.02) << one.name << ", lane " << i;
    }
  }
}

TEST_F(FairQueueTest, WhatTurnedOutToCostMoreIsPaidLater) {
  FairQueue queue(options_);
  std::map<uint64_t, int64_t> real_cost;
  int64_t total = 0;
  for (int n = 0; n < 8; ++n) {
    ASSERT_FALSE(queue.Push(now_, Item(1, 1), &evicted_));
    ASSERT_FALSE(queue.Push(now_, Item(2, 2), &evicted_));
  }
  while (total < 100000) {
    queue.BeginTurn();
    while (const auto popped = queue.Pop(now_)) {
      // Both are thought to cost 1; those of collection 1 cost 50.
      const int64_t cost = popped->item.collection == 1 ? 50 : 1;
      real_cost[popped->item.collection] += cost;
      total += cost;
      queue.Done(popped->item, cost);
      ASSERT_FALSE(queue.Push(now_, Item(popped->item.collection, popped->item.range), &evicted_));
    }
  }
  EXPECT_NEAR(static_cast<double>(real_cost[1]) / static_cast<double>(total), 0.5, 0.02);
}

// Collection 1 owes a lot when it leaves. Collection 2 is served meanwhile, alone or beside a third
// one, and what 1 owes falls as it would if it were there.
TEST_F(FairQueueTest, WhatACollectionOwesFallsWhileItIsAway) {
  constexpr int64_t kDebt = 10'000;
  for (const uint64_t others : {1, 2}) {
    for (const int64_t share : {0, 5'000, 11'000}) {  // Of each of them.
      FairQueue queue(options_);
      const auto push = [&](uint64_t collection) {
        ASSERT_FALSE(queue.Push(now_, Item(collection, collection), &evicted_));
      };
      const auto pop = [&] {
        if (!queue.Ready()) queue.BeginTurn();
        const auto popped = queue.Pop(now_);
        queue.Done(popped->item, popped->item.collection == 1 ? 1 + kDebt : 1);
        if (popped->item.collection > 1) push(popped->item.collection);
        return popped->item.collection;
      };
      push(1);
      for (uint64_t other = 0; other < 2 * others; ++other) push(2 + other / 2);
      while (pop() != 1) continue;
      // It leaves the round only when its next turn comes.
      for (uint64_t i = 0; i < others * static_cast<uint64_t>(2 * options_.quantum); ++i) pop();
      for (int64_t i = 0; i < share * static_cast<int64_t>(others); ++i) pop();
      push(1);
      int64_t before = 0;
      while (pop() != 1) ++before;
      const int64_t left = std::max<int64_t>(kDebt - share, 0) * static_cast<int64_t>(others);
      EXPECT_LE(before, left + 2 * options_.quantum) << others << " others, " << share;
      EXPECT_GE(before, left - 200) << others << " others, " << share;
    }
  }
}

TEST_F(FairQueueTest, CollectionsThatCameAndWentAreForgotten) {
  FairQueue queue(options_);
  const auto once = [&](uint64_t collection, int64_t cost) {
    ASSERT_FALSE(queue.Push(now_, Item(collection, collection), &evicted_));
    queue.BeginTurn();
    std::vector<FairItem> left;
    while (const auto popped = queue.Pop(now_)) left.push_back(popped->item);
    for (const FairItem& item : left) queue.Done(item, cost);
  };
  FairItem stays = Item(1, 1);
  ASSERT_FALSE(queue.Push(now_, stays, &evicted_));
  queue.BeginTurn();
  ASSERT_TRUE(queue.Pop(now_).has_value());
  for (uint64_t collection = 2; collection < 10'000; ++collection) {
    once(collection, 100);
    once(2'000'000, 1);
    ASSERT_LE(queue.collections(), 200u);
  }
  EXPECT_GT(queue.collections(), 1u) << "nobody owes anything: the test tests nothing";
  queue.Done(stays, 1);
  EXPECT_FALSE(queue.Pop(now_).has_value());
  EXPECT_EQ(queue.collections(), 0u) << "nothing is held";
}

TEST_F(FairQueueTest, BoundsNameWhoseTheyAre) {
  options_.range_requests_max = 10;
  options_.range_bytes_max = 10000;
  options_.collection_requests_max = 15;
  options_.collection_bytes_max = 12000;
  options_.node_requests_max = 20;
  options_.node_bytes_max = 20000;
  struct Case {
    const char* name;
    std::vector<std::pair<uint64_t, uint64_t>> fill;  // Collection and range, in turn.
    int count;
    uint64_t bytes;
    FairLimit limit;
    uint64_t value;
  };
  const std::vector<Case> cases = {
      {"a range by requests", {{1, 1}}, 10, 1, FairLimit::kRangeRequests, 10},
      {"a range by bytes", {{1, 1}}, 5, 2000, FairLimit::kRangeBytes, 10000},
      {"a collection by requests", {{1, 1}, {1, 2}}, 15, 1, FairLimit::kCollectionRequests, 15},
      {"a collection by bytes", {{1, 1}, {1, 2}}, 6, 2000, FairLimit::kCollectionBytes, 12000},
      {"a node by requests", {{1, 1}, {2, 2}, {3, 3}}, 20, 1, FairLimit::kNodeRequests, 20},
      {"a node by bytes", {{1, 1}, {2, 2}, {3, 3}}, 10, 2000, FairLimit::kNodeBytes, 20000},
  };
  for (const Case& one : cases) {
    FairQueue queue(options_);
    const auto next = [&](int i) {
      const auto& [collection, range] = one.fill[static_cast<size_t>(i) % one.fill.size()];
      FairItem item = Item(collection, range);
      item.bytes = one.bytes;
      return item;
    };
    for (int i = 0; i < one.count; ++i) {
      ASSERT_FALSE(queue.Push(now_, next(i), &evicted_)) << one.name << " " << i;
    }
    // Whoever comes now is refused, or somebody who holds more is in its stead.
    const auto refusal = queue.Push(now_, next(one.count), &evicted_);
    ASSERT_TRUE(refusal.has_value() || evicted_.size() == 1) << one.name;
    const FairRefusal said = refusal.has_value() ? *refusal : evicted_[0].refusal;
    EXPECT_EQ(said.limit, one.limit) << one.name;
    EXPECT_EQ(said.limit_value, one.value) << one.name;
    EXPECT_GE(said.retry_after, FairQueue::kAdviceMin) << one.name;
    EXPECT_LE(said.retry_after, FairQueue::kAdviceMax) << one.name;
    evicted_.clear();
  }
}

TEST_F(FairQueueTest, AFullNodeRefusesWhoHoldsTheMost) {
  options_.range_requests_max = options_.collection_requests_max = 1000;
  options_.node_requests_max = 100;
  FairQueue queue(options_);
  std::set<uint64_t> of_hot;
  for (int i = 0; i < 100; ++i) {
    const FairItem item = Item(1, 1);
    of_hot.insert(item.id);
    ASSERT_FALSE(queue.Push(now_, item, &evicted_));
  }
  for (int i = 0; i < 50; ++i) ASSERT_FALSE(queue.Push(now_, Item(2, 2), &evicted_)) << i;
  ASSERT_EQ(evicted_.size(), 50u);
  for (const auto& evicted : evicted_) {
    EXPECT_EQ(of_hot.erase(evicted.id), 1u);
    EXPECT_GT(evicted.id, 50u) << "the newest go";
  }
  EXPECT_TRUE(queue.Push(now_, Item(2, 2), &evicted_)) << "now both hold the same";
  EXPECT_EQ(queue.held_requests(), 100u);
  EXPECT_EQ(Drain(&queue).size(), 100u);
}

TEST_F(FairQueueTest, TheFirstRequestOfARangePassesHoweverLarge) {
  FairQueue queue(options_);
  FairItem item = Item(1, 1);
  item.bytes = options_.node_bytes_max * 2;
  EXPECT_FALSE(queue.Push(now_, item, &evicted_));
  EXPECT_EQ(queue.Push(now_, item, &evicted_)->limit, FairLimit::kRangeBytes);
}

TEST_F(FairQueueTest, ALaneThatDrainsTooSlowlyRefusesWithAdviceFromItsRate) {
  options_.turn_cost = 1;
  options_.wait_max = seconds(1);
  FairQueue queue(options_);
  const auto step = [&] {  // 100 a second.
    now_ += milliseconds(10);
    queue.BeginTurn();
    const auto popped = queue.Pop(now_);
    if (popped.has_value()) queue.Done(popped->item, 1);
  };
  for (int i = 0; i < 92; ++i) ASSERT_FALSE(queue.Push(now_, Item(1, 1), &evicted_));
  for (int i = 0; i < 12; ++i) step();  // Two measurements.
  std::optional<FairRefusal> refusal;
  int accepted = 0;
  while (!(refusal = queue.Push(now_, Item(1, 1), &evicted_)).has_value()) ++accepted;
  EXPECT_EQ(refusal->limit, FairLimit::kWait);
  EXPECT_EQ(refusal->limit_value, 1000u);
  EXPECT_NEAR(accepted, 21, 2) << "a second's worth waits";
  EXPECT_GT(refusal->retry_after, milliseconds(400));
  EXPECT_LT(refusal->retry_after, milliseconds(600));
  // A request with less time than that is refused even while others are accepted.
  for (int i = 0; i < 20; ++i) step();
  FairItem hurried = Item(1, 1);
  hurried.deadline = now_ + milliseconds(500);
  ASSERT_TRUE(queue.Push(now_, hurried, &evicted_).has_value());
  EXPECT_FALSE(queue.Push(now_, Item(1, 1), &evicted_).has_value());
  // Others are not concerned.
  hurried.range = 2;
  EXPECT_FALSE(queue.Push(now_, hurried, &evicted_).has_value());
}

// Writes at 20,000 a second, 256 of them under way; then a sync takes 300 ms, or all begins with
// one.
TEST_F(FairQueueTest, AStallSaysNothingOfWhatFollowsIt) {
  for (const bool flows_before : {true, false}) {
    options_.turn_cost = 1 << 20;
    FairQueue queue(options_);
    std::deque<FairItem> under_way;
    uint64_t refused = 0;
    const auto come = [&](int count) {
      for (int i = 0; i < count; ++i) {
        refused += queue.Push(now_, Item(1, 1, 2, true), &evicted_).has_value() ? 1 : 0;
      }
    };
    const auto give_out = [&] {
      queue.BeginTurn();
      while (const auto popped = queue.Pop(now_)) under_way.push_back(popped->item);
    };
    const auto sync = [&] {
      for (const FairItem& item : std::exchange(under_way, {})) queue.Done(item, 2);
    };
    const auto flow = [&](int rounds) {
      for (int i = 0; i < rounds; ++i) {
        now_ += milliseconds(10);
        come(200);
        sync();
        give_out();
      }
    };
    if (flows_before) flow(50);
    for (int i = 0; i < 30; ++i) {
      now_ += milliseconds(10);
      come(50);
      give_out();
    }
    sync();
    give_out();
    flow(50);
    EXPECT_EQ(refused, 0u) << flows_before;
  }
}

// Who is refused, of a thousand ranges that hold more or less, is always of those that hold the
// most.
TEST_F(FairQueueTest, AFullCollectionRefusesItsHeaviestRangeOfAnyNumber) {
  constexpr uint64_t kRanges = 1000;
  options_.collection_requests_max = 3000;
  FairQueue queue(options_);
  std::mt19937_64 random(1);
  std::map<uint64_t, uint64_t> held;
  std::map<uint64_t, uint64_t> range_of;
  uint64_t evictions = 0;
  for (int i = 0; i < 20'000; ++i) {
    const FairItem item = Item(1, 1 + random() % (random() % kRanges + 1));
    range_of[item.id] = item.range;
    evicted_.clear();
    const bool refused = queue.Push(now_, item, &evicted_).has_value();
    uint64_t most = 0;
    for (const auto& [range, count] : held) most = std::max(most, count);
    for (const FairQueue::Evicted& evicted : evicted_) {
      ++evictions;
      EXPECT_EQ(held[range_of.at(evicted.id)]--, most);
    }
    if (refused) {
      EXPECT_EQ(held[item.range], most);
    } else {
      ++held[item.range];
    }
  }
  EXPECT_GT(evictions, 1000u);
  EXPECT_EQ(queue.held_requests(), 3000u);
}

TEST_F(FairQueueTest, WhatHasExpiredComesOutUnexecutedAndCostsNothing) {
  options_.turn_cost = 5;
  FairQueue queue(options_);
  for (int i = 0; i < 100; ++i) {
    FairItem item = Item(1, 1);
    item.deadline = now_ + milliseconds(1);
    ASSERT_FALSE(queue.Push(now_, item, &evicted_));
  }
  ASSERT_FALSE(queue.Push(now_, Item(1, 1), &evicted_));
  now_ += milliseconds(2);
  queue.BeginTurn();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(queue.Pop(now_)->expired);
  EXPECT_FALSE(queue.Pop(now_)->expired);
  EXPECT_EQ(queue.held_requests(), 1u);
}

// Whatever comes and ends in whatever order: everything leaves once, or is refused; bounds hold;
// nothing is left over; and nobody who waits is passed over for ever.
TEST_F(FairQueueTest, NothingIsLostStarvedOrBeyondItsBoundUnderAnyTraffic) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    const auto below = [&random](uint64_t n) { return random() % n; };
    FairOptions options;
    options.turn_cost = 1 + static_cast<int64_t>(below(40));
    options.lane_cost_max = 1 + static_cast<int64_t>(below(60));
    options.quantum = 1 + static_cast<int64_t>(below(20));
    options.range_requests_max = 1 + below(30);
    options.collection_requests_max = 1 + below(50);
    options.node_requests_max = 1 + below(80);
    FairQueue queue(options);
    std::map<uint64_t, FairItem> waiting;
    std::map<uint64_t, FairItem> under_way;
    std::map<uint64_t, int> waited_turns;
    uint64_t left = 0, refused = 0, pushed = 0;
    for (int turn = 0; turn < 400; ++turn) {
      const bool drain = turn >= 200;
      now_ += milliseconds(1 + below(5));
      for (uint64_t n = drain ? 0 : below(20); n > 0; --n) {
        FairItem item = Item(1 + below(3), 0, 1 + static_cast<int64_t>(below(30)), below(2) == 0);
        item.range = item.collection * 10 + below(3);
        item.bytes = below(1000);
        if (below(10) == 0) item.deadline = now_ + milliseconds(below(20));
        ++pushed;
        std::vector<FairQueue::Evicted> evicted;
        if (queue.Push(now_, item, &evicted).has_value()) {
          ++refused;
        } else {
          waiting[item.id] = item;
        }
        for (const auto& one : evicted) {
          ASSERT_EQ(waiting.erase(one.id), 1u);
          ++refused;
        }
        ASSERT_LE(queue.held_requests(), options.node_requests_max);
      }
      queue.BeginTurn();
      while (const auto popped = queue.Pop(now_)) {
        ASSERT_EQ(waiting.erase(popped->item.id), 1u);
        ++left;
        if (!popped->expired) under_way[popped->item.id] = popped->item;
      }
      ASSERT_FALSE(queue.Ready());
      for (auto it = under_way.begin(); it != under_way.end();) {
        if (!drain && below(3) == 0) {
          ++it;
          continue;
        }
        queue.Done(it->second, 1 + static_cast<int64_t>(below(40)));
        it = under_way.erase(it);
      }
      for (const auto& [id, item] : waiting) ASSERT_LE(++waited_turns[id], 250) << "seed " << seed;
      ASSERT_EQ(queue.held_requests(), waiting.size() + under_way.size());
      ASSERT_EQ(queue.waiting(), waiting.size());
    }
    EXPECT_EQ(left + refused, pushed) << "seed " << seed;
    EXPECT_EQ(queue.held_bytes(), 0u);
    EXPECT_EQ(queue.lanes(), 0u) << "seed " << seed;
    EXPECT_EQ(queue.collections(), 0u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rasputin::server
