// Saving, normalising and encoding of cores for the executable model; see core_access.h.

#include "consensus/core/core_access.h"

#include <glog/logging.h>

#include <algorithm>
#include <variant>

#include "consensus/core/core_impl.h"

namespace rasputin::consensus {
namespace {

// Of a timer that is running: later than any instant that a model without time reaches.
constexpr Duration kLater = std::chrono::hours(1);

void MoveToLater(Instant now, Instant* timer) {
  if (*timer != Instant::max()) *timer = now + kLater;
}

}  // namespace

// ---- Bytes.

void StateBytes::Number(uint64_t value) {
  if (value < 255) {
    bytes_.push_back(static_cast<char>(value));
    return;
  }
  bytes_.push_back(static_cast<char>(255));
  for (int shift = 0; shift < 64; shift += 8) {
    bytes_.push_back(static_cast<char>((value >> shift) & 255));
  }
}

void StateBytes::Entries(const std::vector<Entry>& entries) {
  Number(entries.size());
  for (const Entry& entry : entries) {
    Number(entry.term.value());
    Number(entry.index.value());
    Number(static_cast<uint64_t>(entry.type));
  }
}

void StateBytes::State(const HardState& state) {
  Number(state.term.value());
  Replica(state.vote);
  Replica(state.bound_leader);
  Store(state.bound_store);
  Number(state.bound_term.value());
  Number(state.bound_epoch.value());
  Number(state.released_term.value());
}

ReplicaId StateBytes::Named(uint8_t name) const {
  for (size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == name) return ReplicaId(i + 1);
  }
  LOG(FATAL) << "no replica is renamed to " << static_cast<int>(name);
}

// ---- Saving.

CoreAccess::Saved CoreAccess::Save(const Core& core) {
  return std::make_shared<const Core::Impl>(*core.impl_);
}

void CoreAccess::Restore(const Saved& saved, Core* core) {
  core->impl_ = std::make_unique<Core::Impl>(*static_cast<const Core::Impl*>(saved.get()));
}

// ---- Timers.

bool CoreAccess::IsArmed(const Core& core, Timer timer) {
  const Core::Impl& impl = *core.impl_;
  switch (timer) {
    case Timer::kElection:
      return impl.role_ == Role::kFollower && impl.election_at_ != Instant::max();
    case Timer::kAttempt:
      return impl.attempt_ends_ != Instant::max();
    case Timer::kTransfer:
      return impl.transfer_ends_ != Instant::max();
  }
  return false;
}

void CoreAccess::MakeDue(Core* core, Timer timer) {
  CHECK(IsArmed(*core, timer));
  Core::Impl* impl = core->impl_.get();
  if (timer == Timer::kElection) impl->election_at_ = impl->now_.boot;
  if (timer == Timer::kAttempt) impl->attempt_ends_ = impl->now_.boot;
  if (timer == Timer::kTransfer) impl->transfer_ends_ = impl->now_.boot;
}

// ---- What no behaviour depends on.

