// One simulated machine: a disk, an engine, clocks, and a process that runs the real Store.
//
// Plays the parts that threads play in the server: the executor (turns), the log writer (one job at
// a time, each takes simulated time), the store lease thread. Every one of them may be paused, slow
// or killed at any event. Not responsible for what connects machines (cluster.h). Not thread-safe.
//
// Invariant: while the process is dead, nothing of it runs: every scheduled event carries the
// incarnation it belongs to.

#ifndef RASPUTIN_TESTS_SIM_NODE_H_
#define RASPUTIN_TESTS_SIM_NODE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consensus/log/memory_directory.h"
#include "consensus/log/shared_log.h"
#include "kv/memory_engine.h"
#include "range/store.h"
#include "tests/sim/front_desk.h"
#include "tests/sim/random.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_clock.h"

namespace rasputin::sim {

// How fast the machine's parts are.
struct MachineSpeed {
  RealTime turn_delay_mean = 20 * kMicrosecond;   // From input to the executor's turn.
  RealTime lease_delay_mean = 20 * kMicrosecond;  // From input to the lease thread.
  RealTime sync_min = 200 * kMicrosecond;
  RealTime sync_mean_extra = 300 * kMicrosecond;
  double sync_tail_chance = 0;  // Of a sync that takes far longer.
  RealTime sync_tail_mean = 100 * kMillisecond;
  RealTime flush_mean = 50 * kMillisecond;  // Of an engine's flush.
};

struct NodeOptions {
  int number = 0;  // From 0; the store's id is number + 1.
  range::StoreOptions store;
  ClockErrors clock;
  MachineSpeed speed;
  bool front_end = false;      // The process has one, which takes calls and forwards.
  server::FrontOptions front;  // Seed, mutants and book are the node's own.
  // Called before a process opens the store.
  std::function<void(int node)> before_start;
};

// Where a node's effects go; implemented by the cluster.
class NodeListener {
 public:
  virtual ~NodeListener() = default;
  virtual void SendGroupMessages(int from, int to, std::vector<consensus::Message> messages) = 0;
  virtual void SendLeaseMessage(int from, int to,
                                const consensus::lease::LeaseMessage& message) = 0;
  virtual void SendForward(int from, int to, server::ForwardRequest request) = 0;
  virtual void SendForwardReply(int from, int to, server::ForwardReply reply) = 0;
  virtual void OnEvent(int node, const consensus::Event& event) = 0;
  virtual void OnDescriptor(int node, const range::RangeDescriptor& descriptor, bool leads) = 0;
  virtual void OnApplied(int node, range::RangeId range, consensus::Index index,
                         consensus::Term term, const absl::Cord& command) = 0;
  virtual void OnInstalled(int node, range::RangeId range, consensus::LogPosition position) = 0;
  virtual void OnRemoved(int node, range::RangeId range) = 0;
  // The front end decided something by itself.
  virtual void OnDecision(int node, const type::v1::Decision& decision) = 0;
  // After a turn in which the front end refused that many requests; `held_back`: it left some for
  // the next turn.
  virtual void OnBackPressure(uint64_t refused, bool held_back) = 0;
  // The process ended by itself [H-18], or could not start: an error of the store or its log;
  // `made`: it met a fault of its disk or engine that was made.
  virtual void OnProcessFailed(int node, const absl::Status& status, bool made) = 0;
  // A new process begins; nothing of the last one is reported any more.
  virtual void OnProcessStarted(int node) = 0;
  // The process was killed: its connections break.
  virtual void OnProcessEnded(int node) = 0;
};

// What a kill leaves of the disk's cache.
enum class KillKind : uint8_t {
  kProcess = 1,    // kill -9: the operating system lives and keeps what was written.
  kPowerLoss = 2,  // Unsynced sectors may be lost or torn; monotonic clocks start anew.
};

class Node : private range::Transport, private range::Observer, private range::Clock {
 public:
  using Reply = std::function<void(range::Response)>;

  struct Counters {
    uint64_t starts = 0;
    uint64_t kills = 0;
    uint64_t power_losses = 0;
    uint64_t kills_during_write = 0;
    uint64_t torn_tails = 0;  // Recoveries that discarded a torn tail.
    uint64_t turns = 0;
    uint64_t syncs = 0;
    uint64_t flushes = 0;
    uint64_t pauses = 0;
    uint64_t disk_errors = 0;      // Of the log's disk: reads, writes, syncs.
    uint64_t looks_for_space = 0;  // Of the log writer, on a full disk.
    uint64_t engine_stalls = 0;
    uint64_t engine_failures = 0;
  };

