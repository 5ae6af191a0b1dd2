// Raft: elections, replication, reads; see raft_node.h.

#include "tests/compare/raft_node.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rasputin::compare {
namespace {

using consensus::Duration;

constexpr size_t kInFlightMax = 128;   // Appends to one follower without an answer.
constexpr uint64_t kAppendMax = 1024;  // Entries of one append.
constexpr int kHeartbeatsPerTimeout = 10;
constexpr RealTime kReadTakes = 50 * kMicrosecond;  // As Harpoon's.
constexpr double kLeaseShare = 0.98;                // 1 - 2 r.

}  // namespace

RaftNode::RaftNode(const RaftOptions& options, World* world, Watcher* watcher, RaftDisk* disk,
                   int replica, Send send)
    : options_(options),
      world_(world),
      watcher_(watcher),
      disk_(disk),
      replica_(replica),
      send_(std::move(send)),
      random_(world->Fork(5000 + static_cast<uint64_t>(replica) + 100 * disk->term)),
      term_(disk->term),
      vote_(disk->vote),
      log_(disk->entries) {
  ArmTimer();
  Finish();
}

// ---- Effects.

RaftMessage RaftNode::Make(RaftMessage::Type type, int to) const {
  RaftMessage message;
  message.type = type;
  message.from = replica_;
  message.to = to;
  message.term = term_;
  return message;
}

void RaftNode::SendLater(RaftMessage message) { later_.push_back(std::move(message)); }

void RaftNode::Finish() {
  if (role_ == Role::kLeader) {
    StartReads();
    for (int peer = 0; peer < world_->replicas(); ++peer) {
      if (peer != replica_) Replicate(peer);
    }
  }
  Persist();
  world_->WakeAt(replica_, role_ == Role::kLeader ? timer_ : std::min(timer_, resend_));
}

void RaftNode::Persist() {
  if (!hard_state_changed_ && unsaved_from_ == 0) {
    std::vector<RaftMessage> messages = std::exchange(later_, {});
    if (!pending_.empty()) {
      auto& after = pending_.back().send_after;
      after.insert(after.end(), messages.begin(), messages.end());
    } else {
      for (const RaftMessage& message : messages) send_(message);
    }
    return;
  }
  const uint64_t first = std::exchange(unsaved_from_, 0);
  std::vector<RaftEntry> entries;
  if (first != 0) entries.assign(log_.begin() + static_cast<ptrdiff_t>(first) - 1, log_.end());
  pending_.push_back({++sequence_, first, std::exchange(later_, {})});
  if (role_ == Role::kCandidate && vote_sequence_ == 0) vote_sequence_ = sequence_;
  hard_state_changed_ = false;
  world_->Write(
      replica_,
      [disk = disk_, term = term_, vote = vote_, first, entries = std::move(entries)] {
        disk->term = term;
        disk->vote = vote;
        if (first == 0) return;
        CHECK_LE(first - 1, disk->entries.size()) << "gap";
        disk->entries.resize(first - 1);
        disk->entries.insert(disk->entries.end(), entries.begin(), entries.end());
      },
      [this, sequence = sequence_](const consensus::ClockReading&) { OnSynced(sequence); });
}

void RaftNode::OnSynced(uint64_t sequence) {
  CHECK(!pending_.empty() && pending_.front().sequence == sequence);
  const Pending done = std::move(pending_.front());
  pending_.pop_front();
  for (const RaftMessage& message : done.send_after) send_(message);
  if (role_ == Role::kLeader) AdvanceCommit();
  if (role_ == Role::kCandidate && vote_sequence_ == sequence) {
    granted_.insert(replica_);
    CountVotes();
  }
  Finish();
}

uint64_t RaftNode::Stable() const {
  uint64_t stable = log_.size();
  for (const Pending& pending : pending_) {
    if (pending.first != 0) stable = std::min(stable, pending.first - 1);
  }
  if (unsaved_from_ != 0) stable = std::min(stable, unsaved_from_ - 1);
  return stable;
}

template <typename T, typename Of>
T RaftNode::Quorum(T own, Of of) const {
  std::vector<T> values;
  for (int i = 0; i < world_->replicas(); ++i) {
    values.push_back(i == replica_ ? own : of(progress_[static_cast<size_t>(i)]));
  }
  std::sort(values.begin(), values.end(), [](const T& a, const T& b) { return b < a; });
  return values[values.size() / 2];
}

// ---- Elections.

void RaftNode::ArmTimer() {
  const int64_t timeout = options_.election_timeout.count();
  timer_ = Now() + Duration(random_.Between(timeout, 2 * timeout - 1));
}

