// Collections within the meta range: created, marked ready, changed, dropped, found by name or id.
//
// Every command may be repeated and changes nothing then. Ids come from the allocator and are never
// reused, names are free again once a dropped collection was removed. Deterministic. Not
// thread-safe. Not responsible for the ranges of a collection.

#ifndef RASPUTIN_RANGE_META_COLLECTIONS_H_
#define RASPUTIN_RANGE_META_COLLECTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/engine.h"
#include "kv/outcome.h"
#include "kv/turn.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "rasputin/type/v1/collection.pb.h"

namespace rasputin::range::meta {

// Limits, stated in the errors.
inline constexpr size_t kCollectionNameBytesMax = 128;
inline constexpr uint64_t kSplitSizeBytesMin = 4096;
inline constexpr uint64_t kThresholdMax = uint64_t{1} << 40;
inline constexpr int kRequiredLabelsMax = 16;
inline constexpr size_t kLabelBytesMax = 64;

// What is wrong with the options, for the user; empty: nothing.
std::string WhatIsWrongWith(const type::v1::CollectionOptions& options);

// Writes a collection's rows and enters them into the feed of changes.
absl::Status PutCollection(const type::v1::Collection& collection, kv::Turn* turn);
// Takes an id from the allocator that `next_id` stands for, if the name is new: then it is raised.
absl::StatusOr<kv::Outcome> CreateCollection(const type::v1::Collection& wanted, uint64_t* next_id,
                                             kv::Turn* turn);
absl::StatusOr<kv::Outcome> MarkReady(uint64_t collection_id, kv::Turn* turn);
absl::StatusOr<kv::Outcome> UpdateCollection(const storage::v1::UpdateCollection& command,
                                             kv::Turn* turn);
// From here on nothing of it is served by whoever reads this. The meta range's and `default` stay.
absl::StatusOr<kv::Outcome> DropCollection(uint64_t collection_id, kv::Turn* turn);
// `next_id`: the allocator's; below it a collection that is not there was removed before.
absl::StatusOr<kv::Outcome> RemoveCollection(uint64_t collection_id, uint64_t next_id,
                                             kv::Turn* turn);

// MetaQuery.collection_name and collection_id: at most one.
absl::Status QueryCollection(const storage::v1::MetaQuery& query, const kv::Engine& engine,
                             storage::v1::MetaQueryResult* result);

}  // namespace rasputin::range::meta

#endif  // RASPUTIN_RANGE_META_COLLECTIONS_H_
