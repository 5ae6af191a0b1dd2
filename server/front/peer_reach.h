// Which stores answer this one, and through which other store to reach one that does not [H-16].
//
// Learns from what becomes of requests: a store that kept one waiting, or to which there is no
// connection, is passed by until it answers something. Not responsible for sending, nor for who
// leads what (client/route/router.h). Deterministic; not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_PEER_REACH_H_
#define RASPUTIN_SERVER_FRONT_PEER_REACH_H_

#include <map>

#include "consensus/core/types.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::server {

using consensus::Duration;
using consensus::Instant;
using consensus::StoreId;

class PeerReach {
 public:
  // `probe_interval`: how often a store that does not answer may be asked whether it does again.
  PeerReach(StoreId self, Duration probe_interval) : self_(self), probe_interval_(probe_interval) {}

  // A request sent straight to the peer was not answered in time, or could not be sent. True: that
  // is new.
  bool OnSilent(const Instant& now, StoreId peer);
  // The peer answered a request of this store: both ways work.
  void OnAnswer(const Instant& now, StoreId peer);
  bool Answers(StoreId peer) const { return silent_.count(peer) == 0; }
  // Whether a peer that does not answer should be asked now if it does; counts as having asked.
  bool ProbeDue(const Instant& now, StoreId peer);

  // The member to which a request for `target` is sent: the target itself if it answers, else
  // another member, the same one until it fails, preferably one that has answered since the target
  // fell silent; the target again if there is none.
  StoreId Via(const type::v1::RangeDescriptor& range, StoreId target) const;
  // `relay` said that it cannot bring a request to `target`: the next one's turn.
  void OnRelayRefused(StoreId target, StoreId relay) { failed_relay_[target] = relay; }
  // `relay` said nothing, so it may be out of reach too. True: until now it was taken to answer.
  bool OnRelaySilent(StoreId target, StoreId relay);

 private:
  struct Silence {
    Instant since;
    Instant next_probe;
  };

  // The next candidate after the relay that failed last, around the ring of ids; none: not set.
  StoreId Next(const type::v1::RangeDescriptor& range, StoreId target, const Instant& since) const;

  const StoreId self_;
  const Duration probe_interval_;
  std::map<StoreId, Silence> silent_;
  std::map<StoreId, Instant> answered_;  // Last.
  std::map<StoreId, StoreId> failed_relay_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_PEER_REACH_H_
