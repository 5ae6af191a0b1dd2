// What is told of a shard that hangs, and when.

#include "server/shard/turn_watch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "server/shard/log_lines.h"

namespace rasputin::server {
namespace {

using std::chrono::milliseconds;

consensus::Instant At(int64_t ms) { return consensus::Instant(milliseconds(ms)); }

class TurnWatchTest : public ::testing::Test {
 protected:
  // Looks every 20 ms, as the lease thread does.
  void LookUntil(int64_t end_ms, std::optional<consensus::Instant> busy_since) {
    for (; now_ms_ <= end_ms; now_ms_ += 20) watch_.Look(At(now_ms_), busy_since);
  }

  LogLines log_;
  TurnWatch watch_{"/data", milliseconds(1000)};
  int64_t now_ms_ = 5000;
};

TEST_F(TurnWatchTest, TurnsWithinTheLimitAreNotToldOf) {
  LookUntil(5100, std::nullopt);
  LookUntil(6100, At(5100));
  LookUntil(7000, At(6100));
  EXPECT_EQ(watch_.Trouble(At(7000)), "");
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(TurnWatchTest, ATurnThatHangsIsToldOfOnceAndOnceMoreWhenItEnds) {
  LookUntil(5100, std::nullopt);
  LookUntil(9000, At(5100));
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("/data has not ended a turn of its shard for 1020 ms"),
            std::string::npos)
      << log_.lines[0];
  EXPECT_NE(watch_.Trouble(At(9100)).find("for 4000 ms"), std::string::npos);
  LookUntil(9500, At(9010));
  EXPECT_EQ(log_.lines.size(), 2u);
  EXPECT_EQ(watch_.Trouble(At(9500)), "");
}

TEST_F(TurnWatchTest, APauseOfTheProcessIsNotToldOf) {
  LookUntil(5100, At(5050));
  now_ms_ = 60000;
  LookUntil(60900, At(5050));
  EXPECT_TRUE(log_.lines.empty());
  LookUntil(61100, At(5050));
  EXPECT_EQ(log_.lines.size(), 1u);
}

}  // namespace
}  // namespace rasputin::server