void CoreAccess::Normalise(Core* core, uint64_t* attempt) {
  Core::Impl* impl = core->impl_.get();
  const Instant now = impl->now_.boot;
  // Chance decides only how long timers run.
  impl->random_state_ = 1;
  impl->failed_attempts_ = 0;
  impl->patient_ = false;
  impl->highest_seen_last_ = LogPosition();
  for (Instant* timer : {&impl->election_at_, &impl->attempt_ends_, &impl->attempt_resend_,
                         &impl->transfer_ends_, &impl->release_retry_at_}) {
    MoveToLater(now, timer);
  }
  // Waits that only keep a replica from answering or asking for a while.
  impl->vote_hold_until_ = Instant::min();
  impl->query_after_ = Instant::min();
  for (auto& [id, issued] : impl->nonces_) issued.at = now;
  // Hints to clients and to the log's owner.
  if (impl->role_ != Role::kLeader) impl->leader_ = ReplicaId();
  impl->held_by_all_ = Index();
  // Repetitions: where no message is forgotten, they add nothing.
  impl->pending_releases_.clear();
  impl->release_target_ = ReplicaId();
  impl->release_failures_ = 0;
  impl->release_retry_at_ = Instant::max();
  const bool reelects = impl->reelection_ != Core::Impl::Reelection::kNone;
  if (impl->role_ != Role::kProbing && impl->reelection_ != Core::Impl::Reelection::kProbing) {
    impl->probe_answers_.clear();
  }
  for (auto& [id, progress] : impl->progress_) {
    MoveToLater(now, &progress.retry_at);
    progress.failures = 0;
    progress.dormant = false;
  }
  if (impl->role_ != Role::kPulling) {
    impl->pull_donor_ = ReplicaId();
    impl->pull_after_ = LogPosition();
    impl->pulled_.clear();
  }
  // A term that no campaign would be above because of it.
  if (impl->highest_seen_term_ <= std::max(impl->hs_.term, impl->hs_.released_term)) {
    impl->highest_seen_term_ = Term();
  }
  // Outside a campaign the attempt's number only has to differ from those of the past.
  if (impl->role_ == Role::kFollower || (impl->role_ == Role::kLeader && !reelects)) {
    impl->attempt_ = *attempt;
  } else {
    *attempt = impl->attempt_;
  }
  if (impl->persisted_sequence_ == impl->persist_sequence_) {
    impl->persisted_sequence_ = impl->persist_sequence_ = impl->own_vote_sequence_ = 0;
  }
}

void CoreAccess::SetNextNonce(Core* core, uint64_t value) { core->impl_->next_nonce_ = value - 1; }

void CoreAccess::RenumberRounds(const Saved& before, Core* core, std::vector<Message>* sent) {
  const auto* old = static_cast<const Core::Impl*>(before.get());
  Core::Impl* impl = core->impl_.get();
  uint64_t highest = 0;
  for (const Member& member : impl->others_) {
    // What was numbered before this call stays as it is.
    uint64_t base = 0;
    uint64_t sent_before = 0;
    std::vector<uint64_t> rounds;
    std::vector<AppendRequest*> requests;
    for (Message& message : *sent) {
      auto* request = std::get_if<AppendRequest>(&message.body);
      if (request == nullptr || message.to != member.replica) continue;
      rounds.push_back(request->read_context);
      requests.push_back(request);
    }
    if (old != nullptr && old->role_ == Role::kLeader &&
        (impl->role_ != Role::kLeader || impl->led_term_ == old->led_term_)) {
      base = old->round_;
      sent_before = old->progress_.at(member.replica).sent_round;
    }
    const auto renumbered = [&](uint64_t round) -> uint64_t {
      if (round <= base) return round;
      const auto earlier = std::count_if(rounds.begin(), rounds.end(),
                                         [round](uint64_t other) { return other < round; });
      return sent_before + static_cast<uint64_t>(earlier) + 1;
    };
    for (AppendRequest* request : requests) {
      request->read_context = renumbered(request->read_context);
    }
    const auto found = impl->progress_.find(member.replica);
    if (found == impl->progress_.end()) continue;
    Progress* progress = &found->second;
    for (uint64_t* round : {&progress->sent_round, &progress->probe_round,
                            &progress->refusals_from_round, &progress->commit_round}) {
      *round = renumbered(*round);
    }
    for (auto& flight : progress->in_flight_) flight.round = renumbered(flight.round);
    highest = std::max(highest, progress->sent_round);
  }
  impl->round_ = highest;
}

Term CoreAccess::LedTerm(const Core& core) {
  return core.role() == Role::kLeader ? core.impl_->led_term_ : Term();
}

bool CoreAccess::StandsForVotes(const Core& core) { return core.impl_->StandsForVotes(); }

uint64_t CoreAccess::HighestRound(const Core& core) {
  return core.role() == Role::kLeader ? core.impl_->round_ : 0;
}

// ---- Encoding.

