// Simulated clients that read, write, compare, count, scan and batch on a small key space, and
// write down what they saw.
//
// Each client does one operation at a time. Not responsible for judging (tests/linearizability,
// simulation.cc). Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_WORKLOAD_H_
#define RASPUTIN_TESTS_SIM_WORKLOAD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/linearizability/history.h"
#include "tests/sim/caller.h"
#include "tests/sim/cluster.h"
#include "tests/sim/random.h"

namespace rasputin::sim {

struct WorkloadOptions {
  int clients = 4;
  int keys = 8;
  int counters = 2;
  RealTime think_mean = 30 * kMillisecond;
  RealTime patience = 5 * kSecond;
  uint64_t padding_max = 0;       // Bytes added to values, at most. Small
                                  // enough that a repetition still tells the value.
  double with_id = 0.5;           // Of mutations: carry a RequestId and are retried.
  double with_read_index = 0.05;  // Of reads.
  // Relative frequencies; 0: never.
  int gets = 4;
  int sets = 3;
  int cases = 2;
  int deletes = 1;
  int scans = 1;
  int batches = 1;
  int increments = 2;
};

struct CounterTally {
  uint64_t acknowledged = 0;
  uint64_t unknown = 0;
};

class Client;

class Workload {
 public:
  Workload(Cluster* cluster, const WorkloadOptions& options, const Random& random);
  ~Workload();

  void Start();
  // No client begins another operation.
  void StopStarting() { stopped_ = true; }
  bool Idle() const;
  // Each key read once, by client 0. Call when idle; Idle() again when done.
  void ReadAllKeys();
  // Keys whose last read was not answered.
  int unread_keys() const { return unread_; }

  const linearizability::History& history() const { return history_; }
  linearizability::History* mutable_history() { return &history_; }
  // By key of the counter.
  const std::map<std::string, CounterTally>& tallies() const { return tallies_; }
  // The count that a counter's value means; 0 for none.
  static uint64_t CountOf(const std::optional<std::string>& value);
  // All user keys, sorted.
  const std::vector<std::string>& keys() const { return keys_; }
  // The last value that ReadAllKeys saw.
  const std::map<std::string, std::optional<std::string>>& final_values() const {
    return final_values_;
  }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t unknown() const { return unknown_; }
  uint64_t not_executed() const { return not_executed_; }
  // Real time of the last acknowledged mutation.
  RealTime last_mutation() const { return last_mutation_; }
  // The longest time without an acknowledged mutation between two that were.
  RealTime longest_silence() const { return longest_silence_; }
  void ResetSilence() { longest_silence_ = 0; }
  Caller::Counters CallCounters() const;
  const WorkloadOptions& options() const { return options_; }

 private:
  friend class Client;

  Cluster* cluster_;
  WorkloadOptions options_;
  std::vector<std::string> keys_;
  std::vector<std::unique_ptr<Client>> clients_;
  linearizability::History history_;
  std::map<std::string, CounterTally> tallies_;
  std::map<std::string, std::optional<std::string>> final_values_;
  bool stopped_ = false;
  int unread_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t unknown_ = 0;
  uint64_t not_executed_ = 0;
  RealTime last_mutation_ = 0;
  RealTime longest_silence_ = 0;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_WORKLOAD_H_
