// Request ids: unique, and acknowledged only when the results are there.

#include "client/session.h"

#include <gtest/gtest.h>

namespace rasputin::client {
namespace {

TEST(Session, NumbersAreNeverUsedTwiceAndABatchTakesOneForEachOperation) {
  Session session([] { return uint64_t{7}; });
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
  Session session([] { return uint64_t{7}; });
  const auto a = session.Begin(1, 1);
  const auto b = session.Begin(1, 1);
  session.Done(b);
  EXPECT_EQ(session.Begin(1, 1).acked_below(), a.sequence());
  session.Done(a);
  EXPECT_EQ(session.Begin(1, 1).acked_below(), 3u);
}

// A server keeps 1,024 outcomes of a client by sequence mod 1,024; beyond that the request that is
// still open would be answered as expired, though it was never executed.
TEST(Session, TakesANewIdRatherThanSpanMoreThanServersRemember) {
  uint64_t last_id = 0;
  Session session([&] { return ++last_id; });
  const auto oldest = session.Begin(1, 1);
  for (int i = 0; i < 1023; ++i) {
    const auto id = session.Begin(1, 1);
    EXPECT_EQ(id.client_id(), 1u);
    EXPECT_LT(id.sequence() - oldest.sequence(), 1024u);
    session.Done(id);
  }
  const auto other = session.Begin(1, 1);
  EXPECT_EQ(other.client_id(), 2u);
  EXPECT_EQ(other.sequence(), 1u);
  session.Done(oldest);
  EXPECT_EQ(session.Begin(1, 1).acked_below(), other.sequence()) << "of another id";
}

TEST(Session, ABatchThatWouldSpanTooMuchTakesANewId) {
  uint64_t last_id = 0;
  Session session([&] { return ++last_id; });
  EXPECT_EQ(session.Begin(1000, 1).client_id(), 1u);
  EXPECT_EQ(session.Begin(24, 1).client_id(), 1u);
  EXPECT_EQ(session.Begin(1, 1).client_id(), 2u);
  EXPECT_EQ(session.Begin(1024, 1).client_id(), 3u);
}

TEST(Session, KeepsItsIdWhileResultsArrive) {
  Session session([] { return uint64_t{7}; });
  for (uint64_t i = 1; i <= 5000; ++i) {
    const auto id = session.Begin(1, 1);
    EXPECT_EQ(id.sequence(), i);
    session.Done(id);
  }
}

}  // namespace
}  // namespace rasputin::client
