// A cluster of cores for tests: vector logs, store leases, a network and disks under one seed.
//
// Deterministic: one thread, a queue of events in simulated real time, clocks that run at different
// rates. Checks after each event what no run may violate (Election Safety, Log Matching, Leader
// Completeness, State Machine Safety, Lease Disjointness, reads that miss nothing acknowledged) and
// the invariants of each core. Violations are collected, not fatal, so that mutants can be judged.
// Also plays the owner in what membership needs: snapshots, removal of replicas, cutting of logs.

#ifndef RASPUTIN_CONSENSUS_CORE_CORE_CLUSTER_H_
#define RASPUTIN_CONSENSUS_CORE_CORE_CLUSTER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consensus/core/core.h"
#include "consensus/core/core_invariants.h"
#include "consensus/core/fake_store_leases.h"
#include "consensus/core/vector_log.h"

namespace rasputin::consensus {

struct ClusterOptions {
  int replicas = 3;  // On the first stores.
  int stores = 0;    // 0: as many as replicas. The others are spare, for changes of members.
  uint64_t seed = 1;
  Mutants mutants;
  Duration lease_duration = std::chrono::milliseconds(2000);
  double loss = 0;       // Per message.
  double duplicate = 0;  // Per message.
  Duration delay_min = std::chrono::microseconds(100);
  Duration delay_max = std::chrono::milliseconds(5);  // On top of delay_min.
  double long_delay = 0;                              // Share of messages delayed by up to D.
  Duration sync_max = std::chrono::milliseconds(5);
  double rate_error = 0.01;      // Clocks run at 1 +- this.
  double part_at_change = 0.15;  // Share of changes of members at which the network parts.
  size_t payload_bytes = 8;
  size_t append_bytes_max = 32;  // Payload of one message.
};

struct ClusterCounts {
  uint64_t messages = 0;
  uint64_t group_messages = 0;
  uint64_t elections = 0;
  uint64_t abdications = 0;
  uint64_t crashes = 0;
  uint64_t acknowledged = 0;
  uint64_t reads = 0;
  uint64_t read_indexes = 0;
  uint64_t pulls = 0;
  uint64_t truncations = 0;
  uint64_t transfers = 0;
  uint64_t releases = 0;
  uint64_t bindings_ended = 0;
  uint64_t changes = 0;        // Of members, accepted.
  uint64_t joint_changes = 0;  // Of voters among them.
  uint64_t removals = 0;       // Replicas that went.
  uint64_t snapshots = 0;      // Installed.
  uint64_t created = 0;        // Of them: made a replica.
  uint64_t reelections = 0;    // [H-12] Terms in which the same leader went on without a pause.
  uint64_t leader_changes = 0;
};

class CoreCluster {
 public:
  explicit CoreCluster(const ClusterOptions& options);
  ~CoreCluster();

  // Replicas are numbered from 0. Simulated time only moves in here.
  void RunFor(Duration duration);
  bool RunUntil(Duration limit, const std::function<bool()>& done);

  // ---- Faults.
  void Cut(int from, int to);  // One way.
  void CutBoth(int a, int b);
  void Isolate(int replica);
  void HealAll();
  void Crash(int replica);
  void Restart(int replica);
  void StallDisk(int replica, bool stalled);
  // The replica, if it is bound to nobody, has campaigned in `terms` terms of which nobody heard.
  bool RaiseTermAlone(int replica, uint64_t terms);
  // The process stands still; what arrives meanwhile is handled after its clocks have jumped.
  void Pause(int replica, Duration duration);
  // A step of a random run: proposals, reads, and now and then a fault.
  void RandomStep(double fault_rate);
  // A change of members at whoever leads, now and then with the network parted at the same time; or
  // a log that is cut, a term that is stranded.
  void RandomChange();
  // All faults end.
  void Calm();

  // ---- Work.
  int Leader() const;  // -1 unless exactly one serves.
  ProposeStatus Change(int replica, const Configuration& target);
  // Forgets the log up to what was applied, if that is durable.
  void CutLog(int replica);
  // A learner on this store with an id never used before.
  Member NewMember(int leader, int store) const;
  bool Propose(int replica);
  bool Transfer(int replica, int target);
  void AbdicateLeader(int replica);
  void TryRead(int replica);
  // Every snapshot that ever left arrives once more.
  void RepeatSnapshots();
  // Clients' requests went unserved at every replica [H-11].
  void QueryBindings();
  Core& core(int replica) { return *nodes_[replica].core; }
  bool up(int replica) const { return nodes_[replica].core != nullptr; }
  ClockReading Now(int replica) const;
  Duration now() const { return now_; }
  uint64_t Random(uint64_t below);
  // Called for each group message; true: it is lost.
  std::function<bool(const Message&)> drop;

