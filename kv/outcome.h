// What became of an operation: a named value and the encoded response.
//
// Plain value; thread-compatible.

#ifndef RASPUTIN_KV_OUTCOME_H_
#define RASPUTIN_KV_OUTCOME_H_

#include <cstdint>
#include <string>

#include "absl/strings/cord.h"

namespace rasputin::kv {

enum class OutcomeCode : uint8_t {
  kOk = 1,
  kInvalidArgument = 2,    // `message` names the limit and the actual value.
  kSessionExpired = 3,     // Issued before what is still remembered: outcome unknown.
  kResourceExhausted = 4,  // Too many outcomes remembered for the client, or the engine stalls.
  kFailedPrecondition = 5,
  kNotFound = 6,
  kAlreadyExists = 7,
};

struct Outcome {
  OutcomeCode code = OutcomeCode::kOk;
  absl::Cord response;  // kOk: the operation's encoded response message.
  std::string message;  // Otherwise: one sentence for the user, without keys or values.
  // Page of a scan: the user key before which it ended; empty: at the end of the range.
  std::string scanned_to{};
};

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_OUTCOME_H_
