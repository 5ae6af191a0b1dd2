// kill_servers RASPUTIND DIRECTORY KILLS KILLS_OF_ALL [SEED]: kills servers under load and judges
// the history.
//
// Exit code: 0 all well; 1 an increment was lost or doubled, a read was stale, or the leader was
// killed too seldom for the run to say anything about it; 2 wrong usage.

#include <cstdlib>
#include <iostream>

#include "tests/process/kill.h"

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "usage: kill_servers RASPUTIND DIRECTORY KILLS KILLS_OF_ALL [SEED]\n";
    return 2;
  }
  rasputin::process::KillOptions options;
  options.binary = argv[1];
  options.directory = argv[2];
  options.kills = std::atoi(argv[3]);
  options.kills_of_all = std::atoi(argv[4]);
  options.pause_ms = 500;
  if (argc > 5) options.seed = std::strtoull(argv[5], nullptr, 10);
  const rasputin::process::KillReport report = rasputin::process::RunKills(options);
  std::cout << rasputin::process::ToString(report);
  // Half of the kills aim at the leader and the others hit it in a third of the cases: two thirds.
  const bool leader_enough = report.leader_kills >= report.kills * 0.4;
  if (!leader_enough) {
    std::cerr << "the leader was killed " << report.leader_kills << " times of " << report.kills
              << ", which is less than 0.4\n";
  }
  const bool well = report.lost + report.doubled == 0 && report.linearizable;
  return well && leader_enough ? 0 : 1;
}
