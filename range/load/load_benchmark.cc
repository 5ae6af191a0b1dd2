// What measuring costs: a request taken down at its range and in the store's total, its keys
// sampled, its answer put into the histograms; and a verdict's look at the samples. By hand: bazel
// run -c opt //range/load:load_benchmark. Not a test; figures depend on the machine.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "range/load/load_book.h"

namespace rasputin::range {
namespace {

std::vector<std::string> Keys() {
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < 4096; ++i) {
    keys.push_back(std::string(8, '\0') + "user" + std::to_string(i * 7919 % 4096 + 1'000'000));
  }
  return keys;
}

// `per_second` requests in a second of the clock.
void TakeDown(benchmark::State& state, bool answers) {
  const std::vector<std::string> keys = Keys();
  const auto step = std::chrono::nanoseconds(1'000'000'000 / state.range(0));
  consensus::Instant now(std::chrono::seconds(1));
  LoadBook book(now, 7);
  RangeLoadState load;
  RequestWork work;
  work.operation = kv::Operation::kSet;
  work.writes = true;
  work.bytes = 300;
  uint64_t n = 0;
  for (auto _ : state) {
    const std::string& key = keys[++n % keys.size()];
    work.first_key = key;
    work.last_key = key;
    book.OnRequest(now, consensus::RangeId(7), work, &load);
    if (answers) {
      book.OnAnswer(work.operation, std::chrono::microseconds(500 + n % 512), 300 + n % 64, &load);
    }
    now += step;
  }
}

void Request(benchmark::State& state) { TakeDown(state, false); }
void RequestAndAnswer(benchmark::State& state) { TakeDown(state, true); }
BENCHMARK(Request)->Arg(1000)->Arg(10'000)->Arg(100'000);
BENCHMARK(RequestAndAnswer)->Arg(1000)->Arg(10'000)->Arg(100'000);

void LookAtSamples(benchmark::State& state) {
  const std::vector<std::string> keys = Keys();
  KeySampler sampler(7);
  for (int i = 0; i < 4096; ++i) sampler.Observe(keys[i], keys[i]);
  for (auto _ : state) benchmark::DoNotOptimize(DivideLoad(sampler.samples()));
}
BENCHMARK(LookAtSamples);

}  // namespace
}  // namespace rasputin::range

BENCHMARK_MAIN();
