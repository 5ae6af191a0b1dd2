// Request ids: unique, and acknowledged only when the results are there.

#include "client/session.h"

#include <gtest/gtest.h>

namespace rasputin::client {
namespace {

TEST(Session, NumbersAreNeverUsedTwiceAndABatchTakesOneForEachOperation) {
  Session session(7);
  const auto a = session.Begin(1, 100);
  const auto b = session.Begin(5, 100);
  const auto c = session.Begin(1, 100);
  EXPECT_EQ(a.sequence(), 1u);
  EXPECT_EQ(b.sequence(), 2u);
  EXPECT_EQ(c.sequence(), 7u);
  EXPECT_EQ(c.client_id(), 7u);
  EXPECT_EQ(c.issued_at_ms(), 100u);
}

TEST(Session, AcknowledgesOnlyBelowTheOldestRequestStillOpen) {
  Session session(7);
  const auto a = session.Begin(1, 1);
  const auto b = session.Begin(1, 1);
  session.Done(b);
  EXPECT_EQ(session.Begin(1, 1).acked_below(), a.sequence());
  session.Done(a);
  EXPECT_EQ(session.Begin(1, 1).acked_below(), 3u);
}

}  // namespace
}  // namespace rasputin::client
