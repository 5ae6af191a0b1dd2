// grow_servers --rasputind=FILE --directory=FOLDER --stages=zipfian:120,uniform:60 [...]: a load on
// one range of real servers, and what they make of it.
//
// Exit code: 0 no request failed and the history is linearizable; 1 otherwise; 2 wrong usage.

#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/growth/growth.h"

ABSL_FLAG(std::string, rasputind, "bazel-bin/server/rasputind", "the server program");
ABSL_FLAG(std::string, directory, "", "existing; a new folder in it gets data and logs");
ABSL_FLAG(
    std::string, stages, "zipfian:120,uniform:120",
    "PATTERN:SECONDS,...; uniform, zipfian, gets, hotkey, tail, scans, deletes, nothing; those "
    "with a + before come first, with --autopilot=false and --placement=false");
ABSL_FLAG(std::string, server_flags, "", "more flags of the servers, separated by spaces");
ABSL_FLAG(int, nodes, 3, "servers");
ABSL_FLAG(uint64_t, keys, 1'000'000, "keys that are written before the first stage");
ABSL_FLAG(uint64_t, value_bytes, 256, "bytes of a value");
ABSL_FLAG(int, workers, 48, "calls under way at a time");
ABSL_FLAG(int, watchers, 4, "clients whose operations are recorded and judged");
ABSL_FLAG(int, watcher_pause_ms, 20, "of each watcher between two operations");
ABSL_FLAG(int, cpu_percent, 0, "percent of one core that each server may use; 0: no limit");
ABSL_FLAG(uint64_t, seed, 1, "of the load");
ABSL_FLAG(std::string, json, "", "file for every second, which draw.py makes a picture of");

namespace {

bool ParseStages(const std::string& text, std::vector<rasputin::growth::Stage>* stages) {
  for (const auto part : absl::StrSplit(text, ',')) {
    rasputin::growth::Stage stage;
    absl::string_view rest = part;
    stage.left_alone = absl::ConsumePrefix(&rest, "+");
    const std::vector<std::string> pair = absl::StrSplit(rest, ':');
    int length = 0;
    if (pair.size() != 2 || !rasputin::growth::ParsePattern(pair[0], &stage.pattern) ||
        !absl::SimpleAtoi(pair[1], &length) || length < 1 ||
        (stage.left_alone && !stages->empty() && !stages->back().left_alone)) {
      std::cerr << "grow_servers: --stages is PATTERN:SECONDS,..., not '" << part << "'\n";
      return false;
    }
    stage.length = std::chrono::seconds(length);
    stages->push_back(stage);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("how ranges look after themselves; see tests/growth/README.md");
  absl::ParseCommandLine(argc, argv);
  rasputin::growth::GrowthOptions options;
  options.binary = absl::GetFlag(FLAGS_rasputind);
  options.directory = absl::GetFlag(FLAGS_directory);
  options.nodes = absl::GetFlag(FLAGS_nodes);
  options.keys = absl::GetFlag(FLAGS_keys);
  options.value_bytes = absl::GetFlag(FLAGS_value_bytes);
  options.workers = absl::GetFlag(FLAGS_workers);
  options.watchers = absl::GetFlag(FLAGS_watchers);
  options.watcher_pause = std::chrono::milliseconds(absl::GetFlag(FLAGS_watcher_pause_ms));
  options.cpu_percent = absl::GetFlag(FLAGS_cpu_percent);
  options.seed = absl::GetFlag(FLAGS_seed);
  options.progress = true;
  options.server_flags = absl::StrSplit(absl::GetFlag(FLAGS_server_flags), ' ', absl::SkipEmpty());
  if (!ParseStages(absl::GetFlag(FLAGS_stages), &options.stages)) return 2;
  if (options.directory.empty()) {
    std::cerr << "grow_servers: --directory is missing\n";
    return 2;
  }
  const rasputin::growth::GrowthReport report = rasputin::growth::RunGrowth(options);
  std::cout << rasputin::growth::ToString(report);
  if (!absl::GetFlag(FLAGS_json).empty()) {
    std::ofstream(absl::GetFlag(FLAGS_json)) << rasputin::growth::ToJson(report);
  }
  return report.Well() ? 0 : 1;
}