void RaftNode::Wake() {
  if (role_ == Role::kLeader) {
    if (Now() >= timer_) TickLeader();
  } else if (Now() >= timer_) {
    Campaign();
  } else if (Now() >= resend_) {
    SendVotes();
  }
  Finish();
}

// The timer goes on, or who cannot win would keep who can from standing; but who led or stood
// begins anew.
void RaftNode::Adopt(uint64_t term) {
  CHECK_GT(term, term_);
  if (role_ != Role::kFollower) ArmTimer();
  term_ = term;
  vote_ = kNobody;
  hard_state_changed_ = true;
  role_ = Role::kFollower;
  leader_ = kNobody;
  resend_ = Instant::max();
  reads_waiting_.clear();
  reads_.clear();
}

void RaftNode::Campaign() {
  if (!options_.pre_vote) return StartElection();
  role_ = Role::kPreCandidate;
  leader_ = kNobody;
  granted_ = {replica_};
  refused_.clear();
  ArmTimer();
  SendVotes();
}

void RaftNode::StartElection() {
  role_ = Role::kCandidate;
  ++term_;
  vote_ = replica_;
  hard_state_changed_ = true;
  vote_sequence_ = 0;
  leader_ = kNobody;
  granted_.clear();  // The own vote counts once it is durable.
  refused_.clear();
  ArmTimer();
  SendVotes();
}

// To all that have not answered; again after a heartbeat's time.
void RaftNode::SendVotes() {
  resend_ = Now() + options_.election_timeout / kHeartbeatsPerTimeout;
  for (int peer = 0; peer < world_->replicas(); ++peer) {
    if (peer == replica_ || granted_.count(peer) != 0 || refused_.count(peer) != 0) continue;
    RaftMessage message = Make(RaftMessage::Type::kVote, peer);
    message.pre = role_ == Role::kPreCandidate;
    message.term = message.pre ? term_ + 1 : term_;
    message.at = Last();
    SendLater(std::move(message));
  }
}

void RaftNode::CountVotes() {
  const size_t majority = static_cast<size_t>(world_->replicas()) / 2 + 1;
  if (granted_.size() >= majority && granted_.count(replica_) != 0) {
    if (role_ == Role::kPreCandidate) return StartElection();
    return BecomeLeader();
  }
  if (refused_.size() < majority) return;
  role_ = Role::kFollower;
  resend_ = Instant::max();
}

void RaftNode::BecomeLeader() {
  role_ = Role::kLeader;
  leader_ = replica_;
  resend_ = Instant::max();
  progress_.assign(static_cast<size_t>(world_->replicas()), Progress());
  for (Progress& progress : progress_) {
    progress.next = log_.size() + 1;
    progress.heard = Now();
  }
  rounds_.clear();
  watcher_->OnLeader(replica_, term_);
  Append(0);
  TickLeader();
}

bool RaftNode::HearsLeader() const {
  if (role_ == Role::kLeader) return true;
  return leader_ != kNobody && Now() - heard_leader_ < options_.election_timeout;
}

// Such a request does not even make its term known.
bool RaftNode::Ignores(const RaftMessage& m) const {
  if (m.type != RaftMessage::Type::kVote || m.term <= term_) return false;
  return options_.check_quorum && HearsLeader();
}

void RaftNode::Step(const RaftMessage& m) {
  using Type = RaftMessage::Type;
  if (Ignores(m)) return;
  const bool only_asks = m.pre && (m.type == Type::kVote || m.ok);
  if (m.term > term_ && !only_asks) Adopt(m.term);
  if (m.term < term_) {
    // Whoever sent it learns the term.
    if (m.type == Type::kAppend || m.type == Type::kHeartbeat) {
      SendLater(Make(Type::kHeartbeatReply, m.from));
    } else if (m.type == Type::kVote) {
      RaftMessage refusal = Make(Type::kVoteReply, m.from);
      refusal.pre = m.pre;
      SendLater(std::move(refusal));
    }
    return Finish();
  }
  switch (m.type) {
    case Type::kVote:
      OnVote(m);
      break;
    case Type::kVoteReply:
      OnVoteReply(m);
      break;
    case Type::kAppend:
      OnAppend(m);
      break;
    case Type::kAppendReply:
      OnAppendReply(m);
      break;
    case Type::kHeartbeat:
      OnHeartbeat(m);
      break;
    case Type::kHeartbeatReply:
      OnHeartbeatReply(m);
      break;
  }
  Finish();
}

