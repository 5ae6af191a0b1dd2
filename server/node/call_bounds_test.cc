// Who is refused when there are too many calls.

#include "server/node/call_bounds.h"

#include <gtest/gtest.h>

namespace rasputin::server {
namespace {

using Breach = CallBounds::Breach;

TEST(CallBounds, RefuseCallsBeyondThem) {
  CallBounds bounds;
  bounds.Set(2, 100);
  EXPECT_EQ(bounds.BreachOf(false, 1000), std::nullopt) << "the first passes, however large";
  bounds.Enter(false, 60);
  EXPECT_EQ(bounds.BreachOf(false, 40), std::nullopt);
  EXPECT_EQ(bounds.BreachOf(false, 41), Breach::kBytes);
  bounds.Enter(false, 0);
  EXPECT_EQ(bounds.BreachOf(false, 0), Breach::kCalls);
  bounds.Leave(false, 60);
  EXPECT_EQ(bounds.BreachOf(false, 1000), std::nullopt);
  EXPECT_EQ(bounds.calls(), 1u);
}

TEST(CallBounds, FollowersLeaveHalfOfThemToOtherCalls) {
  CallBounds bounds;
  bounds.Set(8, 1 << 20);
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(bounds.BreachOf(true, 10), std::nullopt) << i;
    bounds.Enter(true, 10);
  }
  EXPECT_EQ(bounds.BreachOf(true, 10), Breach::kFollowers);
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(bounds.BreachOf(false, 10), std::nullopt) << i;
    bounds.Enter(false, 10);
  }
  EXPECT_EQ(bounds.BreachOf(false, 10), Breach::kCalls);
  bounds.Leave(true, 10);
  EXPECT_EQ(bounds.BreachOf(true, 10), std::nullopt);
}

}  // namespace
}  // namespace rasputin::server
