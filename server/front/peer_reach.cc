// See peer_reach.h.
// Bounded by the number of stores.
// Not thread-safe.

#include "server/front/peer_reach.h"

namespace rasputin::server {

void PeerReach::OnSilent(const Instant& now, StoreId peer) {
  if (peer == self_) return;
  silent_.emplace(peer, now);
}

bool PeerReach::ProbeDue(const Instant& now, StoreId peer) {
  const auto it = silent_.find(peer);
  if (it == silent_.end() || now < it->second) return false;
  it->second = now + probe_interval_;
  return true;
}

StoreId PeerReach::Via(const type::v1::RangeDescriptor& range, StoreId target) const {
  if (target == self_ || Answers(target)) return target;
  const auto failed = failed_relay_.find(target);
  const StoreId after = failed == failed_relay_.end() ? StoreId() : failed->second;
  StoreId first;  // Of all, in the order of ids.
  StoreId next;   // Of those beyond the one that failed last.
  for (const auto& replica : range.replicas()) {
    const StoreId store(replica.store_id());
    if (store == self_ || store == target || !Answers(store)) continue;
    if (!first.IsSet() || store < first) first = store;
    if (after < store && (!next.IsSet() || store < next)) next = store;
  }
  if (next.IsSet()) return next;
  return first.IsSet() ? first : target;
}

}  // namespace rasputin::server
