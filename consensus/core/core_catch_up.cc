// Catch-up before a campaign: pulling the log of a more up-to-date voter [H-13].
//
// What is pulled is installed only while the attempt is current and the replica unbound, and only
// as far as the log that results ranks at least as high as the own one at that instant. Why that is
// safe: consensus/README.md, "Why a pull loses nothing".

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "consensus/core/core_impl.h"

namespace rasputin::consensus {

void Core::Impl::StartPull(ReplicaId donor) {
  role_ = Role::kPulling;
  pull_donor_ = donor;
  pull_after_ = log_.Last();
  pulled_.clear();
  Emit(EventType::kCampaignPulling, donor);
  RequestPull();
}

void Core::Impl::RequestPull() {
  attempt_ends_ = now_.boot + AttemptWait();
  SendNow({pull_donor_, StoreOf(pull_donor_)}, PullRequest{attempt_, pull_after_});
}

void Core::Impl::OnPullRequest(const Message& m, const PullRequest& request) {
  PullReply reply;
  reply.attempt = request.attempt;
  reply.donor_last = log_.Last();
  reply.matched = log_.Holds(request.after);
  if (!reply.matched) {
    LogPosition hint = request.after;
    if (hint.index <= log_.Last().index && hint.index.IsSet()) hint.index = hint.index.Previous();
    reply.previous = log_.LastNotAfter(hint, Index());
    // Its log ends before this one begins: no suffix helps it.
    if (request.after.index < log_.Start().index && role_ != Role::kLeader &&
        configuration_.Find(m.from) != nullptr) {
      ready_.snapshots_wanted.push_back(m.from);
    }
  } else {
    reply.previous = request.after;
    if (request.after.index < log_.Last().index) {
      auto read =
          log_.Read(request.after.index.Next(), log_.Last().index, options_.max_append_bytes);
      if (!read.ok()) return StopDamaged();
      reply.entries = *std::move(read);
    }
  }
  Reply(m, std::move(reply));
}

void Core::Impl::OnPullReply(const Message& m, const PullReply& reply) {
  if (options_.mutants.Has(53)) InstallLate(m, reply);
  // A late answer would overwrite what was acknowledged meanwhile to a new leader.
  if (role_ != Role::kPulling || reply.attempt != attempt_ || m.from != pull_donor_) return;
  CHECK(!IsBound()) << "[H-4] a bound replica pulls";
  if (!reply.matched) {
    const LogPosition next = log_.LastNotAfter(reply.previous, commit_);
    // Not further back than before: the donor's log was cut there, or has changed.
    if (!pulled_.empty() || !(next.index < pull_after_.index)) return FailCampaign();
    pull_after_ = next;
    return RequestPull();
  }
  if (!(reply.previous == pull_after_)) return;
  if (reply.entries.empty()) return FailCampaign();
  if (!WellFormed(pull_after_, reply.entries, m.term)) return FailCampaign();
  pulled_.insert(pulled_.end(), reply.entries.begin(), reply.entries.end());
  pull_after_ = {pulled_.back().term, pulled_.back().index};
  // Half of a diverging log may rank below the own one: it waits for the rest.
  if (!(pull_after_ < log_.Last())) InstallPulled(m.term);
  if (role_ != Role::kPulling) return;  // It held the configuration that removed this replica.
  if (pull_after_ < reply.donor_last) return RequestPull();
  StartProbe();  // New nonces, and who is ahead may have changed.
}

// Mutant 53 only: as if what was true when the question was asked still were.
void Core::Impl::InstallLate(const Message& m, const PullReply& reply) {
  const bool late = role_ != Role::kPulling || reply.attempt != attempt_;
  if (!late || role_ == Role::kLeader || !reply.matched || reply.entries.empty()) return;
  if (!log_.Holds(reply.previous) || !WellFormed(reply.previous, reply.entries, m.term)) return;
  StopCampaign();
  pulled_ = reply.entries;
  InstallPulled(m.term);
  if (!IsBound()) ArmElection();
}

void Core::Impl::InstallPulled(Term donor_term) {
  // The donor's term first: a log that ends in term t must not be kept under a lower one, for
  // then a leader of that lower term could still overwrite it.
  const Term term = std::max(donor_term, pulled_.back().term);
  if (term > hs_.term) {
    hs_.term = term;
    hs_.vote = ReplicaId();
    hard_state_changed_ = true;
  }
  auto first = pulled_.begin();
  while (first != pulled_.end() && first->index <= log_.Last().index &&
         log_.TermAt(first->index) == first->term) {
    ++first;
  }
  if (first == pulled_.end()) {
    pulled_.clear();
    return;
  }
  CHECK(first->index > commit_) << "[H-13] a pulled log lacks a committed entry";
  if (first->index <= log_.Last().index) {
    Emit(EventType::kLogTruncated, pull_donor_, first->index);
  }
  pulled_.erase(pulled_.begin(), first);
  ContinueLog(std::exchange(pulled_, {}));
}

}  // namespace rasputin::consensus
