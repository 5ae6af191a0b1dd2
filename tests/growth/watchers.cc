// See watchers.h.

#include "tests/growth/watchers.h"

#include <glog/logging.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/status.h"
#include "tests/growth/pattern_load.h"

namespace rasputin::growth {
namespace {

using linearizability::Kind;
using linearizability::Operation;
using linearizability::Result;

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// What a call without an answer leaves: a read says nothing, a write may have been executed.
void Judge(const absl::Status& status, Operation* operation) {
  if (client::OutcomeIsUnknown(status)) return;
  operation->returned_ns = NowNs();
  operation->result = Result::kNotExecuted;
}

}  // namespace

Watchers::Watchers(const WatcherOptions& options)
    : options_(options), client_({options.endpoints, std::chrono::seconds(10)}) {}

Watchers::~Watchers() {
  if (!threads_.empty()) Stop();
}

void Watchers::Start() {
  for (int i = 0; i < options_.workers; ++i) {
    threads_.emplace_back([this, i] { Work(static_cast<uint64_t>(i)); });
  }
}

void Watchers::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Watchers::Work(uint64_t worker) {
  std::mt19937_64 random(options_.seed * 1000 + worker);
  for (uint64_t n = 0; !stop_; ++n) {
    Operation operation;
    operation.process = worker;
    const uint64_t key = random() % static_cast<uint64_t>(options_.keys);
    const uint64_t place = key * options_.keys_of_load / static_cast<uint64_t>(options_.keys);
    operation.key = absl::StrCat(KeyOf(place), "-watched");
    operation.value = absl::StrCat(worker, "-", n);
    operation.called_ns = NowNs();
    switch (random() % 4) {
      case 0:
        Set(&operation);
        break;
      case 1:
        Cas(&operation);
        break;
      default:
        Get(&operation);
        break;
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      history_.push_back(std::move(operation));
    }
    std::this_thread::sleep_for(options_.pause);
  }
}

void Watchers::Get(Operation* operation) {
  operation->kind = Kind::kGet;
  operation->value.clear();
  kv::v1::GetRequest request;
  request.set_key(operation->key);
  const auto response = client_.Get(request);
  if (!response.ok()) {
    ++failed_;
    return Judge(response.status(), operation);
  }
  operation->returned_ns = NowNs();
  operation->result = Result::kOk;
  if (response->found()) operation->observed = response->value();
  operation->version = response->version();
}

void Watchers::Set(Operation* operation) {
  operation->kind = Kind::kSet;
  kv::v1::SetRequest request;
  request.set_key(operation->key);
  request.set_value(operation->value);
  const auto response = client_.Set(request);
  if (!response.ok()) {
    ++failed_;
    return Judge(response.status(), operation);
  }
  operation->returned_ns = NowNs();
  operation->result = Result::kOk;
  operation->version = response->version();
}

// From what the key held a moment ago: it mostly succeeds.
void Watchers::Cas(Operation* operation) {
  operation->kind = Kind::kCas;
  kv::v1::GetRequest get;
  get.set_key(operation->key);
  const auto current = client_.Get(get);
  operation->called_ns = NowNs();
  if (!current.ok()) {
    ++failed_;
    operation->returned_ns = NowNs();
    operation->result = Result::kNotExecuted;
    return;
  }
  kv::v1::CasRequest request;
  request.set_key(operation->key);
  request.set_value(operation->value);
  if (current->found()) {
    request.set_expected_value(current->value());
    operation->expected = current->value();
  } else {
    request.set_expected_absent(true);
  }
  const auto response = client_.Cas(request);
  if (!response.ok()) {
    ++failed_;
    return Judge(response.status(), operation);
  }
  operation->returned_ns = NowNs();
  operation->result = Result::kOk;
  operation->swapped = response->success();
  if (response->found()) operation->observed = response->value();
}

}  // namespace rasputin::growth
