// A few real stores in one thread, over a perfect network and disks in memory, in virtual time.
//
// For tests of range/ that need a whole store; faults belong to tests/sim. Time moves in steps of
// one millisecond; a message takes one step, a log write as well.

#ifndef RASPUTIN_RANGE_TEST_CLUSTER_H_
#define RASPUTIN_RANGE_TEST_CLUSTER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "consensus/log/memory_directory.h"
#include "kv/memory_engine.h"
#include "range/store.h"

namespace rasputin::range {

struct TestClusterOptions {
  int members = 3;  // Stores 1..members hold ranges 1 and 2.
  int stores = 0;   // In all; fewer than `members`: as many as those.
  StoreOptions store;
  // Flushes of engines are complete within a millisecond; otherwise the test completes them.
  bool complete_flushes = false;
};

class TestCluster {
 public:
  // Stores 1..n; ranges 1 and 2 on all of them.
  explicit TestCluster(int n);
  explicit TestCluster(const TestClusterOptions& options);
  ~TestCluster();

  ClockReading Now() const;
  // With the wall clock of that store's machine.
  ClockReading NowAt(int id) const;
  // From now on that wall clock differs so much from Now()'s.
  void SetWallError(int id, int64_t milliseconds) { wall_error_ms_[id] = milliseconds; }
  void RunFor(int milliseconds);
  // Runs until `done`, at most `milliseconds`; returns whether it was reached.
  bool RunUntil(const std::function<bool()>& done, int milliseconds = 20000);

  // Id of the store that serves `range`; 0: none.
  int Leader(uint64_t range) const;
  Store& store(int id);
  kv::MemoryEngine& engine(int id);
  consensus::log::MemoryDirectory& directory(int id);

  // Submits to a store and runs until it is answered.
  Response Call(int store, Request request);
  // To the leader of the range, by the descriptor that it has; repeats while not leader.
  Response CallLeader(uint64_t range, kv::Operation operation, const std::string& key,
                      const std::string& body);
  std::optional<RangeDescriptor> Descriptor(int store, uint64_t range) const;
  // What the store's observer was told of the range last.
  struct Reported {
    uint64_t generation = 0;  // 0: nothing.
    bool leads = false;
  };
  Reported LastReported(int store, uint64_t range) const;

  // Asks the leader of the range for a change of its members, until it is made. False: it was not
  // within half a minute.
  bool Change(uint64_t range, const ReplicaChange& change);
  // A replica on `store`, caught up and voting.
  bool AddVoter(uint64_t range, int store);
  bool SetVoters(uint64_t range, const std::vector<int>& stores);
  bool AddLearner(uint64_t range, int store);
  bool RemoveLearner(uint64_t range, int store);
  // Runs until all replicas of the leader's descriptor hold the same rows of the range. False: not
  // within half a minute.
  bool Converges(uint64_t range);

  // Unsynced data and unflushed state are lost.
  void Crash(int id);
  void Restart(int id);
  absl::Status TryRestart(int id);
  // Until undone, no flush of this engine is complete by itself.
  void HoldFlushes(int id, bool held) { flushes_held_[id] = held; }
  // Until undone, no write of this log is begun.
  void StallLog(int id, bool stalled) { logs_stalled_[id] = stalled; }
  // Length D of the leases of stores that are started from now on.
  void SetLeaseDuration(consensus::Duration duration) { lease_duration_ = duration; }
  // Until undone, nothing goes from or to the store.
  void Isolate(int id, bool isolated) { isolated_[id] = isolated; }
  // All machines sleep: the boot clock counts on, the raw one does not.
  void Suspend(int milliseconds);
  // Called in each turn of each store, when its inputs are in and before anything is done.
  std::function<void(int id)> before_turn;
  // Called for each message between replicas; true: it is lost.
  std::function<bool(const consensus::Message& message)> drop;
  // Called when a store ends by itself, which is a failure of the test otherwise.
  std::function<void(int id, const absl::Status& status)> on_failure;

  const std::vector<consensus::Event>& events() const { return events_; }
  // Between groups, of all stores together.
  uint64_t messages_sent() const { return messages_sent_; }

 private:
  struct Node;
  struct Mail {
    int to = 0;
    int from = 0;
    int64_t sent_wall_us = 0;
    std::vector<consensus::Message> messages;
    std::vector<consensus::lease::LeaseMessage> leases;
  };

  void StepNode(Node* node);
  void CarryLeases(Node* node);
  void WriteLog(Node* node);
  void Post(int from, int to, std::vector<consensus::Message> messages,
            std::vector<consensus::lease::LeaseMessage> leases);

  uint64_t HashOf(int store, const RangeDescriptor& descriptor) const;

  const TestClusterOptions options_;
  consensus::Duration lease_duration_ = options_.store.lease_duration;
  int64_t now_ms_ = 1000;
  int64_t suspended_ms_ = 0;
  std::map<int, std::unique_ptr<Node>> nodes_;
  std::map<int, bool> isolated_;
  std::map<int, bool> flushes_held_;
  std::map<int, bool> logs_stalled_;
  std::map<int, int64_t> wall_error_ms_;
  std::vector<Mail> in_flight_;
  std::vector<consensus::Event> events_;
  uint64_t messages_sent_ = 0;
};

// Encoded messages for tests.
std::string SetBody(const std::string& key, const std::string& value);
std::string GetBody(const std::string& key);
std::string SplitBody(const std::string& full_key, uint64_t child, uint64_t collection);
// The value in an encoded GetResponse; nullopt: not found.
std::optional<std::string> ValueOf(const Response& response);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_TEST_CLUSTER_H_
