// A fingerprint of rows, for checkers that compare replicas and runs.
//
// Pure function of the rows; the same on every platform and in every run.

#ifndef RASPUTIN_KV_STATE_HASH_H_
#define RASPUTIN_KV_STATE_HASH_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv/engine.h"

namespace rasputin::kv {

// Of all rows in [begin, end) and their order; an empty `end` is unbounded. Equal rows give equal
// hashes; different rows give different ones up to chance (64 bits; no defence against intent).
absl::StatusOr<uint64_t> StateHash(const Engine& engine, absl::string_view begin,
                                   absl::string_view end);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_STATE_HASH_H_
