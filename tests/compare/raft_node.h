// One Raft replica: its state, its messages, and what must be durable before what leaves.
//
// Names are those of the paper. Everything runs inside the calls of its world; nothing survives the
// node but its RaftDisk. One thread.

#ifndef RASPUTIN_TESTS_COMPARE_RAFT_NODE_H_
#define RASPUTIN_TESTS_COMPARE_RAFT_NODE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/compare/raft.h"

namespace rasputin::compare {

inline constexpr int kNobody = -1;

struct RaftEntry {
  uint64_t term = 0;
  uint64_t value = 0;  // 0: the empty entry of a new leader.
};

// Durable. The entry of index i is entries[i - 1].
struct RaftDisk {
  uint64_t term = 0;
  int vote = kNobody;
  std::vector<RaftEntry> entries;
};

struct RaftPosition {
  uint64_t term = 0;
  uint64_t index = 0;

  friend bool operator<(const RaftPosition& a, const RaftPosition& b) {
    return a.term != b.term ? a.term < b.term : a.index < b.index;
  }
};

struct RaftMessage {
  enum class Type : uint8_t {
    kVote,
    kVoteReply,
    kAppend,
    kAppendReply,
    kHeartbeat,
    kHeartbeatReply
  };
  Type type = Type::kVote;
  int from = 0;
  int to = 0;
  uint64_t term = 0;  // PreVote and its grant: the term that would be stood for.
  bool pre = false;   // Of a vote and its reply.
  bool ok = false;    // Of replies.
  // Vote: the last entry. Append: the one before `entries`. Append reply: what matches (ok), or
  // where to try next.
  RaftPosition at;
  uint64_t refused = 0;  // Append reply, not ok: the index of the append's `at`.
  std::vector<RaftEntry> entries;
  uint64_t commit = 0;
  uint64_t round = 0;  // Of a heartbeat; echoed.
};

class RaftNode {
 public:
  enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };
  using Send = std::function<void(const RaftMessage&)>;

  RaftNode(const RaftOptions& options, World* world, Watcher* watcher, RaftDisk* disk, int replica,
           Send send);

  void Wake();
  void Step(const RaftMessage& message);
  bool Write(uint64_t value);
  void Read(uint64_t read);
  bool HoldsLease() const;

  Role role() const { return role_; }
  uint64_t term() const { return term_; }
  uint64_t commit() const { return commit_; }
  const std::vector<RaftEntry>& log() const { return log_; }
  std::string Describe() const;

 private:
  using Instant = consensus::Instant;

  struct Progress {
    uint64_t match = 0;
    uint64_t next = 1;
    bool probing = true;  // Where the logs match is not known: one append at a time.
    bool probe_sent = false;
    std::deque<std::pair<uint64_t, Instant>> in_flight;  // Last index, sent at.
    Instant heard;                                       // Last answer.
    uint64_t acked_round = 0;
    Instant acked_sent = Instant::min();  // When that round was sent.
  };
  struct Pending {
    uint64_t sequence;
    uint64_t first;  // Of its entries; 0: none.
    std::vector<RaftMessage> send_after;
  };
  struct ReadRound {
    uint64_t round;
    uint64_t index;
    std::vector<uint64_t> reads;
  };

  // Everything that came of one input: one write, appends, the timer.
  void Finish();
  void Persist();
  void OnSynced(uint64_t sequence);
  void ArmTimer();
  void SendLater(RaftMessage message);  // Once what is pending is durable.
  RaftMessage Make(RaftMessage::Type type, int to) const;

  void Adopt(uint64_t term);
  void Campaign();
  void StartElection();
  void SendVotes();
  void CountVotes();
  void BecomeLeader();
  bool HearsLeader() const;
  bool Ignores(const RaftMessage& m) const;
  void OnVote(const RaftMessage& m);
  void OnVoteReply(const RaftMessage& m);

  void Append(uint64_t value);
  void TickLeader();
  void Heartbeat();
  void Replicate(int peer);
  void SendAppend(int peer, Progress* progress);
  void FollowLeader(const RaftMessage& m);
  void OnAppend(const RaftMessage& m);
  void OnAppendReply(const RaftMessage& m);
  void OnHeartbeat(const RaftMessage& m);
  void OnHeartbeatReply(const RaftMessage& m);
  void AdvanceCommit();
  void CommitTo(uint64_t index);
  void StartReads();
  void AnswerReads();

  RaftPosition Last() const { return {log_.empty() ? 0 : log_.back().term, log_.size()}; }
  uint64_t TermAt(uint64_t index) const { return index == 0 ? 0 : log_[index - 1].term; }
  // The last position up to `hint` that could match a log which has `hint` there.
  RaftPosition LastNotAfter(RaftPosition hint) const;
  uint64_t Stable() const;
  bool CommittedInTerm() const { return commit_ > 0 && TermAt(commit_) == term_; }
  Instant Now() const { return world_->Now(replica_).boot; }
  // The largest value that a majority reaches, `own` being this replica's.
  template <typename T, typename Of>
  T Quorum(T own, Of of) const;

  const RaftOptions options_;
  World* const world_;
  Watcher* const watcher_;
  RaftDisk* const disk_;
  const int replica_;
  const Send send_;
  sim::Random random_;

  // Durable state as this process sees it.
  uint64_t term_;
  int vote_;
  std::vector<RaftEntry> log_;
  bool hard_state_changed_ = false;
  uint64_t unsaved_from_ = 0;  // First index not handed to the disk; 0: none.
  std::vector<RaftMessage> later_;
  std::deque<Pending> pending_;
  uint64_t sequence_ = 0;

  Role role_ = Role::kFollower;
  int leader_ = kNobody;
  Instant heard_leader_ = Instant::min();
  Instant timer_;  // Election, or the leader's next heartbeat.
  Instant resend_ = Instant::max();
  uint64_t commit_ = 0;
  uint64_t applied_ = 0;

  std::set<int> granted_;
  std::set<int> refused_;
  uint64_t vote_sequence_ = 0;  // The write that makes the own vote durable; 0: not handed over.

  std::vector<Progress> progress_;
  uint64_t round_ = 0;
  std::deque<std::pair<uint64_t, Instant>> rounds_;  // Sent lately.
  std::vector<uint64_t> reads_waiting_;              // For the next round.
  std::deque<ReadRound> reads_;
};

}  // namespace rasputin::compare

#endif  // RASPUTIN_TESTS_COMPARE_RAFT_NODE_H_
