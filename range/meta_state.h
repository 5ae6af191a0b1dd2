// The state of the meta range: stores, the id allocator, and what meta_directory.h (descriptors,
// the feed of changes) and meta_collections.h keep there.
//
// Applies MetaCommands to the rows of the meta collection and answers MetaQueries from them.
// Deterministic; knows no consensus. Row layout: range/README.md "Meta range". Not thread-safe.

#ifndef RASPUTIN_RANGE_META_STATE_H_
#define RASPUTIN_RANGE_META_STATE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "consensus/core/mutants.h"
#include "kv/engine.h"
#include "kv/outcome.h"
#include "kv/turn.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range {

// Limits of one command or query, stated in its error.
inline constexpr uint32_t kRangeIdBlockMax = 1000;
inline constexpr uint32_t kMetaRowsMax = 1000;

// Writes the first state of a cluster.
absl::Status WriteFirstMetaState(const storage::v1::BootstrapRecord& record, kv::Turn* turn);

// `body` is an encoded MetaCommand. A refusal is an outcome; an error status (engine, undecodable
// committed command) stops the replica.
absl::StatusOr<kv::Outcome> ApplyMetaCommand(const absl::Cord& body, kv::Turn* turn,
                                             const consensus::Mutants& mutants = {});

// Moves every counter of the allocator on: what was given out by members of the meta range that are
// lost is not given out again.
absl::Status SkipIds(uint64_t count, kv::Turn* turn);

// `body` is an encoded MetaQuery; the response an encoded MetaQueryResult.
absl::StatusOr<kv::Outcome> AnswerMetaQuery(const absl::Cord& body, const kv::Engine& engine);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_META_STATE_H_
