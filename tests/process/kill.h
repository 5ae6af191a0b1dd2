// kill -9 of servers under load, and the judgement of what clients saw.
//
// Used by kill_test (a few kills, in the suite) and by the kill program (as many as wanted).

#ifndef RASPUTIN_TESTS_PROCESS_KILL_H_
#define RASPUTIN_TESTS_PROCESS_KILL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/process/load.h"

namespace rasputin::process {

struct KillOptions {
  std::string binary;
  std::string directory;
  int kills = 3;         // Of one node; at least two fifths hit the leader.
  int kills_of_all = 1;  // Of all nodes at once.
  int pause_ms = 1500;   // Between a restart's first acknowledged write and the next kill.
  uint64_t seed = 1;
};

struct KillReport {
  int kills = 0;
  int leader_kills = 0;
  int kills_of_all = 0;
  uint64_t acknowledged = 0;
  uint64_t unknown = 0;
  uint64_t operations = 0;
  uint64_t lost = 0;     // Counters below what was acknowledged.
  uint64_t doubled = 0;  // Counters above acknowledged + unknown.
  bool linearizable = false;
  std::string violation;
  // Longest time without an acknowledged write around each kill, milliseconds.
  std::vector<double> leader_gaps_ms;
  std::vector<double> follower_gaps_ms;
  std::vector<double> all_gaps_ms;
};

KillReport RunKills(const KillOptions& options);
// For people: the counts, and min/p50/p90/max of each kind of gap.
std::string ToString(const KillReport& report);

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_KILL_H_
