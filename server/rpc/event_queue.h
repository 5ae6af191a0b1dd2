// A completion queue polled by exactly one thread, and the options of a port.
//
// Hides gRPC from the threads that poll. Poll is for one thread; Interrupt is for any.

#ifndef RASPUTIN_SERVER_RPC_EVENT_QUEUE_H_
#define RASPUTIN_SERVER_RPC_EVENT_QUEUE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "consensus/core/types.h"
#include "server/rpc/event.h"

namespace grpc {
class ServerBuilder;
class ServerCompletionQueue;
}  // namespace grpc

namespace rasputin::server {

// Of one listening port; see the flags of the same names.
struct PortOptions {
  std::string host;
  int port = 0;
  std::string port_flag;  // Where a user sets it.
  uint64_t message_bytes_max = 20 << 20;
  uint64_t memory_bytes = 1 << 30;
  uint64_t streams_max = 1024;
};

class EventQueue {
 public:
  enum class Result { kEvent, kTimeout, kEnd };

  explicit EventQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue);
  ~EventQueue();

  // Waits at most `wait` (0: does not) for an operation to end. kEnd: shut down and empty.
  Result Poll(consensus::Duration wait, Event** event, bool* ok);
  // Ends a wait of Poll early, now or the next time, with an event that does nothing. Never lost.
  void Interrupt();
  // No operation may be started any more; Poll drains what is under way.
  void Shutdown();

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }

 private:
  class Wakeup;

  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<Wakeup> wakeup_;
};

// Address, limits and defaults of a port [trust.md: limits]; refuses to share the port.
void ConfigurePort(const PortOptions& options, grpc::ServerBuilder* builder, int* selected_port);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RPC_EVENT_QUEUE_H_
