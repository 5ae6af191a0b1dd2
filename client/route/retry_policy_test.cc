// Tables of what may be tried again and of the waits between attempts. Not responsible for routes.

#include "client/route/retry_policy.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "gtest/gtest.h"

namespace rasputin::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

AttemptResult Failed(Failure failure) {
  AttemptResult result;
  result.failure = failure;
  result.time_left = seconds(10);
  return result;
}

TEST(SafeToRetry, IsAllowedForWhatWasNotExecutedAndOtherwiseOnlyForWhatIsRepeatable) {
  const struct {
    Failure failure;
    bool plain, repeatable;
  } kCases[] = {
      {Failure::kNotLeader, true, true},  {Failure::kRangeMismatch, true, true},
      {Failure::kOverloaded, true, true}, {Failure::kNotSent, true, true},
      {Failure::kNoRoute, true, true},    {Failure::kOutcomeUnknown, false, true},
      {Failure::kBroken, false, true},    {Failure::kFinal, false, false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(SafeToRetry(c.failure, false), c.plain) << static_cast<int>(c.failure);
    EXPECT_EQ(SafeToRetry(c.failure, true), c.repeatable) << static_cast<int>(c.failure);
  }
}

TEST(Backoff, WaitsGrowToTheMaximumAndKeepAtLeastHalfOfTheirNominalLength) {
  Backoff backoff({}, 7);
  RetryDuration nominal = milliseconds(4);
  for (int i = 0; i < 20; ++i) {
    const RetryDecision decision = backoff.Next(Failed(Failure::kNotLeader));
    ASSERT_TRUE(decision.retry);
    EXPECT_LE(decision.wait, nominal);
    EXPECT_GE(decision.wait, nominal / 2);
    nominal = std::min<RetryDuration>(nominal * 2, milliseconds(400));
  }
}

TEST(Backoff, TheSameSeedGivesTheSameWaitsAndAnotherSeedOthers) {
  Backoff a({}, 1), b({}, 1), c({}, 2);
  bool differs = false;
  for (int i = 0; i < 8; ++i) {
    const auto wait = a.Next(Failed(Failure::kNotLeader)).wait;
    EXPECT_EQ(wait, b.Next(Failed(Failure::kNotLeader)).wait);
    differs |= wait != c.Next(Failed(Failure::kNotLeader)).wait;
  }
  EXPECT_TRUE(differs);
}

TEST(Backoff, ABetterRouteIsTriedAtOnceButNotForever) {
  Backoff backoff({}, 1);
  AttemptResult result = Failed(Failure::kRangeMismatch);
  result.better_route = true;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(backoff.Next(result).wait.count(), 0);
  EXPECT_GT(backoff.Next(result).wait.count(), 0);
}

TEST(Backoff, EndsWhenLessThanTheShortestWaitIsLeft) {
  Backoff backoff({}, 1);
  AttemptResult result = Failed(Failure::kNotLeader);
  result.time_left = milliseconds(3);
  EXPECT_FALSE(backoff.Next(result).retry);
  result.time_left = RetryDuration(-1);
  EXPECT_FALSE(backoff.Next(result).retry);
}

TEST(Backoff, NeverWaitsBeyondHalfOfTheTimeLeft) {
  Backoff backoff({}, 1);
  AttemptResult result = Failed(Failure::kNotLeader);
  result.time_left = milliseconds(6);
  for (int i = 0; i < 10; ++i) EXPECT_LE(backoff.Next(result).wait, milliseconds(3));
}

TEST(Backoff, FollowsAdviceAndEndsIfTheAdviceReachesPastTheDeadline) {
  Backoff backoff({}, 1);
  AttemptResult result = Failed(Failure::kOverloaded);
  result.retry_after = seconds(1);
  const RetryDuration wait = backoff.Next(result).wait;
  EXPECT_GE(wait, seconds(1));
  EXPECT_LE(wait, milliseconds(1500));
  result.retry_after = seconds(10);
  EXPECT_FALSE(backoff.Next(result).retry);
}

TEST(Backoff, ClientsWithTheSameAdviceDoNotReturnTogether) {
  AttemptResult result = Failed(Failure::kOverloaded);
  result.retry_after = milliseconds(100);
  std::set<RetryDuration> waits;
  for (uint64_t seed = 1; seed <= 20; ++seed) waits.insert(Backoff({}, seed).Next(result).wait);
  EXPECT_GT(waits.size(), 15u);
  EXPECT_GE(*waits.begin(), milliseconds(100)) << "never sooner than advised";
}

TEST(Backoff, OverloadIsReportedAfterAFewAttempts) {
  Backoff backoff({}, 1);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(backoff.Next(Failed(Failure::kOverloaded)).retry);
  EXPECT_FALSE(backoff.Next(Failed(Failure::kOverloaded)).retry);
}

TEST(Backoff, AMutationOfUnknownOutcomeEndsAtOnceWithoutRequestId) {
  Backoff backoff({}, 1);
  EXPECT_FALSE(backoff.Next(Failed(Failure::kBroken)).retry);
  AttemptResult result = Failed(Failure::kBroken);
  result.repeatable = true;
  EXPECT_TRUE(backoff.Next(result).retry);
}

}  // namespace
}  // namespace rasputin::client
