// Blocking unary calls to another node's peer port, for the slow-work thread.
//
// Not for threads that serve. Thread-safe; each call has a connection and a queue of its own.

#ifndef RASPUTIN_SERVER_PEER_PEER_CLIENT_H_
#define RASPUTIN_SERVER_PEER_PEER_CLIENT_H_

#include <string>

#include "absl/status/statusor.h"
#include "consensus/core/types.h"
#include "google/protobuf/message_lite.h"

namespace rasputin::server {

// `path`: "/package.Service/Method". Status codes are gRPC's. Waits at most `timeout`.
absl::Status CallPeer(const std::string& address, const std::string& path,
                      const google::protobuf::MessageLite& request,
                      google::protobuf::MessageLite* response, consensus::Duration timeout);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_PEER_PEER_CLIENT_H_
