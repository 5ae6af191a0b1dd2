// neighbour --directory=FOLDER [...]: what a neighbour notices of a range driven beyond its
// capacity; see neighbour.h and README.md.
//
// Exit code: 0 it was measured; 1 a leader changed meanwhile, or a call to the near range failed; 2
// wrong usage.

#include <glog/logging.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_split.h"
#include "tests/neighbour/neighbour.h"

ABSL_FLAG(std::string, rasputind, "bazel-bin/server/rasputind",
          "server programs, separated by commas, which are compared");
ABSL_FLAG(std::string, server_flags, "", "for every server, separated by commas");
ABSL_FLAG(std::string, directory, "", "existing; a new folder in it gets data and logs");
ABSL_FLAG(std::string, hot, "get,set,batch,scan,large",
          "what the hot range is asked for, one after another");
ABSL_FLAG(double, factor, 10, "times its capacity");
ABSL_FLAG(uint32_t, connections, 64, "of the hot range's clients");
ABSL_FLAG(uint32_t, outstanding, 2048, "calls that they have under way at most");
ABSL_FLAG(bool, heeds_advice, false, "they are a closed loop and rest as refusals advise");
ABSL_FLAG(bool, other_node, false, "they ask a node that does not lead");
ABSL_FLAG(double, gets, 400, "of the near range, a second");
ABSL_FLAG(double, sets, 200, "of the near range, a second");
ABSL_FLAG(int, seconds, 8, "counted, of each phase");

int main(int argc, char** argv) {
  google::InitGoogleLogging(argv[0]);
  FLAGS_logtostderr = true;
  absl::SetProgramUsageMessage("measures a neighbour's latency; see tests/neighbour/README.md");
  if (argc > 1 && std::string(argv[1]) == "drive") {
    return rasputin::neighbour::DriveHot({argv + 2, argv + argc});
  }
  absl::ParseCommandLine(argc, argv);
  rasputin::neighbour::NeighbourOptions options;
  options.self = argv[0];
  options.binaries = absl::StrSplit(absl::GetFlag(FLAGS_rasputind), ',', absl::SkipEmpty());
  options.flags = absl::StrSplit(absl::GetFlag(FLAGS_server_flags), ',', absl::SkipEmpty());
  options.directory = absl::GetFlag(FLAGS_directory);
  options.factor = absl::GetFlag(FLAGS_factor);
  options.hot_connections = absl::GetFlag(FLAGS_connections);
  options.hot_outstanding = absl::GetFlag(FLAGS_outstanding);
  options.hot_heeds_advice = absl::GetFlag(FLAGS_heeds_advice);
  options.hot_by_other_node = absl::GetFlag(FLAGS_other_node);
  options.near_gets = absl::GetFlag(FLAGS_gets);
  options.near_sets = absl::GetFlag(FLAGS_sets);
  options.duration = std::chrono::seconds(absl::GetFlag(FLAGS_seconds));
  for (const std::string& name :
       std::vector<std::string>(absl::StrSplit(absl::GetFlag(FLAGS_hot), ',', absl::SkipEmpty()))) {
    rasputin::neighbour::Hot hot;
    if (!rasputin::neighbour::ParseHot(name, &hot)) {
      std::cerr << "neighbour: --hot knows get, set, batch, scan, large, not '" << name << "'\n";
      return 2;
    }
    options.hot.push_back(hot);
  }
  if (options.directory.empty() || options.binaries.empty() || options.hot.empty()) {
    std::cerr << "neighbour: --directory, --rasputind and --hot must name something\n";
    return 2;
  }
  const auto rows = rasputin::neighbour::RunNeighbour(options);
  const bool well = std::all_of(rows.begin(), rows.end(), [](const auto& row) {
    return row.leaders_changed == 0 && row.beside.gets.failed == 0 && row.beside.sets.failed == 0;
  });
  return well ? 0 : 1;
}
