// A cluster of four real servers that looks after itself, under load: a store lost for good, a
// store drained and decommissioned; how long each took, and what the clients felt of it.
//
// Used by placement_test (few ranges, in the suite) and by the placement_show program (as many as
// wanted). Figures are reported, never judged; what is judged is that nothing was lost or failed.

#ifndef RASPUTIN_TESTS_PROCESS_PLACEMENT_SHOW_H_
#define RASPUTIN_TESTS_PROCESS_PLACEMENT_SHOW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/process/load.h"

namespace rasputin::process {

struct PlacementShowOptions {
  std::string binary;
  std::string directory;
  int ranges = 8;      // Of the load's keys; at least 1.
  int workers = 8;     // Of the load.
  int dead_after = 5;  // Seconds of silence after which a store is given up.
  int calm = 3;        // Seconds of load before and after, to compare with.
  int patience = 170;  // Seconds after which a phase counts as not finished.
};

// What the clients felt of a phase.
struct PhaseFigures {
  std::string name;
  double seconds = 0;
  bool finished = false;
  double increments_per_second = 0;
  double p50_ms = 0;  // Of reads and increments together.
  double p99_ms = 0;
  double max_ms = 0;
};

struct PlacementReport {
  std::vector<PhaseFigures> phases;
  CounterVerdict counters;
  uint64_t failed = 0;  // Calls that ended with an error in spite of their repetitions.
  bool linearizable = false;
  std::string explanation;
  std::string unsettled;  // What was not as it should be in the end; empty: nothing.

  bool Well() const {
    return counters.lost + counters.doubled == 0 && linearizable && unsettled.empty();
  }
};

// Kills the server of a store and never starts it again; ends when every range has three voters on
// the others.
PlacementReport ShowLostStore(const PlacementShowOptions& options);
// Drains the store that leads the meta range, then decommissions it; ends when it is off the list.
PlacementReport ShowDrainedStore(const PlacementShowOptions& options);

std::string ToString(const PlacementReport& report);

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_PLACEMENT_SHOW_H_
