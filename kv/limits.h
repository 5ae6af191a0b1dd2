// The sizes that a request may have. Checked at the edge, never while applying: nodes may be
// configured differently, and what is committed is applied alike by all.

#ifndef RASPUTIN_KV_LIMITS_H_
#define RASPUTIN_KV_LIMITS_H_

#include <cstdint>

namespace rasputin::kv {

// The defaults are stated to users in rasputin/kv/v1/kv.proto.
struct Limits {
  uint64_t key_bytes_max = 8 << 10;       // Of the user key, before any escaping.
  uint64_t value_bytes_max = 4 << 20;     // Also of an expected value.
  uint64_t request_bytes_max = 16 << 20;  // Of any encoded request.
  uint32_t batch_operations_max = 1024;
};

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_LIMITS_H_
