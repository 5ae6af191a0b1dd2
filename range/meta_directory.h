// The directory within the meta range: descriptors by id and by end key, and the feed of its
// changes.
//
// Descriptors arrive late, twice and in any order; what is kept converges to the newest ones
// whatever the order. The rows are pairwise disjoint at all times. Deterministic. Not thread-safe.
// Not responsible for collections and stores, which only enter their changes here.
//
// Why it converges: for every key the generation of the range that holds it grows along history
// (range/README.md "Directory"), and a range keeps its start key for life.

#ifndef RASPUTIN_RANGE_META_DIRECTORY_H_
#define RASPUTIN_RANGE_META_DIRECTORY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "consensus/core/mutants.h"
#include "kv/engine.h"
#include "kv/turn.h"
#include "range/descriptor.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range::meta {

// Ranges that were absorbed and are remembered for readers of the feed; whoever was away for longer
// reads everything again.
inline constexpr uint64_t kGoneRangesKept = 1000;

// Writes one descriptor. Ignored if the directory has the range, or another one that holds some of
// its keys, at the same or a higher generation. What other ranges of a lower generation held of its
// keys they lose; the one whose start key it holds was absorbed and goes.
absl::Status PutRange(const RangeDescriptor& descriptor, const consensus::Mutants& mutants,
                      kv::Turn* turn);

// Enters into the feed that a collection or a store was written or removed.
absl::Status NoteCollection(uint64_t collection_id, kv::Turn* turn);
absl::Status NoteStore(uint64_t store_id, kv::Turn* turn);

// Change numbers move on, and nobody can go on reading from before: the meta range was recovered
// from a member that may lack changes which others have read [H-14].
absl::Status SkipChanges(uint64_t count, kv::Turn* turn);

// MetaQuery.ranges_from: ranges whose end lies beyond the key, in key order, at most `limit`.
absl::Status ReadRangesFrom(absl::string_view key, uint32_t limit, const kv::Engine& engine,
                            storage::v1::MetaQueryResult* result);
// MetaQuery.changes_after. At most `limit` changes; `more` if there are others behind them.
absl::Status ReadChanges(uint64_t after, uint32_t limit, const kv::Engine& engine,
                         storage::v1::MetaQueryResult* result);

}  // namespace rasputin::range::meta

#endif  // RASPUTIN_RANGE_META_DIRECTORY_H_
