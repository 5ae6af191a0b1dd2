// See fake_store_leases.h.

#include "consensus/core/fake_store_leases.h"

#include <algorithm>

namespace rasputin::consensus {

FakeStoreLeases::FakeStoreLeases(StoreId self, Duration lease_duration,
                                 const std::vector<StoreId>& peers)
    : self_(self), lease_duration_(lease_duration), promise_(lease_duration * 103 / 100) {
  for (const StoreId peer : peers) {
    if (peer == self) continue;
    asked_[peer].epoch = counter_;
    granted_[peer];
  }
}

bool FakeStoreLeases::Advance(const ClockReading& now) {
  now_ = now;
  bool changed = false;
  for (auto& [peer, promise] : granted_) {
    // [S-4]: over, so withdrawn; only then does anybody act on it.
    if (promise.granted.IsSet() && now.boot >= promise.expiry &&
        promise.lowest <= promise.granted) {
      promise.lowest = promise.granted.Next();
      changed = true;
    }
  }
  return changed;
}

FakeLeaseRequest FakeStoreLeases::MakeRequest(StoreId peer) {
  Asked& asked = asked_[peer];
  FakeLeaseRequest request{asked.epoch, ++round_, asked.heard_nonce};
  asked.sent_at[request.round] = now_.boot;
  if (asked.sent_at.size() > 32) asked.sent_at.erase(asked.sent_at.begin());
  return request;
}

FakeLeaseReply FakeStoreLeases::Answer(StoreId from, const FakeLeaseRequest& request) {
  Granted& promise = granted_[from];
  FakeLeaseReply reply{request.epoch, request.round, false, promise.lowest, ++nonce_};
  const auto echoed = promise.nonces.find(request.echo);
  const bool two_way =
      echoed != promise.nonces.end() && now_.boot - echoed->second < lease_duration_ / 2;  // [S-2]
  promise.nonces[reply.nonce] = now_.boot;
  if (promise.nonces.size() > 16) promise.nonces.erase(promise.nonces.begin());
  if (request.epoch < promise.lowest || !two_way || !disk_works_) return reply;
  reply.supported = true;
  promise.lowest = promise.granted = request.epoch;  // Withdraws all lower ones [S-5].
  reply.lowest_accepted = promise.lowest;
  promise.expiry = std::max(promise.expiry, now_.boot + promise_);
  return reply;
}

bool FakeStoreLeases::OnReply(StoreId from, const FakeLeaseReply& reply, bool* again) {
  Asked& asked = asked_[from];
  const bool first_nonce = asked.heard_nonce < reply.nonce;
  asked.heard_nonce = std::max(asked.heard_nonce, reply.nonce);
  *again = !reply.supported && first_nonce && asked.support.until.EndedForHolder(now_);
  if (reply.epoch != asked.epoch) return false;
  if (!reply.supported) {
    if (reply.lowest_accepted > asked.epoch) {
      counter_ = std::max(counter_.Next(), reply.lowest_accepted);
      asked.epoch = counter_;
    }
    return false;
  }
  const auto sent = asked.sent_at.find(reply.round);
  if (sent == asked.sent_at.end() || !disk_works_) return false;
  const bool held = asked.support.epoch == reply.epoch && !asked.support.until.EndedForHolder(now_);
  const Instant until = sent->second + lease_duration_;  // [S-3]: from the sending.
  if (asked.support.epoch != reply.epoch || until > asked.support.until.boot) {
    asked.support = {reply.epoch, {until, until}};
  }
  asked.supported_epoch = std::max(asked.supported_epoch, reply.epoch);
  return !held;
}

void FakeStoreLeases::Restart(const ClockReading& now) {
  now_ = now;
  may_vote_from_ = now.boot + promise_;
  counter_ = counter_.Next();
  for (auto& [peer, asked] : asked_) {
    asked = Asked();
    asked.epoch = counter_;
  }
  for (auto& [peer, promise] : granted_) {
    if (promise.granted.IsSet()) promise.expiry = now.boot + promise_;
    promise.nonces.clear();
  }
}

Support FakeStoreLeases::SupportFrom(StoreId peer) const {
  if (peer == self_) {
    const Instant until = disk_works_ ? Instant::max() : Instant::min();
    return {Epoch(1), {until, until}};
  }
  const auto asked = asked_.find(peer);
  return asked == asked_.end() ? Support{} : asked->second.support;
}

Epoch FakeStoreLeases::OwnEpoch(StoreId peer) const {
  const auto asked = asked_.find(peer);
  return asked == asked_.end() ? Epoch() : asked->second.supported_epoch;
}

Epoch FakeStoreLeases::LowestAccepted(StoreId leader_store) const {
  const auto promise = granted_.find(leader_store);
  return promise == granted_.end() ? Epoch(1) : promise->second.lowest;
}

bool FakeStoreLeases::MayVote(const ClockReading& now) const {
  return disk_works_ && now.boot >= may_vote_from_;
}

}  // namespace rasputin::consensus
