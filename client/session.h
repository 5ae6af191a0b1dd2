// Gives request ids: who we are, which request this is, which results we have.
//
// One per client object; with it a mutation may be sent again and is executed once [H-17].
// Thread-safe.

#ifndef RASPUTIN_CLIENT_SESSION_H_
#define RASPUTIN_CLIENT_SESSION_H_

#include <cstdint>
#include <mutex>
#include <set>

#include "rasputin/type/v1/request.pb.h"

namespace rasputin::client {

class Session {
 public:
  // `client_id`: random, not 0; chosen anew by each process.
  explicit Session(uint64_t client_id) : client_id_(client_id) {}

  // The id of a new request of `operations` operations (a batch takes one number for each). Valid
  // until Done is called with it.
  type::v1::RequestId Begin(uint64_t operations, uint64_t now_ms);
  // The result of the request has arrived, or nobody will ask for it again.
  void Done(const type::v1::RequestId& id);

 private:
  const uint64_t client_id_;
  std::mutex mutex_;
  uint64_t next_sequence_ = 1;
  std::set<uint64_t> open_;  // First numbers of requests under way.
};

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_SESSION_H_
