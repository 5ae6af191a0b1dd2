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
  // [H-12]: no other leader can have been between the term that is led and this one if the lease of
  // that one, by bindings to it alone, holds at this very instant.
  const bool again = role_ == Role::kLeader;
  const bool keeps = again && had_lease_ && LeaseValid(now_);
  std::map<ReplicaId, Epoch> bindings;
  if (keeps) {
    for (const auto& [id, progress] : progress_) bindings[id] = progress.bound_epoch;
  }
  role_ = Role::kFollower;
  StopCampaign();
  role_ = Role::kLeader;
  reelection_ = Reelection::kNone;
  led_term_ = hs_.term;
  leader_ = options_.self;
  was_bound_ = false;
  failed_attempts_ = 0;
  election_at_ = Instant::max();
  // Whoever is bound to an earlier term of ours is bound again by this one.
  pending_releases_.clear();
  release_retry_at_ = Instant::max();
  progress_.clear();
  round_ = 0;
  if (!again) former_members_.clear();
  term_start_ = log_.Last().index.Next();
  if (!keeps) read_floor_ = term_start_;
  // What the members hold is asked anew, as in any new term: only bindings are kept.
  for (const Member& member : others_) {
    Progress& progress = progress_.emplace(member.replica, NewProgress(member)).first->second;
    progress.bound_epoch = bindings[member.replica];
  }
  leader_since_ = now_.boot;
  had_lease_ = keeps;
  if (!again) {
    uncommitted_.clear();
    uncommitted_bytes_ = 0;
  }
  transfer_target_ = ReplicaId();
  transfer_ends_ = Instant::max();
  Emit(EventType::kBecameLeader, ReplicaId(), Index(), keeps ? 1 : 0);
  AppendOwn(EntryType::kNoop, absl::Cord());  // [H-9]: at once.
  progress_at_ = now_.boot;
  AskReadsAgain();
  LeaveJoint();
}

void Core::Impl::AppendOwn(EntryType type, absl::Cord payload) {
  CHECK(role_ == Role::kLeader && led_term_ == hs_.term) << "[H-12] appends in a term not led";
  if (commit_ == log_.Last().index) progress_at_ = now_.boot;
  Entry entry;
  entry.term = hs_.term;
  entry.index = log_.Last().index.Next();
  entry.type = type;
  entry.payload = std::move(payload);
  uncommitted_.push_back({entry.index, entry.payload.size()});
  uncommitted_bytes_ += entry.payload.size();
  std::vector<Entry> entries;
  entries.push_back(std::move(entry));
  ContinueLog(std::move(entries));
  flush_needed_ = true;
}

ProposeResult Core::Impl::Propose(const ClockReading& now, absl::Cord command) {
  Advance(now);
  ProposeResult result;
  if (damaged_ || !IsServingLeader(now_) || transfer_target_.IsSet()) return result;
  if (reelection_ == Reelection::kVoting || !AmVoter()) return result;
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
  reelection_ = Reelection::kNone;
  StopCampaign();
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
    for (const auto& [id, store] : former_members_) pending_releases_[id] = {store, led_term_};
    for (const Member& member : others_) {
      pending_releases_[member.replica] = {member.store, led_term_};
    }
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
  TickReelection();
  if (role_ != Role::kLeader || reelection_ == Reelection::kVoting) return;
  for (const Member& member : others_) TickFollower(member, &progress_.at(member.replica));
  flush_needed_ = true;
}

// ---- Handover.

bool Core::Impl::TransferLeadership(const ClockReading& now, ReplicaId target) {
  Advance(now);
  if (damaged_ || role_ != Role::kLeader || target == options_.self ||
      !configuration_.IsVoter(target) || reelection_ == Reelection::kVoting) {
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

}  // namespace rasputin::consensus
