// Full keys: where the keys of all collections lie in the one ordered keyspace.
//
// A full key is the collection id as 8 bytes big-endian, then the user key; it is the form of
// RangeDescriptor.start_key and end_key. Not responsible for limits of keys. Pure functions.

#ifndef RASPUTIN_CLIENT_ROUTE_FULL_KEY_H_
#define RASPUTIN_CLIENT_ROUTE_FULL_KEY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace rasputin::client {

inline constexpr size_t kKeyPrefixBytes = 8;
// Ids fixed at bootstrap.
inline constexpr uint64_t kMetaCollectionId = 1;
inline constexpr uint64_t kDefaultCollectionId = 2;
inline constexpr uint64_t kMetaRangeId = 1;

// The least full key of a collection.
std::string KeyPrefix(uint64_t collection_id);
std::string FullKey(uint64_t collection_id, absl::string_view user_key);

// The collection that a full key lies in; 0 if it is shorter than a prefix.
uint64_t CollectionOf(absl::string_view full_key);
// The part behind the prefix; a view into `full_key`, which must be at least a prefix.
absl::string_view UserKeyOf(absl::string_view full_key);

// Whether `full_key` lies in [start, end); an empty `end` is unbounded.
bool KeyInBounds(absl::string_view full_key, absl::string_view start, absl::string_view end);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_ROUTE_FULL_KEY_H_
