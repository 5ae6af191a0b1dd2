// Judges of the whole system, outside of it: what must hold at every instant of real time.
//
// Fed with every event of every store and with looks at all stores at one instant; keeps the first
// violation and what led to it. Knows nothing that a store could use. Not responsible for clients'
// histories (tests/linearizability). Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_CHECKERS_H_
#define RASPUTIN_TESTS_SIM_CHECKERS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "range/store.h"
#include "tests/sim/scheduler.h"

namespace rasputin::sim {

struct Violation {
  std::string guarantee;  // As named in consensus/README.md.
  std::string details;
};

// What the checkers may see of one store at this instant.
class StoreView {
 public:
  virtual ~StoreView() = default;
  virtual int StoreCount() const = 0;
  // nullptr: dead.
  virtual range::Store* StoreAt(int node) = 0;
  // As the store would say now, by its own clocks; empty if dead.
  virtual std::vector<range::ReplicaStatus> ReplicasAt(int node) const = 0;
};

class Checkers {
 public:
  struct Counters {
    uint64_t elections = 0;
    uint64_t leases_acquired = 0;
    uint64_t abdications = 0;
    uint64_t releases = 0;
    uint64_t pulls = 0;
    uint64_t transfers_started = 0;
    uint64_t withdrawals = 0;
    uint64_t applied = 0;
    uint64_t truncations = 0;
    uint64_t suspensions = 0;
    uint64_t samples = 0;
    std::map<int, uint64_t> abdications_by_reason;
  };

  Checkers(Scheduler* scheduler, StoreView* stores) : scheduler_(scheduler), stores_(stores) {}

  void OnEvent(int node, const consensus::Event& event);
  void OnApplied(int node, range::RangeId range, consensus::Index index, consensus::Term term,
                 const absl::Cord& command);
  void OnStart(int node);
  // A store says what a range is like; of the first ranges, node 0 does before anything runs.
  void OnDescriptor(int node, const range::RangeDescriptor& descriptor);
  // No range may have fewer voters, in either half of a change, from here on; 0: it may.
  void set_voters_min(int voters) { voters_min_ = voters; }
  // Looks at all stores as of this instant: Lease Disjointness, one serving range per key; every
  // key in exactly one of the ranges as whoever is ahead knows them.
  void Sample();
  // Compares the logs of all stores: Log Matching, State Machine Safety against what was applied.
  void SampleLogs();

  void Report(const std::string& guarantee, const std::string& details);
  const std::optional<Violation>& violation() const { return violation_; }
  const Counters& counters() const { return counters_; }
  // Times at which somebody became leader of `range`.
  uint64_t ElectionsOf(range::RangeId range) const;
  // The ranges that there are, each as whoever was ever ahead knew it.
  const std::map<range::RangeId, range::RangeDescriptor>& ranges() const { return ranges_; }
  // Highest index of `range` that anybody applied.
  consensus::Index AppliedOf(range::RangeId range) const;

 private:
  struct Applied {
    uint64_t term = 0;  // 0: not seen (entries without a command).
    uint64_t hash = 0;
    uint64_t committed_by = 0;  // It was committed in this term or an earlier one.
  };
  struct Claim {
    std::string start;
    std::string end;
    int node = 0;
    range::RangeId range;
    consensus::Term term;
  };

  void CheckVoters(int node, const range::RangeDescriptor& descriptor);
  void CheckTiling();
  // One line per replica of every store, for the trace.
  void DescribeStores();
  void OnBecameLeader(int node, const consensus::Event& event);
  void CheckNoPreemption(int node, const consensus::Event& event);
  void CheckLeaderCompleteness(int node, const consensus::Event& event);
  void CompareLogs(range::RangeId range, int a, int b);

  Scheduler* scheduler_;
  StoreView* stores_;
  std::optional<Violation> violation_;
  Counters counters_;
  // (range, term) to the replica that led.
  std::map<std::pair<range::RangeId, consensus::Term>, std::pair<int, consensus::ReplicaId>>
      leaders_;
  std::map<range::RangeId, uint64_t> elections_;
  std::map<range::RangeId, consensus::Term> highest_elected_;
  std::map<range::RangeId, std::vector<Applied>> applied_;                   // By index.
  std::map<std::pair<int, range::RangeId>, consensus::Index> last_applied_;  // Of the process.
  std::map<range::RangeId, range::RangeDescriptor> ranges_;  // Of the highest generation.
  std::set<range::RangeId> absorbed_;
  bool ranges_changed_ = false;
  int voters_min_ = 0;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_CHECKERS_H_
