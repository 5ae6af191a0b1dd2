// One run: a cluster, load and faults from one seed, and the judgement of what came of it.
//
// Safety mode: any fault at any time, then everything heals and must work again. Liveness mode:
// links freeze as they are while some replica has a two-way majority, and progress is demanded. A
// run is a function of its options: the same ones give the same hash.

#ifndef RASPUTIN_TESTS_SIM_SIMULATION_H_
#define RASPUTIN_TESTS_SIM_SIMULATION_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "consensus/core/mutants.h"
#include "tests/linearizability/history.h"
#include "tests/sim/checkers.h"
#include "tests/sim/coverage.h"
#include "tests/sim/damage.h"
#include "tests/sim/scheduler.h"

namespace rasputin::sim {

struct ClusterOptions;
struct WorkloadOptions;
struct FaultPlan;

struct SimulationOptions {
  uint64_t seed = 1;
  RealTime length = 60 * kSecond;  // With faults; the end with none comes on top.
  bool liveness = false;
  bool damage = false;     // Disks of a minority are damaged as well.
  bool placement = false;  // Placement controllers act in every seed, not just in some.
  bool trace = false;
  consensus::Mutants mutants;
  // Changes what a seed of the safety mode drew, for hunts that need a situation; may be null.
  void (*adjust)(ClusterOptions*, WorkloadOptions*, FaultPlan*) = nullptr;
  bool keep_history = false;  // In the report.
  // For a smaller run of a failing seed (shrink.h). Names of faults that its plan would have, and
  // of operations of its clients; 0: as many stores and clients as the seed says.
  std::set<std::string> without;
  int stores_max = 0;
  int clients_max = 0;
};

struct Report {
  std::optional<Violation> violation;
  uint64_t hash = 0;
  std::string plan;        // Faults that were switched on.
  std::string operations;  // Of clients.
  int stores = 0;
  int clients = 0;
  SituationCounts situations{};
  RealTime simulated = 0;
  uint64_t events = 0;
  // What happened: a run in which nothing happens violates nothing.
  uint64_t acknowledged = 0;
  uint64_t unknown = 0;
  uint64_t not_executed = 0;
  uint64_t elections = 0;
  uint64_t abdications = 0;
  uint64_t releases = 0;
  uint64_t pulls = 0;
  uint64_t kills = 0;
  uint64_t power_losses = 0;
  uint64_t torn_tails = 0;
  uint64_t splits = 0;
  uint64_t merges = 0;
  uint64_t transfers = 0;
  uint64_t changes_asked = 0;  // Of members.
  uint64_t changes_done = 0;
  uint64_t snapshots_begun = 0;
  uint64_t snapshots_installed = 0;
  uint64_t replicas_removed = 0;
  uint64_t strays = 0;  // Replicas that had left and were still there at the end.
  uint64_t pauses = 0;
  uint64_t disk_errors = 0;  // Of the log's disk.
  uint64_t looks_for_space = 0;
  uint64_t engine_stalls = 0;
  uint64_t engine_failures = 0;
  uint64_t messages = 0;
  uint64_t messages_lost = 0;
  uint64_t process_failures = 0;
  uint64_t checked_operations = 0;
  RealTime recovery = 0;  // From the end of all faults (or the freeze) to the first write.
  DamageReport damage;
  linearizability::History history;
};

Report Simulate(const SimulationOptions& options);

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_SIMULATION_H_
