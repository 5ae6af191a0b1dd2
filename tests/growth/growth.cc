// See growth.h.

#include "tests/growth/growth.h"

#include <glog/logging.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/client.h"
#include "tests/growth/observer.h"
#include "tests/growth/watchers.h"
#include "tests/linearizability/checker.h"
#include "tests/process/cpu_limits.h"
#include "tests/process/server_cluster.h"

namespace rasputin::growth {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr size_t kRateSeconds = 10;

double Percentile(const std::vector<uint32_t>& ascending_us, double share) {
  if (ascending_us.empty()) return 0;
  const auto at = static_cast<size_t>(share * static_cast<double>(ascending_us.size() - 1));
  return ascending_us[at] / 1000.0;
}

double MeanRate(const std::vector<Second>& all, size_t begin, size_t end) {
  uint64_t sum = 0;
  for (size_t i = begin; i < end; ++i) sum += all[i].operations;
  return end == begin ? 0 : static_cast<double>(sum) / static_cast<double>(end - begin);
}

std::string NameOf(const Stage& stage) {
  return absl::StrCat(NameOf(stage.pattern), stage.left_alone ? " alone" : "");
}

process::ServerClusterOptions ServersOf(const GrowthOptions& options) {
  process::ServerClusterOptions servers;
  servers.nodes = options.nodes;
  servers.binary = options.binary;
  servers.directory = options.directory;
  servers.flags = options.server_flags;
  servers.placement = true;
  return servers;
}

class Run {
 public:
  explicit Run(const GrowthOptions& options) : options_(options), cluster_(ServersOf(options)) {}

  GrowthReport Go() {
    observer_ = std::make_unique<Observer>(cluster_.ClientAddresses());
    StartAll({"--autopilot=false", "--placement=false"});
    cluster_.Init();
    PatternLoad(LoadOf(Pattern::kUniform)).Fill();
    size_t stage = 0;
    if (options_.stages.front().left_alone) {
      LimitProcessors();
      while (stage < options_.stages.size() && options_.stages[stage].left_alone) {
        RunStage(static_cast<int>(stage++));
      }
    }
    RestartAsShipped();
    LimitProcessors();
    WatcherOptions watcher;
    watcher.endpoints = cluster_.ClientAddresses();
    watcher.workers = options_.watchers;
    watcher.pause = options_.watcher_pause;
    watcher.keys_of_load = options_.keys;
    watcher.seed = options_.seed;
    Watchers watchers(watcher);
    watchers.Start();
    for (; stage < options_.stages.size(); ++stage) RunStage(static_cast<int>(stage));
    watchers.Stop();
    Judge(watchers);
    for (int node = 0; node < options_.nodes; ++node) cluster_.Stop(node);
    return std::move(report_);
  }

 private:
  void StartAll(const std::vector<std::string>& more) {
    for (int node = 0; node < options_.nodes; ++node) cluster_.Start(node, more);
  }

  void RestartAsShipped() {
    for (int node = 0; node < options_.nodes; ++node) cluster_.Stop(node);
    StartAll({});
    // Until somebody leads the range: this is no part of what is measured.
    client::Client client({cluster_.ClientAddresses(), seconds(60)});
    kv::v1::GetRequest get;
    get.set_key(KeyOf(0));
    const auto response = client.Get(get);
    CHECK(response.ok()) << "after the restart: " << response.status();
  }

  void LimitProcessors() {
    if (options_.cpu_percent == 0) return;
    limits_ = std::make_unique<process::CpuLimits>(options_.cpu_percent);
    for (int node = 0; node < options_.nodes; ++node) limits_->Add(cluster_.pid(node));
  }

  PatternLoadOptions LoadOf(Pattern pattern) const {
    PatternLoadOptions load;
    load.endpoints = cluster_.ClientAddresses();
    load.pattern = pattern;
    load.keys = options_.keys;
    load.value_bytes = options_.value_bytes;
    load.workers = options_.workers;
    load.seed = options_.seed;
    return load;
  }

  void RunStage(int number) {
    const Stage& stage = options_.stages[static_cast<size_t>(number)];
    StageReport result;
    result.name = NameOf(stage);
    result.ranges_before = observer_->Look().ranges;
    const size_t first = report_.seconds.size();
    PatternLoad load(LoadOf(stage.pattern));
    load.Start();
    auto next = steady_clock::now();
    for (int64_t second = 0; second < stage.length.count(); ++second) {
      next += seconds(1);
      std::this_thread::sleep_until(next);
      const SecondOfLoad done = load.TakeSecond();
      Second one;
      one.stage = number;
      one.operations = done.operations;
      one.failed = done.failed;
      const Sight sight = observer_->Look();
      one.ranges = sight.ranges;
      one.leaders = sight.leaders;
      report_.seconds.push_back(one);
      for (std::string& text : observer_->TakeNewDecisions()) {
        result.decisions.push_back(absl::StrCat(second + 1, " s: ", text));
      }
      if (options_.progress && second % 10 == 9) Show(stage, second, one);
    }
    load.Stop();
    Finish(load.TakeLatencies(), load.errors(), first, &result);
    report_.stages.push_back(std::move(result));
  }

