// Order of events and the running hash.

#include "tests/sim/scheduler.h"

#include <gtest/gtest.h>

#include <vector>

namespace rasputin::sim {
namespace {

TEST(Scheduler, RunsEventsInOrderOfTimeAndThenOfScheduling) {
  Scheduler scheduler;
  std::vector<int> order;
  scheduler.At(20, "b", 0, [&] { order.push_back(2); });
  scheduler.At(10, "a", 0, [&] {
    order.push_back(1);
    scheduler.After(10, "d", 0, [&] { order.push_back(4); });
  });
  scheduler.At(20, "c", 0, [&] { order.push_back(3); });
  scheduler.At(21, "never", 0, [&] { order.push_back(9); });
  scheduler.RunUntil(20);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(scheduler.now(), 20);
}

TEST(Scheduler, HashTellsRunsApartThatDifferInOneInstant) {
  const auto hash = [](RealTime when) {
    Scheduler scheduler;
    scheduler.At(when, "a", 0, [] {});
    scheduler.RunUntil(100);
    return scheduler.hash();
  };
  EXPECT_EQ(hash(10), hash(10));
  EXPECT_NE(hash(10), hash(11));
}

TEST(Scheduler, StopEndsTheRunAfterTheCurrentEvent) {
  Scheduler scheduler;
  bool ran = false;
  scheduler.At(1, "stop", 0, [&] { scheduler.Stop(); });
  scheduler.At(2, "later", 0, [&] { ran = true; });
  scheduler.RunUntil(10);
  EXPECT_FALSE(ran);
  EXPECT_EQ(scheduler.now(), 1);
}

// Asks for itself again after the delay, for ever.
Scheduler::Action Again(Scheduler* scheduler, RealTime delay) {
  return [=] { scheduler->After(delay, "again", 0, Again(scheduler, delay)); };
}

TEST(Scheduler, AnInstantThatNeverEndsIsLeftAtTheLimitAndALongRunIsNot) {
  Scheduler spinning;
  spinning.set_events_per_second_max(1000);
  spinning.At(10, "first", 0, Again(&spinning, 0));
  spinning.RunUntil(kSecond);
  EXPECT_TRUE(spinning.spins());
  EXPECT_EQ(spinning.now(), 10);
  EXPECT_EQ(spinning.events_run(), 1000u);
  spinning.RunUntil(3 * kSecond);
  EXPECT_EQ(spinning.events_run(), 1000u);

  Scheduler busy;
  busy.set_events_per_second_max(1000);
  busy.At(0, "first", 0, Again(&busy, kMillisecond));
  busy.RunUntil(3 * kSecond);
  EXPECT_FALSE(busy.spins());
  EXPECT_EQ(busy.now(), 3 * kSecond);
}

}  // namespace
}  // namespace rasputin::sim
