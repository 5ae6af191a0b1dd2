// The port for clients: takes calls off gRPC as bytes and hands them to a sink.
//
// Frequent unary methods are registered raw (their request comes with the first event); everything
// else comes through the generic service. Only the completion-queue API: the port has no thread,
// the caller polls its queue. Events must be delivered, and calls answered, inside one shard.

#ifndef RASPUTIN_SERVER_RPC_CLIENT_PORT_H_
#define RASPUTIN_SERVER_RPC_CLIENT_PORT_H_

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/rpc/event_queue.h"
#include "server/rpc/server_call.h"

namespace rasputin::server {

class ClientPort {
 public:
  // Listens; calls wait until Serve. `frequent` are paths of unary methods; `others` all further
  // methods with their shape: what is in neither is answered UNIMPLEMENTED. The sink outlives it.
  static absl::StatusOr<std::unique_ptr<ClientPort>> Listen(
      const PortOptions& options, const std::vector<std::string>& frequent,
      std::map<std::string, CallShape> others, CallSink* sink);
  virtual ~ClientPort() = default;

  virtual EventQueue* queue() = 0;
  // Begins to take calls.
  virtual void Serve() = 0;
  // Stops listening; gRPC breaks calls off after `grace`. Does not block. The queue stays open and
  // must be polled until AwaitShutdown.
  virtual void BeginShutdown(consensus::Duration grace) = 0;
  // Waits at most `wait`. True: every call has ended.
  virtual bool AwaitShutdown(consensus::Duration wait) = 0;
  // Ends unary calls that have no answer yet as gRPC would, UNAVAILABLE without an ErrorDetail, and
  // all that come later; returns how many had none. Inside the shard.
  virtual size_t CutOff() = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RPC_CLIENT_PORT_H_
