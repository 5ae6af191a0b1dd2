// What applying costs: 256-byte sets of 100,000 keys in turns of 64, on each engine, with and
// without a RequestId. By hand: bazel run -c opt //kv:apply_benchmark. Not a test; figures depend
// on the machine.

#include <benchmark/benchmark.h>
#include <glog/logging.h>
#include <stdlib.h>

#include <memory>
#include <string>
#include <vector>

#include "kv/command.h"
#include "kv/memory_engine.h"
#include "kv/range_rows.h"
#include "kv/rocks_engine.h"
#include "kv/state_machine.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::kv {
namespace {

constexpr int kKeys = 100'000;
constexpr int kCommandsPerTurn = 64;
constexpr Space kSpace{2, 10};

std::string KeyOf(uint64_t n) { return "key" + std::to_string(n * 7919 % kKeys + kKeys); }

std::vector<absl::Cord> Bodies() {
  std::vector<absl::Cord> bodies;
  v1::SetRequest request;
  request.set_value(std::string(256, 'v'));
  for (int i = 0; i < kKeys; ++i) {
    request.set_key(KeyOf(i));
    bodies.emplace_back(request.SerializeAsString());
  }
  return bodies;
}

std::unique_ptr<Engine> MakeEngine(bool rocks) {
  if (!rocks) return std::make_unique<MemoryEngine>();
  RocksOptions options;
  options.path = "/tmp/apply_benchmark_XXXXXX";
  CHECK(mkdtemp(options.path.data()) != nullptr);
  return OpenRocksEngine(options).value();
}

void ApplySets(benchmark::State& state, bool rocks, bool sessions) {
  const std::vector<absl::Cord> bodies = Bodies();
  const std::unique_ptr<Engine> engine = MakeEngine(rocks);
  Turn turn(engine.get());
  uint64_t n = 0;
  for (auto _ : state) {
    Command command;
    command.operation = Operation::kSet;
    command.version = (1'700'000'000'000 << 16) + ++n;
    command.body = bodies[n % kKeys];
    if (sessions) command.session = RequestId{n % 64 + 1, n, 0, 1'700'000'000'000};
    benchmark::DoNotOptimize(Apply(kSpace, command, &turn));
    if (n % kCommandsPerTurn == 0) {
      WriteAppliedState(kSpace.range_id, {n, 1, command.version}, &turn);
      absl::Status status;
      do {
        status = turn.Commit();
      } while (absl::IsResourceExhausted(status));
      CHECK(status.ok()) << status;
    }
  }
  CHECK(turn.Empty() || turn.Commit().ok());
  state.SetItemsProcessed(state.iterations());
}

void GetFromRocks(benchmark::State& state) {
  const std::vector<absl::Cord> bodies = Bodies();
  const std::unique_ptr<Engine> engine = MakeEngine(true);
  Turn turn(engine.get());
  for (int i = 0; i < kKeys; ++i) {
    Command command;
    command.operation = Operation::kSet;
    command.version = i + 1;
    command.body = bodies[i];
    CHECK(Apply(kSpace, command, &turn).ok());
    if (i % 1000 == 999) CHECK(turn.Commit().ok());
  }
  v1::GetRequest request;
  uint64_t n = 0;
  for (auto _ : state) {
    request.set_key(KeyOf(++n));
    benchmark::DoNotOptimize(Get(kSpace, absl::Cord(request.SerializeAsString()), *engine));
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(ApplySets, memory, false, false);
BENCHMARK_CAPTURE(ApplySets, rocks, true, false)->MinTime(2);
BENCHMARK_CAPTURE(ApplySets, rocks_with_request_id, true, true)->MinTime(2);
BENCHMARK(GetFromRocks);

}  // namespace
}  // namespace rasputin::kv

BENCHMARK_MAIN();
