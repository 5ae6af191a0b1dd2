// Details of errors; see call_result.h.

#include "server/node/call_result.h"

#include "google/rpc/status.pb.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::server {
namespace {

rasputin::v1::ErrorReason ReasonFor(const absl::Status& status) {
  if (absl::IsUnavailable(status)) return rasputin::v1::ERROR_REASON_STORE_UNREACHABLE;
  if (absl::IsInvalidArgument(status)) return rasputin::v1::ERROR_REASON_INVALID_ARGUMENT;
  return rasputin::v1::ERROR_REASON_FAILED_PRECONDITION;
}

}  // namespace

CallResult ToResult(const absl::Status& status) {
  CallResult result;
  if (status.ok()) return result;
  result.code = status.code();
  result.message = std::string(status.message());
  rasputin::v1::ErrorDetail detail;
  detail.set_reason(ReasonFor(status));
  google::rpc::Status rpc;
  rpc.set_code(static_cast<int>(status.code()));
  rpc.set_message(result.message);
  rpc.add_details()->PackFrom(detail);
  result.details = rpc.SerializeAsString();
  return result;
}

CallResult ToResult(const google::protobuf::MessageLite& message) {
  CallResult result;
  result.body = absl::Cord(message.SerializeAsString());
  return result;
}

}  // namespace rasputin::server
