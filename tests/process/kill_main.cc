// kill_servers --rasputind=FILE --directory=FOLDER [...]: kills servers under load and judges the
// history.
//
// Exit code: 0 all well; 1 an increment was lost or doubled, a read was stale, or the members did
// not come to be as asked for; 2 wrong usage; 3 nothing of that, but leaders were killed too seldom
// for the run to say much about it.

#include <iostream>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tests/process/kill.h"

ABSL_FLAG(std::string, rasputind, "bazel-bin/server/rasputind", "the server program");
ABSL_FLAG(std::string, directory, "", "existing; a new folder in it gets data and logs");
ABSL_FLAG(int, kills, 100, "kills of one node, or of two");
ABSL_FLAG(int, kills_of_all, 10, "kills of all nodes at once");
ABSL_FLAG(uint64_t, seed, 1, "of whom to kill, and of the load");
ABSL_FLAG(int, pause_ms, 500, "between a restart's first acknowledged write and the next kill");
ABSL_FLAG(bool, changes, false, "change the members of all ranges without pause");
ABSL_FLAG(int, nodes, 0, "servers; 0: 3, with --changes 5");
ABSL_FLAG(int, ranges, 0, "ranges of the load's keys; 0: 1, with --changes 4");

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("kills servers under load; see tests/README.md");
  absl::ParseCommandLine(argc, argv);
  rasputin::process::KillOptions options;
  options.binary = absl::GetFlag(FLAGS_rasputind);
  options.directory = absl::GetFlag(FLAGS_directory);
  options.kills = absl::GetFlag(FLAGS_kills);
  options.kills_of_all = absl::GetFlag(FLAGS_kills_of_all);
  options.pause_ms = absl::GetFlag(FLAGS_pause_ms);
  options.seed = absl::GetFlag(FLAGS_seed);
  options.changes = absl::GetFlag(FLAGS_changes);
  options.nodes = absl::GetFlag(FLAGS_nodes);
  options.ranges = absl::GetFlag(FLAGS_ranges);
  if (options.directory.empty()) {
    std::cerr << "kill_servers: --directory is missing\n";
    return 2;
  }
  if (options.nodes == 0) options.nodes = options.changes ? 5 : 3;
  if (options.ranges == 0) options.ranges = options.changes ? 4 : 1;
  const rasputin::process::KillReport report = rasputin::process::RunKills(options);
  std::cout << rasputin::process::ToString(report);
  // Half of the kills aim at a leader, and the others hit one by chance.
  const bool leader_enough = report.leader_kills >= report.kills * 0.4;
  if (!leader_enough) {
    std::cerr << "a leader was killed " << report.leader_kills << " times of " << report.kills
              << ", which is less than 0.4\n";
  }
  if (!report.Well()) return 1;
  return leader_enough ? 0 : 3;
}
