// Messages between the replicas of one Harpoon group, as plain values.
//
// Not responsible for encoding (consensus/wire) nor delivery: a message may be lost, repeated,
// delayed or reordered, and the core must stay safe. Store leases have messages of their own
// (consensus/lease/message.h). Payloads are reference-counted: copying a message copies no bytes.

#ifndef RASPUTIN_CONSENSUS_CORE_MESSAGE_H_
#define RASPUTIN_CONSENSUS_CORE_MESSAGE_H_

#include <cstdint>
#include <variant>
#include <vector>

#include "absl/strings/cord.h"
#include "consensus/core/types.h"

namespace rasputin::consensus {

enum class EntryType : uint8_t {
  kCommand = 1,  // `payload` is an opaque command of the state machine.
  kNoop = 2,     // Appended by a new leader at once [H-9]; empty.
  kConfig = 3,   // `payload` is a configuration (membership change) [H-14].
};

struct Entry {
  Term term;
  Index index;
  EntryType type = EntryType::kCommand;
  absl::Cord payload;
};

enum class ProbeStatus : uint8_t {
  kOk = 1,
  kBound = 2,   // Bound to the leader named in the answer [H-4].
  kNotNow = 3,  // Restart wait [S-6] or a disk that does not work [S-7].
};

// [H-5]: changes nothing at the receiver.
struct ProbeRequest {
  uint64_t attempt = 0;  // Of the sender's campaign; echoed.
  LogPosition last;
};
struct ProbeReply {
  uint64_t attempt = 0;
  ProbeStatus status = ProbeStatus::kNotNow;
  Term term;           // The receiver's current term.
  LogPosition last;    // The receiver's last log position.
  Nonce nonce;         // To be echoed by a vote request that follows.
  ReplicaId bound_to;  // kBound only.
  Term bound_term;     // kBound only.
};

struct VoteRequest {
  LogPosition last;
  Nonce nonce;         // From the receiver's ProbeReply; none in a handover's request.
  Term released_term;  // Handover [H-11]: the term that its leader released in our favour.
};
struct VoteReply {
  bool granted = false;
};

// Also serves as commit announcement (no entries) and read index round (`read_context`).
// The first one of a term binds the receiver [H-4].
struct AppendRequest {
  LogPosition previous;  // Position before the first of `entries`.
  std::vector<Entry> entries;
  Index commit;       // Never beyond what the leader has applied [H-15].
  Index held_by_all;  // Durable on every member: logs need not go back further.
  Epoch epoch;        // Of (leader's store, receiver's store) [S-5]: binds to this epoch.
  // Number of this append, growing within a term; echoed. The leader tells by it which answers are
  // new, and confirms read index rounds [H-10].
  uint64_t read_context = 0;
};
struct AppendReply {
  bool accepted = false;      // False: `previous` does not match, or the term was released.
  Index match;                // Accepted: durable up to here and equal to the leader's log.
  LogPosition conflict_hint;  // Refused: retry with `previous` at or before this position.
  Epoch bound_epoch;          // The epoch to which the sender is durably bound; 0: not bound.
  uint64_t read_context = 0;  // Of the request; 0 if its term was refused.
};

// [H-13] Catch-up of a candidate that is behind.
struct PullRequest {
  uint64_t attempt = 0;
  LogPosition after;  // Entries wanted after this position of the sender's log.
};
struct PullReply {
  uint64_t attempt = 0;
  LogPosition previous;        // Position before the first entry; equals the donor's log there.
  bool matched = false;        // False: ask again with `previous` (the donor's hint).
  std::vector<Entry> entries;  // Suffix, or its next chunk.
  LogPosition donor_last;      // The donor's last position at the time of the answer.
};

// [H-11] "released <= term". `target` is set in a handover: the one who may campaign at once.
struct Release {
  Term released_term;
  ReplicaId target;
};
struct ReleaseAck {
  Term released_term;
};
// A bound replica asks its leader's store whether the binding still holds [H-11].
struct ReleaseQuery {
  Term bound_term;
};

// A part of a snapshot, for a member whose log ends before its leader's (or donor's) begins. The
// core takes no part in a transfer: it says who needs one (Ready::snapshots_wanted) and is replaced
// by a new core when one is installed.
struct SnapshotChunk {
  uint64_t snapshot_id = 0;  // Given by the sender; names the transfer.
  uint64_t sequence = 0;     // From 0, which holds the header.
  LogPosition position;      // Applied position that the snapshot shows.
  uint32_t crc32c = 0;       // Of `data`.
  absl::Cord data;           // Opaque to consensus.
  bool last = false;
};
enum class SnapshotStatus : uint8_t {
  kReceiving = 1,
  kInstalled = 2,
  kRefused = 3,  // Not wanted: the receiver's state is newer.
  kBusy = 4,     // Not now.
  kLost = 5,     // The id is unknown: to be begun anew.
};
struct SnapshotAck {
  uint64_t snapshot_id = 0;
  uint64_t next_sequence = 0;  // All chunks below it have arrived.
  SnapshotStatus status = SnapshotStatus::kReceiving;
};

// "You, the receiver, are no member any more": said for a committed configuration only [H-14]. Or:
// there is no such range any more, said where its merge was applied.
struct Removed {
  Generation generation;  // Of the descriptor that lacks the receiver.
  absl::Cord absorbed{};  // Opaque to consensus: what absorbed the range. Empty: the range lives.
};

using MessageBody = std::variant<ProbeRequest, ProbeReply, VoteRequest, VoteReply, AppendRequest,
                                 AppendReply, PullRequest, PullReply, Release, ReleaseAck,
                                 ReleaseQuery, SnapshotChunk, SnapshotAck, Removed>;

struct Message {
  RangeId range;
  // Of the sender's descriptor when it was sent; for readers of traces. Nobody checks it: what a
  // split must not let through are requests and commands, which carry a generation of their own.
  Generation generation;
  ReplicaId from;
  ReplicaId to;
  StoreId from_store;
  StoreId to_store;
  Term term;  // The sender's current term (vote request: the term it stands for).
  MessageBody body;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_MESSAGE_H_
