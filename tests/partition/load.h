// Paced closed loops against every node of a cluster at once, each through its own node, and the
// history of what they did.
//
// Per node so many writers and readers, each with one operation outstanding; keys are shared by all
// and chosen at random, values are unique. A loop that was held up does not catch up. Not
// responsible for judging the history. Thread-safe where noted.

#ifndef RASPUTIN_TESTS_PARTITION_LOAD_H_
#define RASPUTIN_TESTS_PARTITION_LOAD_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/linearizability/history.h"
#include "tests/partition/target.h"

namespace rasputin::partition {

struct LoadOptions {
  std::string system;                  // See MakeTarget.
  std::vector<std::string> addresses;  // One per node.
  int writers = 1;                     // Per node.
  int readers = 1;                     // Per node.
  double rate = 100;                   // Operations per second of each loop, at most.
  std::chrono::milliseconds timeout = std::chrono::seconds(2);  // Of each operation.
  int keys = 8;
  uint64_t seed = 1;
};

// Successful operations so far through one node.
struct Progress {
  uint64_t writes = 0;
  uint64_t reads = 0;
};

class Load {
 public:
  explicit Load(const LoadOptions& options);
  ~Load();

  void Start();
  void Stop();  // Waits for what is under way.
  // By node. Thread-safe.
  std::vector<Progress> Progresses() const;

  // After Stop: reads every key through each of `nodes`, repeating for at most 30 s each, into the
  // history. Returns the number of reads that were not answered.
  int ReadEverything(const std::vector<int>& nodes);
  // After Stop. `process` of an operation is its node * 1000 + the number of its loop.
  const linearizability::History& history() const { return history_; }

 private:
  struct Counters {
    std::atomic<uint64_t> writes{0};
    std::atomic<uint64_t> reads{0};
  };

  void Work(int node, int loop);
  linearizability::Operation Write(int node, const std::string& key, const std::string& value);
  linearizability::Operation Read(int node, const std::string& key,
                                  std::chrono::milliseconds timeout);
  static std::string Key(int key) { return "key-" + std::to_string(key); }

  const LoadOptions options_;
  std::vector<std::unique_ptr<Target>> targets_;
  std::vector<Counters> counters_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  linearizability::History history_;
};

}  // namespace rasputin::partition

#endif  // RASPUTIN_TESTS_PARTITION_LOAD_H_
