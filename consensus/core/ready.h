// What a core wants done, in the order in which it must be done.
//
// The core never acts itself: its owner takes a Ready, carries it out and reports back
// (OnPersisted, OnApplied). Not thread-safe; plain values.

#ifndef RASPUTIN_CONSENSUS_CORE_READY_H_
#define RASPUTIN_CONSENSUS_CORE_READY_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "consensus/core/event.h"
#include "consensus/core/message.h"
#include "consensus/core/types.h"

namespace rasputin::consensus {

// Durable before any message that vouches for it leaves [H-1].
struct HardState {
  Term term;
  ReplicaId vote;          // In `term`; 0: none.
  ReplicaId bound_leader;  // [H-4]; 0: not bound.
  StoreId bound_store;     // The bound leader's store.
  Term bound_term;
  Epoch bound_epoch;
  Term released_term;  // Highest released term [H-11]: it never binds again.

  friend bool operator==(const HardState& a, const HardState& b);
};

// Answer to a read index round [H-10]: `context` as passed to RequestReadIndex. `failed`: the
// leadership ended first; nothing may be read by it.
struct ReadIndexResult {
  uint64_t context = 0;
  Index index;
  bool failed = false;
};

struct Ready {
  // 1. May leave at once, before anything below is durable: vouches for nothing unsaved.
  std::vector<Message> send_now;
  // 2.-4. One append to the shared log, in this order. `entries` begin where the log is to be
  // continued; entries of the log at or after the first one's index are overwritten (truncated).
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;
  // 5. Only after 2.-4. of this and of every earlier Ready are durable. Its owner then calls
  // OnPersisted with `persist_sequence`. Set iff 2.-4. are not all empty; otherwise
  // `send_after_persist` waits for the last sequence handed out (and goes out at once if that is
  // durable already).
  uint64_t persist_sequence = 0;
  std::vector<Message> send_after_persist;
  // 6. Committed entries, to be applied in order. On the leader they may be applied before its own
  // log is durable (a quorum of others has them); the owner must not acknowledge to the engine's
  // flush more than the log holds. Each entry is handed out exactly once per process.
  std::vector<Entry> committed;
  // 7. Read index rounds that ended.
  std::vector<ReadIndexResult> reads;
  // 8. Members (of a leader) or candidates (of one whose log is pulled [H-13]) that need entries
  // from before the log's start, or a replica to begin with. The owner starts a transfer of its
  // applied state, unless one to this member is under way, and calls OnSnapshotSent when it has
  // ended.
  std::vector<ReplicaId> snapshots_wanted;
  // 9. What happened, for logs, metrics, golden tests and checkers.
  std::vector<Event> events;

  bool Empty() const;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_READY_H_