void CoreAccess::Encode(const Core& core, StateBytes* out) {
  const Core::Impl& impl = *core.impl_;
  CHECK(!impl.hard_state_changed_ && !impl.log_.HasPending() && impl.ready_.Empty());
  out->Replica(impl.options_.self);
  out->Number(static_cast<uint64_t>(impl.role_));
  out->State(impl.hs_);
  if (impl.options_.mutants.Has(7)) out->State(impl.durable_vote_);
  out->Number(impl.damaged_ ? 1 : 0);
  for (const Index index : {impl.commit_, impl.applied_, impl.handed_out_, impl.log_.Persisted()}) {
    out->Number(index.value());
  }
  out->Number(impl.persist_sequence_ - impl.persisted_sequence_);
  out->Number(impl.attempt_);
  out->Number((IsArmed(core, Timer::kElection) ? 1 : 0) + (IsArmed(core, Timer::kAttempt) ? 2 : 0) +
              (impl.was_bound_ ? 4 : 0) + (impl.asks_for_commit_ ? 8 : 0) +
              (impl.own_vote_pending_ ? 16 : 0));
  out->Number(impl.highest_seen_term_.value());
  for (uint8_t name = 1; name <= StateBytes::kReplicas; ++name) {
    const ReplicaId id = out->Named(name);
    const auto answer = impl.probe_answers_.find(id);
    out->Number(answer == impl.probe_answers_.end() ? 0
                                                    : static_cast<uint64_t>(answer->second.status));
    if (answer != impl.probe_answers_.end()) {
      out->Position(answer->second.last);
      out->Number(answer->second.nonce.value());
    }
    const auto issued = impl.nonces_.find(id);
    out->Number(issued == impl.nonces_.end() ? 0 : issued->second.nonce.value());
    out->Number(issued == impl.nonces_.end() ? 0 : issued->second.attempt);
    out->Number(impl.votes_.count(id));
  }
  out->Number(impl.options_.mutants.Has(9) ? static_cast<uint64_t>(impl.vote_messages_) : 0);
  if (impl.StandsForVotes()) {
    out->Number(impl.own_vote_sequence_ > impl.persisted_sequence_ ? 1 : 0);
    out->Number(impl.campaign_released_.value());
  }
  if (impl.role_ == Role::kPulling) {
    out->Replica(impl.pull_donor_);
    out->Position(impl.pull_after_);
    out->Entries(impl.pulled_);
  }
  if (impl.role_ == Role::kLeader) EncodeLeader(core, out);
}

// Left out: which rounds were answered, and timers of retransmissions, as nothing is retransmitted;
// sizes of what is under way, far below their limits.
void CoreAccess::EncodeLeader(const Core& core, StateBytes* out) {
  const Core::Impl& impl = *core.impl_;
  CHECK(impl.reads_.empty() && impl.former_members_.empty() && impl.configurations_.size() == 1)
      << "read index rounds and changes of members are not modelled";
  out->Number(impl.term_start_.value());
  out->Number(impl.read_floor_.value());
  out->Number(impl.led_term_.value());
  out->Number(static_cast<uint64_t>(impl.reelection_));
  out->Number((impl.had_lease_ ? 1 : 0) + (impl.flush_needed_ ? 2 : 0) +
              (impl.leader_ == impl.options_.self ? 4 : 0));
  out->Replica(impl.transfer_target_);
  for (uint8_t name = 1; name <= StateBytes::kReplicas; ++name) {
    const auto found = impl.progress_.find(out->Named(name));
    if (found == impl.progress_.end()) continue;
    const Progress& progress = found->second;
    CHECK(!progress.NeedsSnapshot()) << "snapshots are not modelled";
    out->Number(progress.mode == Progress::Mode::kProbe ? 1 : 2);
    for (const Index index : {progress.match, progress.next, progress.sent_commit}) {
      out->Number(index.value());
    }
    out->Number(progress.bound_epoch.value());
    out->Number(progress.sent_epoch.value());
    for (const uint64_t round :
         {progress.sent_round, progress.probe_round, progress.refusals_from_round}) {
      out->Number(round);
    }
    out->Number((progress.must_send ? 1 : 0) + (progress.below_log_start ? 2 : 0) +
                (progress.rebound && impl.options_.mutants.Has(8) ? 4 : 0));
    out->Number(progress.in_flight_.size());
    for (const auto& flight : progress.in_flight_) {
      out->Number(flight.last.value());
      out->Number(flight.round);
    }
  }
}

}  // namespace rasputin::consensus
