// See workload.h.

#include "client/bench/workload.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_format.h"

namespace rasputin::client {

const char* NameOf(BenchOperation operation) {
  switch (operation) {
    case BenchOperation::kGet:
      return "get";
    case BenchOperation::kSet:
      return "set";
    case BenchOperation::kCas:
      return "cas";
  }
  return "?";
}

std::string BenchKey(uint64_t index) { return absl::StrFormat("bench-%010d", index); }

std::string BenchValue(uint64_t index, size_t bytes) {
  std::string value(bytes, '\0');
  uint64_t state = index * 2 + 1;
  for (size_t at = 0; at < bytes; at += sizeof(state)) {
    // xorshift64 (Marsaglia 2003): cheap, and nothing that a compressor finds.
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(&value[at], &state, std::min(sizeof(state), bytes - at));
  }
  return value;
}

}  // namespace rasputin::client
