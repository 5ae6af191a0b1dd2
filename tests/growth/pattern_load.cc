// See pattern_load.h.

#include "tests/growth/pattern_load.h"

#include <glog/logging.h>

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rasputin::growth {
namespace {

using std::chrono::steady_clock;

constexpr int kWorkersPerClient = 12;
constexpr uint64_t kBatch = 500;
constexpr uint64_t kScanRows = 200;
constexpr size_t kLatenciesMax = 1'000'000;
constexpr size_t kErrorsMax = 20;
// Inserts at the tail lie behind all keys that there are.
constexpr uint64_t kTailBegins = 5'000'000'000;

struct Named {
  Pattern pattern;
  const char* name;
};
constexpr Named kPatterns[] = {{Pattern::kUniform, "uniform"}, {Pattern::kZipfian, "zipfian"},
                               {Pattern::kHotKey, "hotkey"},   {Pattern::kTail, "tail"},
                               {Pattern::kScans, "scans"},     {Pattern::kDeletes, "deletes"},
                               {Pattern::kNothing, "nothing"}, {Pattern::kUniformGets, "gets"}};

// Nothing that an engine could compress.
std::string Value(uint64_t bytes, std::mt19937_64* random) {
  std::string value;
  value.reserve(bytes + sizeof(uint64_t));
  while (value.size() < bytes) {
    const uint64_t draw = (*random)();
    value.append(reinterpret_cast<const char*>(&draw), sizeof(draw));
  }
  value.resize(bytes);
  return value;
}

// A batch has failed if one of its operations has.
absl::Status StatusOf(const absl::StatusOr<kv::v1::BatchResponse>& response) {
  if (!response.ok()) return response.status();
  for (const auto& result : response->results()) {
    if (!result.has_error()) continue;
    return absl::Status(static_cast<absl::StatusCode>(result.error().code()),
                        result.error().message());
  }
  return absl::OkStatus();
}

}  // namespace

const char* NameOf(Pattern pattern) {
  for (const Named& named : kPatterns) {
    if (named.pattern == pattern) return named.name;
  }
  return nullptr;
}

bool ParsePattern(const std::string& name, Pattern* pattern) {
  for (const Named& named : kPatterns) {
    if (name != named.name) continue;
    *pattern = named.pattern;
    return true;
  }
  return false;
}

std::string KeyOf(uint64_t number) { return absl::StrFormat("key%012d", number); }

PatternLoad::PatternLoad(const PatternLoadOptions& options) : options_(options) {
  if (options.pattern == Pattern::kZipfian) zipfian_ = std::make_unique<Zipfian>(options.keys);
  for (int i = 0; i < options.workers; i += kWorkersPerClient) {
    client::ClientOptions client;
    client.endpoints = options.endpoints;
    clients_.push_back(std::make_unique<client::Client>(client));
  }
}

PatternLoad::~PatternLoad() {
  if (!threads_.empty()) Stop();
}

void PatternLoad::Fill() {
  std::atomic<uint64_t> next{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < clients_.size(); ++i) {
    threads.emplace_back([this, &next, i] {
      std::mt19937_64 random(options_.seed + i);
      for (uint64_t begin = next.fetch_add(kBatch); begin < options_.keys;
           begin = next.fetch_add(kBatch)) {
        kv::v1::BatchRequest batch;
        for (uint64_t n = begin; n < std::min(begin + kBatch, options_.keys); ++n) {
          auto* set = batch.add_operations()->mutable_set();
          set->set_key(KeyOf(n));
          set->set_value(Value(options_.value_bytes, &random));
        }
        const absl::Status done = StatusOf(clients_[i]->Batch(batch));
        CHECK(done.ok()) << "filling: " << done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void PatternLoad::Start() {
  if (options_.pattern == Pattern::kNothing) return;
  for (int i = 0; i < options_.workers; ++i) {
    threads_.emplace_back([this, i] { Work(i); });
  }
}

void PatternLoad::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void PatternLoad::Work(int worker) {
  const Distribution distribution = options_.pattern == Pattern::kZipfian  ? Distribution::kZipfian
                                    : options_.pattern == Pattern::kHotKey ? Distribution::kOneKey
                                                                           : Distribution::kUniform;
  const uint64_t seed = options_.seed * 1000 + static_cast<uint64_t>(worker);
  KeyPicker picker(distribution, options_.keys, zipfian_.get(), seed);
  std::mt19937_64 random(seed + 7);
  client::Client* client = clients_[static_cast<size_t>(worker / kWorkersPerClient)].get();
  while (!stop_) {
    const auto begin = steady_clock::now();
    const absl::Status status = Once(&picker, client, &random);
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - begin);
    if (absl::IsOutOfRange(status)) return;  // Nothing is left to do.
    const std::lock_guard<std::mutex> lock(mutex_);
    if (status.ok()) {
      ++second_.operations;
      if (latencies_us_.size() < kLatenciesMax) {
        latencies_us_.push_back(static_cast<uint32_t>(took.count()));
      }
      continue;
    }
    ++second_.failed;
    if (errors_.size() < kErrorsMax) errors_.push_back(status.ToString());
  }
}

absl::Status PatternLoad::Once(KeyPicker* picker, client::Client* client, std::mt19937_64* random) {
  switch (options_.pattern) {
    case Pattern::kScans:
      return ScanFrom(picker->Next(), client);
    case Pattern::kDeletes:
      return DeleteNext(client);
    default:
      break;
  }
  const bool inserts = options_.pattern == Pattern::kTail;
  const uint64_t number = inserts ? kTailBegins + next_.fetch_add(1) : picker->Next();
  const bool gets = options_.pattern == Pattern::kUniformGets || (!inserts && (*random)() % 2 == 0);
  if (gets) {
    kv::v1::GetRequest get;
    get.set_key(KeyOf(number));
    return client->Get(get).status();
  }
  kv::v1::SetRequest set;
  set.set_key(KeyOf(number));
  set.set_value(Value(options_.value_bytes, random));
  return client->Set(set).status();
}

absl::Status PatternLoad::ScanFrom(uint64_t number, client::Client* client) {
  kv::v1::ScanRequest scan;
  scan.set_start(KeyOf(number));
  scan.set_limit(kScanRows);
  return client->Scan(scan, [](const kv::v1::KeyValue&) { return true; });
}

absl::Status PatternLoad::DeleteNext(client::Client* client) {
  const uint64_t begin = next_.fetch_add(kBatch);
  if (begin >= options_.keys) return absl::OutOfRangeError("all keys are deleted");
  kv::v1::BatchRequest batch;
  for (uint64_t n = begin; n < std::min(begin + kBatch, options_.keys); ++n) {
    batch.add_operations()->mutable_delete_()->set_key(KeyOf(n));
  }
  return StatusOf(client->Batch(batch));
}

SecondOfLoad PatternLoad::TakeSecond() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(second_, SecondOfLoad());
}

std::vector<uint32_t> PatternLoad::TakeLatencies() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<uint32_t> latencies = std::exchange(latencies_us_, {});
  std::sort(latencies.begin(), latencies.end());
  return latencies;
}

std::vector<std::string> PatternLoad::errors() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return errors_;
}

}  // namespace rasputin::growth
