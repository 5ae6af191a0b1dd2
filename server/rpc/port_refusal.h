// Why a port could not be listened on, in one sentence; gRPC does not tell.
//
// Asks the system once more with a plain socket, which is closed again. Thread-safe. Not
// responsible for listening: what has changed in between is not seen.

#ifndef RASPUTIN_SERVER_RPC_PORT_REFUSAL_H_
#define RASPUTIN_SERVER_RPC_PORT_REFUSAL_H_

#include <string>

#include "absl/status/status.h"

namespace rasputin::server {

// UNAVAILABLE; names the address, the cause and the flag to change: `port_flag` (such as
// "--cli-port") or --listen-host.
absl::Status CannotListen(const std::string& host, int port, const std::string& port_flag);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RPC_PORT_REFUSAL_H_
