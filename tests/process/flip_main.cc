// flip_servers RASPUTIND DIRECTORY ROUNDS [SEED]: damages files of real servers under load and
// judges what becomes of it.
//
// Exit code: 0 all well; 1 an increment was lost or doubled, an answer was wrong, or a store was
// not repaired; 2 wrong usage.

#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "tests/process/flip.h"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: flip_servers RASPUTIND DIRECTORY ROUNDS [SEED]\n";
    return 2;
  }
  rasputin::process::FlipOptions options;
  options.binary = argv[1];
  options.directory = argv[2];
  options.rounds = std::atoi(argv[3]);
  if (argc > 4) options.seed = std::strtoull(argv[4], nullptr, 10);
  const rasputin::process::FlipReport report = rasputin::process::RunFlips(options);
  std::cout << rasputin::process::ToString(report);
  const uint64_t wrong = report.counters.lost + report.counters.doubled + report.wrong_answers;
  const bool well = wrong == 0 && report.linearizable && report.not_repaired == 0;
  return well ? 0 : 1;
}
