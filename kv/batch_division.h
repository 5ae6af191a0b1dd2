// A batch over several ranges: dividing the request, putting the answers together again.
//
// For the front end, which sends each part to its own range. Values are referenced, never copied.
// Operations keep their position in the client's batch, so that RequestId means the same operation
// however a batch is divided, before a split and after it. Pure functions.

#ifndef RASPUTIN_KV_BATCH_DIVISION_H_
#define RASPUTIN_KV_BATCH_DIVISION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"

namespace rasputin::kv {

// The user key of each operation, in order. INVALID_ARGUMENT: not a BatchRequest.
absl::StatusOr<std::vector<std::string>> BatchKeys(const absl::Cord& request);

// The BatchRequest of the chosen operations: `indexes` into the operations of `request`, ascending,
// not empty. Collection, RequestId and consistency are those of `request`. INVALID_ARGUMENT: not a
// BatchRequest, or an index beyond its operations.
absl::StatusOr<absl::Cord> SubBatch(const absl::Cord& request, absl::Span<const uint32_t> indexes);

// The encoded results (BatchResult) of a BatchResponse, in order. INTERNAL: not one, or not
// `count`.
absl::StatusOr<std::vector<absl::Cord>> BatchResults(const absl::Cord& response, uint32_t count);
// A BatchResult that holds an OperationError. `code`: gRPC's, not 0;
// `detail`: an encoded rasputin.v1.ErrorDetail, may be empty.
absl::Cord ErrorResult(int code, absl::string_view message, const absl::Cord& detail);
// The BatchResponse of these results.
absl::Cord BatchResponseOf(absl::Span<const absl::Cord> results);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_BATCH_DIVISION_H_
