// The rows that belong to a range rather than to a key: applied state, descriptor, sessions.
//
// They lie in the `r` space under the range id (kv/README.md). The descriptor is opaque here. Pure
// functions over an engine or a turn.

#ifndef RASPUTIN_KV_RANGE_ROWS_H_
#define RASPUTIN_KV_RANGE_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv/engine.h"
#include "kv/turn.h"

namespace rasputin::kv {

// How far the state machine of a range has come; written in the same batch as what was applied.
struct AppliedState {
  uint64_t index = 0;
  uint64_t term = 0;
  uint64_t version_floor = 0;  // Highest version applied in this range or inherited at a split.

  friend bool operator==(const AppliedState& a, const AppliedState& b) {
    return a.index == b.index && a.term == b.term && a.version_floor == b.version_floor;
  }
};

std::string EncodeAppliedState(const AppliedState& state);
// DATA_LOSS: not such a row, or of a newer format (says which).
absl::StatusOr<AppliedState> DecodeAppliedState(absl::string_view row);

void WriteAppliedState(uint64_t range_id, const AppliedState& state, Turn* turn);
// nullopt: the engine knows nothing of the range. DATA_LOSS: a damaged row.
absl::StatusOr<std::optional<AppliedState>> ReadAppliedState(uint64_t range_id,
                                                             const Engine& engine);
// As of what has been flushed; all zero: nothing yet.
absl::StatusOr<AppliedState> ReadPersistedAppliedState(uint64_t range_id, const Engine& engine);

void WriteDescriptor(uint64_t range_id, std::string encoded, Turn* turn);
// The encoded descriptors of all ranges, by range id.
absl::StatusOr<std::vector<std::string>> ListDescriptors(const Engine& engine);

// The highest replica id of the range that was removed from this store: neither it nor a lower one
// ever lives here again. It outlives all other rows of the range.
std::string TombstoneKey(uint64_t range_id);
std::string EncodeTombstone(uint64_t replica_id);
// Of all ranges: range id, replica id. DATA_LOSS: a damaged row.
absl::StatusOr<std::vector<std::pair<uint64_t, uint64_t>>> ListTombstones(const Engine& engine);

// What is remembered of a range that was absorbed by another one; opaque here. It outlives all
// other rows of the range, beside the tombstone.
std::string AbsorbedKey(uint64_t range_id);
void WriteAbsorbed(uint64_t range_id, std::string encoded, Turn* turn);
// Of all ranges, by range id.
absl::StatusOr<std::vector<std::string>> ListAbsorbed(const Engine& engine);
// Whether a crash would leave the row.
absl::StatusOr<bool> IsAbsorbedPersisted(uint64_t range_id, const Engine& engine);
// The highest id of a range that was absorbed into keys of this one; 0: none. Part of the range's
// state, inherited at a split.
absl::StatusOr<uint64_t> ReadHighestAbsorbed(uint64_t range_id, const Turn& turn);
void WriteHighestAbsorbed(uint64_t range_id, uint64_t absorbed_range_id, Turn* turn);

// Removes all rows of a range but those that outlive it.
void DeleteRangeRows(uint64_t range_id, Turn* turn);
// Removes all keys in the bounds (full keys; an empty end is the end of the keyspace) and the
// sessions of the range.
void DeleteRangeData(uint64_t range_id, const std::string& start_key, const std::string& end_key,
                     Turn* turn);

// Gives a child, which must have none, the session table of its parent. Sees the edits of the
// turn. Deterministic; costs a walk over the parent's session rows and the edits of the turn.
absl::Status CopySessions(uint64_t from_range_id, uint64_t to_range_id, Turn* turn);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_RANGE_ROWS_H_
