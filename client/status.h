// What a failed call means: from gRPC's code and our ErrorDetail to a decision and a sentence.
//
// Pure, and without gRPC, so that the simulator's callers judge by the same. An error without an
// ErrorDetail was raised by gRPC or the network: a mutation's outcome is then unknown
// (api/README.md).

#ifndef RASPUTIN_CLIENT_STATUS_H_
#define RASPUTIN_CLIENT_STATUS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/route/retry_policy.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::client {

// What a call that failed has brought. The numbers of gRPC's codes are those of absl::StatusCode by
// definition.
struct CallError {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  std::string message;
  std::optional<v1::ErrorDetail> detail;  // Set: Rasputin itself raised the error.
};
// `details`: what came in `grpc-status-details-bin`, an encoded google.rpc.Status; else no detail.
CallError MakeCallError(absl::StatusCode code, const std::string& message,
                        const std::string& details);

// How the retry policy sees it. Must not be OK (CHECK).
Failure FailureOf(const CallError& error);

// The same code and message; the reason is kept as a payload. An error whose outcome is unknown has
// the code UNKNOWN unless gRPC said DEADLINE_EXCEEDED or CANCELLED. A message that gRPC refused for
// its size has no detail and was not executed all the same: it gets the reason INVALID_ARGUMENT.
absl::Status ToAbslStatus(const CallError& error);

// Whether a store said that it knows no leader of a range, which it names.
bool SaysNoLeader(const v1::ErrorDetail& detail);
// Not executed, because the range in `detail` has no leader. Code UNAVAILABLE, reason NOT_LEADER;
// the sentence ends with kNeedsMajority.
absl::Status NoLeaderError(const v1::ErrorDetail& detail);
// Also of the front end's sentence about the directory (server/front).
inline constexpr char kNeedsMajority[] = "it needs a majority of its stores up and connected";

// The node has no such method: not executed. Code UNIMPLEMENTED without a reason.
absl::Status NotAClientPortError(const std::string& address);
// No node was asked: not executed. Code UNAVAILABLE, reason STORE_UNREACHABLE.
absl::Status NotReachedError(const std::string& message);
// Not sent, because it breaks a rule. Code and reason INVALID_ARGUMENT.
absl::Status InvalidRequestError(const std::string& message);
// Code UNKNOWN, reason OUTCOME_UNKNOWN.
absl::Status OutcomeUnknownError(const std::string& message);

// The reason kept by ToAbslStatus; UNSPECIFIED: none.
v1::ErrorReason ReasonOf(const absl::Status& status);
// Whether the mutation that failed like this may or may not have been executed. Of errors without a
// reason only UNIMPLEMENTED says that it was not.
bool OutcomeIsUnknown(const absl::Status& status);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_STATUS_H_