  Node(const NodeOptions& options, Scheduler* scheduler, const Random& random,
       NodeListener* listener);
  ~Node() override;

  // The store does not come back: its identity never speaks again.
  void Retire();
  bool retired() const { return retired_; }
  // Whether a disk holds something else than was written to it.
  bool Damaged() const { return directory_.Damaged() || engine_.DamagedRows() > 0; }
  // An error that the store found by itself, outside of its turns; the process ends.
  void FailWith(const absl::Status& status);
  // Its last process ended for an error before it ran.
  bool failed_at_start() const { return failed_at_start_; }
  consensus::log::LogOptions LogOptions() const;

  // Writes the first state of a cluster to the empty disk.
  absl::Status Bootstrap(const storage::v1::StoreManifest& manifest);

  void Start();
  void Kill(KillKind kind);
  // Kills it while its next write of the log is under way.
  void KillAtNextWrite(KillKind kind) { kill_at_next_write_ = kind; }
  void SpareNextWrite() {
    kill_at_next_write_.reset();
    fail_next_.reset();
  }
  bool to_be_killed() const { return kill_at_next_write_.has_value(); }
  bool alive() const { return store_ != nullptr; }
  // Nothing of the process runs for `length` (SIGSTOP); its machine's clocks go on. `suspend`: the
  // machine sleeps, which stops MONOTONIC_RAW too.
  void Pause(RealTime length, bool suspend);
  bool paused() const { return paused_until_ != 0; }
  // Ends a pause early.
  void Resume();
  // The executor hangs in its turn for `length`; the log writer and the lease thread go on.
  void HangShard(RealTime length);
  bool shard_hangs() const { return hangs_since_.has_value(); }
  // Ends that early.
  void ReleaseShard();

  // Disk faults. A stalled disk completes nothing until it is released.
  void StallDisk(bool stalled);
  bool disk_stalled() const { return disk_stalled_; }
  void FillDisk(bool full);
  bool disk_full() const { return disk_full_; }
  // EIO from the log's disk, once. The process ends [H-18].
  void FailNext(consensus::log::DiskOperation operation) { fail_next_ = operation; }
  // The engine refuses writes until released, or until the process ends.
  void StallEngine(bool stalled);
  // The engine's next write fails. The process ends [H-18].
  void FailEngine();
  void set_speed(const MachineSpeed& speed) { options_.speed = speed; }
  SimClock* clock() { return &clock_; }

  // Inputs from the network; dropped if the process is dead.
  void DeliverGroupMessages(std::vector<consensus::Message> messages);
  void DeliverLeaseMessage(const consensus::lease::LeaseMessage& message);
  // `request.completion` and `request.deadline` are set here. `reply` is called at most once, never
  // after a kill.
  void Submit(range::Request request, RealTime time_left, Reply reply);
  // A client's call to the front end; as Submit.
  void Call(server::Method method, absl::Cord request, RealTime time_left,
            FrontDesk::Answered answered);
  void DeliverForward(int from, server::ForwardRequest request);
  void DeliverForwardReply(int from, server::ForwardReply reply);
  void BreakConnection(int peer);
  void TransferLease(range::RangeId range, range::StoreId target);
  // `reply` is called at most once; not if the store refuses at once.
  void ChangeReplicas(range::RangeId range, range::Generation generation,
                      const range::ReplicaChange& change, Reply reply);
  void BeginShutdown();

  // What the replicas say of themselves at this very instant, were they asked; nothing if dead.
  std::vector<range::ReplicaStatus> ListReplicas() const;
  range::Store* store() { return store_.get(); }
  const FrontDesk* front_desk() const { return front_desk_.get(); }
  int number() const { return options_.number; }
  const Counters& counters() const { return counters_; }
  // Of all processes so far.
  range::StoreCounters store_counters() const;
  const kv::MemoryEngine& engine() const { return engine_; }
  kv::MemoryEngine* mutable_engine() { return &engine_; }
  consensus::log::MemoryDirectory* directory() { return &directory_; }

 private:
  struct Waiter;

