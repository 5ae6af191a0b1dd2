// Elections: probe, vote, timers [H-2] [H-3] [H-5] [H-13].
//
// A campaign is: probe (changes nothing anywhere) -> pull if behind -> probe again -> vote. A
// replica that is bound, or leads, takes no part in anybody else's. Every way out of a campaign
// goes through StopCampaign().

#include <glog/logging.h>

#include <algorithm>

#include "consensus/core/core_impl.h"

namespace rasputin::consensus {

bool Core::Impl::CampaignAllowed() const {
  return role_ != Role::kLeader && AmVoter() && !IsBound() && leases_->MayVote(now_);
}

// A hint only: with fewer stores in two-way contact than a quorum needs, probing is in vain.
bool Core::Impl::HasContactQuorum() const {
  return HasQuorum(Counted(), [this](ReplicaId id) {
    return id == options_.self || !leases_->SupportFrom(StoreOf(id)).until.EndedForHolder(now_);
  });
}

void Core::Impl::ArmElection() {
  Duration delay = RandomBetween(options_.election_delay_min, options_.election_delay_max);
  // [H-13]: the freshest goes first, but the others go too: it may be out of everybody's reach.
  if (log_.Last() < highest_seen_last_) {
    const uint64_t seen = highest_seen_last_.index.value();
    const uint64_t own = log_.Last().index.value();
    const uint64_t lag = std::clamp<uint64_t>(seen > own ? seen - own : 1, 64, 1024);
    delay += options_.election_delay_max * static_cast<int64_t>(lag) / 1024;
  }
  patient_ = failed_attempts_ >= 3 && !HasContactQuorum();
  if (patient_) delay *= 4;
  election_at_ = AmVoter() ? now_.boot + delay : Instant::max();
}

void Core::Impl::ArmElectionWithin(Duration max) {
  election_at_ = AmVoter() ? now_.boot + RandomBetween(Duration::zero(), max) : Instant::max();
}

bool Core::Impl::IsDueToCampaign(const ClockReading& now) const {
  return !damaged_ && role_ == Role::kFollower && AmVoter() && !IsBound() &&
         now.boot >= election_at_;
}

void Core::Impl::PostponeCampaign(const ClockReading& now) {
  Advance(now);
  CHECK(role_ == Role::kFollower) << "there is a campaign, or no need of one";
  ArmElection();
}

void Core::Impl::TickElection() {
  if (!AmVoter() || IsBound()) return;
  if (role_ == Role::kFollower) {
    if (patient_ && HasContactQuorum()) {
      patient_ = false;
      election_at_ = std::min(election_at_, now_.boot + RandomBetween(options_.election_delay_min,
                                                                      options_.election_delay_max));
    }
    if (now_.boot < election_at_) return;
    if (CampaignAllowed()) {
      StartProbe();
    } else {
      election_at_ = now_.boot + options_.retry_interval;
    }
    return;
  }
  if (now_.boot >= attempt_ends_) return FailCampaign();
  if (now_.boot < attempt_resend_) return;
  attempt_resend_ = Instant::max();
  for (const Member& member : others_) {
    if (votes_.count(member.replica) == 0) SendVoteRequest(member);
  }
}

void Core::Impl::StopCampaign() {
  if (role_ == Role::kLeader) return;
  role_ = Role::kFollower;
  ++attempt_;
  attempt_ends_ = attempt_resend_ = Instant::max();
  probe_answers_.clear();
  votes_.clear();
  vote_messages_ = 0;
  own_vote_pending_ = false;
  campaign_released_ = Term();
  pulled_.clear();
}

void Core::Impl::FailCampaign() {
  StopCampaign();
  ++failed_attempts_;
  ArmElection();
}

void Core::Impl::AdoptTerm(Term term) {
  CHECK(term > hs_.term && role_ != Role::kLeader) << "[H-2] terms only grow";
  if (role_ != Role::kFollower) Emit(EventType::kSteppedDown);
  StopCampaign();
  hs_.term = term;
  hs_.vote = ReplicaId();
  hard_state_changed_ = true;
  if (!IsBound()) leader_ = ReplicaId();
}

// Longer after failures: where a round trip takes longer than `retry_interval`, no answer to an
// attempt would ever come in time. At most 0.4 D, as far as leases themselves work [S-2].
Duration Core::Impl::AttemptWait() const {
  return options_.retry_interval * (1 << std::min(failed_attempts_, 2));
}

// ---- Probe.

void Core::Impl::StartProbe() {
  StopCampaign();
  role_ = Role::kProbing;
  highest_seen_term_ = hs_.term;
  election_at_ = Instant::max();
  attempt_ends_ = now_.boot + AttemptWait();
  SendProbes();
  if (HasQuorum(Counted(), [this](ReplicaId id) { return id == options_.self; })) {
    StartVote(Term());
  }
}

void Core::Impl::SendProbes() {
  Emit(EventType::kCampaignProbing, ReplicaId(), Index(), log_.Last().index.value());
  for (const Member& member : others_) {
    if (Counted().IsVoter(member.replica)) {
      SendNow(member, ProbeRequest{attempt_, log_.Last()});
    }
  }
  probe_answers_[options_.self] = {ProbeStatus::kOk, log_.Last(), Nonce()};
}

ProbeStatus Core::Impl::ProbeAnswerFor(ReplicaId from) const {
  if (role_ == Role::kLeader) return ProbeStatus::kBound;
  if (IsBound() && hs_.bound_leader != from && !options_.mutants.Has(68)) {
    return ProbeStatus::kBound;
  }
  if (!leases_->MayVote(now_)) return ProbeStatus::kNotNow;
  // [H-2]: a campaign of another, or one's own, is under way.
  if (now_.boot < vote_hold_until_ || role_ == Role::kCandidate) return ProbeStatus::kNotNow;
  return ProbeStatus::kOk;
}

void Core::Impl::OnProbeRequest(const Message& m, const ProbeRequest& request) {
  if (highest_seen_last_ < request.last) highest_seen_last_ = request.last;
  // A repeated request gets the nonce it got: the first answer may be the one that is used.
  IssuedNonce& issued = nonces_[m.from];
  if (!issued.nonce.IsSet() || issued.attempt != request.attempt) {
    issued = {Nonce(++next_nonce_), now_.boot, request.attempt};
  }
  ProbeReply reply;
  reply.attempt = request.attempt;
  reply.status = ProbeAnswerFor(m.from);
  reply.term = hs_.term;
  reply.last = log_.Last();
  reply.nonce = issued.nonce;
  if (reply.status == ProbeStatus::kBound) {
    const bool leads = role_ == Role::kLeader;
    reply.bound_to = leads ? options_.self : hs_.bound_leader;
    reply.bound_term = leads ? hs_.term : hs_.bound_term;
    if (!leads) SendReleaseQuery();  // [H-11]: does the binding still hold?
  }
  Reply(m, reply);
}

void Core::Impl::OnProbeReply(const Message& m, const ProbeReply& reply) {
  const bool probing = role_ == Role::kProbing || reelection_ == Reelection::kProbing;
  if ((!probing && !StandsForVotes()) || reply.attempt != attempt_) return;
  if (configuration_.Find(m.from) == nullptr) return;
  highest_seen_term_ = std::max(highest_seen_term_, reply.term);
  if (highest_seen_last_ < reply.last) highest_seen_last_ = reply.last;
  probe_answers_[m.from] = {reply.status, reply.last, reply.nonce};
  if (reply.status == ProbeStatus::kBound && reply.bound_to != options_.self &&
      role_ != Role::kLeader) {
    leader_ = reply.bound_to;
  }
  if (!probing) {  // The quorum was complete already; one more voter is welcome.
    if (reply.status == ProbeStatus::kOk) SendVoteRequest({m.from, m.from_store});
    return;
  }
  if (role_ == Role::kLeader) return OnReelectionProbeReply();
  if (!HasQuorum(Counted(), [this](ReplicaId id) {
        const auto answer = probe_answers_.find(id);
        return answer != probe_answers_.end() && answer->second.status == ProbeStatus::kOk;
      })) {
    return;
  }
  // [H-13]: behind any of those who said ok, pull from the most up-to-date of them first.
  ReplicaId donor = options_.self;
  LogPosition best = log_.Last();
  for (const auto& [id, answer] : probe_answers_) {
    if (answer.status == ProbeStatus::kOk && best < answer.last) {
      donor = id;
      best = answer.last;
    }
  }
  if (donor != options_.self && !options_.mutants.Has(25)) return StartPull(donor);
  StartVote(Term());
}

// ---- Vote.

void Core::Impl::StartVote(Term released_term) {
  CHECK(!IsBound() && role_ != Role::kLeader && AmVoter()) << "[H-4] a bound replica campaigns";
  if (released_term.IsSet()) {  // A handover begins here, without a probe.
    StopCampaign();
    highest_seen_term_ = std::max(highest_seen_term_, released_term);
    election_at_ = Instant::max();
  }
  role_ = Role::kCandidate;
  hs_.term = std::max({hs_.term, highest_seen_term_, hs_.released_term}).Next();
  hs_.vote = options_.self;
  hs_.bound_leader = ReplicaId();
  hs_.bound_store = StoreId();
  hs_.bound_term = Term();
  hs_.bound_epoch = Epoch();
  hard_state_changed_ = true;
  was_bound_ = false;
  leader_ = ReplicaId();
  votes_.clear();
  own_vote_pending_ = true;  // Counts once durable [H-1]; see OnPersisted().
  campaign_released_ = released_term;
  attempt_resend_ = now_.boot + AttemptWait();
  attempt_ends_ = now_.boot + 2 * AttemptWait();
  Emit(EventType::kCampaignVoting);
  for (const Member& member : others_) SendVoteRequest(member);
}

void Core::Impl::SendVoteRequest(const Member& to) {
  if (!Counted().IsVoter(to.replica)) return;
  VoteRequest request;
  request.last = log_.Last();
  request.released_term = campaign_released_;
  const auto answer = probe_answers_.find(to.replica);
  if (answer != probe_answers_.end() && answer->second.status == ProbeStatus::kOk) {
    request.nonce = answer->second.nonce;
  } else if (!campaign_released_.IsSet()) {
    return;  // Would be refused: it did not say ok.
  }
  Send(to, request);
}

bool Core::Impl::NonceIsFresh(ReplicaId from, Nonce nonce) const {
  if (options_.mutants.Has(24) || options_.mutants.Has(60)) return true;
  const auto issued = nonces_.find(from);
  return issued != nonces_.end() && nonce.IsSet() && issued->second.nonce == nonce &&
         now_.boot - issued->second.at < options_.lease_duration / 2;
}

// Decides whether the request counts at all; if not, the term is not adopted either [H-4]. Neither
// the candidate nor this replica need be a voter as far as the own log says: it may lack the entry
// that made them so [H-14].
bool Core::Impl::MayGrant(const Message& m, const VoteRequest& request) {
  if (m.term < hs_.term || role_ == Role::kLeader) return false;
  if (IsBound() && hs_.bound_leader != m.from && !options_.mutants.Has(68)) return false;
  if (!leases_->MayVote(now_)) return false;
  // [H-5]: who cannot hear us must not make us change our term; a handover's request is vouched for
  // by the release it carries.
  return request.released_term.IsSet() || NonceIsFresh(m.from, request.nonce);
}

void Core::Impl::OnVoteRequest(const Message& m, const VoteRequest& request) {
  if (request.released_term.IsSet() && request.released_term < m.term) {
    ApplyRelease(request.released_term, m.from);
  }
  VoteReply reply;
  if (MayGrant(m, request)) {
    if (m.term > hs_.term) {
      const bool campaigned = role_ != Role::kFollower;
      AdoptTerm(m.term);
      if (campaigned) ArmElection();
    }
    const bool free = !hs_.vote.IsSet() || hs_.vote == m.from || options_.mutants.Has(11);
    const bool fresh = options_.mutants.Has(10) ? request.last.index >= log_.Last().index
                                                : !(request.last < log_.Last());
    reply.granted = free && fresh;
  }
  if (reply.granted) {
    StopCampaign();
    if (hs_.vote != m.from) {
      hs_.vote = m.from;
      hard_state_changed_ = true;
      Emit(EventType::kVoteGranted, m.from);
    }
    if (options_.mutants.Has(19)) {
      hs_.bound_leader = m.from;
      hs_.bound_store = m.from_store;
      hs_.bound_term = m.term;
      hs_.bound_epoch = leases_->LowestAccepted(m.from_store);
      was_bound_ = true;
    }
    failed_attempts_ = 0;
    vote_hold_until_ = now_.boot + options_.election_delay_min;
    if (!IsBound()) ArmElection();
  }
  Reply(m, reply);
}

void Core::Impl::OnVoteReply(const Message& m, const VoteReply& reply) {
  if (m.term > hs_.term && role_ == Role::kCandidate) {
    AdoptTerm(m.term);
    ++failed_attempts_;
    ArmElection();
    return;
  }
  const bool of_this_term = m.term == hs_.term || options_.mutants.Has(66);
  if (!StandsForVotes() || !of_this_term || !reply.granted) return;
  // After a pause: others have gone on, and a term that is over would only be in their way.
  if (now_.boot >= attempt_ends_) {
    return role_ == Role::kLeader ? TickReelection() : FailCampaign();
  }
  votes_[m.from] = true;
  ++vote_messages_;
  CountVotes();
}

void Core::Impl::CountVotes() {
  const auto granted = [this](ReplicaId id) { return votes_.count(id) != 0; };
  if (options_.mutants.Has(9)) {
    const size_t messages = static_cast<size_t>(vote_messages_) + votes_.count(options_.self);
    if (messages > configuration_.voters.size() / 2) return BecomeLeader();
  }
  // [H-2]: distinct members, one's own vote among them and durable.
  if (granted(options_.self) && HasQuorum(Counted(), granted)) BecomeLeader();
}

}  // namespace rasputin::consensus