void RaftNode::OnVote(const RaftMessage& m) {
  const bool fresh = !(m.at < Last());
  RaftMessage reply = Make(RaftMessage::Type::kVoteReply, m.from);
  reply.pre = m.pre;
  if (m.pre) {
    reply.ok = fresh && !HearsLeader() && (m.term > term_ || vote_ == kNobody || vote_ == m.from);
    if (reply.ok) reply.term = m.term;
  } else {
    reply.ok = fresh && (vote_ == kNobody || vote_ == m.from);
    if (reply.ok) {
      hard_state_changed_ = hard_state_changed_ || vote_ != m.from;
      vote_ = m.from;
      ArmTimer();
    }
  }
  SendLater(std::move(reply));
}

void RaftNode::OnVoteReply(const RaftMessage& m) {
  const bool asked = m.pre ? role_ == Role::kPreCandidate && (!m.ok || m.term == term_ + 1)
                           : role_ == Role::kCandidate;
  if (!asked) return;
  (m.ok ? granted_ : refused_).insert(m.from);
  CountVotes();
}

// ---- The leader.

bool RaftNode::Write(uint64_t value) {
  if (role_ != Role::kLeader) return false;
  Append(value);
  Finish();
  return true;
}

void RaftNode::Append(uint64_t value) {
  log_.push_back({term_, value});
  if (unsaved_from_ == 0) unsaved_from_ = log_.size();
}

void RaftNode::TickLeader() {
  if (options_.check_quorum && Quorum<Instant>(Now(), [](const Progress& p) { return p.heard; }) <
                                   Now() - options_.election_timeout) {
    role_ = Role::kFollower;
    leader_ = kNobody;
    reads_waiting_.clear();
    reads_.clear();
    return ArmTimer();
  }
  timer_ = Now() + options_.election_timeout / kHeartbeatsPerTimeout;
  Heartbeat();
}

// Also the round of the reads that wait for one.
void RaftNode::Heartbeat() {
  rounds_.emplace_back(++round_, Now());
  if (rounds_.size() > 4096) rounds_.pop_front();
  for (int peer = 0; peer < world_->replicas(); ++peer) {
    if (peer == replica_) continue;
    RaftMessage message = Make(RaftMessage::Type::kHeartbeat, peer);
    message.commit = std::min(commit_, progress_[static_cast<size_t>(peer)].match);
    message.round = round_;
    send_(message);
  }
}

void RaftNode::Replicate(int peer) {
  Progress* progress = &progress_[static_cast<size_t>(peer)];
  if (progress->probing) {
    if (progress->probe_sent || progress->next > log_.size()) return;
    progress->probe_sent = true;
    return SendAppend(peer, progress);
  }
  while (progress->next <= log_.size() && progress->in_flight.size() < kInFlightMax) {
    SendAppend(peer, progress);
  }
}

void RaftNode::SendAppend(int peer, Progress* progress) {
  RaftMessage message = Make(RaftMessage::Type::kAppend, peer);
  message.at = {TermAt(progress->next - 1), progress->next - 1};
  const uint64_t count = std::min<uint64_t>(kAppendMax, log_.size() - message.at.index);
  const auto first = log_.begin() + static_cast<ptrdiff_t>(message.at.index);
  message.entries.assign(first, first + static_cast<ptrdiff_t>(count));
  message.commit = commit_;
  send_(message);
  if (progress->probing) return;
  progress->next += count;
  progress->in_flight.emplace_back(progress->next - 1, Now());
}

void RaftNode::OnAppendReply(const RaftMessage& m) {
  if (role_ != Role::kLeader) return;
  Progress* progress = &progress_[static_cast<size_t>(m.from)];
  progress->heard = Now();
  if (m.ok) {
    CHECK_LE(m.at.index, log_.size());
    if (m.at.index < progress->match) return;
    progress->match = m.at.index;
    progress->next = std::max(progress->next, progress->match + 1);
    while (!progress->in_flight.empty() && progress->in_flight.front().first <= progress->match) {
      progress->in_flight.pop_front();
    }
    if (progress->probing) {
      progress->probing = progress->probe_sent = false;
      progress->next = progress->match + 1;
    }
    return AdvanceCommit();
  }
  if (!progress->probing) {
    if (m.refused <= progress->match) return;  // Of an append that a later one made up for.
    progress->probing = true;
    progress->in_flight.clear();
  } else if (m.refused + 1 != progress->next) {
    return;
  }
  progress->probe_sent = false;
  progress->next = std::max(progress->match, LastNotAfter(m.at).index) + 1;
}

void RaftNode::OnHeartbeatReply(const RaftMessage& m) {
  if (role_ != Role::kLeader) return;
  Progress* progress = &progress_[static_cast<size_t>(m.from)];
  progress->heard = Now();
  if (m.round <= progress->acked_round) return;
  progress->acked_round = m.round;
  progress->probe_sent = false;
  AnswerReads();
  if (m.round < rounds_.front().first) return;
  const Instant sent = rounds_[m.round - rounds_.front().first].second;
  progress->acked_sent = sent;
  // What was sent long before this heartbeat and is not answered was lost.
  if (progress->in_flight.empty()) return;
  if (sent - progress->in_flight.front().second < options_.election_timeout / 20) return;
  progress->probing = true;
  progress->in_flight.clear();
  progress->next = progress->match + 1;
}

