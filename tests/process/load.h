// Load that can be judged afterwards: counters incremented by cas, and gets, over a shared client.
//
// Each worker increments a random counter: reads it, then Cas from the value read to the next, with
// the client's request id and repetitions. For every counter must hold: acknowledged increments <=
// final value
// <= acknowledged + unknown. All operations are recorded as a history. Thread-safe where noted.

#ifndef RASPUTIN_TESTS_PROCESS_LOAD_H_
#define RASPUTIN_TESTS_PROCESS_LOAD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "tests/linearizability/history.h"

namespace rasputin::process {

struct LoadOptions {
  std::vector<std::string> endpoints;
  int workers = 8;
  int counters = 16;
  uint64_t seed = 1;
};

struct CounterTally {
  uint64_t acknowledged = 0;
  uint64_t unknown = 0;
};

class Load {
 public:
  explicit Load(const LoadOptions& options);
  ~Load();

  void Start();
  void Stop();  // Waits for what is under way.

  // Nanoseconds of the monotonic clock at which writes were acknowledged. Thread-safe.
  std::vector<int64_t> WriteTimes() const;
  uint64_t acknowledged() const { return acknowledged_; }
  // Calls that ended with an error in spite of their repetitions. Thread-safe.
  uint64_t failed() const { return failed_; }
  // After Stop: the tallies, and everything that was done.
  const std::vector<CounterTally>& tallies() const { return tallies_; }
  const linearizability::History& history() const { return history_; }
  // Reads a counter's final value; retries until it is answered (CHECK: within 60 s).
  uint64_t ReadCounter(int counter);

  static std::string Key(int counter) { return "counter-" + std::to_string(counter); }
  static int64_t NowNs();

 private:
  void Work(uint64_t process);
  void Increment(uint64_t process, int counter);
  void Record(linearizability::Operation operation);

  const LoadOptions options_;
  client::Client client_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<uint64_t> failed_{0};
  mutable std::mutex mutex_;
  std::vector<CounterTally> tallies_;
  std::vector<int64_t> write_times_;
  linearizability::History history_;
};

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_LOAD_H_
