// See report.h.

#include "client/bench/report.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/bench/histogram.h"
#include "client/cli/output.h"

namespace rasputin::client {
namespace {

using Rows = std::vector<std::vector<std::string>>;

double MedianOf(const BenchRow& row, const std::function<double(const Measurement&)>& value) {
  std::vector<double> values;
  for (const Measurement& round : row.rounds) values.push_back(value(round));
  return Median(std::move(values));
}

double Milliseconds(const Measurement& round, double share) {
  return static_cast<double>(round.loop.latency.Percentile(share)) / 1e6;
}

double PerOperation(const Measurement& round, double cpu_seconds) {
  return round.loop.operations == 0
             ? 0
             : cpu_seconds * 1e6 / static_cast<double>(round.loop.operations);
}

double OperationsPerSecond(const Measurement& round) {
  return round.loop.seconds == 0 ? 0
                                 : static_cast<double>(round.loop.operations) / round.loop.seconds;
}

std::vector<std::pair<std::string, std::string>> Settings(const BenchOptions& options) {
  const auto milliseconds = [](std::chrono::milliseconds time) {
    return absl::StrCat(time.count(), " ms");
  };
  std::vector<std::pair<std::string, std::string>> settings;
  if (!options.rasputin.empty()) {
    settings.emplace_back("rasputin", absl::StrJoin(options.rasputin, ","));
    settings.emplace_back("collection", options.workload.collection);
  }
  if (!options.etcd.empty()) settings.emplace_back("etcd", absl::StrJoin(options.etcd, ","));
  settings.emplace_back("operations", absl::StrJoin(options.operations, ",",
                                                    [](std::string* out, BenchOperation one) {
                                                      absl::StrAppend(out, NameOf(one));
                                                    }));
  settings.emplace_back("outstanding", absl::StrJoin(options.outstanding, ","));
  settings.emplace_back("routes", options.workload.any_node
                                      ? "to the endpoints in turn (--any-node)"
                                      : "to the leader of each key");
  settings.emplace_back("consistency", "linearizable");
  settings.emplace_back("connections", absl::StrCat(options.load.connections, " to each address"));
  settings.emplace_back("threads", absl::StrCat(options.load.threads));
  settings.emplace_back("keys", absl::StrCat(options.workload.keys, " of 16 bytes, uniform"));
  settings.emplace_back("value size", absl::StrCat(options.workload.value_bytes, " bytes"));
  settings.emplace_back("warm-up", milliseconds(options.warmup));
  settings.emplace_back("counted", milliseconds(options.duration));
  settings.emplace_back("rounds", absl::StrCat(options.rounds));
  settings.emplace_back("deadline of a call", milliseconds(options.load.call_deadline));
  return settings;
}

std::string ServersText(const BenchSummary& summary) {
  if (summary.server_us_per_operation.empty()) return "-";
  return absl::StrFormat(
      "%.1f (%s)", summary.servers_us_per_operation,
      absl::StrJoin(summary.server_us_per_operation, "+", [](std::string* out, const auto& one) {
        absl::StrAppendFormat(out, "%.1f", one.second);
      }));
}

}  // namespace

BenchSummary Summarize(const BenchRow& row) {
  BenchSummary summary;
  if (row.rounds.empty()) return summary;
  summary.operations_per_second = MedianOf(row, OperationsPerSecond);
  double lowest = OperationsPerSecond(row.rounds.front());
  double highest = lowest;
  std::map<std::string, std::vector<double>> by_process;
  for (const Measurement& round : row.rounds) {
    lowest = std::min(lowest, OperationsPerSecond(round));
    highest = std::max(highest, OperationsPerSecond(round));
    summary.max_ms = std::max(summary.max_ms, static_cast<double>(round.loop.latency.max()) / 1e6);
    summary.operations += round.loop.operations;
    summary.errors += round.loop.errors;
    for (const auto& [name, seconds] : round.server_cpu_seconds) {
      by_process[name].push_back(PerOperation(round, seconds));
    }
  }
  if (summary.operations_per_second > 0) {
    summary.spread = (highest - lowest) / summary.operations_per_second;
  }
  summary.p50_ms = MedianOf(row, [](const Measurement& one) { return Milliseconds(one, 0.5); });
  summary.p99_ms = MedianOf(row, [](const Measurement& one) { return Milliseconds(one, 0.99); });
  summary.p999_ms = MedianOf(row, [](const Measurement& one) { return Milliseconds(one, 0.999); });
  summary.client_us_per_operation = MedianOf(
      row, [](const Measurement& one) { return PerOperation(one, one.client_cpu_seconds); });
  summary.others_share = MedianOf(row, [](const Measurement& one) { return one.others_share; });
  for (auto& [name, values] : by_process) {
    summary.server_us_per_operation.emplace_back(name, Median(std::move(values)));
    summary.servers_us_per_operation += summary.server_us_per_operation.back().second;
  }
  return summary;
}

std::string SettingsText(const BenchOptions& options) {
  Rows rows;
  for (const auto& [name, value] : Settings(options)) rows.push_back({name, value});
  return AlignedTable(rows);
}

std::string BenchTable(const std::vector<BenchRow>& rows) {
  Rows table = {{"SYSTEM", "OPERATION", "OUTSTANDING", "OPS/S", "SPREAD", "P50 MS", "P99 MS",
                 "P99.9 MS", "ERRORS", "CLIENT US/OP", "SERVERS US/OP", "OTHERS", "VS ETCD"}};
  for (const BenchRow& row : rows) {
    const BenchSummary summary = Summarize(row);
    std::string ratio;
    for (const BenchRow& other : rows) {
      if (row.system == "rasputin" && other.system == "etcd" && other.operation == row.operation &&
          other.outstanding == row.outstanding) {
        const double base = Summarize(other).operations_per_second;
        if (base > 0) ratio = absl::StrFormat("%.2fx", summary.operations_per_second / base);
      }
    }
    table.push_back(
        {row.system, NameOf(row.operation), absl::StrCat(row.outstanding),
         absl::StrFormat("%.0f", summary.operations_per_second),
         absl::StrFormat("%.0f%%", summary.spread * 100), absl::StrFormat("%.2f", summary.p50_ms),
         absl::StrFormat("%.2f", summary.p99_ms), absl::StrFormat("%.2f", summary.p999_ms),
         absl::StrCat(summary.errors), absl::StrFormat("%.1f", summary.client_us_per_operation),
         ServersText(summary), absl::StrFormat("%.0f%%", summary.others_share * 100), ratio});
  }
  return AlignedTable(table);
}

nlohmann::ordered_json BenchJson(const BenchOptions& options, const std::vector<BenchRow>& rows) {
  Json json;
  for (const auto& [name, value] : Settings(options)) json["settings"][name] = value;
  json["results"] = Json::array();
  for (const BenchRow& row : rows) {
    const BenchSummary summary = Summarize(row);
    Json one;
    one["system"] = row.system;
    one["operation"] = NameOf(row.operation);
    one["outstanding"] = row.outstanding;
    one["operations_per_second"] = summary.operations_per_second;
    one["spread"] = summary.spread;
    one["p50_ms"] = summary.p50_ms;
    one["p99_ms"] = summary.p99_ms;
    one["p999_ms"] = summary.p999_ms;
    one["max_ms"] = summary.max_ms;
    one["operations"] = summary.operations;
    one["errors"] = summary.errors;
    one["client_us_per_operation"] = summary.client_us_per_operation;
    one["servers_us_per_operation"] = summary.servers_us_per_operation;
    for (const auto& [name, value] : summary.server_us_per_operation) {
      one["server_us_per_operation"][name] = value;
    }
    one["others_share"] = summary.others_share;
    one["rounds"] = Json::array();
    for (const Measurement& round : row.rounds) {
      Json of_round;
      of_round["operations_per_second"] = OperationsPerSecond(round);
      of_round["p50_ms"] = Milliseconds(round, 0.5);
      of_round["p99_ms"] = Milliseconds(round, 0.99);
      of_round["errors"] = round.loop.errors;
      of_round["first_error"] = round.loop.first_error;
      of_round["others_share"] = round.others_share;
      one["rounds"].push_back(std::move(of_round));
    }
    json["results"].push_back(std::move(one));
  }
  return json;
}

}  // namespace rasputin::client