void RaftNode::AdvanceCommit() {
  const uint64_t quorum =
      Quorum<uint64_t>(Stable(), [](const Progress& progress) { return progress.match; });
  if (quorum > commit_ && TermAt(quorum) == term_) CommitTo(quorum);
}

void RaftNode::CommitTo(uint64_t index) {
  CHECK_LE(index, log_.size());
  commit_ = std::max(commit_, index);
  while (applied_ < commit_) {
    ++applied_;
    watcher_->OnApplied(replica_, applied_, TermAt(applied_), log_[applied_ - 1].value);
  }
}

// ---- The follower.

void RaftNode::FollowLeader(const RaftMessage& m) {
  CHECK(role_ != Role::kLeader) << "two leaders in term " << term_;
  role_ = Role::kFollower;
  resend_ = Instant::max();
  leader_ = m.from;
  heard_leader_ = Now();
  ArmTimer();
}

RaftPosition RaftNode::LastNotAfter(RaftPosition hint) const {
  uint64_t index = std::min<uint64_t>(hint.index, log_.size());
  while (index > 0 && TermAt(index) > hint.term) --index;
  return {TermAt(index), index};
}

void RaftNode::OnAppend(const RaftMessage& m) {
  FollowLeader(m);
  RaftMessage reply = Make(RaftMessage::Type::kAppendReply, m.from);
  if (m.at.index > log_.size() || TermAt(m.at.index) != m.at.term) {
    reply.refused = m.at.index;
    const uint64_t before = m.at.index > log_.size() ? log_.size() : m.at.index - 1;
    reply.at = LastNotAfter({m.at.term, before});
    return SendLater(std::move(reply));
  }
  uint64_t index = m.at.index;
  for (const RaftEntry& entry : m.entries) {
    ++index;
    if (index <= log_.size() && TermAt(index) == entry.term) continue;
    if (index <= log_.size()) {
      CHECK_GT(index, commit_) << "a committed entry would be overwritten";
      log_.resize(index - 1);
    }
    log_.push_back(entry);
    unsaved_from_ = unsaved_from_ == 0 ? index : std::min(unsaved_from_, index);
  }
  reply.ok = true;
  reply.at.index = index;
  CommitTo(std::max(commit_, std::min(m.commit, index)));
  SendLater(std::move(reply));
}

void RaftNode::OnHeartbeat(const RaftMessage& m) {
  FollowLeader(m);
  CommitTo(std::max(commit_, std::min<uint64_t>(m.commit, log_.size())));
  RaftMessage reply = Make(RaftMessage::Type::kHeartbeatReply, m.from);
  reply.round = m.round;
  SendLater(std::move(reply));
}

// ---- Reads.

bool RaftNode::HoldsLease() const {
  if (!options_.lease_reads || role_ != Role::kLeader || !CommittedInTerm()) return false;
  const Instant sent = Quorum<Instant>(Now(), [](const Progress& p) { return p.acked_sent; });
  if (sent == Instant::min()) return false;
  const auto lease = Duration(
      static_cast<int64_t>(static_cast<double>(options_.election_timeout.count()) * kLeaseShare));
  return Now() < sent + lease;
}

void RaftNode::Read(uint64_t read) {
  if (role_ != Role::kLeader) return;
  if (HoldsLease()) {
    world_->InProcess(replica_, kReadTakes, [this, read, state = applied_] {
      if (HoldsLease()) watcher_->OnRead(replica_, read, state);
    });
    return;
  }
  reads_waiting_.push_back(read);
  Finish();
}

void RaftNode::StartReads() {
  if (reads_waiting_.empty() || !CommittedInTerm()) return;
  reads_.push_back({round_ + 1, commit_, std::exchange(reads_waiting_, {})});
  Heartbeat();
}

void RaftNode::AnswerReads() {
  const uint64_t confirmed =
      Quorum<uint64_t>(round_, [](const Progress& progress) { return progress.acked_round; });
  while (!reads_.empty() && reads_.front().round <= confirmed) {
    for (const uint64_t read : reads_.front().reads) watcher_->OnRead(replica_, read, applied_);
    reads_.pop_front();
  }
}

std::string RaftNode::Describe() const {
  return absl::StrCat("role ", static_cast<int>(role_), " term ", term_, " vote ", vote_,
                      " leader ", leader_, " last ", Last().term, ":", Last().index, " commit ",
                      commit_);
}

}  // namespace rasputin::compare
