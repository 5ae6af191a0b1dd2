// What a request may hold, checked before it is sent: a clear refusal instead of megabytes on their
// way to one.
//
// Pure; thread-safe. The servers decide: they check the same, and a limit of 0 leaves it to them.

#ifndef RASPUTIN_CLIENT_LIMITS_H_
#define RASPUTIN_CLIENT_LIMITS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::client {

// In bytes, except the last. The defaults are those of rasputin/kv/v1/kv.proto; 0: not checked.
struct ClientLimits {
  uint64_t key_bytes_max = 8 << 10;
  uint64_t value_bytes_max = 4 << 20;     // Also of an expected value.
  uint64_t request_bytes_max = 16 << 20;  // Of the encoded request.
  uint64_t batch_operations_max = 1024;
};

// What a request holds: the longest key, the longest value, the encoded whole, operations.
struct RequestSizes {
  uint64_t key_bytes = 0;
  uint64_t value_bytes = 0;
  uint64_t request_bytes = 0;
  uint64_t operations = 1;
};

RequestSizes SizesOf(const kv::v1::GetRequest& request);
RequestSizes SizesOf(const kv::v1::SetRequest& request);
RequestSizes SizesOf(const kv::v1::CasRequest& request);
RequestSizes SizesOf(const kv::v1::DeleteRequest& request);
RequestSizes SizesOf(const kv::v1::BatchRequest& request);
RequestSizes SizesOf(const kv::v1::ScanRequest& request);

// INVALID_ARGUMENT as a server would give it: which limit, and the actual size.
absl::Status CheckLimits(const RequestSizes& sizes, const ClientLimits& limits);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_LIMITS_H_
