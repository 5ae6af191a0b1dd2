// The scenarios that a protocol is put through, and what Harpoon must show in each.
//
// The rows are those of the table of scenarios that the protocol was designed for; "A" is the
// leader when the scenario begins. Stateless.

#ifndef RASPUTIN_TESTS_COMPARE_SCENARIOS_H_
#define RASPUTIN_TESTS_COMPARE_SCENARIOS_H_

#include <string>
#include <vector>

#include "tests/compare/trial.h"

namespace rasputin::compare {

// What Harpoon must show in every run of a scenario (the percentile: over all runs). In all of
// them: no violation.
struct Requirement {
  bool live = true;
  bool no_changes = false;        // The leader can stay, and does. (Topologies: where it can.)
  bool restless = false;          // May change leaders after settling.
  bool stale_reads = false;       // Allowed: the clocks are beyond their bound.
  bool clock_reports = false;     // The self-check must speak.
  double recovery_p95_d_max = 0;  // In D; 0: nothing asked.
  double read_gap_d_max = 0;      // Longest time without a served read, in D; 0: nothing asked.
};

struct Scenario {
  const char* name;
  const char* what;
  int replicas = 5;
  // From Begin() to Finish(); calls Cut() once and Settled() at most once.
  void (*play)(Trial* trial) = nullptr;
  Requirement required;
  // Replaces the clocks that would be drawn within the bound.
  void (*prepare)(TrialOptions* options) = nullptr;
};

const std::vector<Scenario>& Scenarios();
// The random topology of the trial's seed; also one of Scenarios().
const Scenario& RandomTopology();

TrialReport Play(const Scenario& scenario, const TrialOptions& options);

// Why a report is not what is required of it; empty: it is. Percentiles are not looked at.
std::string Shortfall(const Requirement& required, const TrialReport& report);

}  // namespace rasputin::compare

#endif  // RASPUTIN_TESTS_COMPARE_SCENARIOS_H_
