// What is kept of decisions, and what is told again.

#include "server/front/decision_log.h"

#include <gtest/gtest.h>

#include <string>

namespace rasputin::server {
namespace {

using type::v1::Decision;

Decision Of(uint64_t range, type::v1::DecisionKind kind, type::v1::DecisionOutcome outcome,
            const std::string& reason, uint64_t at_ms) {
  Decision decision;
  decision.set_range_id(range);
  decision.set_kind(kind);
  decision.set_outcome(outcome);
  decision.set_reason(reason);
  decision.set_at_ms(at_ms);
  return decision;
}

Decision NotSplit(uint64_t range, const std::string& reason, uint64_t at_ms) {
  return Of(range, type::v1::DECISION_KIND_SPLIT, type::v1::DECISION_OUTCOME_NOT_TAKEN, reason,
            at_ms);
}

TEST(DecisionLog, TellsWhatIsNotDoneOnceAMinuteOrWhenTheReasonIsAnother) {
  DecisionLog log(3);
  EXPECT_TRUE(log.Add(NotSplit(7, "one key has 91% of 3,100 requests/s", 1000)));
  EXPECT_FALSE(log.Add(NotSplit(7, "one key has 94% of 2,900 requests/s", 2000)));
  EXPECT_TRUE(log.Add(NotSplit(8, "one key has 94% of 2,900 requests/s", 2000)));
  EXPECT_TRUE(log.Add(NotSplit(7, "no key divides the load", 3000)));
  EXPECT_TRUE(log.Add(NotSplit(7, "no key divides the load", 63'001)));
  EXPECT_EQ(log.Newest(100).size(), 4u);
  ASSERT_EQ(log.OfRange(7).size(), 1u);
  EXPECT_EQ(log.OfRange(7)[0].at_ms(), 63'001u);
  EXPECT_EQ(log.OfRange(7)[0].store_id(), 3u);
}

TEST(DecisionLog, KeepsTheLastFiguresThoughTheyAreNoNews) {
  DecisionLog log(3);
  log.Add(NotSplit(7, "one key has 91%", 1000));
  log.Add(NotSplit(7, "one key has 94%", 2000));
  EXPECT_EQ(log.OfRange(7)[0].reason(), "one key has 94%");
  EXPECT_EQ(log.Newest(1)[0].reason(), "one key has 91%");
}

TEST(DecisionLog, KeepsWhatWasDoneBesideWhatWasNot) {
  DecisionLog log(1);
  log.Add(Of(7, type::v1::DECISION_KIND_SPLIT, type::v1::DECISION_OUTCOME_BEGUN, "a", 1));
  log.Add(Of(7, type::v1::DECISION_KIND_SPLIT, type::v1::DECISION_OUTCOME_DONE, "a", 2));
  log.AddUsual(
      Of(7, type::v1::DECISION_KIND_MERGE, type::v1::DECISION_OUTCOME_NOT_TAKEN, "young", 3));
  log.AddUsual(
      Of(7, type::v1::DECISION_KIND_MERGE, type::v1::DECISION_OUTCOME_NOT_TAKEN, "young", 4));
  const auto decisions = log.OfRange(7);
  ASSERT_EQ(decisions.size(), 3u);
  EXPECT_EQ(decisions[0].at_ms(), 4u);
  EXPECT_EQ(decisions[1].at_ms(), 2u);
  EXPECT_EQ(decisions[2].at_ms(), 1u);
  EXPECT_EQ(log.Newest(100).size(), 2u);
  EXPECT_EQ(log.Newest(1)[0].at_ms(), 2u);
}

TEST(DecisionLog, WhatIsUsualDisplacesNothing) {
  DecisionLog log(1);
  log.Add(Of(1, type::v1::DECISION_KIND_SPLIT, type::v1::DECISION_OUTCOME_DONE, "a", 1));
  log.AddQuietly(Of(2, type::v1::DECISION_KIND_SPLIT, type::v1::DECISION_OUTCOME_DONE, "a", 1));
  for (uint64_t range = 1; range <= 3 * DecisionLog::kRangesMax; ++range) {
    log.AddUsual(
        Of(range, type::v1::DECISION_KIND_MERGE, type::v1::DECISION_OUTCOME_NOT_TAKEN, "young", 2));
  }
  EXPECT_EQ(log.OfRange(1).size(), 1u);
  EXPECT_EQ(log.OfRange(2).size(), 1u);
  EXPECT_EQ(log.OfRange(3 * DecisionLog::kRangesMax).size(), 1u);
  EXPECT_EQ(log.Newest(10).size(), 1u);
}

TEST(DecisionLog, ForgetsTheOldestDecisionsAndTheRangesLeastRecentlyDecidedAbout) {
  DecisionLog log(1);
  const size_t ranges = DecisionLog::kRangesMax + 1;
  for (uint64_t range = 1; range <= ranges; ++range) {
    log.Add(NotSplit(range, "r", range));
    if (range == ranges - 1) log.Add(NotSplit(1, "again", range));
  }
  EXPECT_EQ(log.Newest(100'000).size(), DecisionLog::kNewestMax);
  EXPECT_EQ(log.OfRange(1).size(), 1u);
  EXPECT_TRUE(log.OfRange(2).empty());
  EXPECT_EQ(log.OfRange(3).size(), 1u);
  for (uint64_t i = 0; i < 100; ++i) {
    log.Add(Of(3, type::v1::DECISION_KIND_SPLIT, type::v1::DECISION_OUTCOME_FAILED, "f", i));
  }
  EXPECT_EQ(log.OfRange(3).size(), DecisionLog::kOfRangeMax);
}

}  // namespace
}  // namespace rasputin::server
