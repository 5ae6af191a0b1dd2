// Translation of outcomes; see call_status.h. No state.
//
// A mutation that may have been executed is never given a code that says otherwise: the dispatcher
// has made it kOutcomeUnknown before it comes here.

#include "server/front/call_status.h"

#include <glog/logging.h>

namespace rasputin::server {

using range::Outcome;
using rasputin::v1::ErrorDetail;
using rasputin::v1::ErrorReason;

namespace {

// Both bounds of a range together, beyond which it is left out of a detail. Clients refuse trailers
// over 8 KiB (gRPC's default), and with them the error itself; base64 makes of this 2.7 KiB.
constexpr size_t kDetailKeyBytesMax = 2 << 10;
constexpr int64_t kNanosPerSecond = 1'000'000'000;

const char* DefaultMessage(ErrorReason reason) {
  switch (reason) {
    case rasputin::v1::ERROR_REASON_NOT_LEADER:
      return "no leader of the range answered in time; not executed, try again";
    case rasputin::v1::ERROR_REASON_RANGE_MISMATCH:
      return "the range has changed; not executed, try again";
    case rasputin::v1::ERROR_REASON_OVERLOADED:
      return "the store is overloaded; not executed, try again later";
    case rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN:
      return "the request may or may not have been executed";
    case rasputin::v1::ERROR_REASON_SESSION_EXPIRED:
      return "the request id is older than what is remembered; the outcome is unknown";
    case rasputin::v1::ERROR_REASON_DEADLINE_EXCEEDED:
      return "the deadline passed before the request was executed";
    case rasputin::v1::ERROR_REASON_DATA_LOSS:
      return "the replica is damaged and has stopped";
    default:
      return "the request was refused";
  }
}

ErrorDetail DetailOf(const RangeAnswer& answer, ErrorReason reason, const client::Router& router) {
  ErrorDetail detail;
  detail.set_reason(reason);
  if (answer.range.IsSet()) {
    // All or nothing: without its keys the range would be taken for the whole key space.
    const auto* range = router.Find(answer.range.value());
    if (range != nullptr &&
        range->start_key().size() + range->end_key().size() <= kDetailKeyBytesMax) {
      *detail.mutable_range() = *range;
    }
    const uint64_t leader = answer.response.leader_store.IsSet()
                                ? answer.response.leader_store.value()
                                : router.Leader(answer.range.value());
    if (const auto* store = router.FindStore(leader); store != nullptr) {
      *detail.mutable_hint() = *store;
    } else if (leader != 0) {
      detail.mutable_hint()->set_store_id(leader);
    }
  }
  const int64_t after = answer.response.retry_after.count();
  if (after > 0) {
    detail.mutable_retry_after()->set_seconds(after / kNanosPerSecond);
    detail.mutable_retry_after()->set_nanos(static_cast<int32_t>(after % kNanosPerSecond));
  }
  return detail;
}

google::rpc::Status MakeStatus(absl::StatusCode code, const ErrorDetail& detail,
                               const std::string& message) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(code));
  status.set_message(message.empty() ? DefaultMessage(detail.reason()) : message);
  status.add_details()->PackFrom(detail);
  return status;
}

CallResult FromStatus(const google::rpc::Status& status) {
  CallResult result;
  result.code = static_cast<absl::StatusCode>(status.code());
  result.message = status.message();
  result.details = status.SerializeAsString();
  return result;
}

}  // namespace

CodeAndReason ClassifyOutcome(Outcome outcome, bool unreachable) {
  switch (outcome) {
    case Outcome::kOk:
      return {absl::StatusCode::kOk, rasputin::v1::ERROR_REASON_UNSPECIFIED};
    case Outcome::kNotLeader:
      return {absl::StatusCode::kUnavailable, unreachable
                                                  ? rasputin::v1::ERROR_REASON_STORE_UNREACHABLE
                                                  : rasputin::v1::ERROR_REASON_NOT_LEADER};
    case Outcome::kRangeMismatch:
      return {absl::StatusCode::kUnavailable, rasputin::v1::ERROR_REASON_RANGE_MISMATCH};
    case Outcome::kOverloaded:
      return {absl::StatusCode::kResourceExhausted, rasputin::v1::ERROR_REASON_OVERLOADED};
    case Outcome::kOutcomeUnknown:
      return {absl::StatusCode::kUnknown, rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN};
    case Outcome::kInvalidArgument:
      return {absl::StatusCode::kInvalidArgument, rasputin::v1::ERROR_REASON_INVALID_ARGUMENT};
    case Outcome::kNotFound:
      return {absl::StatusCode::kNotFound, rasputin::v1::ERROR_REASON_NOT_FOUND};
    case Outcome::kAlreadyExists:
      return {absl::StatusCode::kAlreadyExists, rasputin::v1::ERROR_REASON_ALREADY_EXISTS};
    case Outcome::kFailedPrecondition:
      return {absl::StatusCode::kFailedPrecondition,
              rasputin::v1::ERROR_REASON_FAILED_PRECONDITION};
    case Outcome::kSessionExpired:
      return {absl::StatusCode::kUnknown, rasputin::v1::ERROR_REASON_SESSION_EXPIRED};
    case Outcome::kDeadlineExceeded:
      return {absl::StatusCode::kDeadlineExceeded, rasputin::v1::ERROR_REASON_DEADLINE_EXCEEDED};
    case Outcome::kDataLoss:
      return {absl::StatusCode::kDataLoss, rasputin::v1::ERROR_REASON_DATA_LOSS};
  }
  LOG(FATAL) << "an outcome without a code: " << static_cast<int>(outcome);
}

google::rpc::Status ToRpcStatus(const RangeAnswer& answer, const client::Router& router) {
  CHECK(answer.response.outcome != Outcome::kOk);
  const CodeAndReason as = ClassifyOutcome(answer.response.outcome, answer.unreachable);
  return MakeStatus(as.code, DetailOf(answer, as.reason, router), answer.response.message);
}

CallResult ToCallResult(const RangeAnswer& answer, const client::Router& router) {
  if (answer.response.outcome != Outcome::kOk) return FromStatus(ToRpcStatus(answer, router));
  CallResult result;
  result.body = answer.response.body;
  return result;
}

CallResult RefuseCall(absl::StatusCode code, ErrorReason reason, std::string message) {
  ErrorDetail detail;
  detail.set_reason(reason);
  return FromStatus(MakeStatus(code, detail, message));
}

CallResult RefuseInvalid(const absl::Status& status) {
  return RefuseCall(absl::StatusCode::kInvalidArgument, rasputin::v1::ERROR_REASON_INVALID_ARGUMENT,
                    std::string(status.message()));
}

}  // namespace rasputin::server
