// See bench_command.h.

#include "client/cli/bench_command.h"

#include <fstream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/bench/bench.h"
#include "client/bench/report.h"
#include "client/cli/exit_code.h"

namespace rasputin::client {
namespace {

constexpr uint64_t kKeysMax = 100'000'000;
constexpr uint64_t kValueBytesMax = 4 << 20;
constexpr uint64_t kOutstandingMax = 65536;
constexpr uint32_t kCompareRounds = 3;

absl::Status ReadLists(const CommandLine& line, BenchOptions* options) {
  for (const std::string& name : SplitList(line.Text("operations"))) {
    bool known = false;
    for (const BenchOperation one :
         {BenchOperation::kGet, BenchOperation::kSet, BenchOperation::kCas}) {
      if (name != NameOf(one)) continue;
      options->operations.push_back(one);
      known = true;
    }
    if (!known) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --operations must be a list of set, get and cas, not '", name, "'"));
    }
  }
  for (const std::string& text : SplitList(line.Text("outstanding"))) {
    uint32_t outstanding = 0;
    if (!absl::SimpleAtoi(text, &outstanding) || outstanding < 1 || outstanding > kOutstandingMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --outstanding must be a list of numbers from 1 to ", kOutstandingMax));
    }
    options->outstanding.push_back(outstanding);
  }
  for (const std::string& text : SplitList(line.Text("pids"))) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    ServerProcess process;
    process.name = parts.first;
    if (!absl::SimpleAtoi(parts.second, &process.pid) ||
        !ProcessCpuSeconds(process.pid).has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "flag --pids must be a list of NAME=PID of running processes, not '", text, "'"));
    }
    options->processes.push_back(std::move(process));
  }
  if (options->operations.empty() || options->outstanding.empty()) {
    return absl::InvalidArgumentError("flags --operations and --outstanding must name something");
  }
  return absl::OkStatus();
}

struct NumberFlag {
  const char* name;
  uint64_t min;
  uint64_t max;
  uint64_t value;
};

absl::StatusOr<BenchOptions> OptionsOf(const Context& context) {
  const CommandLine& line = context.line;
  BenchOptions options;
  NumberFlag connections = {"connections", 1, 1024, 0};
  NumberFlag threads = {"threads", 1, 64, 0};
  NumberFlag keys = {"keys", 1, kKeysMax, 0};
  NumberFlag value_bytes = {"value-size", 0, kValueBytesMax, 0};
  NumberFlag seconds = {"seconds", 1, 86400, 0};
  NumberFlag warmup = {"warmup", 0, 86400, 0};
  NumberFlag rounds = {"rounds", 1, 1000, 0};
  for (NumberFlag* flag :
       {&connections, &threads, &keys, &value_bytes, &seconds, &warmup, &rounds}) {
    const absl::StatusOr<uint64_t> number = line.Number(flag->name, flag->min, flag->max);
    if (!number.ok()) return number.status();
    flag->value = *number;
  }
  options.load.connections = static_cast<uint32_t>(connections.value);
  options.load.threads = static_cast<uint32_t>(threads.value);
  options.workload.keys = keys.value;
  options.workload.value_bytes = value_bytes.value;
  options.workload.collection = line.Text("collection");
  options.workload.any_node = line.Has("any-node");
  options.duration = std::chrono::seconds(seconds.value);
  options.warmup = std::chrono::seconds(warmup.value);
  options.etcd = SplitList(line.Text("etcd"));
  const bool compare = line.Has("compare");
  if (compare && options.etcd.empty()) {
    return absl::InvalidArgumentError("--compare needs --etcd HOST:PORT,...");
  }
  if (compare || options.etcd.empty()) options.rasputin = context.options.endpoints;
  options.rounds =
      compare && !line.Has("rounds") ? kCompareRounds : static_cast<uint32_t>(rounds.value);
  const absl::Status lists = ReadLists(line, &options);
  if (!lists.ok()) return lists;
  return options;
}

}  // namespace

int Bench(const Context& context) {
  const absl::StatusOr<BenchOptions> options = OptionsOf(context);
  if (!options.ok()) return context.FailUsage(options.status());
  std::ofstream result;
  const std::string path = context.line.Text("result");
  if (!path.empty()) {
    result.open(path);
    if (!result) {
      return context.FailUsage(
          absl::InvalidArgumentError(absl::StrCat("cannot write --result ", path)));
    }
  }
  std::ostream& err = *context.streams.err;
  if (!context.json) *context.streams.out << SettingsText(*options) << std::endl;
  std::function<void(const std::string&)> live;
  if (context.streams.terminal) {
    live = [&err](const std::string& line) { err << "\r\x1b[K" << line << std::flush; };
  }
  const auto rows = RunBench(*options, live, [&](const std::string& line) {
    err << (context.streams.terminal ? "\r\x1b[K" : "") << line << std::endl;
  });
  if (context.streams.terminal) err << "\r\x1b[K" << std::flush;
  if (!rows.ok()) return context.Fail(rows.status(), false);
  const Json json = BenchJson(*options, *rows);
  context.Write(json, BenchTable(*rows));
  if (!path.empty() && !(result << json.dump(2) << "\n").flush()) {
    context.Note(absl::StrCat("the result could not be written to ", path));
    return kRefused;
  }
  return kDone;
}

}  // namespace rasputin::client
