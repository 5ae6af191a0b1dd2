// What a leader knows of one follower: how far its log matches, what is on its way, what it vouched
// for.
//
// Arithmetic only; what to send is decided in core_replication.cc. Valid for one term of one
// leader. Not thread-safe.
//
// Each append carries a round, a number that only grows; the answer echoes it. Rounds tell which of
// several answers is newer than what, without timers or message ids: commit announcements, read
// index rounds and refusals that have been acted on are all told apart by them.

#ifndef RASPUTIN_CONSENSUS_CORE_PROGRESS_H_
#define RASPUTIN_CONSENSUS_CORE_PROGRESS_H_

#include <cstdint>

#include "consensus/core/short_queue.h"
#include "consensus/core/types.h"

namespace rasputin::consensus {

struct Progress {
  enum class Mode : uint8_t {
    kProbe,      // Where the logs match is not known: one append at a time.
    kReplicate,  // Known: appends are sent ahead of their answers.
  };

  explicit Progress(Index next_index) : next(next_index) {}

  Mode mode = Mode::kProbe;
  // Durable at the follower and equal to our log. Only grows.
  Index match;
  // First entry to send next; > match. Falls back on a refusal or a time-out.
  Index next;

  // The epoch to which it last said it is durably bound in this term [H-4]; 0: none.
  Epoch bound_epoch;
  Epoch sent_epoch;  // With the last append.

  uint64_t sent_round = 0;   // Of the last append; 0: none sent in this term.
  uint64_t acked_round = 0;  // Highest echoed.
  uint64_t probe_round = 0;  // kProbe: of the append that is waited for; 0: none.
  // Refusals of earlier rounds were acted on already: many appends in flight behind a gap are all
  // refused, and only the first refusal means something.
  uint64_t refusals_from_round = 0;

  // The commit index that the follower can know from what was sent.
  Index sent_commit;
  // First round that carried it; 0: the follower has answered to an append that did.
  uint64_t commit_round = 0;

  Instant retry_at = Instant::max();  // When to give up waiting for an answer.
  int failures = 0;                   // Time-outs since it was last heard.
  // Unheard for long and its store does not support ours: nothing is sent on a timer; a lease
  // update (Tick) or an answer wakes it.
  bool dormant = false;
  bool must_send = false;  // Even if there is nothing new.
  bool rebound = false;    // Bound at a later epoch than at first.

  // Index of the entry that added it; nothing is sent to it before that entry is applied [H-14].
  Index added_at;
  // Snapshots. `below_log_start`: the entries it lacks were cut. `absent`: its replica does not
  // exist, as far as we know, and only a snapshot makes it; it is sent nothing else.
  bool below_log_start = false;
  bool absent = false;
  bool snapshot_under_way = false;             // Asked for, until OnSnapshotSent.
  Instant snapshot_retry_at = Instant::min();  // Not asked for before.
  int snapshot_failures = 0;

  bool NeedsSnapshot() const { return below_log_start || absent; }

  void Sent(Index last, uint64_t bytes, uint64_t round) {
    in_flight_.push_back({last, bytes, round});
    in_flight_bytes_ += bytes;
  }
  // Whether the append of `round` carried more than the follower, which accepted it, took.
  bool TookLess(uint64_t round, Index accepted_match) const {
    for (const InFlight& sent : in_flight_) {
      if (sent.round == round) return sent.last > accepted_match;
    }
    return false;
  }
  uint64_t in_flight_bytes() const { return in_flight_bytes_; }
  // Last index of the oldest append with entries that is not answered; 0: none.
  Index OldestInFlight() const { return in_flight_.empty() ? Index() : in_flight_.front().last; }

  // Returns whether `match` grew.
  bool Accepted(Index accepted_match) {
    while (!in_flight_.empty() && in_flight_.front().last <= accepted_match) {
      in_flight_bytes_ -= in_flight_.front().bytes;
      in_flight_.pop_front();
    }
    const bool grew = accepted_match > match;
    if (grew) match = accepted_match;
    if (next <= match) next = match.Next();
    return grew;
  }

  // Back to one append at a time from `next_index` on.
  void Probe(Index next_index, uint64_t last_round) {
    mode = Mode::kProbe;
    next = next_index > match ? next_index : match.Next();
    probe_round = 0;
    refusals_from_round = last_round + 1;
    in_flight_.clear();
    in_flight_bytes_ = 0;
    if (sent_commit > match) sent_commit = match;
  }

 private:
  friend class CoreAccess;

  struct InFlight {
    Index last;
    uint64_t bytes;
    uint64_t round;
  };
  ShortQueue<InFlight> in_flight_;
  uint64_t in_flight_bytes_ = 0;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_PROGRESS_H_