  int stores() const { return static_cast<int>(nodes_.size()); }
  void CheckLogs();
  const std::vector<std::string>& violations() const { return violations_; }
  const ClusterCounts& counts() const { return counts_; }
  // Over everything that happened: the same seed gives the same value.
  uint64_t hash() const { return hash_; }

 private:
  struct Persist {
    uint64_t sequence = 0;
    std::optional<HardState> hard_state;
    std::vector<Entry> entries;
    std::vector<Message> send_after;
  };
  struct Node {
    StoreId store;
    ReplicaId replica;  // 0: none on this store.
    bool running = true;
    ReplicaId tombstone;  // The highest one that was removed from here.
    bool removed = false;
    std::set<ReplicaId> transfers;  // Snapshots under way from here.
    // As of what was applied, and the highest replica id in it or before it.
    Configuration applied_configuration;
    ReplicaId applied_highest;
    LogPosition durable_start;  // Also the position of the durable state.
    Configuration durable_configuration;
    ReplicaId durable_highest;
    double rate = 0;
    Duration base{};
    std::unique_ptr<FakeStoreLeases> leases;
    std::unique_ptr<VectorLog> log;  // As the process sees it.
    std::vector<Entry> durable_entries;
    HardState durable;
    std::unique_ptr<Core> core;
    std::unique_ptr<CoreInvariants> invariants;
    std::vector<Persist> persisting;
    bool sync_running = false;
    bool disk_stalled = false;
    Duration paused_until{};
    uint64_t life = 0;  // Grows at each crash: events of an earlier life are void.
    Instant wake_at = Instant::max();
    std::map<uint64_t, Index> read_index_floor;
  };
  struct Event {
    Duration at;
    uint64_t order;
    std::function<void()> run;
  };
  struct Later {
    bool operator()(const Event& a, const Event& b) const {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };

  void At(Duration delay, std::function<void()> run);
  // Like At(), but if the process is paused then, once it runs again.
  void AtProcess(int replica, Duration delay, std::function<void()> run);
  Duration NetworkDelay();
  bool Lost(int from, int to);
  void Start(int replica);
  void TakeReadies(int replica);
  void Carry(int replica, Ready ready);
  void Deliver(Message message);
  void StartSync(int replica);
  void FinishSync(int replica);
  void ScheduleWake(int replica);
  void LeaseRound(int replica);
  void SendLeaseRequest(int from, int to);
  struct Snapshot {
    ReplicaId to;
    Term term;
    LogPosition position;
    Configuration configuration;
    ReplicaId highest;
  };
  struct SentSnapshot {
    int at;
    Snapshot snapshot;
  };
  void ApplyConfiguration(int replica, const Entry& entry);
  void SendSnapshot(int from, ReplicaId to);
  // Whether the receiver holds that state, or a newer one.
  bool InstallSnapshot(int at, const Snapshot& snapshot);
  void RemoveReplica(int replica);
  void PartAround(int leader, const Configuration& target);
  // A message for or from a replica that is no member any more; true: dealt with.
  bool HandleStray(int to, const Message& message);
  void TellRemoved(int from, const Message& message);
  void Apply(int replica, const std::vector<Entry>& entries);
  void Observe(const rasputin::consensus::Event& event, int replica);
  void CheckLeaderIsComplete(int replica, Term term);
  void CheckAll();
  void Violation(const std::string& what);
  static int IndexOf(StoreId store) { return static_cast<int>(store.value()) - 101; }
  Configuration MakeConfiguration() const;
  void Mix(uint64_t value);

  const ClusterOptions options_;
  std::vector<Node> nodes_;
  std::priority_queue<Event, std::vector<Event>, Later> events_;
  uint64_t order_ = 0;
  Duration now_{};
  uint64_t random_state_;
  std::vector<std::vector<bool>> cut_;
  double loss_;
  std::vector<std::string> violations_;
  ClusterCounts counts_;
  uint64_t hash_ = 1469598103934665603ULL;
  uint64_t next_payload_ = 1;

  std::vector<SentSnapshot> snapshots_sent_;
  std::map<Term, ReplicaId> leaders_;
  ReplicaId last_leader_;
  std::map<Index, std::pair<Term, std::string>> committed_;
  std::map<Index, Term> committed_in_;  // The lowest term in which each was known to be committed.
  std::map<std::pair<Term, Index>, int> proposed_;  // By which replica.
  Index acknowledged_;                              // Highest index whose proposer was answered.
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_CORE_CLUSTER_H_
