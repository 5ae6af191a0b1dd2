// Bindings [H-4] [H-8], the leader lease [H-6] and releases [H-11].
//
// Not responsible for store leases themselves: it reads them through LeaseView.

#include <glog/logging.h>

#include <algorithm>
#include <functional>

#include "consensus/core/core_impl.h"

namespace rasputin::consensus {

// ---- Binding, the follower's side.

bool Core::Impl::IsBound() const {
  // Until the store has durably withdrawn the epoch: expired alone is still bound.
  return hs_.bound_leader.IsSet() && hs_.bound_term > hs_.released_term &&
         hs_.bound_epoch >= leases_->LowestAccepted(hs_.bound_store);
}

void Core::Impl::CheckBinding() {
  if (!was_bound_ || IsBound()) return;
  was_bound_ = false;
  Emit(EventType::kBindingEnded, hs_.bound_leader);
  leader_ = ReplicaId();
  ArmElection();
}

// The message is from the elected leader of the current term.
void Core::Impl::BindTo(const Message& m, Epoch epoch) {
  if (m.term <= hs_.released_term && !options_.mutants.Has(49)) return;
  if (!epoch.IsSet() || epoch < leases_->LowestAccepted(m.from_store)) {
    // Binds nobody, but a leader of a higher term ends the binding to another.
    if (hs_.bound_leader.IsSet() && hs_.bound_leader != m.from && hs_.bound_term < m.term) {
      hs_.bound_leader = ReplicaId();
      hs_.bound_store = StoreId();
      hs_.bound_term = Term();
      hs_.bound_epoch = Epoch();
      hard_state_changed_ = true;
      was_bound_ = false;
    }
    return;
  }
  if (hs_.bound_leader == m.from && hs_.bound_term == m.term && hs_.bound_epoch >= epoch) return;
  hs_.bound_leader = m.from;
  hs_.bound_store = m.from_store;
  hs_.bound_term = m.term;
  hs_.bound_epoch = epoch;
  hard_state_changed_ = true;
  was_bound_ = true;
  election_at_ = Instant::max();
  Emit(EventType::kBound, m.from);
}

// ---- Leader lease, the leader's side.

DualInstant Core::Impl::LeaseEndOver(const Configuration& configuration, bool held) const {
  if (role_ != Role::kLeader) return {Instant::min(), Instant::min()};
  const auto until = [this, held, &configuration](ReplicaId id) -> DualInstant {
    const DualInstant never{Instant::min(), Instant::min()};
    const Member* member = configuration.Find(id);
    const StoreId store = id == options_.self ? options_.self_store : member->store;
    const Support support = held ? leases_->HeldSupportFrom(store) : leases_->SupportFrom(store);
    if (id == options_.self) return support.until;
    const auto progress = progress_.find(id);
    if (progress == progress_.end()) return never;
    const Epoch bound = progress->second.bound_epoch;
    // At the very epoch of the binding: support for another epoch says nothing about it.
    if (!bound.IsSet() || (bound != support.epoch && !options_.mutants.Has(51))) return never;
    return support.until;
  };
  const std::function<Instant(ReplicaId)> boot = [&until](ReplicaId id) { return until(id).boot; };
  const std::function<Instant(ReplicaId)> raw = [&until](ReplicaId id) { return until(id).raw; };
  return {QuorumValue<Instant>(configuration, boot), QuorumValue<Instant>(configuration, raw)};
}

DualInstant Core::Impl::LeaseEnd() const { return LeaseEndBy(/*held=*/false); }

// Mutant 31 only: a child is taken to hold what its parent held.
bool Core::Impl::InheritsLease(const ClockReading& now) const {
  return options_.mutants.Has(31) && role_ == Role::kLeader && born_leading_ &&
         hs_.term == Term(1) && now.boot < leader_since_ + options_.lease_duration;
}

bool Core::Impl::LeaseValid(const ClockReading& now) const {
  if (InheritsLease(now)) return true;
  return role_ == Role::kLeader && !LeaseEnd().EndedForHolder(now);
}

void Core::Impl::CheckLease() {
  if (LeaseValid(now_)) {
    if (!had_lease_) Emit(EventType::kLeaseAcquired);
    had_lease_ = true;
  } else if (!had_lease_) {
    if (now_.boot >= leader_since_ + options_.lease_duration) {
      StopLeading(AbdicationReason::kNoFirstLease, ReplicaId());
    }
  } else if (LeaseEndBy(/*held=*/true).EndedForHolder(now_)) {
    Emit(EventType::kLeaseEnded);
    StopLeading(AbdicationReason::kLeaseEnded, ReplicaId());
  }
}

// ---- Release, the side of the leader that was.

void Core::Impl::SendReleases(bool all) {
  bool sent = false;
  for (const auto& [id, release] : pending_releases_) {
    // A store that supports ours no more withdraws by itself; if it supports again, Tick notices.
    const bool alive = !leases_->HeldSupportFrom(release.store).until.EndedForHolder(now_);
    if (!all && !alive && release_failures_ >= 3) continue;
    SendNow({id, release.store}, Release{release.term, release_target_});
    sent = true;
  }
  if (!sent) {
    release_retry_at_ = Instant::max();
    return;
  }
  release_retry_at_ = now_.boot + options_.retry_interval * (1 << std::min(release_failures_, 3));
  ++release_failures_;
}

bool Core::Impl::IsReleasing(bool alive) const {
  return std::any_of(pending_releases_.begin(), pending_releases_.end(), [&](const auto& pending) {
    return !alive || !leases_->HeldSupportFrom(pending.second.store).until.EndedForHolder(now_);
  });
}

void Core::Impl::TickReleases() {
  if (pending_releases_.empty()) return;
  if (release_retry_at_ == Instant::max() || now_.boot >= release_retry_at_) SendReleases(false);
}

void Core::Impl::OnReleaseAck(const Message& m, const ReleaseAck& ack) {
  const auto pending = pending_releases_.find(m.from);
  if (pending == pending_releases_.end() || ack.released_term < pending->second.term) {
    return;
  }
  pending_releases_.erase(pending);
  if (pending_releases_.empty()) release_retry_at_ = Instant::max();
}

void Core::Impl::OnReleaseQuery(const Message& m, const ReleaseQuery& query) {
  if (options_.mutants.Has(26) || options_.mutants.Has(60)) return;
  // Only if no term >= the one asked for is led here; a term above ours was never ours to release.
  if (query.bound_term > hs_.term) return;
  const bool leads = role_ == Role::kLeader;
  if (const auto progress = progress_.find(m.from);
      leads && query.bound_term == hs_.term && progress != progress_.end()) {
    // Perhaps restarted, and then it knows of no commit any more.
    progress->second.must_send = true;
    flush_needed_ = true;
  }
  if (leads && !(options_.mutants.Has(50) && hs_.term > query.bound_term)) return;
  ReplyNow(m, Release{query.bound_term, ReplicaId()});
}

// ---- Release, the side of the follower.

void Core::Impl::SendReleaseQuery() {
  if (!IsBound() || now_.boot < query_after_) return;
  query_after_ = now_.boot + options_.retry_interval;
  SendNow({hs_.bound_leader, hs_.bound_store}, ReleaseQuery{hs_.bound_term});
}

void Core::Impl::QueryBinding(const ClockReading& now) {
  Advance(now);
  if (damaged_ || role_ == Role::kLeader) return;
  CheckBinding();
  SendReleaseQuery();
}

void Core::Impl::ApplyRelease(Term released, ReplicaId target) {
  if (released <= hs_.released_term) return;
  const bool was_bound = IsBound();
  hs_.released_term = released;
  hard_state_changed_ = true;
  if (role_ == Role::kLeader) {
    // Somebody led a term above ours: our own followers are not ours any more.
    if (led_term_ <= released) StopLeading(AbdicationReason::kHigherTermFailed, ReplicaId());
  }
  // A campaign in a released term could bind nobody.
  if (released > hs_.term && role_ != Role::kLeader) {
    const bool campaigned = role_ != Role::kFollower;
    AdoptTerm(released);
    if (campaigned) ArmElection();
  }
  if (!was_bound || IsBound()) return;
  was_bound_ = false;
  leader_ = target;
  Emit(EventType::kReleased, hs_.bound_leader);
  if (target.IsSet() && target != options_.self) {
    ArmElection();
  } else {
    ArmElectionWithin(options_.election_delay_min);
  }
}

void Core::Impl::OnRelease(const Message& m, const Release& release) {
  ApplyRelease(release.released_term, release.target);
  Reply(m, ReleaseAck{release.released_term});
  // A handover's target campaigns at once; the release takes the place of the probe [H-11].
  if (release.target == options_.self && role_ == Role::kFollower &&
      hs_.term == release.released_term && CampaignAllowed()) {
    StartVote(release.released_term);
  }
}

}  // namespace rasputin::consensus
