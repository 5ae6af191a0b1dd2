// Gives request ids: who we are, which request this is, which results we have.
//
// One per client object; with it a mutation may be sent again and is executed once [H-17]. The
// sequences in flight of one client id never span more than what servers remember of a client: a
// request that would go beyond begins a new id. Thread-safe.

#ifndef RASPUTIN_CLIENT_SESSION_H_
#define RASPUTIN_CLIENT_SESSION_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>

#include "rasputin/type/v1/request.pb.h"

namespace rasputin::client {

class Session {
 public:
  // Gives a random number, not 0, that no client had before.
  using NewClientId = std::function<uint64_t()>;
  explicit Session(NewClientId new_client_id);

  // The id of a new request of `operations` operations (a batch takes one number for each; at most
  // 1,024). Valid until Done is called with it.
  type::v1::RequestId Begin(uint64_t operations, uint64_t now_ms);
  // The result of the request has arrived, or nobody will ask for it again.
  void Done(const type::v1::RequestId& id);

 private:
  const NewClientId new_client_id_;
  std::mutex mutex_;
  uint64_t client_id_;
  uint64_t next_sequence_ = 1;
  std::set<uint64_t> open_;  // First numbers of requests of this id under way.
};

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_SESSION_H_
