// Implementation of store_leases.h: when to ask, what must be durable before what leaves, and what
// groups are told.
//
// The rules of one pair are in holder.h and grantor.h. Order of maps is by store id, so that
// effects are the same in every run. Thread-safety: see the header.

#include "consensus/lease/store_leases.h"

#include <glog/logging.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "consensus/lease/clock_watch.h"
#include "consensus/lease/grantor.h"
#include "consensus/lease/holder.h"

namespace rasputin::consensus::lease {
namespace {

// Beyond any instant of a process, and far enough from the end that durations can be added.
constexpr Instant kNever{Duration(int64_t{1} << 62)};

// An epoch that a peer may ask us to exceed; higher ones are noise, not counters.
constexpr Epoch kEpochMax{uint64_t{1} << 62};

// Mixes bits well enough that nonces of different processes do not meet (splitmix64's finaliser).
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Nonces prove that a peer heard *this* process, so their start depends on all that tells processes
// of one store apart.
uint64_t NonceSeed(const LeaseOptions& options, const DurableLeases& durable,
                   const ClockReading& now) {
  uint64_t seed = Mix(options.seed);
  for (uint64_t part : {options.self.value(), durable.epoch_counter.value(),
                        static_cast<uint64_t>(now.boot.time_since_epoch().count()),
                        static_cast<uint64_t>(now.raw.time_since_epoch().count()),
                        static_cast<uint64_t>(now.wall_us)}) {
    seed = Mix(seed ^ part);
  }
  return seed;
}

}  // namespace

Duration PromiseDuration(const LeaseOptions& options) {
  const double d = static_cast<double>(options.lease_duration.count());
  const double r = options.mutants.Has(27) ? 0 : options.clock_rate_error_max;
  CHECK(r >= 0 && r < 0.5) << "clock rate error " << r;
  const double milliseconds = std::ceil(d * (1 + r) / (1 - r) / 1e6);
  return std::chrono::milliseconds(static_cast<int64_t>(milliseconds));
}

class StoreLeases::Impl {
 public:
  Impl(const LeaseOptions& options, const DurableLeases& durable, const ClockReading& now);

  void SetPeers(const std::vector<StoreId>& peers);
  void Tick(const ClockReading& reading);
  void Step(const ClockReading& reading, const LeaseMessage& message);
  void OnPersisted(const ClockReading& reading, uint64_t persist_sequence);
  void OnLogWriteCompleted(const ClockReading& reading, const DualInstant& started);
  void SetShardBusySince(std::optional<Instant> since);
  Withdrawal Withdraw(const ClockReading& reading, StoreId peer);
  Epoch LowestAccepted(StoreId peer) const {
    const auto found = pairs_.find(peer);
    return found == pairs_.end() ? Epoch() : found->second.durable.lowest_accepted;
  }
  LeaseEffects TakeEffects();
  Instant NextDeadline() const;

 private:
  struct Pair {
    Pair(Holder h, Grantor g) : holder(std::move(h)), grantor(std::move(g)) {}

    Holder holder;
    Grantor grantor;
    bool is_peer = false;  // We ask it.
    PairState durable;
    std::optional<Instant> asked_at;  // Last round; none: ask as soon as possible.
    bool holds = false;               // Support was held when last looked at; for events.
    // The newest promise that waits until its epoch is durable; older ones are dropped like lost
    // messages.
    std::optional<SupportReply> waiting_promise;
    std::optional<LeaseUpdate> published;
  };

  // What a log record under way will have made durable.
  struct Persisting {
    uint64_t sequence = 0;
    std::vector<PairState> pairs;
    Epoch counter;
  };

