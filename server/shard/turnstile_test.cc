// Claims: one inside at a time, and no mark is lost.

#include "server/shard/turnstile.h"

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

TEST(Turnstile, LeaveIsRefusedOnceAfterAMark) {
  Turnstile turnstile;
  turnstile.Enter();
  EXPECT_FALSE(turnstile.TryEnterOrMark());
  EXPECT_FALSE(turnstile.TryEnterOrMark());
  EXPECT_FALSE(turnstile.Leave());
  EXPECT_TRUE(turnstile.Leave());
  EXPECT_TRUE(turnstile.TryEnterOrMark());
  EXPECT_TRUE(turnstile.Leave());
}

TEST(Turnstile, ABoundedWaitEndsWhileSomebodyIsInsideAndLeavesNoTrace) {
  Turnstile turnstile;
  turnstile.Enter();
  EXPECT_FALSE(turnstile.EnterWithin(std::chrono::milliseconds(1)));
  EXPECT_TRUE(turnstile.Leave());
  EXPECT_TRUE(turnstile.EnterWithin(std::chrono::milliseconds(1)));
  EXPECT_FALSE(turnstile.TryEnterOrMark());
}

TEST(Turnstile, EveryItemOfAnInboxIsTakenWhateverTheInterleaving) {
  constexpr int kItems = 20000;
  Turnstile turnstile;
  std::atomic<int> inbox{0};
  int taken = 0;  // Guarded by the turnstile.
  auto drain = [&] {
    do {
      taken += inbox.exchange(0);
    } while (!turnstile.Leave());
  };
  std::thread poster([&] {
    for (int i = 0; i < kItems; ++i) {
      inbox.fetch_add(1);
      if (turnstile.TryEnterOrMark()) drain();
    }
  });
  for (int i = 0; i < kItems; ++i) {
    turnstile.Enter();
    drain();
  }
  poster.join();
  EXPECT_EQ(taken, kItems);
}

}  // namespace
}  // namespace rasputin::server
