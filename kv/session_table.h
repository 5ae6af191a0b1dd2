// Exactly once [H-17]: the outcomes of a range's recent commands, by client and sequence.
//
// Replicated state: rows of the range-local space, changed only by commands and judged only by
// their versions, never by a clock, so every replica remembers and forgets alike. Each client has
// 1,024 places; sequence s takes place s mod 1,024, and a place that holds a higher sequence proves
// that s was forgotten. Nothing has to be deleted while a client is active: an acknowledged outcome
// stays until its place is taken. Clients idle for 12 minutes are dropped, at most two at a time,
// when another client comes or is seen to be in use still. Not thread-safe.

#ifndef RASPUTIN_KV_SESSION_TABLE_H_
#define RASPUTIN_KV_SESSION_TABLE_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv/command.h"
#include "kv/turn.h"

namespace rasputin::kv {

inline constexpr uint64_t kSessionPlaces = 1024;
// A repeat is answered for at least so long after the client's last request.
inline constexpr uint64_t kIssuedAgeMaxMs = 10 * 60 * 1000;
// How far a client's clock may be ahead of the version of its command.
inline constexpr uint64_t kClockAheadMaxMs = 60 * 1000;
// `last used` is written again only when it is older than this: most commands write no client row.
inline constexpr uint64_t kLastUsedGrainMs = 60 * 1000;
// Why a forgotten request is never executed again: it ran at a version before the client was
// dropped, that is kIdleDrop before any later command at V; its issued_at_ms is at most
// kClockAheadMax above its version and `last used` at most kLastUsedGrain stale, so issued_at_ms <=
// V - kIssuedAgeMax, which is refused. Hence kIdleDrop >= kIssuedAgeMax + kClockAheadMax +
// kLastUsedGrain.
inline constexpr uint64_t kIdleDropMs = kIssuedAgeMaxMs + kClockAheadMaxMs + kLastUsedGrainMs;
// Values above it are not remembered: a repeat says `value_omitted`.
inline constexpr uint64_t kRememberedValueBytesMax = 4 << 10;

class SessionTable {
 public:
  // For one command of the range; `version` is the command's. The turn must outlive it.
  SessionTable(uint64_t range_id, uint64_t version, Turn* turn);

  enum class Admission : uint8_t {
    kAdmitted = 1,
    kExpired = 2,     // Issued before what is remembered.
    kClockAhead = 3,  // Issued too far in the future to tell when it will have expired.
  };
  // First of all for a command with a session: finds or makes the client's row, drops idle clients.
  // Only after kAdmitted: what follows.
  absl::StatusOr<Admission> Admit(const RequestId& id);

  enum class Memory : uint8_t {
    kNew = 1,        // Never executed.
    kRepeat = 2,     // Executed: `remembered`.
    kForgotten = 3,  // May have been executed.
    kMismatch = 4,   // The sequence was used for an operation of another kind.
  };
  // An error is the engine's, or DATA_LOSS.
  absl::StatusOr<Memory> Recall(uint64_t sequence, Operation kind, std::string* remembered);
  // Only after Recall said kNew.
  void Remember(uint64_t sequence, Operation kind, absl::string_view outcome);

  // Adds what range `from` remembers to what range `into` does, which absorbs it by a command of
  // this version, above all versions of both. What either has executed is never executed again
  // (the proof is at the definition). The rows of `from` stay. Sees the edits of the turn; costs a
  // walk over the session rows of `from`, the client rows of `into` and the edits of the turn.
  static absl::Status Merge(uint64_t from, uint64_t into, uint64_t version, Turn* turn);

 private:
  struct Client {
    uint64_t remembered_since_ms = 0;  // A request issued then or before may be forgotten.
    uint64_t last_used_ms = 0;
  };
  struct Queue;
  using Clients = std::map<uint64_t, Client>;

  // All clients of a range, with the edits of the turn.
  static absl::StatusOr<Clients> ListClients(uint64_t range_id, const Turn& turn);
  static absl::Status MergeOutcomes(uint64_t from, uint64_t into, Turn* turn);
  absl::Status Enqueue(bool is_new);
  absl::Status DropIdleClients(Queue* queue);
  absl::StatusOr<bool> ReadClient(uint64_t client_id, Client* client) const;
  void WriteClient(uint64_t client_id, const Client& client);
  std::string OutcomeKey(uint64_t client_id, uint64_t sequence) const;

  const uint64_t range_id_;
  const uint64_t now_ms_;  // Of the command's version.
  Turn* const turn_;
  RequestId id_;
  Client client_;
};

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_SESSION_TABLE_H_
