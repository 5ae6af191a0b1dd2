// A client's call as the rest of the server sees it, without gRPC.
//
// A call is made and owned by the port that took it (client_port.h). The sink answers it by
// CallCompletion: Page any number of times, then Done once; after OnGone, nothing more. Not
// thread-safe: everything happens inside the shard that the port belongs to.

#ifndef RASPUTIN_SERVER_RPC_SERVER_CALL_H_
#define RASPUTIN_SERVER_RPC_SERVER_CALL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/cord.h"
#include "consensus/core/types.h"
#include "server/front/ports.h"

namespace rasputin::server {

// How many messages go each way.
enum class CallShape : uint8_t {
  kUnary = 1,
  kServerStream = 2,  // One request, many pages.
  kDialogue = 3,      // Many requests, a page for each; ends when the client says so.
};

class ServerCall : public CallCompletion {
 public:
  // "/package.Service/Method".
  const std::string& path() const { return path_; }
  CallShape shape() const { return shape_; }
  consensus::Instant deadline() const { return deadline_; }
  consensus::Instant started() const { return started_; }
  size_t request_bytes() const { return request_.size(); }  // Until it is taken.
  absl::Cord TakeRequest() { return std::move(request_); }

  // For the sink's use.
  uint64_t tag = 0;
  int method = -1;
  bool at_front = false;     // The front end has it.
  uint64_t front_bytes = 0;  // Of its request, meanwhile.

 protected:
  ~ServerCall() = default;

  std::string path_;
  CallShape shape_ = CallShape::kUnary;
  consensus::Instant deadline_ = consensus::Instant::max();
  consensus::Instant started_;
  absl::Cord request_;
};

class CallSink {
 public:
  virtual ~CallSink() = default;
  // A request has come (kDialogue: each of them).
  virtual void OnCall(ServerCall* call) = 0;
  // kServerStream: the page was taken by the network; the next may follow.
  virtual void OnPageWritten(ServerCall* call) = 0;
  // The client has gone or the deadline has passed: the call must be forgotten.
  virtual void OnGone(ServerCall* call) = 0;
  // The call was answered; `code` is gRPC's number. For metrics.
  virtual void OnFinished(ServerCall* call, int code) = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RPC_SERVER_CALL_H_
