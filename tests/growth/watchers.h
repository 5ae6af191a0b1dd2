// A few clients whose operations are all recorded, on keys that lie between those of the load: what
// they saw is judged for linearizability, whatever the ranges did meanwhile.
//
// Each picks a key and gets, sets or compares-and-sets it; every value written is unique.
// Thread-safe where noted.

#ifndef RASPUTIN_TESTS_GROWTH_WATCHERS_H_
#define RASPUTIN_TESTS_GROWTH_WATCHERS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "tests/linearizability/history.h"

namespace rasputin::growth {

struct WatcherOptions {
  std::vector<std::string> endpoints;
  int workers = 4;
  std::chrono::milliseconds pause{0};  // Of each worker between two operations.
  int keys = 64;
  uint64_t keys_of_load = 1'000'000;  // Over which theirs are spread.
  uint64_t seed = 1;
};

class Watchers {
 public:
  explicit Watchers(const WatcherOptions& options);
  ~Watchers();

  void Start();
  void Stop();  // Waits for what is under way.

  // Calls that ended with an error in spite of their repetitions. Thread-safe.
  uint64_t failed() const { return failed_; }
  // After Stop.
  const linearizability::History& history() const { return history_; }

 private:
  void Work(uint64_t worker);
  void Get(linearizability::Operation* operation);
  void Set(linearizability::Operation* operation);
  void Cas(linearizability::Operation* operation);

  const WatcherOptions options_;
  client::Client client_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> failed_{0};
  std::mutex mutex_;
  linearizability::History history_;
};

}  // namespace rasputin::growth

#endif  // RASPUTIN_TESTS_GROWTH_WATCHERS_H_
