// See session.h.

#include "client/session.h"

namespace rasputin::client {

type::v1::RequestId Session::Begin(uint64_t operations, uint64_t now_ms) {
  const std::lock_guard<std::mutex> lock(mutex_);
  type::v1::RequestId id;
  id.set_client_id(client_id_);
  id.set_sequence(next_sequence_);
  next_sequence_ += operations;
  open_.insert(id.sequence());
  id.set_acked_below(*open_.begin());
  id.set_issued_at_ms(now_ms);
  return id;
}

void Session::Done(const type::v1::RequestId& id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  open_.erase(id.sequence());
}

}  // namespace rasputin::client
