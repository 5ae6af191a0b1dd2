// A quiet cluster under steady load, with role selectors: the vocabulary of scenario tests.
//
// All stores hold a replica of the data range; roles are of that range. Fails the test by itself if
// a checker finds a violation, if the clients' history is not linearizable, or an entry is lost.
// Virtual time. Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_SCENARIO_H_
#define RASPUTIN_TESTS_SIM_SCENARIO_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "tests/sim/cluster.h"
#include "tests/sim/workload.h"

namespace rasputin::sim {

class Scenario {
 public:
  // Returns when somebody serves the data range and writes succeed.
  explicit Scenario(int stores, uint64_t seed = 1);
  ~Scenario();  // Judges.

  // The store that serves now; fails the test if there is none.
  int Leader();
  // The n-th store (from 1) that does not lead.
  int Follower(int n);

  void CutBoth(int a, int b) { cluster_->network().CutBoth(a, b); }
  void Cut(int from, int to) { cluster_->network().Cut(from, to); }
  void HealAll() { cluster_->network().HealAll(); }
  // Cuts every link between stores but those of `hub`.
  void LeaveOnlyLinksOf(int hub);
  // Cuts every link of `store` to other stores, in the directions asked for.
  void Isolate(int store, bool outgoing = true, bool incoming = true);

  void RunFor(RealTime length) { cluster_->RunFor(length); }
  // Runs until `done`; false after `most`.
  bool RunUntil(const std::function<bool()>& done, RealTime most);
  // Runs until another store than `old_leader` serves; the time it took, or -1 after `most`.
  RealTime TimeToAnotherLeader(int old_leader, RealTime most);
  // Whether an entry is applied that was not when this was called.
  bool Progresses(RealTime most);

  // Elections of the data range so far.
  uint64_t Elections() const;
  bool IsServing(int store);
  Cluster& cluster() { return *cluster_; }
  Workload& workload() { return *workload_; }
  RealTime D() const { return cluster_->options().store.lease_duration.count(); }

 private:
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Workload> workload_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_SCENARIO_H_
