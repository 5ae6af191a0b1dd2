// How fuzz tests run: many inputs, a line that counts them, and what an answer must never be.
//
// For tests with GoogleTest. Not thread-safe.

#ifndef RASPUTIN_TESTS_FUZZ_TRIAL_H_
#define RASPUTIN_TESTS_FUZZ_TRIAL_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tests/fuzz/inputs.h"

namespace rasputin::fuzz {

struct TrialOptions {
  std::string what;              // Printed.
  uint64_t seed = 1;             // Of all inputs.
  uint64_t usual = 30'000;       // See Runs().
  double accepted_share = 0.01;  // At least so many of all must be accepted, and not all of them.
};

// Tries one input after the other until there were Runs() of them, or one failed fatally. `run`
// counts from 0 and is printed with a failure.
void TryInputs(const TrialOptions& options,
               absl::FunctionRef<void(Random* random, uint64_t run, bool* accepted)> try_input);

// "N inputs, WHAT: M accepted", as the long suite reads it, and the check of the share: with none
// of them or all the inputs are not what they should be.
void ReportInputs(const TrialOptions& options, uint64_t inputs, uint64_t accepted);

// An answer to a damaged request that is the server's fault: a code that blames nobody else (an
// outcome that is unknown must say so by its reason), or no sentence. `details`: as in
// server::CallResult; `needs_reason`: services of clients give an ErrorDetail with each error.
bool IsFault(absl::StatusCode code, absl::string_view message, const std::string& details,
             bool needs_reason = true);

}  // namespace rasputin::fuzz

#endif  // RASPUTIN_TESTS_FUZZ_TRIAL_H_
