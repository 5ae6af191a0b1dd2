// Load that can be judged afterwards: counters incremented by cas, and gets, over a shared client.
//
// Each worker increments a random counter: reads it, then Cas from the value read to the next, with
// the client's request id and repetitions. All operations are recorded as a history. Thread-safe
// where noted.

#ifndef RASPUTIN_TESTS_PROCESS_LOAD_H_
#define RASPUTIN_TESTS_PROCESS_LOAD_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
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

// For every counter must hold: acknowledged increments <= final value <= acknowledged + unknown.
struct CounterVerdict {
  uint64_t acknowledged = 0;  // Increments of all counters.
  uint64_t unknown = 0;
  uint64_t lost = 0;        // Counters below what was acknowledged.
  uint64_t doubled = 0;     // Counters above acknowledged + unknown.
  std::string explanation;  // A line for each of these.
};

class Load {
 public:
  explicit Load(const LoadOptions& options);
  ~Load();

  void Start();
  void Stop();  // Waits for what is under way.

  // Returns once so many more writes were acknowledged (CHECK: within so long), and calls
  // `meanwhile` again and again. Polls, as progress is an event of other processes. Thread-safe.
  void AwaitWrites(uint64_t more, std::chrono::seconds at_most,
                   const std::function<void()>& meanwhile = nullptr) const;

  // Nanoseconds of the monotonic clock at which writes were acknowledged. Thread-safe.
  std::vector<int64_t> WriteTimes() const;
  uint64_t acknowledged() const { return acknowledged_; }
  // Calls that ended with an error in spite of their repetitions. Thread-safe.
  uint64_t failed() const { return failed_; }
  // After Stop: what has become of the counters, whose final values are read for it (CHECK: each
  // within 60 s), and everything that was done.
  CounterVerdict JudgeCounters();
  const linearizability::History& history() const { return history_; }

  static std::string Key(int counter) { return "counter-" + std::to_string(counter); }
  static int64_t NowNs();

 private:
  struct CounterTally {
    uint64_t acknowledged = 0;
    uint64_t unknown = 0;
  };

  uint64_t ReadCounter(int counter);
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
