// Channels to other nodes' peer ports: each with a connection of its own, quick to reconnect.
//
// Include only where gRPC is included. Thread-safe.

#ifndef RASPUTIN_SERVER_PEER_PEER_CHANNEL_H_
#define RASPUTIN_SERVER_PEER_PEER_CHANNEL_H_

#include <memory>
#include <string>

#include "grpcpp/channel.h"

namespace rasputin::server {

// A channel that shares its connection with no other, so that bulk data cannot delay leases.
// `connect_ms`: what its first attempt to connect may take before another one is made.
std::shared_ptr<grpc::Channel> MakePeerChannel(const std::string& address, int connect_ms);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_PEER_PEER_CHANNEL_H_
