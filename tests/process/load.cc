// See load.h.

#include "tests/process/load.h"

#include <glog/logging.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/status.h"

namespace rasputin::process {

using linearizability::Kind;
using linearizability::Operation;
using linearizability::Result;

int64_t Load::NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Load::Load(const LoadOptions& options)
    : options_(options),
      client_({options.endpoints, std::chrono::seconds(10)}),
      tallies_(static_cast<size_t>(options.counters)) {}

Load::~Load() {
  if (!threads_.empty()) Stop();
}

void Load::Start() {
  stop_ = false;
  for (int i = 0; i < options_.workers; ++i) {
    threads_.emplace_back([this, i] { Work(static_cast<uint64_t>(i)); });
  }
}

void Load::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Load::Work(uint64_t process) {
  std::mt19937_64 random(options_.seed * 1000 + process);
  std::uniform_int_distribution<int> pick(0, options_.counters - 1);
  while (!stop_) Increment(process, pick(random));
}

void Load::Record(Operation operation) {
  const std::lock_guard<std::mutex> lock(mutex_);
  history_.push_back(std::move(operation));
}

void Load::Increment(uint64_t process, int counter) {
  Operation get;
  get.process = process;
  get.kind = Kind::kGet;
  get.key = Key(counter);
  get.called_ns = NowNs();
  kv::v1::GetRequest read;
  read.set_key(get.key);
  const auto current = client_.Get(read);
  if (!current.ok()) {  // A read without an answer says nothing.
    LOG(WARNING) << "read failed: " << current.status();
    ++failed_;
    return;
  }
  get.returned_ns = NowNs();
  get.result = Result::kOk;
  if (current->found()) get.observed = current->value();
  get.version = current->version();
  Record(get);

  const uint64_t value = current->found() ? std::stoull(current->value()) : 0;
  kv::v1::CasRequest write;
  write.set_key(get.key);
  write.set_value(std::to_string(value + 1));
  if (current->found()) {
    write.set_expected_value(current->value());
  } else {
    write.set_expected_absent(true);
  }
  Operation cas;
  cas.process = process;
  cas.kind = Kind::kCas;
  cas.key = get.key;
  cas.value = write.value();
  cas.expected = get.observed;
  cas.called_ns = NowNs();
  const auto swapped = client_.Cas(write);
  const int64_t returned = NowNs();
  if (!swapped.ok()) ++failed_;
  const std::lock_guard<std::mutex> lock(mutex_);
  CounterTally& tally = tallies_[static_cast<size_t>(counter)];
  if (swapped.ok()) {
    cas.returned_ns = returned;
    cas.result = Result::kOk;
    cas.swapped = swapped->success();
    if (swapped->found()) cas.observed = swapped->value();
    if (swapped->success()) {
      ++tally.acknowledged;
      ++acknowledged_;
      write_times_.push_back(returned);
    }
  } else if (client::OutcomeIsUnknown(swapped.status())) {
    LOG(WARNING) << "outcome unknown: " << swapped.status();
    ++tally.unknown;
  } else {
    LOG(WARNING) << "not executed: " << swapped.status();
    cas.returned_ns = returned;
    cas.result = Result::kNotExecuted;
  }
  history_.push_back(std::move(cas));
}

void Load::AwaitWrites(uint64_t more, std::chrono::seconds at_most,
                       const std::function<void()>& meanwhile) const {
  const auto end = std::chrono::steady_clock::now() + at_most;
  for (const uint64_t target = acknowledged_ + more; acknowledged_ < target;) {
    CHECK(std::chrono::steady_clock::now() < end)
        << "not " << more << " writes in " << at_most.count() << " s; servers' logs are in the "
        << "folders of the cluster";
    if (meanwhile != nullptr) meanwhile();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

std::vector<int64_t> Load::WriteTimes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<int64_t> times = write_times_;
  std::sort(times.begin(), times.end());
  return times;
}

CounterVerdict Load::JudgeCounters() {
  CounterVerdict verdict;
  for (size_t i = 0; i < tallies_.size(); ++i) {
    const CounterTally& tally = tallies_[i];
    const uint64_t value = ReadCounter(static_cast<int>(i));
    const bool lost = value < tally.acknowledged;
    const bool doubled = value > tally.acknowledged + tally.unknown;
    verdict.acknowledged += tally.acknowledged;
    verdict.unknown += tally.unknown;
    verdict.lost += lost ? 1 : 0;
    verdict.doubled += doubled ? 1 : 0;
    if (!lost && !doubled) continue;
    absl::StrAppend(&verdict.explanation, "counter ", i, " is ", value, " after ",
                    tally.acknowledged, " acknowledged and ", tally.unknown, " unknown\n");
  }
  return verdict;
}

uint64_t Load::ReadCounter(int counter) {
  kv::v1::GetRequest request;
  request.set_key(Key(counter));
  for (int attempt = 0; attempt < 6; ++attempt) {
    const auto response = client_.Get(request);
    if (response.ok()) return response->found() ? std::stoull(response->value()) : 0;
    LOG(WARNING) << "final read of " << request.key() << ": " << response.status();
  }
  LOG(FATAL) << "the counter could not be read within 60 s";
}

}  // namespace rasputin::process
