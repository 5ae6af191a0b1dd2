// The list of invariants; see core_invariants.h.

#include "consensus/core/core_invariants.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "consensus/core/core_impl.h"

namespace rasputin::consensus {

CoreInvariants::CoreInvariants(const Core* core, std::vector<std::string>* violations)
    : core_(core),
      violations_(violations),
      last_(core->hard_state()),
      last_commit_(core->commit_index()),
      last_applied_(core->applied_index()) {}

void CoreInvariants::Require(bool holds, const char* what) {
  if (!holds) {
    violations_->push_back(absl::StrCat("replica ", core_->self().value(), " term ",
                                        core_->term().value(), ": ", what));
  }
}

void CoreInvariants::Check() {
  CheckRole();
  CheckProgress();
  CheckIndexes();
  CheckDurableState();
}

void CoreInvariants::CheckRole() {
  const Core::Impl& impl = *core_->impl_;
  const bool bound = impl.IsBound();
  switch (impl.role_) {
    case Role::kFollower:
      Require(impl.election_at_ == Instant::max() || !bound || !impl.was_bound_,
              "[H-4] a bound replica has an election timer");
      Require(bound || impl.damaged_ || impl.was_bound_ || !impl.AmVoter() ||
                  impl.election_at_ != Instant::max(),
              "[H-5] an unbound voter would never campaign");
      break;
    case Role::kProbing:
    case Role::kPulling:
      Require(!bound, "[H-4] a bound replica campaigns");
      Require(impl.attempt_ends_ != Instant::max(), "[H-5] an attempt without an end");
      break;
    case Role::kCandidate:
      Require(!bound, "[H-4] a bound replica campaigns");
      Require(impl.hs_.vote == core_->self(), "[H-2] a candidate without its own vote");
      break;
    case Role::kLeader:
      Require(!bound, "[H-4] a leader is bound to another");
      Require(impl.hs_.vote == core_->self(), "[H-2] a leader without its own vote");
      Require(impl.leader_ == core_->self(), "a leader that does not know that it leads");
      Require(impl.hs_.released_term < impl.hs_.term, "[H-11] leads a released term");
      break;
  }
  Require(impl.role_ == Role::kLeader || impl.reads_.empty(), "[H-10] reads without a leader");
}

void CoreInvariants::CheckProgress() {
  const Core::Impl& impl = *core_->impl_;
  if (impl.role_ != Role::kLeader) {
    Require(impl.progress_.empty(), "progress kept after the leadership ended");
    return;
  }
  const bool voting = impl.reelection_ == Core::Impl::Reelection::kVoting;
  Require(voting ? impl.led_term_ < impl.hs_.term : impl.led_term_ == impl.hs_.term,
          "[H-12] leads another term than its own without a campaign");
  Require(!voting || impl.attempt_ends_ != Instant::max(), "[H-12] a campaign without an end");
  for (const auto& [id, progress] : impl.progress_) {
    Require(progress.match < progress.next, "next index not above the match index");
    Require(progress.match <= impl.log_.Last().index, "match index beyond the log");
    Require(progress.acked_round <= progress.sent_round, "an answer to a round never sent");
    const Member* member = impl.configuration_.Find(id);
    Require(member != nullptr, "[H-2] progress of a stranger");
    if (member == nullptr || impl.flush_needed_ || progress.dormant || voting) continue;
    Require(!impl.Outstanding(*member, progress) || progress.retry_at != Instant::max() ||
                impl.options_.mutants.Has(18),
            "something is unanswered and no timer runs");
    Require(impl.Outstanding(*member, progress) || !impl.Reachable(progress) ||
                progress.NeedsSnapshot() ||
                progress.sent_commit >= std::min(impl.Announced(), progress.match),
            "[H-9] a member that has an entry is not told that it is committed");
  }
}

void CoreInvariants::CheckIndexes() {
  const Core::Impl& impl = *core_->impl_;
  Require(impl.applied_ <= impl.handed_out_, "applied what was not handed out");
  Require(impl.handed_out_ <= impl.commit_, "handed out what is not committed");
  Require(impl.commit_ <= impl.log_.Last().index, "committed beyond the log");
  Require(impl.log_.Persisted() <= impl.log_.Last().index, "persisted beyond the log");
  Require(impl.log_.Last().term <= impl.hs_.term,
          "[H-13] the log is of a later term than one's own");
  Require(last_commit_ <= impl.commit_, "[H-9] the commit index went back");
  const auto& configurations = impl.configurations_;
  Require(!configurations.empty() && configurations.back().configuration == impl.configuration_ &&
              configurations.back().index <= impl.log_.Last().index,
          "[H-14] another configuration is in force than the last one appended");
  // At most the last one is uncommitted, as a leader knows once it has committed in its term.
  Require(configurations.size() < 2 ||
              configurations[configurations.size() - 2].index <= impl.commit_ ||
              impl.role_ != Role::kLeader || impl.commit_ < impl.term_start_,
          "[H-14] two changes at once");
  Require(last_applied_ <= impl.applied_, "the applied index went back");
  last_commit_ = impl.commit_;
  last_applied_ = impl.applied_;
}

void CoreInvariants::CheckDurableState() {
  const HardState& now = core_->hard_state();
  Require(last_.term <= now.term, "[H-2] the term went back");
  Require(last_.term != now.term || !last_.vote.IsSet() || last_.vote == now.vote,
          "[H-2] two votes in one term");
  Require(last_.released_term <= now.released_term, "[H-11] a release was taken back");
  Require(now.bound_term <= now.term, "[H-4] bound to a term above one's own");
  Require(last_.bound_leader != now.bound_leader || last_.bound_term != now.bound_term ||
              last_.bound_epoch <= now.bound_epoch,
          "[H-4] bound to an earlier epoch than before");
  last_ = now;
}

void CoreInvariants::CheckReady(const Ready& ready) {
  Require((ready.persist_sequence != 0) == (ready.hard_state.has_value() || !ready.entries.empty()),
          "a persist sequence without anything to persist, or the reverse");
  for (const Message& m : ready.send_now) {
    Require(!std::holds_alternative<VoteReply>(m.body) &&
                !std::holds_alternative<VoteRequest>(m.body) &&
                !std::holds_alternative<AppendReply>(m.body) &&
                !std::holds_alternative<PullReply>(m.body) &&
                !std::holds_alternative<ProbeReply>(m.body) &&
                !std::holds_alternative<ReleaseAck>(m.body),
            "[H-1] vouches for what may not be durable");
  }
  for (size_t i = 1; i < ready.committed.size(); ++i) {
    Require(ready.committed[i].index == ready.committed[i - 1].index.Next(),
            "committed entries are not contiguous");
  }
}

}  // namespace rasputin::consensus
