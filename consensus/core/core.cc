// Construction, dispatch and effects of the core; the rules are in core_*.cc.

#include "consensus/core/core.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "consensus/core/core_impl.h"

namespace rasputin::consensus {
namespace {

// One step of splitmix64: enough for timers and nonces, and the same everywhere.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

Core::Impl::Impl(const CoreOptions& options, const InitialState& initial, const LogView* log,
                 const LeaseView* leases, const ClockReading& now)
    : options_(options),
      leases_(leases),
      log_(log),
      hs_(initial.hard_state),
      durable_vote_(initial.hard_state),
      commit_(std::max(initial.applied, initial.committed)),
      applied_(initial.applied),
      handed_out_(initial.applied),
      now_(now),
      random_state_(Mix(options.seed) ^ Mix(options.self.value() + 0x9e3779b97f4a7c15ULL)),
      next_nonce_(0) {
  CHECK(options.self.IsSet() && options.self_store.IsSet());
  CHECK(applied_ <= log_.Last().index) << "the state machine is ahead of the log";
  CHECK(commit_ <= log_.Last().index) << "what is committed is not in the log";
  CHECK(log_.Start().index <= applied_) << "entries to be applied were cut from the log";
  CHECK(options.election_delay_min > Duration::zero() &&
        options.election_delay_min < options.election_delay_max);
  // Nonces and attempts of an earlier core must not be accepted: they start at a random place.
  next_nonce_ = (Random() ^ Mix(static_cast<uint64_t>(now.boot.time_since_epoch().count()))) >> 1;
  attempt_ = next_nonce_;
  // A log that ends in a term above one's own could still be overwritten by a leader of a lower
  // one. Only a snapshot leaves such a log; whoever voted in that term has it on record already.
  if (hs_.term < log_.Last().term) {
    hs_.term = log_.Last().term;
    hs_.vote = ReplicaId();
    hard_state_changed_ = true;
  }
  was_bound_ = IsBound();
  RestoreConfigurations(initial.configuration);
  SetConfiguration();
  if (damaged_) return;
  if (was_bound_) leader_ = hs_.bound_leader;
  asks_for_commit_ = was_bound_ && commit_ < log_.Last().index;
  if (initial.leads_first_term) {
    CHECK(hs_.term == Term(1) && hs_.vote == options_.self) << "[H-15]";
    born_leading_ = true;
    BecomeLeader();
  } else if (!was_bound_) {
    ArmElection();
  }
}

void Core::Impl::Advance(const ClockReading& now) {
  CHECK(now.boot >= now_.boot && now.raw >= now_.raw) << "time went backwards";
  now_ = now;
}

void Core::Impl::Refresh() {
  if (role_ == Role::kLeader) {
    CheckLease();
  } else {
    CheckBinding();
  }
}

void Core::Impl::Tick(const ClockReading& now) {
  Advance(now);
  if (damaged_) return;
  Refresh();
  if (role_ == Role::kLeader) {
    TickLeader();
  } else {
    TickElection();
    if (asks_for_commit_) SendReleaseQuery();
  }
  TickReleases();
}

void Core::Impl::Step(const ClockReading& now, const Message& m) {
  Advance(now);
  if (damaged_ || m.to != options_.self || m.from == options_.self) return;
  if (auto* request = std::get_if<AppendRequest>(&m.body)) return OnAppendRequest(m, *request);
  if (auto* reply = std::get_if<AppendReply>(&m.body)) return OnAppendReply(m, *reply);
  Refresh();
  if (auto* request = std::get_if<ProbeRequest>(&m.body)) return OnProbeRequest(m, *request);
  if (auto* reply = std::get_if<ProbeReply>(&m.body)) return OnProbeReply(m, *reply);
  if (auto* request = std::get_if<VoteRequest>(&m.body)) return OnVoteRequest(m, *request);
  if (auto* reply = std::get_if<VoteReply>(&m.body)) return OnVoteReply(m, *reply);
  if (auto* request = std::get_if<PullRequest>(&m.body)) return OnPullRequest(m, *request);
  if (auto* reply = std::get_if<PullReply>(&m.body)) return OnPullReply(m, *reply);
  if (auto* release = std::get_if<Release>(&m.body)) return OnRelease(m, *release);
  if (auto* ack = std::get_if<ReleaseAck>(&m.body)) return OnReleaseAck(m, *ack);
  if (auto* query = std::get_if<ReleaseQuery>(&m.body)) return OnReleaseQuery(m, *query);
}

Message Core::Impl::MakeMessage(const Member& to, MessageBody body, Term term) const {
  Message m;
  m.range = options_.range;
  m.from = options_.self;
  m.to = to.replica;
  m.from_store = options_.self_store;
  m.to_store = to.store;
  m.term = term;
  m.body = std::move(body);
  return m;
}

void Core::Impl::Send(const Member& to, MessageBody body) {
  ready_.send_after_persist.push_back(MakeMessage(to, std::move(body), hs_.term));
}

void Core::Impl::SendNow(const Member& to, MessageBody body) {
  ready_.send_now.push_back(MakeMessage(to, std::move(body), hs_.term));
}

void Core::Impl::Emit(EventType type, ReplicaId peer, Index index, uint64_t detail) {
  Event event;
  event.type = type;
  event.range = options_.range;
  event.replica = options_.self;
  event.term = hs_.term;
  event.peer = peer;
  event.index = index;
  event.detail = detail;
  if (type == EventType::kBound) event.epoch = hs_.bound_epoch;
  ready_.events.push_back(event);
}

StoreId Core::Impl::StoreOf(ReplicaId id) const {
  const Member* member = configuration_.Find(id);
  return member == nullptr ? StoreId() : member->store;
}

StoreId Core::Impl::LeaderStoreHint() const {
  const StoreId store = leader_ == options_.self ? options_.self_store : StoreOf(leader_);
  // A leader that this replica's log does not know yet, or no more, has bound it.
  if (!store.IsSet() && leader_.IsSet() && leader_ == hs_.bound_leader) return hs_.bound_store;
  return store;
}

uint64_t Core::Impl::Random() {
  random_state_ += 0x9e3779b97f4a7c15ULL;
  return Mix(random_state_);
}

Duration Core::Impl::RandomBetween(Duration min, Duration max) {
  const uint64_t span = static_cast<uint64_t>(std::max<int64_t>(1, (max - min).count()));
  return min + Duration(static_cast<int64_t>(Random() % span));
}

void Core::Impl::StopDamaged() {
  if (role_ == Role::kLeader) {
    StopLeading(AbdicationReason::kRequested, ReplicaId());
  } else {
    StopCampaign();
  }
  damaged_ = true;
  election_at_ = Instant::max();
}

void Core::Impl::EmitCommitted() {
  // A follower hands out only what is durable here; a leader may be ahead of its own disk [H-9].
  Index until = commit_;
  if (role_ != Role::kLeader) until = std::min(until, log_.Persisted());
  while (handed_out_ < until) {
    auto read = log_.Read(handed_out_.Next(), until, options_.max_append_bytes);
    if (!read.ok()) return StopDamaged();
    handed_out_ = read->back().index;
    ready_.committed.insert(ready_.committed.end(), std::make_move_iterator(read->begin()),
                            std::make_move_iterator(read->end()));
  }
}

Ready Core::Impl::TakeReady() {
  if (!damaged_) {
    if (role_ == Role::kLeader && flush_needed_) Flush();
    flush_needed_ = false;
    EmitCommitted();
  }
  if (hard_state_changed_ || log_.HasPending()) {
    ready_.persist_sequence = ++persist_sequence_;
    if (hard_state_changed_) {
      ready_.hard_state = hs_;
      if (options_.mutants.Has(7)) {
        ready_.hard_state->term = durable_vote_.term;
        ready_.hard_state->vote = durable_vote_.vote;
      }
      if (options_.mutants.Has(67)) ready_.hard_state->bound_leader = ReplicaId();
      hard_state_changed_ = false;
    }
    ready_.entries = log_.TakePending(persist_sequence_);
    if (own_vote_pending_) {
      own_vote_pending_ = false;
      own_vote_sequence_ = persist_sequence_;
    }
  }
  return std::exchange(ready_, Ready());
}

bool Core::Impl::HasReady() const {
  if (!ready_.Empty() || hard_state_changed_ || log_.HasPending()) return true;
  if (damaged_) return false;
  if (role_ == Role::kLeader) return flush_needed_ || handed_out_ < commit_;
  return handed_out_ < std::min(commit_, log_.Persisted());
}

void Core::Impl::OnPersisted(const ClockReading& now, uint64_t persist_sequence) {
  Advance(now);
  CHECK(persist_sequence <= persist_sequence_) << "never handed out";
  persisted_sequence_ = std::max(persisted_sequence_, persist_sequence);
  log_.OnPersisted(persist_sequence);
  if (damaged_) return;
  if (role_ == Role::kLeader) AdvanceCommit();
  if (StandsForVotes() && !own_vote_pending_ && own_vote_sequence_ <= persisted_sequence_) {
    votes_[options_.self] = true;  // [H-1]: one's own vote counts once it is durable.
    CountVotes();
  }
}

void Core::Impl::OnApplied(Index applied) {
  CHECK(applied >= applied_ && applied <= handed_out_) << "applied what was not handed out";
  applied_ = applied;
  ForgetAppliedConfigurations();
  if (role_ != Role::kLeader) return;
  flush_needed_ = true;  // May be announced now [H-15].
  LeaveJoint();
  CheckTransfer();
}

Index Core::Impl::held_by_all() const {
  if (role_ != Role::kLeader) return held_by_all_;
  Index slowest = log_.Persisted();
  for (const auto& [id, progress] : progress_) slowest = std::min(slowest, progress.match);
  return slowest;
}

Instant Core::Impl::NextDeadline() const {
  if (damaged_) return Instant::max();
  Instant deadline = release_retry_at_;
  if (role_ != Role::kLeader) {
    if (was_bound_ && !IsBound()) return now_.boot;
    if (was_bound_)
      return asks_for_commit_ ? std::min(deadline, std::max(query_after_, now_.boot)) : deadline;
    return std::min({deadline, election_at_, attempt_ends_, attempt_resend_});
  }
  if (had_lease_ && options_.watches_lease_end) {
    const DualInstant end = LeaseEndBy(/*held=*/true);
    const Duration left = end.EndedForHolder(now_)
                              ? Duration::zero()
                              : std::min(end.boot - now_.boot, end.raw - now_.raw);
    deadline = std::min(deadline, now_.boot + left);
  } else if (!had_lease_) {
    deadline = std::min(deadline, leader_since_ + options_.lease_duration);
  }
  if (commit_ < log_.Last().index && !options_.mutants.Has(20)) {
    deadline = std::min(deadline, progress_at_ + options_.lease_duration);
  }
  deadline = std::min({deadline, transfer_ends_, attempt_ends_, attempt_resend_});
  if (reelection_ == Reelection::kVoting) return deadline;
  for (const Member& member : others_) {
    const Progress& progress = progress_.at(member.replica);
    deadline = std::min(deadline, progress.retry_at);
    if (MayAskForSnapshot(member, progress)) {
      deadline = std::min(deadline, std::max(progress.snapshot_retry_at, now_.boot));
    }
  }
  return deadline;
}

// ---- The facade.

Core::Core(const CoreOptions& options, const InitialState& initial, const LogView* log,
           const LeaseView* leases, const ClockReading& now)
    : impl_(std::make_unique<Impl>(options, initial, log, leases, now)) {}
Core::~Core() = default;

void Core::Tick(const ClockReading& now) { impl_->Tick(now); }
void Core::Step(const ClockReading& now, const Message& message) { impl_->Step(now, message); }
ProposeResult Core::Propose(const ClockReading& now, absl::Cord command) {
  return impl_->Propose(now, std::move(command));
}
ProposeResult Core::ProposeConfiguration(const ClockReading& now, const Configuration& target) {
  return impl_->ProposeConfiguration(now, target);
}
void Core::OnSnapshotSent(const ClockReading& now, ReplicaId to, bool installed) {
  impl_->OnSnapshotSent(now, to, installed);
}
bool Core::TransferLeadership(const ClockReading& now, ReplicaId target) {
  return impl_->TransferLeadership(now, target);
}
void Core::Abdicate(const ClockReading& now) { impl_->Abdicate(now); }
void Core::QueryBinding(const ClockReading& now) { impl_->QueryBinding(now); }
bool Core::RequestReadIndex(const ClockReading& now, uint64_t context) {
  return impl_->RequestReadIndex(now, context);
}
Ready Core::TakeReady() { return impl_->TakeReady(); }
bool Core::HasReady() const { return impl_->HasReady(); }
void Core::OnPersisted(const ClockReading& now, uint64_t persist_sequence) {
  impl_->OnPersisted(now, persist_sequence);
}
void Core::OnApplied(Index applied) { impl_->OnApplied(applied); }
void Core::LearnCommitted(const ClockReading& now, LogPosition position) {
  impl_->LearnCommitted(now, position);
}
bool Core::MayServeRead(const ClockReading& now) const { return impl_->MayServeRead(now); }
bool Core::IsServingLeader(const ClockReading& now) const { return impl_->IsServingLeader(now); }
DualInstant Core::LeaseEnd() const { return impl_->LeaseEnd(); }
Role Core::role() const { return impl_->role_; }
Term Core::term() const { return impl_->hs_.term; }
ReplicaId Core::self() const { return impl_->options_.self; }
ReplicaId Core::leader_hint() const { return impl_->leader_; }
Index Core::commit_index() const { return impl_->commit_; }
Index Core::applied_index() const { return impl_->applied_; }
Index Core::last_index() const { return impl_->log_.Last().index; }
const HardState& Core::hard_state() const { return impl_->hs_; }
const Configuration& Core::configuration() const { return impl_->configuration_; }
StoreId Core::leader_store_hint() const { return impl_->LeaderStoreHint(); }
std::vector<MemberProgress> Core::ListProgress(const ClockReading& now) const {
  return impl_->ListProgress(now);
}
Index Core::held_by_all() const { return impl_->held_by_all(); }
bool Core::log_damaged() const { return impl_->damaged_; }
bool Core::releasing(bool alive) const { return impl_->IsReleasing(alive); }
Instant Core::NextDeadline() const { return impl_->NextDeadline(); }
bool Core::IsDueToCampaign(const ClockReading& now) const { return impl_->IsDueToCampaign(now); }
void Core::PostponeCampaign(const ClockReading& now) { impl_->PostponeCampaign(now); }

}  // namespace rasputin::consensus
