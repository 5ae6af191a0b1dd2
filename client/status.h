// What a failed call means: from gRPC's status and our ErrorDetail to a decision and a sentence.
//
// Pure. An error without an ErrorDetail was raised by gRPC or the network: a mutation's outcome is
// then unknown (api/README.md).

#ifndef RASPUTIN_CLIENT_STATUS_H_
#define RASPUTIN_CLIENT_STATUS_H_

#include <grpcpp/support/status.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/route/retry_policy.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::client {

// The detail of an error, if Rasputin itself raised it.
std::optional<v1::ErrorDetail> DetailOf(const grpc::Status& status);

// How the retry policy sees it. Must not be OK (CHECK).
Failure FailureOf(const grpc::Status& status, const std::optional<v1::ErrorDetail>& detail);

// The same code and message; the reason is kept as a payload. An error whose outcome is unknown has
// the code UNKNOWN unless gRPC said DEADLINE_EXCEEDED or CANCELLED. A message that gRPC refused for
// its size has no detail and was not executed all the same: it gets the reason INVALID_ARGUMENT.
absl::Status ToAbslStatus(const grpc::Status& status, const std::optional<v1::ErrorDetail>& detail);

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
