// What a review of many busy ranges costs, in one piece and a few at a time, and the list of the
// busiest.
//
// By hand: bazel run -c opt //range:review_benchmark. Not a test; figures depend on the machine.
// One store in memory, without the front end, which is told what was found.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "range/descriptor.h"
#include "range/test_cluster.h"

namespace rasputin::range {
namespace {

std::string Key(uint64_t n) {
  std::string digits = std::to_string(n);
  return "user" + std::string(8 - digits.size(), '0') + digits;
}

std::string Full(uint64_t n) { return CollectionPrefix(kDefaultCollectionId) + Key(n); }

struct Ignoring : Completion {
  void Done(Response) override {}
};

// To a range of the only store; nothing is looked up by walking over all of them.
Request To(uint64_t range, kv::Operation operation, uint64_t n, TestCluster* cluster) {
  Request request;
  request.operation = operation;
  request.range = RangeId(range);
  const auto replica = cluster->store(1).DescribeReplica(cluster->Now(), request.range);
  request.generation = Generation(replica->descriptor.generation());
  request.first_key = request.last_key = Full(n);
  request.deadline = cluster->Now().boot + std::chrono::seconds(5);
  return request;
}

// Range 2 is cut at each key.
void Split(uint64_t ranges, TestCluster* cluster) {
  for (uint64_t n = ranges - 1; n >= 1; --n) {
    Request request = To(2, kv::Operation::kSplit, n, cluster);
    request.body = absl::Cord(SplitBody(Full(n), n + 10, kDefaultCollectionId));
    cluster->Call(1, std::move(request));
  }
  cluster->RunFor(3000);
}

void GiveLoad(uint64_t ranges, TestCluster* cluster, Ignoring* ignoring) {
  for (uint64_t n = 0; n < ranges; ++n) {
    Request request = To(n == 0 ? 2 : n + 10, kv::Operation::kGet, n, cluster);
    request.body = absl::Cord(GetBody(Key(n)));
    request.completion = ignoring;
    cluster->store(1).Submit(cluster->Now(), std::move(request));
  }
  cluster->RunFor(1000);
}

TestCluster* ClusterOf(uint64_t ranges) {
  static std::unique_ptr<TestCluster> cluster;
  static uint64_t made = 0;
  if (made == ranges) return cluster.get();
  made = ranges;
  cluster = std::make_unique<TestCluster>(1);
  cluster->RunUntil([] { return cluster->Leader(2) == 1; });
  Split(ranges, cluster.get());
  return cluster.get();
}

// Arguments: ranges, and at most so many in a piece. The time is that of a piece.
void Review(benchmark::State& state) {
  const auto ranges = static_cast<uint64_t>(state.range(0));
  TestCluster* cluster = ClusterOf(ranges);
  Ignoring ignoring;
  ReviewOptions options;
  options.ranges_max = static_cast<size_t>(state.range(1));
  bool more = false;
  for (auto _ : state) {
    if (!more) {
      state.PauseTiming();
      GiveLoad(ranges, cluster, &ignoring);
      state.ResumeTiming();
    }
    benchmark::DoNotOptimize(cluster->store(1).ReviewRanges(cluster->Now(), options, &more));
  }
}
BENCHMARK(Review)->Unit(benchmark::kMicrosecond)->Args({20'000, 1'000'000})->Args({20'000, 64});

void ListBusiest(benchmark::State& state) {
  TestCluster* cluster = ClusterOf(20'000);
  for (auto _ : state) {
    benchmark::DoNotOptimize(cluster->store(1).ListLoads(cluster->Now(), 1000));
  }
}
BENCHMARK(ListBusiest)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rasputin::range

BENCHMARK_MAIN();
