// kill -9 of servers under load, with members of the ranges changing if asked for, and the
// judgement of what clients saw.
//
// Used by kill_test (a few kills, in the suite) and by the kill program (as many as wanted).

#ifndef RASPUTIN_TESTS_PROCESS_KILL_H_
#define RASPUTIN_TESTS_PROCESS_KILL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/process/load.h"
#include "tests/process/member_churn.h"

namespace rasputin::process {

struct KillOptions {
  std::string binary;
  std::string directory;
  int kills = 3;         // Of one node, or of two at once; at least two fifths hit a leader.
  int kills_of_all = 1;  // Of all nodes at once.
  int pause_ms = 1500;   // Between a restart's first acknowledged write and the next kill.
  uint64_t seed = 1;
  // With changes of members: more nodes than replicas, several ranges, and every other kill aims at
  // a change that is under way.
  bool changes = false;
  int nodes = 3;
  int ranges = 1;  // Of the load's keys; the meta range comes on top. At most 16.
};

struct KillReport {
  int kills = 0;
  int leader_kills = 0;       // Of a node that led a range of the load, or the meta range.
  int meta_leader_kills = 0;  // Of those: of the meta range.
  int target_kills = 0;       // Of the node to which a replica was being brought.
  int leaving_kills = 0;      // Of the node whose replica was being removed.
  int joint_kills = 0;        // While a range was seen in a joint configuration.
  int double_kills = 0;       // Of two nodes at once.
  int kills_of_all = 0;
  CounterVerdict counters;
  uint64_t failed = 0;  // Calls that ended with an error in spite of their repetitions.
  uint64_t operations = 0;
  bool linearizable = false;
  std::string violation;
  ChurnCounts changes;
  uint64_t snapshots = 0;  // Installed, by the servers' logs.
  std::string unsettled;   // What the members were not in the end; empty: as asked for.
  double seconds = 0;      // From the first kill to the last restart.
  // Longest time without an acknowledged write around each kill, milliseconds.
  std::vector<double> leader_gaps_ms;
  std::vector<double> follower_gaps_ms;
  std::vector<double> double_gaps_ms;
  std::vector<double> all_gaps_ms;

  bool Well() const {
    return counters.lost + counters.doubled == 0 && linearizable && unsettled.empty();
  }
};

KillReport RunKills(const KillOptions& options);
// For people: the counts, and min/p50/p90/max of each kind of gap.
std::string ToString(const KillReport& report);

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_KILL_H_
