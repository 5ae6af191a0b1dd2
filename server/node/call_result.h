// Answers of the calls that a node carries out by itself, in gRPC's terms. Pure functions.
//
// UNAVAILABLE has the reason "store unreachable", INVALID_ARGUMENT its own, any other that of a
// failed precondition.

#ifndef RASPUTIN_SERVER_NODE_CALL_RESULT_H_
#define RASPUTIN_SERVER_NODE_CALL_RESULT_H_

#include "absl/status/status.h"
#include "google/protobuf/message_lite.h"
#include "server/front/ports.h"

namespace rasputin::server {

CallResult ToResult(const absl::Status& status);
CallResult ToResult(const google::protobuf::MessageLite& message);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_CALL_RESULT_H_
