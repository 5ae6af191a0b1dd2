// The port for other nodes: streams of frames in, and the few unary calls of bootstrap and joining.
//
// Two queues, so that no client's load can cost a lease: streams of group frames end in the
// executor's queue, everything else in the port's own, which the lease thread polls. Has no thread.
// Sinks are called in the thread that polls the queue concerned.

#ifndef RASPUTIN_SERVER_PEER_PEER_LISTENER_H_
#define RASPUTIN_SERVER_PEER_PEER_LISTENER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "server/front/ports.h"
#include "server/rpc/event_queue.h"

namespace rasputin::server {

// Receives the frames of all inbound streams of one method.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // A frame of stream `stream`, the first of which carries the greeting. An error ends the stream
  // with that status.
  virtual absl::Status OnFrame(uint64_t stream, bool first, const absl::Cord& frame) = 0;
  // The stream, which had at least one good frame, has ended.
  virtual void OnEnd(uint64_t stream) = 0;
};

struct InboundStreamMethod {
  std::string path;
  FrameSink* sink = nullptr;
  EventQueue* queue = nullptr;  // nullptr: the port's own.
};

struct InboundCallMethod {
  std::string path;
  // Must call `done` exactly once, in any thread.
  std::function<void(absl::Cord request, std::function<void(CallResult)> done)> handle;
};

class PeerListener {
 public:
  static absl::StatusOr<std::unique_ptr<PeerListener>> Listen(
      const PortOptions& options, std::vector<InboundStreamMethod> streams,
      std::vector<InboundCallMethod> calls);
  virtual ~PeerListener() = default;

  virtual EventQueue* queue() = 0;
  virtual void Serve() = 0;
  // Breaks everything off; blocks at most `wait`. The queues stay open and must be polled
  // meanwhile. False: a call has not ended yet.
  virtual bool Shutdown(consensus::Duration wait) = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_PEER_PEER_LISTENER_H_
