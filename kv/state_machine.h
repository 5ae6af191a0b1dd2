// What a command means: applies committed commands of one range to the engine, and serves reads.
//
// Deterministic: the same commands in the same order give the same edits and the same outcomes on
// every replica. Knows no consensus, no clock, no descriptors beyond the collection id and bounds
// it is given. All ranges of a turn share one EngineBatch through a Turn (turn.h), which also lets
// a command see the edits of earlier commands of the turn. Not thread-safe.

#ifndef RASPUTIN_KV_STATE_MACHINE_H_
#define RASPUTIN_KV_STATE_MACHINE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "kv/command.h"
#include "kv/engine.h"
#include "kv/outcome.h"
#include "kv/turn.h"

namespace rasputin::kv {

// The part of a range that the state machine needs: where its keys and its own rows lie.
struct Space {
  uint64_t range_id = 0;
  uint64_t collection_id = 0;
};

// Applies one operation of the kv type (Set, Cas, Delete, Batch; formats.md "Command"): consults
// and updates the session table [H-17], writes rows with `header.version`, adds edits to `turn`.
// The outcome holds the encoded response message of the operation, or the refusal; a body that is
// not a request is refused alike by every replica and changes nothing. An error status (engine
// failure, damaged data, an operation that is not of the kv type) stops the replica [H-18].
absl::StatusOr<Outcome> Apply(const Space& space, const Command& command, Turn* turn);

// The results of a batch together hold at most about so many bytes of values: further gets answer
// RESOURCE_EXHAUSTED, further cas and delete `value_omitted`.
inline constexpr uint64_t kBatchResponseBytesMax = 16 << 20;

// Reads of the applied state. `request` is the encoded request message of the operation.
absl::StatusOr<Outcome> Get(const Space& space, const absl::Cord& request, const Engine& engine);
// A batch that only reads (RequestFields::mutates is false), without the log.
absl::StatusOr<Outcome> GetBatch(const Space& space, const absl::Cord& request,
                                 const Engine& engine);

// A page of a scan: its defaults and upper limits.
inline constexpr uint64_t kPageRowsMax = 1000;
inline constexpr uint64_t kPageBytesDefault = 1 << 20;
inline constexpr uint64_t kPageBytesMax = 4 << 20;

// One page: as many rows and about as many bytes as the request's `limit`, `page_rows_max` and
// `page_bytes_max` allow; the response says whether there may be more and the key to resume at,
// which is `end` where the range ends before the request does. Bounded by [start, end) of the range
// (user keys; empty end: the end of the collection).
absl::StatusOr<Outcome> ScanPage(const Space& space, absl::string_view start, absl::string_view end,
                                 const absl::Cord& request, const Engine& engine);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_STATE_MACHINE_H_
