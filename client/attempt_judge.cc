// See attempt_judge.h.

#include "client/attempt_judge.h"

#include <chrono>
#include <optional>

#include "absl/strings/str_cat.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::client {
namespace {

bool HasReason(const CallError& error, v1::ErrorReason reason) {
  return error.detail.has_value() && error.detail->reason() == reason;
}

Failure FailureOfAttempt(const CallError& error) {
  // The time of this attempt is over, not that of the call.
  if (error.code == absl::StatusCode::kDeadlineExceeded) {
    return error.detail.has_value() ? Failure::kNoRoute : Failure::kBroken;
  }
  return FailureOf(error);
}

}  // namespace

AttemptJudge::AttemptJudge(const JudgeOptions& options)
    : options_(options), backoff_(RetryOptions(), options.seed) {}

bool AttemptJudge::ExecutesNothing(const CallError& error) {
  if (!error.detail.has_value()) return error.code == absl::StatusCode::kUnimplemented;
  return HasReason(error, v1::ERROR_REASON_NOT_INITIALIZED);
}

AttemptJudge::Next AttemptJudge::OnNotReached(const std::string& message, bool better_route,
                                              RetryDuration time_left) {
  AttemptResult result;
  result.failure = Failure::kNotSent;
  result.repeatable = options_.repeatable;
  result.better_route = better_route;
  result.time_left = time_left;
  return {Decide(result), true, NotReachedError(message)};
}

AttemptJudge::Next AttemptJudge::OnError(const CallError& error, const std::string& address,
                                         bool better_route, RetryDuration time_left) {
  reached_ = true;
  if (ExecutesNothing(error)) return PassOver(error, address, time_left);
  AttemptResult result;
  result.failure = FailureOfAttempt(error);
  result.repeatable = options_.repeatable;
  result.better_route = better_route;
  result.time_left = time_left;
  if (error.detail.has_value()) {
    result.retry_after = std::chrono::seconds(error.detail->retry_after().seconds()) +
                         std::chrono::nanoseconds(error.detail->retry_after().nanos());
  }
  if (OutcomeIsUnknown(result.failure)) lost_ = true;
  if (error.detail.has_value() && SaysNoLeader(*error.detail)) {
    no_leader_ = NoLeaderError(*error.detail);
  } else if (result.failure == Failure::kFinal ||
             (error.detail.has_value() && result.failure != Failure::kNoRoute)) {
    no_leader_ = absl::OkStatus();
  }
  return {Decide(result), !error.detail.has_value(), ToAbslStatus(error)};
}

// Another node may execute it; if none does, each has been asked by the time that so many have said
// so, because nodes that are down are passed over.
AttemptJudge::Next AttemptJudge::PassOver(const CallError& error, const std::string& address,
                                          RetryDuration time_left) {
  AttemptResult result;
  result.failure = ++passed_over_ < options_.nodes ? Failure::kNoRoute : Failure::kFinal;
  result.repeatable = options_.repeatable;
  result.better_route = true;
  result.time_left = time_left;
  no_leader_ = absl::OkStatus();
  return {Decide(result), true,
          error.detail.has_value() ? ToAbslStatus(error) : NotAClientPortError(address)};
}

RetryDecision AttemptJudge::Decide(const AttemptResult& result) {
  RetryDecision decision = backoff_.Next(result);
  if (decision.wait + options_.time_min > result.time_left) decision.retry = false;
  return decision;
}

// What is known of the range says more than that the last attempt got no answer.
absl::Status AttemptJudge::Conclude(const absl::Status& last) const {
  const absl::Status& status = no_leader_.ok() ? last : no_leader_;
  if (!lost_ || !options_.mutation || OutcomeIsUnknown(status)) return status;
  // What breaks a rule breaks it in every attempt.
  if (ReasonOf(status) == v1::ERROR_REASON_INVALID_ARGUMENT) return status;
  return OutcomeUnknownError(absl::StrCat(
      "an attempt got no answer and may have been executed; the last one: ", status.message()));
}

}  // namespace rasputin::client
