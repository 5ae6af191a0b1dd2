// A closed loop of unary gRPC calls: so many outstanding, each followed by the next.
//
// The same code for every system: it sees methods and bytes only. One thread with a completion
// queue for each group of connections. A call that fails is counted, and its place in the loop
// rests for 20 ms. Not responsible for what is asked (workload.h) nor for CPU (process_cpu.h). The
// object belongs to one thread.

#ifndef RASPUTIN_CLIENT_BENCH_LOAD_H_
#define RASPUTIN_CLIENT_BENCH_LOAD_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/bench/histogram.h"
#include "client/bench/workload.h"

namespace rasputin::client {

struct LoadOptions {
  uint32_t connections = 4;  // TCP connections to each address that is used.
  uint32_t threads = 1;      // At most one for each connection.
  std::chrono::milliseconds call_deadline = std::chrono::seconds(5);
};

struct LoopOptions {
  BenchOperation operation = BenchOperation::kGet;
  uint32_t outstanding = 1;
  uint64_t keys = 1;
  // Uncounted, then counted. Keys are chosen uniformly.
  std::chrono::milliseconds warmup{0};
  std::chrono::milliseconds duration{0};
  // Instead of the times: each key once, in order.
  bool every_key_once = false;
};

struct LoopResult {
  uint64_t operations = 0;  // Answered within the counted time.
  uint64_t errors = 0;      // Failed within it, or of the wrong content.
  std::string first_error;
  double seconds = 0;  // The counted time.
  Histogram latency;   // Of the operations answered.
};

// Told while a loop runs, from the thread that runs it.
struct LoopEvents {
  std::function<void()> counting_begins;
  std::function<void()> counting_ends;
  // Several times a second: operations so far, warm-up included.
  std::function<void(uint64_t operations)> progress;
};

class Load {
 public:
  // The cluster must outlive the load.
  Load(const LoadOptions& options, Cluster* cluster);
  ~Load();

  // Finds the leaders and waits for connections to them.
  absl::Status Connect();
  // After Connect.
  const std::vector<std::string>& addresses() const;
  // After Connect. Leaders are looked up again while calls fail.
  LoopResult Run(const LoopOptions& loop, const LoopEvents& events);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// One unary call on a connection of its own.
absl::StatusOr<std::string> CallOnce(const std::string& address, const std::string& method,
                                     const std::string& request, std::chrono::milliseconds timeout);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_BENCH_LOAD_H_
