// How outcomes look to clients: gRPC code, ErrorDetail, sentence. The table of api/README.md.
//
// Pure functions; thread-safe. Not responsible for deciding outcomes.

#ifndef RASPUTIN_SERVER_FRONT_CALL_STATUS_H_
#define RASPUTIN_SERVER_FRONT_CALL_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "client/route/router.h"
#include "google/rpc/status.pb.h"
#include "rasputin/v1/error.pb.h"
#include "server/front/dispatcher.h"
#include "server/front/ports.h"

namespace rasputin::server {

struct CodeAndReason {
  absl::StatusCode code;
  rasputin::v1::ErrorReason reason;
};

// kOk gives kOk and ERROR_REASON_UNSPECIFIED.
CodeAndReason ClassifyOutcome(range::Outcome outcome, bool unreachable);

// The answer of a call that a range's answer ended: the body as it is, or the error with the range
// and the hint as far as `router` knows them.
CallResult ToCallResult(const RangeAnswer& answer, const client::Router& router);
// The same as a status message with its detail, for one operation of a batch. Not for kOk.
google::rpc::Status ToRpcStatus(const RangeAnswer& answer, const client::Router& router);

// An error that the front end finds by itself.
CallResult RefuseCall(absl::StatusCode code, rasputin::v1::ErrorReason reason, std::string message);
// INVALID_ARGUMENT with the status's message.
CallResult RefuseInvalid(const absl::Status& status);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_CALL_STATUS_H_
