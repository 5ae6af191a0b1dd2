// Three real servers, one range, a load: how the ranges come to look after themselves, second by
// second, and what became of every request meanwhile.
//
// Starts servers that leave their ranges alone, fills the keyspace, restarts them as they ship,
// runs one stage of load after the other, and looks once a second at ranges, leaders and decisions.
// Judges failed requests and the history of the watchers; whether the decisions are those expected
// is for the reader of the report. Blocking.

#ifndef RASPUTIN_TESTS_GROWTH_GROWTH_H_
#define RASPUTIN_TESTS_GROWTH_GROWTH_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/growth/pattern_load.h"

namespace rasputin::growth {

struct Stage {
  Pattern pattern = Pattern::kUniform;
  std::chrono::seconds length{60};
  bool left_alone = false;  // Before the servers are restarted as they ship.
};

struct GrowthOptions {
  std::string binary;     // Path of rasputind.
  std::string directory;  // Existing; data and logs go into a new folder in it.
  std::vector<std::string> server_flags;
  std::vector<Stage> stages;  // Those that are left alone first.
  int nodes = 3;
  uint64_t keys = 1'000'000;
  uint64_t value_bytes = 256;
  int workers = 48;
  int watchers = 4;
  std::chrono::milliseconds watcher_pause{20};  // Of each, between two of its operations.
  // Each server may use so much of one core while stages run, as if it had a machine of its own;
  // 0: all there is. Needs rights to make a control group.
  int cpu_percent = 0;
  uint64_t seed = 1;
  bool progress = false;  // A line each ten seconds to standard error.
};

struct Second {
  int stage = 0;
  uint64_t operations = 0;
  uint64_t failed = 0;
  size_t ranges = 0;                   // Without the meta range; 0: nobody told.
  std::map<uint64_t, size_t> leaders;  // Store to ranges that it leads.
};

struct StageReport {
  std::string name;
  uint64_t operations = 0;
  uint64_t failed = 0;
  double first_rate = 0;  // Operations a second in the first and the last ten seconds.
  double last_rate = 0;
  size_t ranges_before = 0;
  size_t ranges_after = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double longest_ms = 0;
  std::vector<std::string> decisions;  // Taken during the stage, oldest first, with reasons.
  std::vector<std::string> errors;
};

struct GrowthReport {
  std::vector<Second> seconds;
  std::vector<StageReport> stages;
  uint64_t watched_operations = 0;
  uint64_t watched_failed = 0;
  std::string violation;  // Empty: the history is linearizable.

  bool Well() const;
};

GrowthReport RunGrowth(const GrowthOptions& options);
// For people.
std::string ToString(const GrowthReport& report);
// For tests/growth/draw.py: a JSON object with every second.
std::string ToJson(const GrowthReport& report);

}  // namespace rasputin::growth

#endif  // RASPUTIN_TESTS_GROWTH_GROWTH_H_
