// See store.h: the lease side, and what a lease update wakes on the shard side.

#include <algorithm>
#include <set>
#include <utility>

#include "range/store_impl.h"

namespace rasputin::range {

using consensus::Instant;
using consensus::lease::LeaseUpdate;

namespace {

// As LeaseOptions::wall_jump_max.
constexpr int64_t kWallJumpMaxUs = 500'000;

constexpr uint8_t kBootPassed = 1;
constexpr uint8_t kRawPassed = 2;
constexpr uint8_t kHeldBootPassed = 4;
constexpr uint8_t kHeldRawPassed = 8;

// As bits of PeerLease::passed.
uint8_t Passed(const consensus::DualInstant& until, const consensus::DualInstant& held_until,
               const ClockReading& now) {
  int passed = 0;
  if (now.boot >= until.boot) passed |= kBootPassed;
  if (now.raw >= until.raw) passed |= kRawPassed;
  if (now.boot >= held_until.boot) passed |= kHeldBootPassed;
  if (now.raw >= held_until.raw) passed |= kHeldRawPassed;
  return static_cast<uint8_t>(passed);
}

}  // namespace

// ---- Shard side.

void Store::Impl::OnLeaseUpdates(const ClockReading& now, std::vector<LeaseUpdate> updates) {
  std::set<StoreId> touched = {id_};
  for (const LeaseUpdate& update : updates) {
    leases_.Apply(update);
    if (update.peer.IsSet()) touched.insert(update.peer);
  }
  for (const StoreId store : touched) {
    PeerLease& peer = peers_[store];
    const consensus::Support support = leases_.SupportFrom(store);
    const consensus::DualInstant held_until = leases_.HeldSupportFrom(store).until;
    const uint8_t passed = Passed(support.until, held_until, now);
    const bool wake_leaders = peer.own_epoch != leases_.OwnEpoch(store) ||
                              peer.supported_epoch != support.epoch || peer.passed != passed;
    const bool wake_bound = peer.lowest_accepted != leases_.LowestAccepted(store);
    peer = {support.until,
            held_until,
            leases_.OwnEpoch(store),
            support.epoch,
            leases_.LowestAccepted(store),
            passed};
    if (wake_leaders || wake_bound) WakeAfterLeaseChange(store, wake_leaders, wake_bound);
  }
}

std::vector<StoreId> Store::Impl::ListSupporting(const ClockReading& now) const {
  std::vector<StoreId> supporting;
  for (const auto& [store, peer] : peers_) {
    if (store != id_ && !leases_.SupportFrom(store).until.EndedForHolder(now)) {
      supporting.push_back(store);
    }
  }
  return supporting;
}

// Idle groups have no timers: the only things that happen to them by time alone are the end of
// support that a leader counts on and the withdrawal of an epoch that a follower is bound to.
void Store::Impl::WakeAfterLeaseChange(StoreId peer, bool leaders, bool bound) {
  for (auto& [range, replica] : replicas_) {
    if (!replica->started()) continue;
    const consensus::Core& core = replica->group().core();
    const bool leads = core.role() == consensus::Role::kLeader;
    const bool follows = core.hard_state().bound_store == peer;
    if ((leaders && leads) || (bound && follows)) Wake(replica.get());
  }
}

// A pause of the whole machine may show in the wall clock alone [S-8]. The lease thread notices
// within its period; the shard must not serve from a lease before that.
void Store::Impl::WatchWallClock(const ClockReading& now) {
  const int64_t elapsed_us =
      std::chrono::duration_cast<std::chrono::microseconds>(now.boot - last_reading_.boot).count();
  const int64_t wall_us = now.wall_us - last_reading_.wall_us;
  last_reading_ = now;
  if (wall_us - elapsed_us > kWallJumpMaxUs) leases_.SuspendPeers();
}

// A leader lease is the median of instants of the stores, for each clock on its own: it ends when
// one of them passes, so that leaders need no timers of their own (CoreOptions::watches_lease_end).
void Store::Impl::WakeEndedLeases(const ClockReading& now) {
  for (auto& [store, peer] : peers_) {
    const uint8_t passed = Passed(peer.until, peer.held_until, now);
    if (passed == peer.passed) continue;
    peer.passed = passed;
    WakeAfterLeaseChange(store, true, false);
  }
}

Instant Store::Impl::LeaseDeadline() const {
  Instant at = Instant::max();
  // Each clock's instant on that clock: after a suspend the raw one lies far behind.
  const auto on_boot_clock = [this](Instant raw) { return last_turn_ + (raw - last_turn_raw_); };
  for (const auto& [store, peer] : peers_) {
    if ((peer.passed & kBootPassed) == 0) at = std::min(at, peer.until.boot);
    if ((peer.passed & kRawPassed) == 0) at = std::min(at, on_boot_clock(peer.until.raw));
    if ((peer.passed & kHeldBootPassed) == 0) at = std::min(at, peer.held_until.boot);
    if ((peer.passed & kHeldRawPassed) == 0) at = std::min(at, on_boot_clock(peer.held_until.raw));
  }
  return at;
}

// ---- Lease side.

void Store::Impl::LeaseTick(const ClockReading& now) {
  store_leases_->Tick(now);
  CollectLeaseEffects();
}

void Store::Impl::LeaseStep(const ClockReading& now,
                            const consensus::lease::LeaseMessage& message) {
  if (forgotten_.count(message.from.value()) != 0) return;
  store_leases_->Step(now, message);
  CollectLeaseEffects();
}

void Store::Impl::LeaseLogDurable(const ClockReading& now, const consensus::DualInstant& started,
                                  consensus::log::Lsn durable) {
  store_leases_->OnLogWriteCompleted(now, started);
  uint64_t sequence = 0;
  while (!lease_undurable_.empty() && lease_undurable_.front().first <= durable) {
    sequence = lease_undurable_.front().second;
    lease_undurable_.pop_front();
  }
  if (sequence != 0) store_leases_->OnPersisted(now, sequence);
  CollectLeaseEffects();
}

void Store::Impl::SetLeaseShardBusySince(std::optional<Instant> since) {
  store_leases_->SetShardBusySince(since);
}

Store::LeaseWithdrawal Store::Impl::LeaseWithdraw(const ClockReading& now, StoreId peer) {
  const consensus::lease::Withdrawal outcome = store_leases_->Withdraw(now, peer);
  CollectLeaseEffects();
  return {outcome, store_leases_->LowestAccepted(peer)};
}

void Store::Impl::CollectLeaseEffects() {
  consensus::lease::LeaseEffects effects = store_leases_->TakeEffects();
  if (effects.persist_sequence != 0) {
    const consensus::log::Lsn lsn = log_->AppendLeases(effects.persist, effects.persist_counter);
    lease_undurable_.emplace_back(lsn, effects.persist_sequence);
  } else if (effects.write_disk_probe) {
    log_->AppendDiskProbe();
  }
  for (auto& message : effects.send) lease_output_.send.push_back(std::move(message));
  for (auto& update : effects.updates) lease_output_.updates.push_back(std::move(update));
  for (auto& event : effects.events) lease_output_.events.push_back(std::move(event));
}

Store::LeaseOutput Store::Impl::TakeLeaseOutput() { return std::exchange(lease_output_, {}); }

Instant Store::Impl::NextLeaseDeadline() const { return store_leases_->NextDeadline(); }

}  // namespace rasputin::range
