// Replication: appends sent ahead of their answers, refusals, retransmission, commit [H-9].
//
// The leader sends once per Ready (Flush), so that all proposals of a turn share an append and a
// commit announcement rides on it; an idle group sends a commit at once and then nothing more:
// every timer here ends when each follower has answered for everything.

#include <glog/logging.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "consensus/core/configuration_codec.h"
#include "consensus/core/core_impl.h"

namespace rasputin::consensus {
namespace {

// Counts against the limits besides the payload, so that empty entries are not free.
constexpr uint64_t kEntryOverheadBytes = 32;

}  // namespace

bool WellFormed(const LogPosition& previous, absl::Span<const Entry> entries, Term term) {
  Index expected = previous.index;
  Term lowest = previous.term;
  for (const Entry& entry : entries) {
    expected = expected.Next();
    if (entry.index != expected || entry.term < lowest || entry.term > term) return false;
    lowest = entry.term;
    if (entry.type == EntryType::kConfig && !DecodeConfiguration(entry.payload).ok()) return false;
  }
  return true;
}

// ---- The leader sends.

void Core::Impl::Flush() {
  // [H-12]: nothing in a term not led.
  if (reelection_ == Reelection::kVoting && !options_.mutants.Has(63)) return;
  if (!reads_.empty() && reads_.back().round == 0) {
    // Entries of earlier terms that are committed lie before the first of this one [H-10].
    reads_.back().round = round_ + 1;
    reads_.back().index = std::max(commit_, term_start_);
  }
  for (const Member& member : others_) {
    FlushFollower(member, &progress_.at(member.replica));
    if (damaged_) return;
  }
  CompleteReads();  // A quorum of one needs no answers.
}

void Core::Impl::FlushFollower(const Member& member, Progress* progress) {
  if (progress->dormant || !Reachable(*progress)) return;
  if (progress->next <= log_.Start().index && progress->mode == Progress::Mode::kReplicate) {
    progress->Probe(progress->next, round_);  // What was to be sent ahead was cut meanwhile.
  }
  AskForSnapshot(member, progress);
  if (progress->absent) return;
  bool sent = false;
  const auto has_entries = [&] { return progress->next <= log_.Last().index; };
  if (progress->mode == Progress::Mode::kReplicate) {
    while (has_entries() && progress->in_flight_bytes() < options_.max_inflight_bytes) {
      if (!SendAppend(member, progress, /*with_entries=*/true)) return;
      sent = true;
    }
  } else if (progress->probe_round == 0 && has_entries()) {
    if (!SendAppend(member, progress, /*with_entries=*/true)) return;
    sent = true;
  }
  if (!sent) {
    const Epoch epoch = leases_->OwnEpoch(member.store);
    const bool bind = epoch.IsSet() && progress->sent_epoch != epoch;  // [H-8]
    // A late refusal leaves one that has all in kProbe, with nothing that is waited for.
    const bool matched = progress->mode == Progress::Mode::kReplicate ||
                         (progress->probe_round == 0 && progress->match >= log_.Start().index &&
                          progress->next.Previous() == progress->match);
    const bool commit =
        matched && std::min(Announced(), progress->next.Previous()) > progress->sent_commit;
    const bool read = !reads_.empty() && reads_.back().round > progress->sent_round;
    if (bind || commit || read || progress->must_send) {
      if (!SendAppend(member, progress, /*with_entries=*/false)) return;
    }
  }
  AskForSnapshot(member, progress);
  ArmRetry(member, progress);
}

// False: the log could not be read and the replica has stopped.
bool Core::Impl::SendAppend(const Member& member, Progress* progress, bool with_entries) {
  AppendRequest request;
  Index previous = progress->next.Previous();
  progress->below_log_start = previous < log_.Start().index;
  if (progress->below_log_start) {
    // Its entries were cut: only a snapshot helps, but it can be bound meanwhile [H-4].
    previous = log_.Start().index;
    with_entries = false;
  }
  request.previous = log_.At(previous);
  uint64_t bytes = 0;
  if (with_entries) {
    auto read = log_.Read(progress->next, log_.Last().index, options_.max_append_bytes);
    if (!read.ok()) {
      StopDamaged();
      return false;
    }
    request.entries = *std::move(read);
    for (const Entry& entry : request.entries) bytes += entry.payload.size() + kEntryOverheadBytes;
  }
  request.commit = Announced();
  request.held_by_all = held_by_all();
  request.epoch = leases_->OwnEpoch(member.store);
  request.read_context = ++round_;
  progress->sent_round = round_;
  progress->sent_epoch = request.epoch;
  progress->must_send = false;
  const Index reach = previous.Plus(request.entries.size());
  if (std::min(request.commit, reach) > progress->sent_commit) {
    progress->sent_commit = std::min(request.commit, reach);
    progress->commit_round = round_;
  }
  if (progress->mode == Progress::Mode::kReplicate) {
    progress->next = progress->below_log_start ? progress->next : reach.Next();
  } else if (progress->probe_round == 0) {
    progress->probe_round = round_;
  }
  if (!request.entries.empty()) progress->Sent(reach, bytes, round_);
  SendNow(member, std::move(request));
  return true;
}

// ---- Answers that are missing.

bool Core::Impl::Outstanding(const Member& member, const Progress& progress) const {
  if (!Reachable(progress) || progress.absent) return false;
  const Epoch epoch = leases_->OwnEpoch(member.store);
  if (epoch.IsSet() && progress.bound_epoch < epoch) return true;
  if (!reads_.empty() && reads_.front().round > progress.acked_round) return true;
  if (progress.below_log_start) return false;
  return progress.match < log_.Last().index || progress.probe_round != 0 ||
         progress.commit_round != 0;
}

void Core::Impl::ArmRetry(const Member& member, Progress* progress) {
  if (progress->dormant || !Outstanding(member, *progress)) {
    progress->retry_at = Instant::max();
  } else if (progress->retry_at == Instant::max()) {
    progress->retry_at =
        now_.boot + options_.retry_interval * (1 << std::min(progress->failures, 3));
  }
}

void Core::Impl::TickFollower(const Member& member, Progress* progress) {
  const bool supported = !leases_->HeldSupportFrom(member.store).until.EndedForHolder(now_);
  if (progress->dormant) {
    if (!supported) return;
    progress->dormant = false;
    progress->failures = 0;
  } else if (now_.boot < progress->retry_at) {
    return;
  } else if (++progress->failures >= 4 && !supported) {
    progress->dormant = true;
    progress->retry_at = Instant::max();
    return;
  }
  progress->retry_at = Instant::max();
  if (options_.mutants.Has(18)) return;
  // A learner that never answers though its store is there: its replica is not.
  if (progress->failures >= 2 && progress->acked_round == 0 && supported &&
      !configuration_.IsVoter(member.replica)) {
    progress->absent = true;
    return;
  }
  // While it is not known where the logs match, the place that was tried last is tried again: from
  // the first entry on, a member that comes back would be sent the whole log.
  const bool known = progress->mode == Progress::Mode::kReplicate;
  progress->Probe(known ? progress->match.Next() : progress->next, round_);
  progress->must_send = true;
}

// ---- The follower receives.

void Core::Impl::OnAppendRequest(const Message& m, const AppendRequest& request) {
  if (!WellFormed(request.previous, request.entries, m.term)) return;
  AppendReply reply;
  const bool released = m.term <= hs_.released_term && !options_.mutants.Has(49);
  if (m.term < hs_.term || released) {
    reply.conflict_hint = log_.Last();
    return Reply(m, reply);
  }
  AcceptLeader(m, request);
  asks_for_commit_ = false;
  reply.read_context = request.read_context;
  reply.accepted = StoreEntries(request, &reply);
  if (IsBound() && hs_.bound_leader == m.from && hs_.bound_term == m.term) {
    reply.bound_epoch = hs_.bound_epoch;
  }
  held_by_all_ = std::max(held_by_all_, request.held_by_all);
  Index known = reply.accepted ? reply.match : Index();
  if (options_.mutants.Has(13)) known = log_.Last().index;
  CommitTo(std::min(request.commit, known));
  if (options_.mutants.Has(29)) return ReplyNow(m, reply);
  Reply(m, reply);
}

// An append is sent by the elected leader of its term only: bound to it, whether the log matches or
// not [H-4].
void Core::Impl::AcceptLeader(const Message& m, const AppendRequest& request) {
  CHECK(role_ != Role::kLeader || m.term > led_term_) << "two leaders in one term";
  if (role_ == Role::kLeader) StopLeading(AbdicationReason::kHigherTermFailed, ReplicaId());
  if (role_ == Role::kLeader) ForgetLeadership();  // Mutant 22 only.
  if (m.term > hs_.term) AdoptTerm(m.term);
  StopCampaign();
  CheckBinding();
  leader_ = m.from;
  failed_attempts_ = 0;
  BindTo(m, request.epoch);
  if (!IsBound()) ArmElection();
}

// Whether the logs match at `request.previous`; then its entries are in the log.
bool Core::Impl::StoreEntries(const AppendRequest& request, AppendReply* reply) {
  const LogPosition previous = request.previous;
  if (previous.index > log_.Last().index) {
    reply->conflict_hint = log_.LastNotAfter(previous, commit_);
    if (!options_.mutants.Has(14)) return false;
    reply->match = previous.index.Plus(request.entries.size());
    return true;
  }
  // What lies before the start of the log is committed, so it matches any leader's.
  if (previous.index >= log_.Start().index && !log_.Holds(previous) && !options_.mutants.Has(12)) {
    CHECK(previous.index > commit_) << "a leader lacks a committed entry";
    reply->conflict_hint = log_.LastNotAfter({previous.term, previous.index.Previous()}, commit_);
    return false;
  }
  size_t known = 0;
  while (known < request.entries.size()) {
    const Entry& entry = request.entries[known];
    if (entry.index > log_.Start().index && !log_.Holds({entry.term, entry.index})) break;
    ++known;
  }
  reply->match = previous.index.Plus(request.entries.size());
  if (known == request.entries.size()) return true;
  const Index first = request.entries[known].index;
  if (first <= log_.Last().index) Emit(EventType::kLogTruncated, ReplicaId(), first);
  std::vector<Entry> rest(request.entries.begin() + static_cast<ptrdiff_t>(known),
                          request.entries.end());
  ContinueLog(std::move(rest));
  return true;
}

// ---- The leader receives.

void Core::Impl::OnAppendReply(const Message& m, const AppendReply& reply) {
  if (role_ != Role::kLeader) return;
  const auto found = progress_.find(m.from);
  if (found == progress_.end()) return;
  if (m.term > hs_.term) return MeetHigherTerm(m);
  if (m.term < hs_.term || reply.match > log_.Last().index) return;
  if (reelection_ == Reelection::kVoting) return;
  Progress* progress = &found->second;
  progress->absent = false;
  progress->failures = 0;
  progress->dormant = false;
  progress->retry_at = Instant::max();
  if (reply.bound_epoch > progress->bound_epoch) {
    progress->rebound = progress->bound_epoch.IsSet();
    progress->bound_epoch = reply.bound_epoch;
  }
  progress->acked_round = std::max(progress->acked_round, reply.read_context);
  // A later append that reached less far told it of less: then the one that told it may be lost.
  if (reply.accepted && reply.read_context >= progress->commit_round &&
      reply.match >= progress->sent_commit) {
    progress->commit_round = 0;
  }
  if (reply.accepted || options_.mutants.Has(2)) {
    Index match = reply.match;
    if (options_.mutants.Has(1)) match = std::max(match, progress->OldestInFlight());
    if (!reply.accepted) match = std::max(progress->match, progress->OldestInFlight());
    const bool took_less = progress->TookLess(reply.read_context, match);
    if (progress->Accepted(match)) progress_at_ = now_.boot;
    if (took_less) {
      // Its disk is full: the rest is offered again on the timer, not at once and for ever.
      progress->Probe(progress->match.Next(), round_);
      progress->probe_round = round_ + 1;
    } else if (progress->probe_round != 0 && reply.read_context >= progress->probe_round) {
      progress->probe_round = 0;
      progress->mode = Progress::Mode::kReplicate;
    }
    AdvanceCommit();
  } else {
    OnAppendRefused(progress, reply);
  }
  // A handover or the own removal may have ended the leadership, and `progress` with it.
  if (role_ == Role::kLeader && !had_lease_) CheckLease();
  if (role_ != Role::kLeader) return;
  CompleteReads();
  CheckTransfer();
  if (role_ != Role::kLeader) return;
  ArmRetry(*configuration_.Find(m.from), progress);
  flush_needed_ = true;
}

void Core::Impl::OnAppendRefused(Progress* progress, const AppendReply& reply) {
  if (reply.read_context < progress->refusals_from_round) return;  // Acted on already.
  // Its log may end before ours begins: then only a snapshot helps.
  const LogPosition hint = reply.conflict_hint;
  const Index agreed =
      hint.index < log_.Start().index ? hint.index : log_.LastNotAfter(hint, Index()).index;
  const Index next = std::max(agreed, progress->match).Next();
  const bool moved = next != progress->next || progress->mode == Progress::Mode::kReplicate;
  progress->Probe(next, round_);
  if (moved) {
    progress_at_ = now_.boot;
  } else {
    // Nothing new to try (it needs a snapshot): not at once again, but on the timer.
    progress->probe_round = progress->sent_round;
  }
}

namespace {

// Mutant 8: a member that was bound anew counts twice.
Index CountRestartedTwice(size_t voters, std::vector<Index> values) {
  std::sort(values.rbegin(), values.rend());
  return values[voters / 2];
}

}  // namespace

void Core::Impl::AdvanceCommit() {
  const std::function<Index(ReplicaId)> matched = [this](ReplicaId id) {
    if (id == options_.self) {
      return options_.mutants.Has(72) ? log_.Last().index : log_.Persisted();
    }
    const auto progress = progress_.find(id);
    return progress == progress_.end() ? Index() : progress->second.match;
  };
  Index quorum = QuorumValue<Index>(Counted(), matched);
  if (options_.mutants.Has(8)) {
    std::vector<Index> values = {log_.Persisted()};
    for (const auto& [id, progress] : progress_) {
      values.push_back(progress.match);
      if (progress.rebound) values.push_back(progress.match);
    }
    quorum = CountRestartedTwice(configuration_.voters.size(), std::move(values));
  }
  if (quorum <= commit_) return;
  // [H-9]: an entry of an earlier term is committed only by one of this term above it.
  if (log_.TermAt(quorum) != hs_.term && !options_.mutants.Has(15)) return;
  CommitTo(quorum);
  OnLeaderCommitted();
}

void Core::Impl::OnLeaderCommitted() {
  progress_at_ = now_.boot;
  while (!uncommitted_.empty() && uncommitted_.front().first <= commit_) {
    uncommitted_bytes_ -= uncommitted_.front().second;
    uncommitted_.pop_front();
  }
  flush_needed_ = true;
  LeaveIfRemoved();
}

void Core::Impl::LearnCommitted(const ClockReading& now, LogPosition position) {
  Advance(now);
  if (damaged_ || position.index <= commit_) return;
  CHECK(position.index <= log_.Last().index && log_.Holds(position))
      << "what is committed is not in the log; range " << options_.range;
  CommitTo(position.index);
  if (role_ == Role::kLeader) OnLeaderCommitted();
}

// [H-15]: a split must not be applied by others before the leader applied it, and stopped to serve
// the keys that leave.
Index Core::Impl::Announced() const {
  return options_.mutants.Has(32) ? commit_ : std::min(commit_, applied_);
}

void Core::Impl::CommitTo(Index index) {
  if (index <= commit_) return;
  CHECK(index <= log_.Last().index) << "committed beyond the log";
  commit_ = index;
  Emit(EventType::kCommitAdvanced, ReplicaId(), index);
}

}  // namespace rasputin::consensus
