// The pieces that dispatcher.cc and dispatcher_relay.cc share; included by nothing else.
//
// Plain records of a Dispatcher and named answers. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_DISPATCHER_INTERNAL_H_
#define RASPUTIN_SERVER_FRONT_DISPATCHER_INTERNAL_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/front/dispatcher.h"

namespace rasputin::server {

// One request with all its attempts.
struct Dispatcher::Flight {
  enum class State : uint8_t {
    kLooksUp,  // Waits for the directory.
    kAsked,    // At the local store or at a peer; `waits_for` says which attempt.
    kWaits,    // For its timer, to try again.
  };

  Flight(uint64_t flight_id, RangeCall range_call, Done on_done, client::Backoff policy)
      : id(flight_id), call(std::move(range_call)), done(std::move(on_done)), backoff(policy) {}

  const uint64_t id;
  RangeCall call;
  Done done;
  client::Backoff backoff;
  State state = State::kWaits;
  Instant timer = Instant::max();  // Its entry in `due_`.
  uint64_t admission = 0;          // kAsked here: see Admission::Submit.
  uint64_t waits_for = 0;          // kAsked: the ticket or outbound whose answer counts.
  StoreId asked;                   // The last one.
  StoreId meant;                   // For whom: another store than `asked` if that is to relay.
  Instant asked_at;
  RangeId range;  // As last routed.
  consensus::Generation generation;
  range::RangeDescriptor descriptor;
  uint32_t members_tried = 0;  // Without a leader hint.
  bool must_split = false;
  bool wrong_collection = false;
  bool parked = false;
  bool unreachable = false;
  std::optional<range::Response> last_failure;
};

// What the local store answers to. Stays until it has, whatever becomes of the flight.
struct Dispatcher::Ticket final : range::Completion {
  Ticket(uint64_t ticket_id, std::vector<std::pair<uint64_t, range::Response>>* answered)
      : id(ticket_id), sink(answered) {}

  void Done(range::Response response) override { sink->emplace_back(id, std::move(response)); }

  const uint64_t id;
  std::vector<std::pair<uint64_t, range::Response>>* const sink;
  uint64_t flight = 0;  // 0: `forwarded` by `from`, to be answered until `deadline`.
  StoreId from;
  Instant deadline;
  std::optional<ForwardRequest> forwarded;
};

inline bool IsRead(const RangeCall& call) {
  const bool changes_range =
      call.kind == ForwardKind::kTransferLease || call.kind == ForwardKind::kChangeReplicas;
  return !changes_range && (call.kind != ForwardKind::kRange || !call.mutates);
}

inline range::Response Unreachable(StoreId store) {
  range::Response response;
  response.outcome = range::Outcome::kNotLeader;
  response.message = "store " + std::to_string(store.value()) + " cannot be reached";
  return response;
}

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_DISPATCHER_INTERNAL_H_
