// A call that does not come from a client's stream and that the front end carries out.
//
// Deletes itself when it is answered. Done comes in the thread that is inside the shard.

#ifndef RASPUTIN_SERVER_NODE_PEER_CALL_H_
#define RASPUTIN_SERVER_NODE_PEER_CALL_H_

#include <functional>
#include <utility>

#include "absl/strings/cord.h"
#include "server/front/ports.h"

namespace rasputin::server {

class PeerCall final : public CallCompletion {
 public:
  explicit PeerCall(std::function<void(CallResult)> done) : done_(std::move(done)) {}
  bool Page(absl::Cord) override { return false; }
  void Done(CallResult result) override {
    done_(std::move(result));
    delete this;
  }

 private:
  ~PeerCall() = default;
  const std::function<void(CallResult)> done_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_PEER_CALL_H_
