// See status.h.

#include "client/status.h"

#include <glog/logging.h>

#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"

namespace rasputin::client {
namespace {

constexpr char kReasonUrl[] = "rasputin.v1.ErrorReason";

absl::Status WithReason(absl::Status status, v1::ErrorReason reason) {
  status.SetPayload(kReasonUrl, absl::Cord(absl::StrCat(static_cast<int>(reason))));
  return status;
}

// gRPC's words for a message over the server's limit. Of the answer they would mean the opposite,
// but our channels take answers of any size (endpoints.cc).
constexpr char kTooLarge[] = "Received message larger than max";

bool RefusedForItsSize(const CallError& error) {
  return error.code == absl::StatusCode::kResourceExhausted &&
         absl::StartsWith(error.message, kTooLarge);
}

}  // namespace

CallError MakeCallError(absl::StatusCode code, const std::string& message,
                        const std::string& details) {
  CallError error{code, message, std::nullopt};
  google::rpc::Status rich;
  if (details.empty() || !rich.ParseFromString(details)) return error;
  for (const auto& any : rich.details()) {
    v1::ErrorDetail detail;
    if (!any.Is<v1::ErrorDetail>() || !any.UnpackTo(&detail)) continue;
    error.detail = std::move(detail);
    break;
  }
  return error;
}

Failure FailureOf(const CallError& error) {
  CHECK(error.code != absl::StatusCode::kOk);
  if (!error.detail.has_value()) {
    // Nobody here cancels: a call that is cancelled was cut off by a server that stops.
    const bool broken =
        error.code == absl::StatusCode::kUnavailable || error.code == absl::StatusCode::kCancelled;
    return broken ? Failure::kBroken : Failure::kFinal;
  }
  switch (error.detail->reason()) {
    case v1::ERROR_REASON_NOT_LEADER:
      return Failure::kNotLeader;
    case v1::ERROR_REASON_RANGE_MISMATCH:
      return Failure::kRangeMismatch;
    case v1::ERROR_REASON_OVERLOADED:
      return Failure::kOverloaded;
    case v1::ERROR_REASON_STORE_UNREACHABLE:
      return Failure::kNotSent;
    case v1::ERROR_REASON_OUTCOME_UNKNOWN:
      return Failure::kOutcomeUnknown;
    default:
      return Failure::kFinal;
  }
}

absl::Status ToAbslStatus(const CallError& error) {
  if (!error.detail.has_value() && RefusedForItsSize(error)) {
    return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                          "the request is larger than what the server takes: ", error.message)),
                      v1::ERROR_REASON_INVALID_ARGUMENT);
  }
  const bool broken = !error.detail.has_value() && error.code == absl::StatusCode::kUnavailable;
  absl::Status out(broken ? absl::StatusCode::kUnknown : error.code,
                   broken ? absl::StrCat("the connection broke: ", error.message) : error.message);
  return error.detail.has_value() ? WithReason(std::move(out), error.detail->reason()) : out;
}

bool SaysNoLeader(const v1::ErrorDetail& detail) {
  if (!detail.has_range()) return false;
  return detail.reason() == v1::ERROR_REASON_STORE_UNREACHABLE ||
         (detail.reason() == v1::ERROR_REASON_NOT_LEADER && !detail.has_hint());
}

absl::Status NoLeaderError(const v1::ErrorDetail& detail) {
  return WithReason(absl::UnavailableError(absl::StrCat("range ", detail.range().range_id(),
                                                        " has no leader: ", kNeedsMajority)),
                    v1::ERROR_REASON_NOT_LEADER);
}

absl::Status NotAClientPortError(const std::string& address) {
  return absl::UnimplementedError(
      absl::StrCat(address, " is not a client port of rasputind (default 8880)"));
}

absl::Status NotReachedError(const std::string& message) {
  return WithReason(absl::UnavailableError(message), v1::ERROR_REASON_STORE_UNREACHABLE);
}

absl::Status InvalidRequestError(const std::string& message) {
  return WithReason(absl::InvalidArgumentError(message), v1::ERROR_REASON_INVALID_ARGUMENT);
}

absl::Status OutcomeUnknownError(const std::string& message) {
  return WithReason(absl::UnknownError(message), v1::ERROR_REASON_OUTCOME_UNKNOWN);
}

v1::ErrorReason ReasonOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kReasonUrl);
  int reason = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &reason)) {
    return v1::ERROR_REASON_UNSPECIFIED;
  }
  return static_cast<v1::ErrorReason>(reason);
}

bool OutcomeIsUnknown(const absl::Status& status) {
  switch (ReasonOf(status)) {
    case v1::ERROR_REASON_OUTCOME_UNKNOWN:
    case v1::ERROR_REASON_SESSION_EXPIRED:
      return true;
    case v1::ERROR_REASON_UNSPECIFIED:
      return !status.ok() && !absl::IsUnimplemented(status);
    default:
      return false;
  }
}

}  // namespace rasputin::client
