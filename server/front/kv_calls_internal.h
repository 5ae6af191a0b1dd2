// The records of scans and batches that kv_calls.cc and kv_batch.cc share; included by nothing
// else.
//
// Plain values that belong to a KvCalls. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_KV_CALLS_INTERNAL_H_
#define RASPUTIN_SERVER_FRONT_KV_CALLS_INTERNAL_H_

#include <optional>
#include <string>
#include <vector>

#include "rasputin/kv/v1/kv.pb.h"
#include "server/front/kv_calls.h"

namespace rasputin::server {

// A scan between two pages; `request.start` is where it goes on.
struct KvCalls::Scan {
  kv::v1::ScanRequest request;
  uint64_t collection = 0;
  bool read_index = false;
  Instant deadline;
  uint64_t rows_left = 0;  // 0: no limit.
  bool held = false;       // Waits for Resume.
};

// A batch whose operations lie in several ranges.
struct KvCalls::Batch {
  absl::Cord request;
  kv::RequestFields fields;
  uint64_t collection = 0;
  Instant deadline;
  bool maybe_executed = false;
  std::vector<std::string> keys;                   // User keys, by operation.
  std::vector<std::optional<absl::Cord>> results;  // Encoded BatchResults, by operation.
  std::vector<uint32_t> undivided;                 // Operations that are in no part, ascending.
  uint32_t missing = 0;                            // Operations without a result.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_KV_CALLS_INTERNAL_H_
