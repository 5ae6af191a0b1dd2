// The benchmark: which loops run in which order, and what is measured around them.
//
// One or two systems; with two, their loops alternate (A B A B), so that what else the machine does
// hits both. Not responsible for showing results (report.h). Blocking; one run per process at a
// time.

#ifndef RASPUTIN_CLIENT_BENCH_BENCH_H_
#define RASPUTIN_CLIENT_BENCH_BENCH_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/load.h"
#include "client/bench/process_cpu.h"
#include "client/bench/workload.h"

namespace rasputin::client {

struct BenchOptions {
  std::vector<std::string> rasputin;  // Endpoints; empty: not driven.
  std::vector<std::string> etcd;      // The same.
  std::vector<BenchOperation> operations;
  std::vector<uint32_t> outstanding;
  WorkloadOptions workload;
  LoadOptions load;
  std::chrono::milliseconds warmup = std::chrono::seconds(2);
  std::chrono::milliseconds duration = std::chrono::seconds(10);
  uint32_t rounds = 1;
  // Whose CPU is counted; empty: who listens on the addresses used. Names that begin with "etcd"
  // belong to etcd.
  std::vector<ServerProcess> processes;
};

// One loop and what the machine did meanwhile.
struct Measurement {
  LoopResult loop;
  double client_cpu_seconds = 0;
  std::vector<std::pair<std::string, double>> server_cpu_seconds;  // By process.
  // Share of all processors that other processes took while it was measured.
  double others_share = 0;
};

struct BenchRow {
  std::string system;
  BenchOperation operation = BenchOperation::kGet;
  uint32_t outstanding = 0;
  std::vector<Measurement> rounds;
};

// `live`: a line that replaces the last one, several times a second; `done`: a line for each
// finished loop. Both may be empty. Rows in the order of operations, outstanding, systems. Error: a
// system cannot be reached.
absl::StatusOr<std::vector<BenchRow>> RunBench(const BenchOptions& options,
                                               const std::function<void(const std::string&)>& live,
                                               const std::function<void(const std::string&)>& done);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_BENCH_BENCH_H_
