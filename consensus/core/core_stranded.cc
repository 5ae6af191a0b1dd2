// A leader that meets a higher term stands for election in one above it without ceasing to lead
// [H-12].
//
// It leads and appends as ever until a quorum said ok to its probe. Then it votes for itself in the
// new term, appends nothing, and serves reads from the old lease, which its followers' bindings to
// the old term still uphold. What it keeps of them for the new term: BecomeLeader(). Why that is
// safe: consensus/README.md, "Why a stranded term costs nothing".

#include <glog/logging.h>

#include <algorithm>

#include "consensus/core/core_impl.h"

namespace rasputin::consensus {

void Core::Impl::MeetHigherTerm(const Message& m) {
  highest_seen_term_ = std::max(highest_seen_term_, m.term);
  // The answer that told of it comes again on the timer of the append.
  if (reelection_ != Reelection::kNone || transfer_target_.IsSet()) return;
  if (!AmVoter() || !leases_->MayVote(now_)) return;
  reelection_ = Reelection::kProbing;
  ++attempt_;
  probe_answers_.clear();
  attempt_ends_ = now_.boot + AttemptWait();
  SendProbes();
}

// After an answer was taken into probe_answers_.
void Core::Impl::OnReelectionProbeReply() {
  const auto ok = [this](ReplicaId id) {
    const auto answer = probe_answers_.find(id);
    return answer != probe_answers_.end() && answer->second.status == ProbeStatus::kOk;
  };
  // The leader may have changed its mind since, or its members.
  if (transfer_target_.IsSet() || !AmVoter() || !leases_->MayVote(now_)) return;
  if (!HasQuorum(Counted(), ok)) return;
  for (const auto& [id, answer] : probe_answers_) {
    // Somebody else led in between; only a new leader without a lease can find that.
    if (ok(id) && log_.Last() < answer.last) {
      return StopLeading(AbdicationReason::kHigherTermFailed, ReplicaId());
    }
  }
  StartReelectionVote();
}

void Core::Impl::StartReelectionVote() {
  CHECK(role_ == Role::kLeader && AmVoter() && led_term_ == hs_.term);
  reelection_ = Reelection::kVoting;
  hs_.term = std::max({hs_.term, highest_seen_term_, hs_.released_term}).Next();
  hs_.vote = options_.self;
  hard_state_changed_ = true;
  votes_.clear();
  own_vote_pending_ = true;
  campaign_released_ = Term();
  attempt_resend_ = now_.boot + AttemptWait();
  attempt_ends_ = now_.boot + 2 * AttemptWait();
  Emit(EventType::kCampaignVoting);
  for (const Member& member : others_) SendVoteRequest(member);
}

void Core::Impl::TickReelection() {
  if (reelection_ == Reelection::kNone) return;
  if (now_.boot >= attempt_ends_) {
    if (reelection_ == Reelection::kVoting) {
      return StopLeading(AbdicationReason::kHigherTermFailed, ReplicaId());
    }
    reelection_ = Reelection::kNone;  // A probe changed nothing.
    attempt_ends_ = Instant::max();
    ++attempt_;
    return;
  }
  if (now_.boot < attempt_resend_) return;
  attempt_resend_ = Instant::max();
  for (const Member& member : others_) {
    if (votes_.count(member.replica) == 0) SendVoteRequest(member);
  }
}

}  // namespace rasputin::consensus
