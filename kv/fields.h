// What routing needs to know of a request, read from its bytes without parsing or copying values.
//
// Pure functions over an encoded request of rasputin.kv.v1. Any bytes may be given: what is not a
// valid request is INVALID_ARGUMENT with a text for the user, which holds no keys and no values.
// Not responsible for collections' names (the directory) nor for bounds of ranges (range/).

#ifndef RASPUTIN_KV_FIELDS_H_
#define RASPUTIN_KV_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "kv/command.h"
#include "kv/limits.h"

namespace rasputin::kv {

struct RequestFields {
  std::string collection;  // As given; empty: `default`.
  std::optional<RequestId> request_id;
  bool read_index = false;  // CONSISTENCY_READ_INDEX.
  // False: Get, Scan, or a batch that only reads; need not go through the log.
  bool mutates = false;
  // Lowest and highest user key. Scan: `start` and `end`, either may be empty (see ScanRequest).
  std::string first_key;
  std::string last_key;
  uint32_t operations = 1;  // Of a batch: how many.

  // For CheckLimits.
  uint64_t request_bytes = 0;
  uint64_t key_bytes_max = 0;    // Of the longest key.
  uint64_t value_bytes_max = 0;  // Of the longest value, expected values included.
};

// `operation`: kGet, kScan, kSet, kCas, kDelete or kBatch. INVALID_ARGUMENT: not a request of that
// kind, an unknown or repeated field, an empty key, a missing condition, a malformed RequestId.
absl::StatusOr<RequestFields> ReadFields(Operation operation, const absl::Cord& request);

// Operations of an encoded BatchRequest, for measuring: what does not parse ends the count.
struct BatchCount {
  uint32_t operations = 0;
  uint32_t mutations = 0;  // Those that are no gets.
  uint32_t deletes = 0;    // Of the mutations.
};
BatchCount CountOperations(const absl::Cord& batch);

// INVALID_ARGUMENT names the limit and the actual size.
absl::Status CheckLimits(const RequestFields& fields, const Limits& limits);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_FIELDS_H_
