// See session.h.

#include "client/session.h"

#include <utility>

namespace rasputin::client {
namespace {

// What a server keeps for one client (kSessionPlaces of kv/session_table.h): a sequence so far
// above an unanswered one takes its place, and the older request is refused as SESSION_EXPIRED.
constexpr uint64_t kSequencesMax = 1024;

}  // namespace

Session::Session(NewClientId new_client_id)
    : new_client_id_(std::move(new_client_id)), client_id_(new_client_id_()) {}

type::v1::RequestId Session::Begin(uint64_t operations, uint64_t now_ms) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!open_.empty() && next_sequence_ + operations - *open_.begin() > kSequencesMax) {
    // The requests of the old id keep it; nothing new will be asked in its name.
    client_id_ = new_client_id_();
    next_sequence_ = 1;
    open_.clear();
  }
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
  if (id.client_id() == client_id_) open_.erase(id.sequence());
}

}  // namespace rasputin::client
