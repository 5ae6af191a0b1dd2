// What a benchmark found: settings, one table, JSON. Medians over the rounds, and their spread.
//
// Pure functions.

#ifndef RASPUTIN_CLIENT_BENCH_REPORT_H_
#define RASPUTIN_CLIENT_BENCH_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/bench/bench.h"

namespace rasputin::client {

// Medians over the rounds of one row.
struct BenchSummary {
  double operations_per_second = 0;
  double spread = 0;  // (Highest - lowest) / median of operations_per_second.
  double p50_ms = 0;
  double p99_ms = 0;
  double p999_ms = 0;
  double max_ms = 0;  // Of all rounds.
  uint64_t operations = 0;
  uint64_t errors = 0;  // Of all rounds, as operations.
  double client_us_per_operation = 0;
  // By process; empty if no process was found.
  std::vector<std::pair<std::string, double>> server_us_per_operation;
  double servers_us_per_operation = 0;
  double others_share = 0;
};

BenchSummary Summarize(const BenchRow& row);

// Every setting, one line each.
std::string SettingsText(const BenchOptions& options);
// Settings are not included.
std::string BenchTable(const std::vector<BenchRow>& rows);
nlohmann::ordered_json BenchJson(const BenchOptions& options, const std::vector<BenchRow>& rows);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_BENCH_REPORT_H_
