// What a fuzzer does with any bytes: decode them as header, frame, record and whole segment.
//
// Shared by the fuzz target (libFuzzer) and by the test that mutates real segments. Aborts if a
// decoder reads outside of its input (sanitizers) or contradicts itself.

#ifndef RASPUTIN_CONSENSUS_LOG_FUZZ_INPUT_H_
#define RASPUTIN_CONSENSUS_LOG_FUZZ_INPUT_H_

#include "absl/strings/string_view.h"

namespace rasputin::consensus::log {

// Returns the number of records found in whole frames.
int DecodeAnything(absl::string_view bytes);

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_FUZZ_INPUT_H_