  ClockReading Observe(const ClockReading& reading);
  Pair& PairOf(StoreId peer);
  Epoch DrawEpoch(Epoch at_least);
  void OnRequest(const ClockReading& now, StoreId from, const SupportRequest& request);
  void OnReply(const ClockReading& now, StoreId from, const SupportReply& reply);
  void Ask(const ClockReading& now, StoreId peer, Pair* pair);
  bool CanAsk(const ClockReading& now, const Pair& pair) const;
  void AskWhereDue(const ClockReading& now);
  void Send(StoreId to, std::variant<SupportRequest, SupportReply> body);
  void OnPairPersisted(const ClockReading& now, const PairState& state);
  bool DiskWorks(const ClockReading& now) const;
  void WatchDisk(const ClockReading& now);
  bool ShardWorks(const ClockReading& now) const;
  void WatchShard(const ClockReading& now);
  void AskForProbeIfDue(const ClockReading& now);
  Instant ProbeDueAt() const;
  DualInstant DiskWorksUntil() const;
  void Publish(const ClockReading& now);
  void PublishPair(const ClockReading& now, StoreId peer, Pair* pair);
  void PublishUpdate(const ClockReading& now, const LeaseUpdate& update,
                     std::optional<LeaseUpdate>* published);
  bool IsWorthTelling(const ClockReading& now, const LeaseUpdate& update,
                      const LeaseUpdate& published) const;
  void Report(EventType type, StoreId peer, Epoch epoch, uint64_t detail = 0);
  bool HasPeers() const { return peers_ != 0; }

  const LeaseOptions options_;
  const Duration promise_duration_;
  ClockWatch clock_;
  uint64_t next_nonce_;
  std::map<StoreId, Pair> pairs_;  // Never shrinks: bounded by the stores of the cluster.
  size_t peers_ = 0;
  bool tick_wanted_ = true;
  Instant ticked_at_{};

  // Epochs. `epoch_counter_` is the last one drawn; the boot epoch is the own store's own.
  Epoch epoch_counter_;
  const Epoch boot_epoch_;
  bool boot_epoch_durable_ = false;
  Epoch counter_handed_out_;

  // Durability: pairs changed since the last TakeEffects, then records under way, oldest first.
  std::set<StoreId> changed_;
  std::deque<Persisting> persisting_;
  uint64_t last_sequence_ = 0;

  // The own disk [S-7]. Instants of the distant past until the first write of this process.
  DualInstant write_started_;
  DualInstant write_completed_;
  bool wrote_ = false;
  bool disk_worked_ = false;  // For events.
  std::optional<Instant> probe_asked_at_;

  // The own shard [S-7], as it was when last told.
  std::optional<Instant> shard_busy_since_;
  Instant awake_since_{};     // End of the last pause: nothing made progress before it.
  bool shard_worked_ = true;  // As of the last Tick.

