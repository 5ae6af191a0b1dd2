// placement_show --rasputind=FILE --directory=FOLDER [...]: a lost, a drained and a decommissioned
// store under load, with figures.
//
// Exit code: 0 all well; 1 something was lost, doubled, stale or not finished; 2 wrong usage; 3
// nothing of that, but a client's call failed.

#include <iostream>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tests/process/placement_show.h"

ABSL_FLAG(std::string, rasputind, "bazel-bin/server/rasputind", "the server program");
ABSL_FLAG(std::string, directory, "", "existing; new folders in it get data and logs");
ABSL_FLAG(int, ranges, 1000, "ranges of the load's keys");
ABSL_FLAG(int, workers, 8, "concurrent clients");
ABSL_FLAG(int, dead_after, 10, "seconds of silence after which a store is given up");
ABSL_FLAG(int, calm, 20, "seconds of load before and after, to compare with");
ABSL_FLAG(int, patience, 1800, "seconds after which a phase counts as not finished");
ABSL_FLAG(std::string, show, "all", "lost, drained, or all");

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("a cluster that looks after itself; see tests/README.md");
  absl::ParseCommandLine(argc, argv);
  rasputin::process::PlacementShowOptions options;
  options.binary = absl::GetFlag(FLAGS_rasputind);
  options.directory = absl::GetFlag(FLAGS_directory);
  options.ranges = absl::GetFlag(FLAGS_ranges);
  options.workers = absl::GetFlag(FLAGS_workers);
  options.dead_after = absl::GetFlag(FLAGS_dead_after);
  options.calm = absl::GetFlag(FLAGS_calm);
  options.patience = absl::GetFlag(FLAGS_patience);
  const std::string show = absl::GetFlag(FLAGS_show);
  if (options.directory.empty() || (show != "lost" && show != "drained" && show != "all")) {
    std::cerr
        << "placement_show: --directory is missing, or --show is none of lost, drained, all\n";
    return 2;
  }
  int code = 0;
  for (const char* one : {"lost", "drained"}) {
    if (show != "all" && show != one) continue;
    const rasputin::process::PlacementReport report =
        std::string(one) == "lost" ? ShowLostStore(options) : ShowDrainedStore(options);
    std::cout << ToString(report);
    if (!report.Well()) return 1;
    if (report.failed > 0) code = 3;
  }
  return code;
}
