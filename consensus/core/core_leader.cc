// Becoming and ceasing to be leader [H-7] [H-9], and handing leadership over [H-11].
//
// The order in StopLeading is the rule: first unable to serve, for the rest of the term, then
// release.

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "consensus/core/core_impl.h"

namespace rasputin::consensus {

void Core::Impl::BecomeLeader() {
  CHECK(!IsBound() && hs_.vote == options_.self) << "[H-2] leads without its own vote";
  StopCampaign();
  role_ = Role::kLeader;
  leader_ = options_.self;
  was_bound_ = false;
  failed_attempts_ = 0;
  election_at_ = Instant::max();
  // Whoever is bound to an earlier term of ours is bound again by this one.
  pending_releases_.clear();
  release_retry_at_ = Instant::max();
  progress_.clear();
  round_ = 0;
  term_start_ = log_.Last().index.Next();
  for (const Member& member : others_) progress_.emplace(member.replica, Progress(term_start_));
  leader_since_ = now_.boot;
  had_lease_ = false;
  uncommitted_.clear();
  uncommitted_bytes_ = 0;
  transfer_target_ = ReplicaId();
  transfer_ends_ = Instant::max();
  Emit(EventType::kBecameLeader);
  AppendOwn(EntryType::kNoop, absl::Cord());  // [H-9]: at once.
  progress_at_ = now_.boot;
}

void Core::Impl::AppendOwn(EntryType type, absl::Cord payload) {
  CHECK(role_ == Role::kLeader);
  if (commit_ == log_.Last().index) progress_at_ = now_.boot;
  Entry entry;
  entry.term = hs_.term;
  entry.index = log_.Last().index.Next();
  entry.type = type;
  entry.payload = std::move(payload);
  uncommitted_.emplace_back(entry.index, entry.payload.size());
  uncommitted_bytes_ += entry.payload.size();
  std::vector<Entry> entries;
  entries.push_back(std::move(entry));
  log_.Append(std::move(entries), commit_);
  flush_needed_ = true;
}

ProposeResult Core::Impl::Propose(const ClockReading& now, absl::Cord command) {
  Advance(now);
  ProposeResult result;
  if (damaged_ || !IsServingLeader(now_) || transfer_target_.IsSet()) return result;
  if (uncommitted_bytes_ > 0 &&
      uncommitted_bytes_ + command.size() > options_.max_uncommitted_bytes) {
    result.status = ProposeStatus::kOverloaded;
    return result;
  }
  AppendOwn(EntryType::kCommand, std::move(command));
  result.status = ProposeStatus::kAccepted;
  result.term = hs_.term;
  result.index = log_.Last().index;
  return result;
}

void Core::Impl::ForgetLeadership() {
  role_ = Role::kFollower;
  leader_ = ReplicaId();
  progress_.clear();
  uncommitted_.clear();
  uncommitted_bytes_ = 0;
  transfer_target_ = ReplicaId();
  transfer_ends_ = Instant::max();
  had_lease_ = false;
  FailReads();
}

void Core::Impl::StopLeading(AbdicationReason reason, ReplicaId target) {
  CHECK(role_ == Role::kLeader);
  release_target_ = target;
  release_failures_ = 0;
  pending_releases_.clear();
  if (!options_.mutants.Has(26) && !options_.mutants.Has(60)) {
    for (const Member& member : others_) pending_releases_[member.replica] = hs_.term;
  }
  if (options_.mutants.Has(22) && LeaseValid(now_)) {
    SendReleases(/*all=*/true);
    pending_releases_.clear();
    transfer_target_ = ReplicaId();
    transfer_ends_ = Instant::max();
    return;
  }
  ForgetLeadership();
  Emit(EventType::kAbdicated, target, Index(), static_cast<uint64_t>(reason));
  if (!pending_releases_.empty()) SendReleases(/*all=*/true);
  ArmElection();
}

void Core::Impl::Abdicate(const ClockReading& now) {
  Advance(now);
  if (role_ == Role::kLeader) StopLeading(AbdicationReason::kRequested, ReplicaId());
}

void Core::Impl::TickLeader() {
  if (commit_ < log_.Last().index && !options_.mutants.Has(20) &&
      now_.boot >= progress_at_ + options_.lease_duration) {
    return StopLeading(AbdicationReason::kNoProgress, ReplicaId());
  }
  if (now_.boot >= transfer_ends_) {
    Emit(EventType::kTransferAborted, transfer_target_);
    transfer_target_ = ReplicaId();
    transfer_ends_ = Instant::max();
  }
  for (const Member& member : others_) TickFollower(member, &progress_.at(member.replica));
  flush_needed_ = true;
}

// ---- Handover.

bool Core::Impl::TransferLeadership(const ClockReading& now, ReplicaId target) {
  Advance(now);
  if (damaged_ || role_ != Role::kLeader || target == options_.self ||
      !configuration_.IsVoter(target)) {
    return false;
  }
  if (transfer_target_.IsSet()) return transfer_target_ == target;
  transfer_target_ = target;
  transfer_ends_ = now_.boot + options_.lease_duration;
  Emit(EventType::kTransferStarted, target);
  CheckTransfer();
  return true;
}

void Core::Impl::CheckTransfer() {
  if (!transfer_target_.IsSet()) return;
  // Nothing left to wait for: whoever proposed can be answered, and the target has it all.
  const Index last = log_.Last().index;
  if (applied_ != last || progress_.at(transfer_target_).match != last) return;
  StopLeading(AbdicationReason::kTransfer, transfer_target_);
}

// A replica whose term is above ours would stay out of the group for as long as we lead. Until
// [H-12] is built, which keeps the lease over a campaign, the leader hands over to itself in a
// higher term: an ordinary abdication whose release allows our own campaign at once.
void Core::Impl::MeetHigherTerm(const Message& m) {
  const Term released = hs_.term;
  StopLeading(AbdicationReason::kHigherTermFailed, options_.self);
  highest_seen_term_ = m.term;
  if (role_ == Role::kFollower && CampaignAllowed()) StartVote(released);
}

}  // namespace rasputin::consensus
