// What links do to messages.

#include "tests/sim/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace rasputin::sim {
namespace {

std::vector<int> Deliver(const LinkBehaviour& behaviour, int count) {
  Scheduler scheduler;
  Network network(&scheduler, Random(3), 2);
  network.SetBehaviour(behaviour);
  std::vector<int> arrived;
  for (int i = 0; i < count; ++i) {
    network.Send(0, 1, "message", true, [&arrived, i] { arrived.push_back(i); });
  }
  scheduler.RunUntil(kSecond);
  return arrived;
}

TEST(Network, DeliversInOrderWhenAsked) {
  LinkBehaviour behaviour;
  behaviour.tail_chance = 0.2;
  const std::vector<int> arrived = Deliver(behaviour, 100);
  EXPECT_EQ(arrived.size(), 100u);
  EXPECT_TRUE(std::is_sorted(arrived.begin(), arrived.end()));
}

TEST(Network, ReordersLosesAndRepeats) {
  LinkBehaviour behaviour;
  behaviour.in_order = false;
  const std::vector<int> reordered = Deliver(behaviour, 100);
  EXPECT_FALSE(std::is_sorted(reordered.begin(), reordered.end()));
  behaviour.loss = 0.5;
  EXPECT_LT(Deliver(behaviour, 100).size(), 80u);
  behaviour.loss = 0;
  behaviour.duplicate = 0.5;
  EXPECT_GT(Deliver(behaviour, 100).size(), 120u);
}

TEST(Network, ACutIsOneWayAndSparesWhatIsUnderWay) {
  Scheduler scheduler;
  Network network(&scheduler, Random(3), 2);
  int there = 0;
  int back = 0;
  network.Send(0, 1, "message", false, [&] { ++there; });
  network.Cut(0, 1);
  network.Send(0, 1, "message", false, [&] { ++there; });
  network.Send(1, 0, "message", false, [&] { ++back; });
  scheduler.RunUntil(kSecond);
  EXPECT_EQ(there, 1);
  EXPECT_EQ(back, 1);
}

TEST(Network, WhatIsSentOnHealedLinksWaitsForNothing) {
  Scheduler scheduler;
  Network network(&scheduler, Random(3), 2);
  LinkBehaviour late;
  late.delay_min = 10 * kSecond;
  network.SetBehaviour(late);
  std::vector<int> arrived;
  network.Send(0, 1, "message", false, [&] { arrived.push_back(1); });
  network.SetBehaviour(LinkBehaviour());
  network.HealAll();
  network.Send(0, 1, "message", false, [&] { arrived.push_back(2); });
  scheduler.RunUntil(kSecond);
  EXPECT_EQ(arrived, std::vector<int>({2}));
  scheduler.RunUntil(20 * kSecond);
  EXPECT_EQ(arrived, std::vector<int>({2, 1}));
}

}  // namespace
}  // namespace rasputin::sim
