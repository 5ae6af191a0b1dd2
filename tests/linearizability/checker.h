// Judges histories: linearizability per key, and the order of versions.
//
// The search is Wing and Gong's with Lowe's memoisation: an operation may take effect at any moment
// between its call and its return; one of unknown outcome at any moment from its call on, or never.
// Keys are independent (linearizability is local). Pure functions of their arguments.

#ifndef RASPUTIN_TESTS_LINEARIZABILITY_CHECKER_H_
#define RASPUTIN_TESTS_LINEARIZABILITY_CHECKER_H_

#include <cstdint>
#include <string>

#include "tests/linearizability/history.h"

namespace rasputin::linearizability {

enum class Judgement : uint8_t {
  kLinearizable = 1,
  kViolation = 2,
  kUndecided = 3,  // The search ended at its limit; says nothing.
};

struct Verdict {
  Judgement judgement = Judgement::kLinearizable;
  std::string key;          // Of the first key that is not linearizable.
  std::string explanation;  // The operations around the one that nothing explains, one per line.
  uint64_t operations = 0;  // Checked, after those that say nothing were left out.
  uint64_t steps = 0;       // Of the search.
};

struct CheckOptions {
  uint64_t steps_max = 20'000'000;  // Per key.
};

Verdict CheckLinearizable(const History& history, const CheckOptions& options = CheckOptions());

// Versions: a write that was called after another write of the same key had returned has the higher
// version; a value is always reported with one version. Only for values that are written once.
Verdict CheckVersions(const History& history);

}  // namespace rasputin::linearizability

#endif  // RASPUTIN_TESTS_LINEARIZABILITY_CHECKER_H_