  static void Show(const Stage& stage, int64_t second, const Second& one) {
    std::cerr << NameOf(stage) << " " << second + 1 << " s: " << one.operations << " operations/s, "
              << one.failed << " failed, " << one.ranges << " ranges\n";
  }

  void Finish(const std::vector<uint32_t>& latencies, std::vector<std::string> errors, size_t first,
              StageReport* result) const {
    const size_t end = report_.seconds.size();
    for (size_t i = first; i < end; ++i) {
      result->operations += report_.seconds[i].operations;
      result->failed += report_.seconds[i].failed;
    }
    result->first_rate = MeanRate(report_.seconds, first, std::min(first + kRateSeconds, end));
    result->last_rate =
        MeanRate(report_.seconds, std::max(first, end - std::min(end, kRateSeconds)), end);
    result->ranges_after = end > first ? report_.seconds.back().ranges : result->ranges_before;
    result->p50_ms = Percentile(latencies, 0.5);
    result->p99_ms = Percentile(latencies, 0.99);
    result->longest_ms = Percentile(latencies, 1);
    result->errors = std::move(errors);
  }

  void Judge(const Watchers& watchers) {
    report_.watched_operations = watchers.history().size();
    report_.watched_failed = watchers.failed();
    const linearizability::Verdict verdict = linearizability::CheckLinearizable(watchers.history());
    if (verdict.judgement == linearizability::Judgement::kViolation) {
      report_.violation = absl::StrCat("key ", verdict.key, ":\n", verdict.explanation);
    } else if (verdict.judgement == linearizability::Judgement::kUndecided) {
      report_.violation = "the history could not be judged within the limit of the search";
    }
  }

  const GrowthOptions options_;
  std::unique_ptr<process::CpuLimits> limits_;  // Goes after the servers: an empty group only goes.
  process::ServerCluster cluster_;
  std::unique_ptr<Observer> observer_;
  GrowthReport report_;
};

}  // namespace

bool GrowthReport::Well() const {
  const bool failed = std::any_of(stages.begin(), stages.end(),
                                  [](const StageReport& stage) { return stage.failed > 0; });
  return violation.empty() && !failed && watched_failed == 0;
}

GrowthReport RunGrowth(const GrowthOptions& options) { return Run(options).Go(); }

std::string ToString(const GrowthReport& report) {
  std::string text =
      absl::StrFormat("%-15s %9s %7s %10s %9s %8s %8s %8s %8s\n", "stage", "done", "failed",
                      "first 10 s", "last 10 s", "ranges", "p50 ms", "p99 ms", "max ms");
  for (const StageReport& stage : report.stages) {
    absl::StrAppendFormat(&text, "%-15s %9d %7d %8.0f/s %7.0f/s %3d->%-3d %8.2f %8.1f %8.0f\n",
                          stage.name, stage.operations, stage.failed, stage.first_rate,
                          stage.last_rate, stage.ranges_before, stage.ranges_after, stage.p50_ms,
                          stage.p99_ms, stage.longest_ms);
  }
  for (const StageReport& stage : report.stages) {
    for (const std::string& decision : stage.decisions) {
      absl::StrAppend(&text, stage.name, " ", decision, "\n");
    }
    for (const std::string& error : stage.errors) {
      absl::StrAppend(&text, stage.name, " FAILED ", error, "\n");
    }
  }
  absl::StrAppend(&text, "watched: ", report.watched_operations, " operations, ",
                  report.watched_failed, " failed; ",
                  report.violation.empty() ? "linearizable" : report.violation, "\n");
  return text;
}

std::string ToJson(const GrowthReport& report) {
  std::vector<std::string> rows;
  for (const Second& second : report.seconds) {
    const std::string leaders =
        absl::StrJoin(second.leaders, ",", [](std::string* out, const auto& entry) {
          absl::StrAppend(out, "\"", entry.first, "\":", entry.second);
        });
    rows.push_back(
        absl::StrCat("{\"stage\":\"", report.stages[static_cast<size_t>(second.stage)].name,
                     "\",\"operations\":", second.operations, ",\"failed\":", second.failed,
                     ",\"ranges\":", second.ranges, ",\"leaders\":{", leaders, "}}"));
  }
  return absl::StrCat("{\"seconds\":[\n", absl::StrJoin(rows, ",\n"), "]}\n");
}

}  // namespace rasputin::growth
