// Damage to the files of real servers under load: flipped bits, overwritten bytes, truncations.
//
// Used by flip_test (a few rounds, in the suite) and by the flip_servers program (as many as
// wanted). A supervisor restarts what exits; nobody else helps a store whose damage was noticed,
// and what it has set aside is removed when it was replaced. Damage that nothing has read is
// undone: of that a run shows only that no answer was wrong meanwhile. One store is damaged at a
// time, the next one only when every range has three live replicas again.

#ifndef RASPUTIN_TESTS_PROCESS_FLIP_H_
#define RASPUTIN_TESTS_PROCESS_FLIP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/process/load.h"

namespace rasputin::process {

enum class FlipTarget : uint8_t {
  kSegment = 1,   // A segment of the log, mostly where it was written.
  kSst = 2,       // A table of the engine.
  kManifest = 3,  // The engine's MANIFEST.
  kCurrent = 4,
  kOptions = 5,
  kIdentity = 6,  // The engine's IDENTITY or FORMAT.
  kStore = 7,     // The store's manifest, or its list of stores.
};

struct FlipOptions {
  std::string binary;
  std::string directory;
  int rounds = 3;
  uint64_t seed = 1;
  std::vector<FlipTarget> targets;  // One after another; empty: random ones.
};

struct FlipReport {
  int rounds = 0;
  int leaders = 0;        // Rounds that hit the leader's store.
  int while_running = 0;  // Damaged while the process ran.
  int detected_at_start = 0;
  int detected_running = 0;
  int unnoticed = 0;  // Nothing read it in some seconds; it is gone by itself, or was undone.
  int not_repaired = 0;
  int exits = 0;  // Of processes, by themselves.
  int kills = 0;  // While the store was being repaired.
  CounterVerdict counters;
  uint64_t operations = 0;
  uint64_t wrong_answers = 0;  // Values that are not what was written once at the start.
  bool linearizable = false;
  std::string violation;
  std::vector<double> repair_s;    // From the restart, or the damage, to three live replicas.
  std::vector<std::string> lines;  // One for each round.
};

FlipReport RunFlips(const FlipOptions& options);
std::string ToString(const FlipReport& report);

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_FLIP_H_
