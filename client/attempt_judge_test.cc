// What follows from attempts, and what a call is said to have come to.

#include "client/attempt_judge.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/status.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

CallError Refusal(v1::ErrorReason reason) {
  CallError error{absl::StatusCode::kUnavailable, "refused", v1::ErrorDetail()};
  error.detail->set_reason(reason);
  return error;
}

const CallError kTimedOut{absl::StatusCode::kDeadlineExceeded, "no answer", std::nullopt};
const CallError kBrokenOff{absl::StatusCode::kUnavailable, "reset", std::nullopt};

JudgeOptions Mutation() {
  JudgeOptions options;
  options.mutation = true;
  options.nodes = 3;
  options.seed = 7;
  return options;
}

TEST(AttemptJudge, AMutationOfWhichAnAttemptWasLostIsUnknownWhateverRefusesItLater) {
  for (const CallError& lost : {kTimedOut, kBrokenOff, Refusal(v1::ERROR_REASON_OUTCOME_UNKNOWN)}) {
    AttemptJudge judge(Mutation());
    EXPECT_TRUE(judge.OnError(lost, "a", false, seconds(1)).decision.retry) << lost.message;
    const auto last = judge.OnError(Refusal(v1::ERROR_REASON_OVERLOADED), "a", false, {});
    EXPECT_FALSE(last.decision.retry);
    EXPECT_TRUE(OutcomeIsUnknown(judge.Conclude(last.status))) << lost.message;
  }
}

TEST(AttemptJudge, RefusalsAndNodesOutOfReachLeaveNothingUnknown) {
  AttemptJudge judge(Mutation());
  EXPECT_TRUE(judge.OnNotReached("nobody", false, seconds(1)).decision.retry);
  EXPECT_FALSE(judge.reached());
  judge.OnError(Refusal(v1::ERROR_REASON_NOT_LEADER), "a", false, seconds(1));
  EXPECT_TRUE(judge.reached());
  judge.OnError(Refusal(v1::ERROR_REASON_RANGE_MISMATCH), "a", false, seconds(1));
  const auto last = judge.OnNotReached("nobody", false, {});
  EXPECT_FALSE(last.decision.retry);
  EXPECT_FALSE(OutcomeIsUnknown(judge.Conclude(last.status)));
}

TEST(AttemptJudge, AMutationWithoutRequestIdIsNotRepeatedOnceItMayHaveBeenExecuted) {
  JudgeOptions options = Mutation();
  options.repeatable = false;
  AttemptJudge judge(options);
  EXPECT_TRUE(
      judge.OnError(Refusal(v1::ERROR_REASON_NOT_LEADER), "a", false, seconds(1)).decision.retry);
  const auto last = judge.OnError(kBrokenOff, "a", false, seconds(1));
  EXPECT_FALSE(last.decision.retry);
  EXPECT_TRUE(OutcomeIsUnknown(judge.Conclude(last.status)));
}

TEST(AttemptJudge, AReadThatLostAnAttemptSaysWhatTheLastOneSaid) {
  AttemptJudge judge{JudgeOptions()};
  judge.OnError(kTimedOut, "a", false, seconds(1));
  const auto last = judge.OnError(Refusal(v1::ERROR_REASON_OVERLOADED), "a", false, {});
  EXPECT_EQ(ReasonOf(judge.Conclude(last.status)), v1::ERROR_REASON_OVERLOADED);
}

TEST(AttemptJudge, NoAttemptBeginsWithLessThanItsLeastTime) {
  JudgeOptions options = Mutation();
  options.time_min = milliseconds(500);
  AttemptJudge judge(options);
  const CallError refusal = Refusal(v1::ERROR_REASON_NOT_LEADER);
  EXPECT_TRUE(judge.OnError(refusal, "a", true, milliseconds(500)).decision.retry);
  EXPECT_FALSE(judge.OnError(refusal, "a", true, milliseconds(499)).decision.retry);
}

TEST(AttemptJudge, AsksEachNodeOnceWhetherItExecutesAnything) {
  AttemptJudge judge(Mutation());
  const CallError stranger{absl::StatusCode::kUnimplemented, "no such method", std::nullopt};
  for (const bool goes_on : {true, true, false}) {
    const auto next = judge.OnError(stranger, "a:1", false, seconds(1));
    EXPECT_EQ(next.decision.retry, goes_on);
    EXPECT_TRUE(next.elsewhere);
    EXPECT_NE(std::string(next.status.message()).find("a:1"), std::string::npos);
    EXPECT_FALSE(OutcomeIsUnknown(judge.Conclude(next.status)));
  }
}

}  // namespace
}  // namespace rasputin::client
