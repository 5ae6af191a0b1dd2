// The error of a gRPC call as status.h takes it.
//
// Pure; the one place where the two meet, so that what is decided from an error needs no gRPC.

#ifndef RASPUTIN_CLIENT_GRPC_ERROR_H_
#define RASPUTIN_CLIENT_GRPC_ERROR_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "client/status.h"

namespace rasputin::client {

// Must not be OK.
inline CallError ErrorOf(const grpc::Status& status) {
  return MakeCallError(static_cast<absl::StatusCode>(status.error_code()), status.error_message(),
                       status.error_details());
}

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_GRPC_ERROR_H_
