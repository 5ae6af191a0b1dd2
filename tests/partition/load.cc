// See load.h.

#include "tests/partition/load.h"

#include <glog/logging.h>

#include <random>
#include <utility>

namespace rasputin::partition {

using linearizability::Kind;
using linearizability::Operation;
using linearizability::Result;
using std::chrono::steady_clock;

namespace {

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             steady_clock::now().time_since_epoch())
      .count();
}

void Take(Reply reply, Operation* operation) {
  operation->result = reply.result;
  operation->version = reply.version;
  if (reply.result != Result::kUnknown) operation->returned_ns = NowNs();
  if (operation->kind == Kind::kGet) operation->observed = std::move(reply.value);
}

}  // namespace

Load::Load(const LoadOptions& options) : options_(options), counters_(options.addresses.size()) {
  for (const std::string& address : options.addresses) {
    targets_.push_back(MakeTarget(options.system, address));
    CHECK(targets_.back() != nullptr) << "unknown system " << options.system;
  }
}

Load::~Load() {
  if (!threads_.empty()) Stop();
}

void Load::Start() {
  for (size_t node = 0; node < targets_.size(); ++node) {
    for (int loop = 0; loop < options_.writers + options_.readers; ++loop) {
      threads_.emplace_back([this, node, loop] { Work(static_cast<int>(node), loop); });
    }
  }
}

void Load::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::vector<Progress> Load::Progresses() const {
  std::vector<Progress> progresses;
  for (const Counters& counters : counters_) {
    progresses.push_back({counters.writes.load(), counters.reads.load()});
  }
  return progresses;
}

Operation Load::Write(int node, const std::string& key, const std::string& value) {
  Operation write;
  write.kind = Kind::kSet;
  write.key = key;
  write.value = value;
  write.called_ns = NowNs();
  Take(targets_[static_cast<size_t>(node)]->Set(key, value, options_.timeout), &write);
  return write;
}

Operation Load::Read(int node, const std::string& key, std::chrono::milliseconds timeout) {
  Operation read;
  read.kind = Kind::kGet;
  read.key = key;
  read.called_ns = NowNs();
  Take(targets_[static_cast<size_t>(node)]->Get(key, timeout), &read);
  return read;
}

void Load::Work(int node, int loop) {
  const uint64_t process = static_cast<uint64_t>(node) * 1000 + static_cast<uint64_t>(loop);
  const bool writes = loop < options_.writers;
  std::mt19937_64 random(options_.seed * 1'000'000 + process);
  std::uniform_int_distribution<int> pick(0, options_.keys - 1);
  const auto period = std::chrono::duration_cast<steady_clock::duration>(
      std::chrono::duration<double>(1 / options_.rate));
  linearizability::History mine;
  for (uint64_t number = 0; !stop_; ++number) {
    const auto next = steady_clock::now() + period;
    const std::string key = Key(pick(random));
    Operation operation =
        writes ? Write(node, key, std::to_string(process) + "-" + std::to_string(number))
               : Read(node, key, options_.timeout);
    operation.process = process;
    if (operation.result == Result::kOk) {
      Counters& counters = counters_[static_cast<size_t>(node)];
      ++(writes ? counters.writes : counters.reads);
    }
    mine.push_back(std::move(operation));
    std::this_thread::sleep_until(next);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  history_.insert(history_.end(), mine.begin(), mine.end());
}

int Load::ReadEverything(const std::vector<int>& nodes) {
  constexpr int kAttempts = 6;
  int unanswered = 0;
  for (const int node : nodes) {
    for (int key = 0; key < options_.keys; ++key) {
      Operation read;
      for (int attempt = 0; attempt < kAttempts && read.result != Result::kOk; ++attempt) {
        read = Read(node, Key(key), std::chrono::seconds(5));
      }
      read.process = static_cast<uint64_t>(node) * 1000 + 999;
      if (read.result != Result::kOk) ++unanswered;
      history_.push_back(std::move(read));
    }
  }
  return unanswered;
}

}  // namespace rasputin::partition
