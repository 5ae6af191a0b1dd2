// kill BINARY DIRECTORY KILLS KILLS_OF_ALL [SEED]: kills servers under load and judges the history.

#include <cstdlib>
#include <iostream>

#include "tests/process/kill.h"

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "usage: kill RASPUTIND DIRECTORY KILLS KILLS_OF_ALL [SEED]\n";
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
  return report.lost + report.doubled == 0 && report.linearizable ? 0 : 1;
}