  // range::Transport, Observer, Clock.
  void Send(range::StoreId to, std::vector<consensus::Message> messages) override;
  void OnEvent(const consensus::Event& event) override;
  void OnDescriptor(const range::RangeDescriptor& descriptor, bool leads) override;
  void OnLeader(range::RangeId range, range::StoreId leader) override;
  void OnInstalled(range::RangeId range, consensus::LogPosition position) override {
    listener_->OnInstalled(options_.number, range, position);
  }
  void OnRemoved(range::RangeId range) override;
  void OnApplied(range::RangeId range, consensus::Index index, consensus::Term term,
                 const absl::Cord& command) override;
  consensus::ClockReading Now() override { return clock_.At(scheduler_->now()); }

  // Runs `action` after `delay` if this process still lives then; when paused, at its resumption.
  void Schedule(RealTime delay, const char* label, void (Node::*action)());
  void RunWhenAwake(uint64_t incarnation, const char* label, void (Node::*action)());

  void OpenFrontDesk();
  void WriteBook();
  void TellOfBackPressure();
  void WatchConnection(int peer);
  void RequestTurn();
  void Turn();
  void SubmitPending(const consensus::ClockReading& now);
  void ChangePending(const consensus::ClockReading& now);
  void RequestLeaseTurn();
  void LeaseTurn();
  void ArmTimers();
  void ShardTimer();
  void LeaseTimer();
  void StartWrite();
  void CompleteWrite();
  void KillDuringWrite();
  void CompleteFlush();
  void StartFlush();
  void LeaveWriteUnfinished();
  void LookForSpace();
  void CountTornTail();
  void End(consensus::log::CrashKind crash);
  void Fail(const absl::Status& status);

  NodeOptions options_;
  Scheduler* scheduler_;
  Random random_;
  NodeListener* listener_;
  SimClock clock_;
  consensus::log::MemoryDirectory directory_;
  kv::MemoryEngine engine_;
  std::unique_ptr<range::Store> store_;
  std::unique_ptr<FrontDesk> front_desk_;
  server::FrontCounters front_seen_;                // What was told of them.
  storage::v1::StoreBook book_;                     // On the disk.
  std::optional<storage::v1::StoreBook> new_book_;  // On its way there.
  uint64_t incarnation_ = 0;

  RealTime paused_until_ = 0;  // 0: it is not.
  struct Waiting {
    const char* label;
    void (Node::*action)();
  };
  std::vector<Waiting> waiting_;                   // For the end of the pause.
  std::optional<consensus::Instant> hangs_since_;  // By the process's clock.
  uint64_t hang_ = 0;                              // The last one.
  bool turn_waits_ = false;                        // For the shard that hangs.
  // The executor read its clock before the pause and uses it for what came in meanwhile.
  std::optional<consensus::ClockReading> stale_now_;
  bool disk_stalled_ = false;
  bool disk_full_ = false;
  std::optional<consensus::log::DiskOperation> fail_next_;
  bool fail_unfinished_sync_ = false;
  bool running_ = false;      // The event is one of the process.
  bool disk_failed_ = false;  // It has met an error that was made.
  bool engine_failed_ = false;
  bool retired_ = false;
  bool failed_at_start_ = false;

  // Inputs of the next turn.
  std::vector<consensus::Message> messages_;
  std::vector<consensus::lease::LeaseUpdate> lease_updates_;
  consensus::log::Lsn durable_;
  std::vector<range::Request> requests_;
  std::vector<std::pair<range::RangeId, range::StoreId>> transfers_;
  struct PendingChange {
    range::RangeId range;
    range::Generation generation;
    range::ReplicaChange change;
    Reply reply;
  };
  std::vector<PendingChange> changes_;
  bool shutdown_requested_ = false;
  bool turn_requested_ = false;
  RealTime shard_timer_ = 0;  // 0: not armed.

  // Inputs of the lease thread.
  std::vector<consensus::lease::LeaseMessage> lease_messages_;
  struct CompletedWrite {
    consensus::DualInstant started;
    consensus::log::Lsn durable;
  };
  std::vector<CompletedWrite> completed_writes_;
  std::optional<std::vector<range::StoreId>> new_peers_;
  bool lease_turn_requested_ = false;
  RealTime lease_timer_ = 0;

  std::unique_ptr<consensus::log::WriteJob> write_;
  consensus::DualInstant write_started_;
  std::optional<KillKind> kill_at_next_write_;
  bool write_due_ = false;  // Would be complete, but the disk is stalled.
  bool flushing_ = false;

  range::StoreCounters ended_counters_;  // Of processes that ended.
  uint64_t next_waiter_ = 1;
  std::map<uint64_t, std::unique_ptr<Waiter>> waiters_;
  Counters counters_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_NODE_H_
