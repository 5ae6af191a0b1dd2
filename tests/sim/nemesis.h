// Faults and operators' actions at random times: swarm testing, each seed with its own subset.
//
// Draws a plan from a seed, carries it out on a cluster, and undoes everything at the end. Not
// responsible for load nor for judging. Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_NEMESIS_H_
#define RASPUTIN_TESTS_SIM_NEMESIS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/caller.h"
#include "tests/sim/cluster.h"
#include "tests/sim/merge_driver.h"
#include "tests/sim/random.h"
#include "tests/sim/store_fates.h"

namespace rasputin::sim {

// What a run may meet; each seed switches a random subset on.
struct FaultPlan {
  bool kills = false;
  bool power_losses = false;
  bool kill_all = false;
  bool kills_at_events = false;  // Right after a store did something that matters.
  bool pauses = false;
  bool suspends = false;
  bool cuts = false;  // Random pairs, both ways.
  bool one_way_cuts = false;
  bool isolations = false;
  bool flapping = false;
  bool slow_replies = false;  // What a leader is told arrives late, then nothing reaches anybody.
  bool client_cuts = false;
  bool lossy_times = false;
  bool disk_stalls = false;
  bool slow_disks = false;
  bool disk_full = false;
  bool disk_errors = false;  // EIO at a write, a sync or a read of the log.
  bool engine_stalls = false;
  bool engine_failures = false;
  bool wall_steps = false;
  bool slow_machines = false;
  bool shutdowns = false;  // Handover of everything, then a kill.
  bool transfers = false;
  bool splits = false;
  bool changes = false;         // Of the members of ranges.
  bool candidate_cuts = false;  // A candidate that asks for votes is not heard.
  bool merges = false;          // Of neighbours.
  bool shard_hangs = false;     // A turn does not end, while disk and lease thread go on.
  // Of stores, where placement is on.
  bool drains = false;
  bool decommissions = false;
  bool store_losses = false;  // For good.
  size_t voters_min = 1;      // That a change leaves to a range.
  RealTime interval_mean = 1500 * kMillisecond;
  RealTime length_mean = 2 * kSecond;
  RealTime operator_interval_mean = 2 * kSecond;  // Of transfers and splits.
};

FaultPlan DrawPlan(Random* random);
// Names as ToString gives them.
void SwitchOff(const std::set<std::string>& names, FaultPlan* plan);
// Some faults of the plan make a process end by itself.
bool MayEndProcesses(const FaultPlan& plan);
// Names of what is switched on.
std::string ToString(const FaultPlan& plan);

class Nemesis {
 public:
  struct Counters {
    uint64_t faults = 0;
    uint64_t kills = 0;
    uint64_t splits_asked = 0;
    uint64_t splits_done = 0;
    uint64_t merges_done = 0;  // By front ends.
    uint64_t transfers_asked = 0;
    uint64_t changes_asked = 0;
    uint64_t changes_done = 0;
  };

  // `split_keys`: user keys at which ranges may be split. `endpoint`: of the operator.
  Nemesis(Cluster* cluster, const FaultPlan& plan, std::vector<std::string> split_keys,
          int endpoint, const Random& random);

  // Merges are driven by it, or where there are front ends by one of them.
  void set_merge_driver(MergeDriver* driver) { merge_driver_ = driver; }
  // Where placement is on.
  void set_store_fates(StoreFates* fates) { fates_ = fates; }
  void Start();
  // Ends all faults: links heal, disks work, the dead live.
  void StopAndHeal();
  const Counters& counters() const { return counters_; }

 private:
  using Action = void (Nemesis::*)();

  void Next();
  void OperateNext();
  void OnEvent(int store, const consensus::Event& event);
  void OnDescriptor(int store, const range::RangeDescriptor& descriptor, bool leads);
  void Kill(int store, KillKind kind);
  RealTime Length() { return random_.ExponentialNs(plan_.length_mean); }
  // Half of the time one that leads a range: there it hurts most.
  int SomeStore();
  // Runs unless the end has come, when everything is healed anyway.
  void Later(RealTime delay, std::function<void()> action);

  void KillOne();
  void LosePower();
  void KillAll();
  void PauseOne();
  void HangShard();
  void SuspendOne();
  void CutPairs();
  void CutOneWay();
  void Isolate();
  void CutCandidate(int store);
  void IsolateStore(int a);
  void SlowReplies();
  void Flap();
  void FlapOnce(int a, int b, int left);
  void CutClient();
  void BeLossy();
  void StallDisk();
  void SlowDisk();
  void FillDisk();
  void FailDisk();
  void StallEngine();
  void FailEngine();
  void StepWall();
  void SlowMachine();
  void ShutDown();
  void Transfer();
  void HandOver(range::RangeId range, const range::RangeDescriptor& descriptor);
  void Split();
  void SplitByFrontEnd(const std::string& user_key);
  void MergeSome();
  void Drain() { fates_->Drain(); }
  void Decommission() { fates_->Decommission(); }
  void LoseStore() { fates_->LoseOne(); }
  void ChangeMembers();
  void ChangeByFrontEnd(const range::RangeDescriptor& descriptor);
  bool MayHold(range::StoreId store);
  std::optional<range::ReplicaChange> SomeChange(const range::RangeDescriptor& descriptor);
  void SubmitSplit(uint64_t child, const std::string& key);
  void Restart(int store, RealTime after);

  Cluster* cluster_;
  FaultPlan plan_;
  std::vector<std::string> split_keys_;
  Random random_;
  Caller caller_;
  Caller member_caller_;  // Of changes of members by front ends.
  MergeDriver* merge_driver_ = nullptr;
  StoreFates* fates_ = nullptr;
  std::vector<Action> actions_;
  std::vector<Action> operator_actions_;
  std::map<uint64_t, uint64_t> generations_;  // Of ranges, as seen at their leaders.
  bool stopped_ = false;
  int clients_;
  Counters counters_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_NEMESIS_H_
