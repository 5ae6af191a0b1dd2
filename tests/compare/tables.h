// Reports of many runs put together and printed.
//
// Not responsible for running anything. Values; stateless.

#ifndef RASPUTIN_TESTS_COMPARE_TABLES_H_
#define RASPUTIN_TESTS_COMPARE_TABLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/compare/scenarios.h"
#include "tests/compare/trial.h"

namespace rasputin::compare {

// All runs of one scenario under one protocol.
class Tally {
 public:
  void Add(uint64_t seed, const TrialReport& report, const Requirement& required);

  uint64_t runs() const { return recoveries_.size(); }
  uint64_t live() const { return live_; }
  uint64_t stale_reads() const { return stale_reads_; }
  // Share in [0, 1], in D; infinity where that many runs never recovered.
  double RecoveryD(double share) const;
  // Runs that fell short, and why the first of each kind did: "not live (seed 3)".
  uint64_t failed() const { return failed_; }
  std::string Failures() const;
  // Also looks at the percentile.
  bool Meets(const Requirement& required) const;
  std::string Row(const std::string& scenario, const std::string& protocol) const;

  static std::string Header();

 private:
  struct Failure {
    std::string why;
    uint64_t seed;
    uint64_t times;
  };

  std::vector<double> recoveries_;  // In D.
  std::vector<double> read_gaps_;   // In D.
  uint64_t live_ = 0;
  uint64_t could_stay_ = 0;
  uint64_t needless_ = 0;
  uint64_t changes_ = 0;
  uint64_t changes_max_ = 0;
  uint64_t restless_ = 0;
  uint64_t elections_ = 0;
  RealTime without_writes_ = 0;
  uint64_t stale_reads_ = 0;
  uint64_t overlaps_ = 0;
  uint64_t violations_ = 0;
  uint64_t spins_ = 0;
  uint64_t failed_ = 0;
  std::vector<Failure> failures_;
};

// A rule of Harpoon that can be switched off by a mutant.
struct Rule {
  int mutant;
  const char* rule;
  const char* without;
};
const std::vector<Rule>& Rules();

}  // namespace rasputin::compare

#endif  // RASPUTIN_TESTS_COMPARE_TABLES_H_