  const DualInstant start_;
  DualInstant may_vote_from_;
  DualInstant restart_wait_end_;
  std::optional<LeaseUpdate> published_store_;
  LeaseEffects effects_;
};

StoreLeases::Impl::Impl(const LeaseOptions& options, const DurableLeases& durable,
                        const ClockReading& now)
    : options_(options),
      promise_duration_(PromiseDuration(options)),
      clock_(now, options.wall_jump_max, options.clock_rate_error_max),
      next_nonce_(NonceSeed(options, durable, now)),
      epoch_counter_(durable.epoch_counter.Next()),
      boot_epoch_(epoch_counter_),
      start_(DualInstant::At(now)) {
  CHECK(options.self.IsSet());
  CHECK_GT(options.lease_duration.count(), 0);
  // An earlier process may have gone by longer leases than this one.
  restart_wait_end_ = start_.Plus(std::max(promise_duration_, durable.longest_promise));
  // A store that never granted anything to anyone (no pair on record) has no promise to forget, as
  // one that was never part of a cluster [S-6].
  const bool waits = durable.was_member && !durable.pairs.empty() && !options_.mutants.Has(21);
  may_vote_from_ = waits ? restart_wait_end_ : start_;
  for (const PairState& state : durable.pairs) {
    CHECK_LE(state.own_epoch, durable.epoch_counter) << "the epoch counter is behind its epochs";
    const Grantor::Options grantor{options_.lease_duration, promise_duration_, options_.mutants};
    Pair pair(Holder(options_.lease_duration, options_.mutants),
              Grantor(grantor, state.lowest_accepted, restart_wait_end_));
    pair.durable = state;
    CHECK(pairs_.emplace(state.peer, std::move(pair)).second) << "a pair is recorded twice";
  }
  // Nothing is told before the first input, which is SetPeers where there are peers: without peers
  // any disk would do.
}

void StoreLeases::Impl::SetPeers(const std::vector<StoreId>& peers) {
  for (auto& [peer, pair] : pairs_) pair.is_peer = false;
  peers_ = 0;
  for (StoreId peer : peers) {
    CHECK(peer.IsSet());
    if (peer == options_.self) continue;
    Pair& pair = PairOf(peer);
    if (pair.is_peer) continue;
    pair.is_peer = true;
    ++peers_;
    if (pair.holder.epoch().IsSet()) continue;
    // The first time in this process: an epoch that no earlier one used [S-5].
    pair.holder.BeginEpoch(DrawEpoch(Epoch()));
    changed_.insert(peer);
  }
  tick_wanted_ = true;
  Publish(clock_.last());
}

void StoreLeases::Impl::Tick(const ClockReading& reading) {
  const ClockReading now = Observe(reading);
  tick_wanted_ = false;
  ticked_at_ = now.boot;
  for (auto& [peer, pair] : pairs_) {
    if (pair.grantor.WithdrawIfEnded(now)) changed_.insert(peer);
  }
  WatchDisk(now);
  WatchShard(now);
  AskWhereDue(now);
  Publish(now);
}

void StoreLeases::Impl::Step(const ClockReading& reading, const LeaseMessage& message) {
  const ClockReading now = Observe(reading);
  if (message.to != options_.self || message.from == options_.self || !message.from.IsSet()) return;
  if (const auto* request = std::get_if<SupportRequest>(&message.body)) {
    OnRequest(now, message.from, *request);
  } else if (const auto* reply = std::get_if<SupportReply>(&message.body)) {
    OnReply(now, message.from, *reply);
  }
  Publish(now);
}

void StoreLeases::Impl::OnPersisted(const ClockReading& reading, uint64_t persist_sequence) {
  CHECK_LE(persist_sequence, last_sequence_);
  const ClockReading now = Observe(reading);
  while (!persisting_.empty() && persisting_.front().sequence <= persist_sequence) {
    const Persisting done = std::move(persisting_.front());
    persisting_.pop_front();
    if (done.counter >= boot_epoch_) boot_epoch_durable_ = true;
    for (const PairState& state : done.pairs) OnPairPersisted(now, state);
  }
  AskWhereDue(now);
  Publish(now);
}

void StoreLeases::Impl::OnPairPersisted(const ClockReading& /*now*/, const PairState& state) {
  Pair& pair = PairOf(state.peer);
  const PairState before = pair.durable;
  CHECK_GE(state.lowest_accepted, before.lowest_accepted);
  pair.durable = state;
  if (before.lowest_accepted.IsSet() && state.lowest_accepted > before.lowest_accepted) {
    Report(EventType::kSupportWithdrawn, state.peer, state.lowest_accepted.Previous());
  }
  if (pair.waiting_promise.has_value() && pair.waiting_promise->epoch <= state.lowest_accepted) {
    // The promise has bound us since its request came, so a late answer only shortens its use.
    Send(state.peer, *pair.waiting_promise);
    pair.waiting_promise.reset();
  }
}

void StoreLeases::Impl::OnLogWriteCompleted(const ClockReading& reading,
                                            const DualInstant& started) {
  const ClockReading now = Observe(reading);
  wrote_ = true;
  probe_asked_at_.reset();
  write_started_ = {std::max(write_started_.boot, started.boot),
                    std::max(write_started_.raw, started.raw)};
  write_completed_ = DualInstant::At(now);
  WatchDisk(now);
  AskWhereDue(now);
  Publish(now);
}

void StoreLeases::Impl::SetShardBusySince(std::optional<Instant> since) {
  // A shard that goes on is to have its leases back without waiting for the next Tick.
  if (!shard_worked_ && since != shard_busy_since_) tick_wanted_ = true;
  shard_busy_since_ = since;
}

Withdrawal StoreLeases::Impl::Withdraw(const ClockReading& reading, StoreId peer) {
  const ClockReading now = Observe(reading);
  const auto found = pairs_.find(peer);
  if (found == pairs_.end()) return Withdrawal::kNothing;
  Pair& pair = found->second;
  if (pair.grantor.HeardLately(now)) return Withdrawal::kRefused;
  if (pair.grantor.WithdrawEarly(now)) {
    changed_.insert(peer);
    // An answer that still waits for the disk would give the peer what is being taken.
    pair.waiting_promise.reset();
  } else if (pair.durable.lowest_accepted == pair.grantor.lowest_accepted()) {
    return Withdrawal::kNothing;
  }
  Publish(now);
  return Withdrawal::kBegun;
}

LeaseEffects StoreLeases::Impl::TakeEffects() {
  const bool counter_changed = epoch_counter_ > counter_handed_out_;
  if (counter_changed || !changed_.empty()) {
    Persisting record;
    record.sequence = ++last_sequence_;
    record.counter = epoch_counter_;
    for (StoreId peer : changed_) {
      const Pair& pair = PairOf(peer);
      // A peer that is not asked in this process keeps the epoch on record.
      const Epoch own = std::max(pair.holder.epoch(), pair.durable.own_epoch);
      record.pairs.push_back({peer, own, pair.grantor.lowest_accepted()});
    }
    changed_.clear();
    effects_.persist = record.pairs;
    effects_.persist_sequence = record.sequence;
    if (counter_changed) effects_.persist_counter = epoch_counter_;
    counter_handed_out_ = epoch_counter_;
    persisting_.push_back(std::move(record));
  }
  return std::exchange(effects_, LeaseEffects{});
}

Instant StoreLeases::Impl::NextDeadline() const {
  const ClockReading& last = clock_.last();
  if (tick_wanted_) return last.boot;
  Instant deadline = Instant::max();
  for (const auto& [peer, pair] : pairs_) {
    if (!pair.grantor.promised_epoch().IsSet()) continue;
    // Over only when both clocks say so; the slower one is asked again a little later.
    const DualInstant& until = pair.grantor.promised_until();
    const Duration left = std::max(until.boot - last.boot, until.raw - last.raw);
    deadline =
        std::min(deadline, last.boot + std::max<Duration>(left, std::chrono::milliseconds(1)));
  }
  if (!HasPeers()) return deadline;
  deadline = std::min(deadline, ticked_at_ + options_.lease_duration / 8);
  if (!probe_asked_at_.has_value()) deadline = std::min(deadline, ProbeDueAt());
  for (const auto& [peer, pair] : pairs_) {
    if (CanAsk(last, pair) && pair.asked_at.has_value()) {
      deadline = std::min(deadline, *pair.asked_at + options_.lease_duration / 5);
    }
  }
  return deadline;
}

// Every input passes here: pauses and jumps are noticed before anything is decided by `reading`.
ClockReading StoreLeases::Impl::Observe(const ClockReading& reading) {
  const ClockWatch::Finding finding = clock_.Observe(reading);
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  // At most one of the two. A rate is only reported: by the wall clock alone nobody can tell which
  // clock is the wrong one.
  const Duration suspect = finding.wall_jump + finding.wall_drift;
  if (suspect != Duration::zero()) {
    const Duration size = suspect < Duration::zero() ? -suspect : suspect;
    Report(EventType::kClockSuspect, StoreId(), Epoch(),
           static_cast<uint64_t>(duration_cast<milliseconds>(size).count()));
  }
  const bool paused = HasPeers() && finding.elapsed > options_.lease_duration / 4;
  if (!paused && finding.wall_jump <= Duration::zero()) return finding.now;
  if (paused) awake_since_ = finding.now.boot;
  bool suspended = false;
  for (auto& [peer, pair] : pairs_) {
    // REALTIME may have seen a pause that the monotonic clocks slept through [S-8].
    if (finding.wall_jump > Duration::zero()) {
      pair.holder.MoveBack(std::min(finding.wall_jump, 2 * options_.lease_duration));
    }
    if (!paused) continue;
    const bool was_suspended = pair.holder.suspended();
    pair.holder.Suspend();
    suspended = suspended || (pair.holder.suspended() && !was_suspended);
    pair.asked_at.reset();
  }
  if (suspended) {
    Report(EventType::kLeasesSuspended, StoreId(), Epoch(),
           static_cast<uint64_t>(duration_cast<milliseconds>(finding.elapsed).count()));
  }
  return finding.now;
}

StoreLeases::Impl::Pair& StoreLeases::Impl::PairOf(StoreId peer) {
  const auto found = pairs_.find(peer);
  if (found != pairs_.end()) return found->second;
  const Grantor::Options grantor{options_.lease_duration, promise_duration_, options_.mutants};
  Pair pair(Holder(options_.lease_duration, options_.mutants),
            Grantor(grantor, Epoch(), DualInstant{}));
  pair.durable.peer = peer;
  return pairs_.emplace(peer, std::move(pair)).first->second;
}

Epoch StoreLeases::Impl::DrawEpoch(Epoch at_least) {
  epoch_counter_ = std::max(epoch_counter_.Next(), at_least);
  return epoch_counter_;
}

void StoreLeases::Impl::OnRequest(const ClockReading& now, StoreId from,
                                  const SupportRequest& request) {
  if (request.epoch > kEpochMax) return;
  Pair& pair = PairOf(from);
  const Epoch lowest_before = pair.grantor.lowest_accepted();
  uint64_t nonce = 0;
  while (nonce == 0) nonce = Mix(next_nonce_++);
  // Without peers of its own, a store proves its disk when it is asked: it may be about to become a
  // member of a range.
  if (!HasPeers()) AskForProbeIfDue(now);
  const Grantor::Answer answer = pair.grantor.OnRequest(
      now, request, DiskWorks(now) && ShardWorks(now), Nonce(nonce), pair.durable.lowest_accepted);
  if (pair.grantor.lowest_accepted() != lowest_before) changed_.insert(from);
  if (answer.first_of_epoch) Report(EventType::kSupportGranted, from, request.epoch);
  if (answer.reply.supported && pair.durable.lowest_accepted < request.epoch) {
    // [H-1]: a promise that a restart would forget must not be counted on.
    pair.waiting_promise = answer.reply;
    return;
  }
  Send(from, answer.reply);
}

void StoreLeases::Impl::OnReply(const ClockReading& now, StoreId from, const SupportReply& reply) {
  const auto found = pairs_.find(from);
  if (found == pairs_.end() || reply.lowest_accepted > kEpochMax) return;
  Pair& pair = found->second;
  const Holder::Outcome outcome = pair.holder.OnReply(now, reply);
  if (outcome.first_of_epoch) Report(EventType::kSupportGained, from, reply.epoch);
  if (outcome.refused_below.IsSet()) {
    if (options_.mutants.Has(56)) {
      for (auto& [peer, other] : pairs_) {
        if (&other == &pair || !other.is_peer) continue;
        other.holder.BeginEpoch(DrawEpoch(Epoch()));
        changed_.insert(peer);
      }
    }
    // [S-5]: only this pair's epoch changes, and it is asked with once it is durable.
    pair.holder.BeginEpoch(DrawEpoch(outcome.refused_below));
    pair.asked_at.reset();
    changed_.insert(from);
  }
  if (outcome.ask_again) Ask(now, from, &pair);
}

void StoreLeases::Impl::Ask(const ClockReading& now, StoreId peer, Pair* pair) {
  if (!CanAsk(now, *pair)) return;
  pair->asked_at = now.boot;
  Send(peer, pair->holder.Ask(now));
}

bool StoreLeases::Impl::CanAsk(const ClockReading& now, const Pair& pair) const {
  if (!pair.is_peer || pair.durable.own_epoch != pair.holder.epoch()) return false;
  // [S-7]: no disk, no lease; no progress, no lease.
  return (DiskWorks(now) && ShardWorks(now)) || options_.mutants.Has(20);
}

void StoreLeases::Impl::AskWhereDue(const ClockReading& now) {
  for (auto& [peer, pair] : pairs_) {
    if (pair.asked_at.has_value() && now.boot < *pair.asked_at + options_.lease_duration / 5)
      continue;
    Ask(now, peer, &pair);
  }
}

void StoreLeases::Impl::Send(StoreId to, std::variant<SupportRequest, SupportReply> body) {
  effects_.send.push_back({options_.self, to, std::move(body)});
}

bool StoreLeases::Impl::DiskWorks(const ClockReading& now) const {
  return wrote_ && !write_completed_.Plus(options_.lease_duration / 2).EndedForHolder(now);
}

DualInstant StoreLeases::Impl::DiskWorksUntil() const {
  // Without peers there is nobody whom a gray leader could keep from leading, and an idle store is
  // to stay idle.
  if (!HasPeers()) return {kNever, kNever};
  return wrote_ ? write_completed_.Plus(options_.lease_duration / 2) : DualInstant{};
}

// A record is asked for if no write completed for D/4, so that D/4 is left for it to complete
// [S-7].
Instant StoreLeases::Impl::ProbeDueAt() const {
  return wrote_ ? write_completed_.boot + options_.lease_duration / 4 : start_.boot;
}

void StoreLeases::Impl::WatchDisk(const ClockReading& now) {
  if (!HasPeers()) return;
  const bool works = DiskWorks(now);
  if (works != disk_worked_) {
    Report(works ? EventType::kDiskRecovered : EventType::kDiskStalled, StoreId(), Epoch());
    disk_worked_ = works;
  }
  AskForProbeIfDue(now);
}

// Groups are not told: whatever a shard does, it does while it makes progress.
bool StoreLeases::Impl::ShardWorks(const ClockReading& now) const {
  if (!shard_busy_since_.has_value()) return true;
  return now.boot - std::max(*shard_busy_since_, awake_since_) <= options_.lease_duration / 2;
}

void StoreLeases::Impl::WatchShard(const ClockReading& now) {
  const bool works = ShardWorks(now);
  if (works != shard_worked_) {
    Report(works ? EventType::kShardRecovered : EventType::kShardHung, StoreId(), Epoch());
  }
  shard_worked_ = works;
}

void StoreLeases::Impl::AskForProbeIfDue(const ClockReading& now) {
  if (now.boot < ProbeDueAt() || probe_asked_at_.has_value()) return;
  probe_asked_at_ = now.boot;
  effects_.write_disk_probe = true;
}

void StoreLeases::Impl::Publish(const ClockReading& now) {
  LeaseUpdate own;
  own.peer = options_.self;
  own.own_epoch = boot_epoch_durable_ ? boot_epoch_ : Epoch();
  // What was bound to a former process of this store is bound to nothing any more.
  own.lowest_accepted = boot_epoch_;
  PublishUpdate(now, own, &published_store_);
  for (auto& [peer, pair] : pairs_) PublishPair(now, peer, &pair);
}

void StoreLeases::Impl::PublishPair(const ClockReading& now, StoreId peer, Pair* pair) {
  LeaseUpdate update;
  update.peer = peer;
  update.support = pair->holder.SupportUntil(write_started_);
  // An epoch that the peer may not have on record would bind its replicas for ever if both stores
  // stopped: groups see it only once it was supported.
  update.own_epoch = update.support.epoch;
  update.lowest_accepted =
      std::max(Epoch(1), pair->grantor.LowestForGroups(pair->durable.lowest_accepted));
  update.suspended = pair->holder.suspended();
  const bool holds = !update.support.until.EndedForHolder(now);
  if (pair->holds && !holds) Report(EventType::kSupportLost, peer, update.support.epoch);
  pair->holds = holds;
  PublishUpdate(now, update, &pair->published);
}

void StoreLeases::Impl::PublishUpdate(const ClockReading& now, const LeaseUpdate& update,
                                      std::optional<LeaseUpdate>* published) {
  LeaseUpdate full = update;
  full.disk_works_until = options_.mutants.Has(58) ? DualInstant{kNever, kNever} : DiskWorksUntil();
  full.may_vote_from = may_vote_from_;
  if (published->has_value() && !IsWorthTelling(now, full, **published)) return;
  *published = full;
  effects_.updates.push_back(full);
}

// Under load the disk proves itself thousands of times a second; a small extension may wait.
bool StoreLeases::Impl::IsWorthTelling(const ClockReading& now, const LeaseUpdate& update,
                                       const LeaseUpdate& published) const {
  if (update.support.epoch != published.support.epoch || update.own_epoch != published.own_epoch ||
      update.lowest_accepted != published.lowest_accepted ||
      update.suspended != published.suspended) {
    return true;
  }
  const auto differs = [&](const DualInstant& next, const DualInstant& told) {
    if (next == told) return false;
    const Duration small = options_.lease_duration / 16;
    return next.boot < told.boot || next.raw < told.raw || next.boot - told.boot >= small ||
           next.raw - told.raw >= small || told.EndedForHolder(now);
  };
  // The store-wide part travels with the own store's update; others carry it along.
  const bool is_own = update.peer == options_.self;
  return is_own ? differs(update.disk_works_until, published.disk_works_until)
                : differs(update.support.until, published.support.until);
}

void StoreLeases::Impl::Report(EventType type, StoreId peer, Epoch epoch, uint64_t detail) {
  Event event;
  event.type = type;
  event.peer_store = peer;
  event.epoch = epoch;
  event.detail = detail;
  effects_.events.push_back(event);
}

StoreLeases::StoreLeases(const LeaseOptions& options, const DurableLeases& durable,
                         const ClockReading& now)
    : impl_(std::make_unique<Impl>(options, durable, now)) {}
StoreLeases::~StoreLeases() = default;

void StoreLeases::SetPeers(const std::vector<StoreId>& peers) { impl_->SetPeers(peers); }
void StoreLeases::Tick(const ClockReading& now) { impl_->Tick(now); }
void StoreLeases::Step(const ClockReading& now, const LeaseMessage& message) {
  impl_->Step(now, message);
}
void StoreLeases::OnPersisted(const ClockReading& now, uint64_t persist_sequence) {
  impl_->OnPersisted(now, persist_sequence);
}
void StoreLeases::OnLogWriteCompleted(const ClockReading& now, const DualInstant& started) {
  impl_->OnLogWriteCompleted(now, started);
}
void StoreLeases::SetShardBusySince(std::optional<Instant> since) {
  impl_->SetShardBusySince(since);
}
Withdrawal StoreLeases::Withdraw(const ClockReading& now, StoreId peer) {
  return impl_->Withdraw(now, peer);
}
Epoch StoreLeases::LowestAccepted(StoreId peer) const { return impl_->LowestAccepted(peer); }
LeaseEffects StoreLeases::TakeEffects() { return impl_->TakeEffects(); }
Instant StoreLeases::NextDeadline() const { return impl_->NextDeadline(); }

}  // namespace rasputin::consensus::lease
