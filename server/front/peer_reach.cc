// See peer_reach.h.
// Bounded by the number of stores.
// Not thread-safe.

#include "server/front/peer_reach.h"

namespace rasputin::server {

bool PeerReach::OnSilent(const Instant& now, StoreId peer) {
  return peer != self_ && silent_.emplace(peer, Silence{now, now}).second;
}

void PeerReach::OnAnswer(const Instant& now, StoreId peer) {
  silent_.erase(peer);
  answered_[peer] = now;
}

bool PeerReach::OnRelaySilent(StoreId target, StoreId relay) {
  failed_relay_[target] = relay;
  return answered_.erase(relay) != 0;
}

bool PeerReach::ProbeDue(const Instant& now, StoreId peer) {
  const auto it = silent_.find(peer);
  if (it == silent_.end() || now < it->second.next_probe) return false;
  it->second.next_probe = now + probe_interval_;
  return true;
}

StoreId PeerReach::Via(const type::v1::RangeDescriptor& range, StoreId target) const {
  const auto silence = silent_.find(target);
  if (silence == silent_.end()) return target;
  const StoreId fresh = Next(range, target, silence->second.since);
  if (fresh.IsSet()) return fresh;
  const StoreId any = Next(range, target, Instant::min());
  return any.IsSet() ? any : target;
}

StoreId PeerReach::Next(const type::v1::RangeDescriptor& range, StoreId target,
                        const Instant& since) const {
  const auto failed = failed_relay_.find(target);
  const StoreId after = failed == failed_relay_.end() ? StoreId() : failed->second;
  StoreId first;  // Of all, in the order of ids.
  StoreId next;   // Of those beyond the one that failed last.
  for (const auto& replica : range.replicas()) {
    const StoreId store(replica.store_id());
    if (store == self_ || store == target || !Answers(store)) continue;
    const auto answer = answered_.find(store);
    if (since > Instant::min() && (answer == answered_.end() || answer->second < since)) continue;
    if (!first.IsSet() || store < first) first = store;
    if (after < store && (!next.IsSet() || store < next)) next = store;
  }
  return next.IsSet() ? next : first;
}

}  // namespace rasputin::server
