// See load.h. The generic stub is used, because it sends bytes as they are.

#include "client/bench/load.h"

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/endpoints.h"

namespace rasputin::client {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRestAfterError(20);
constexpr std::chrono::milliseconds kProgressInterval(200);
constexpr std::chrono::seconds kConnectPatience(10);

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

// The bytes of a buffer; `slices` keeps them alive.
std::pair<const char*, size_t> BytesOf(const grpc::ByteBuffer& buffer,
                                       std::vector<grpc::Slice>* slices, std::string* joined) {
  slices->clear();
  if (!buffer.Valid() || !buffer.Dump(slices).ok() || slices->empty()) return {"", 0};
  if (slices->size() == 1) {
    return {reinterpret_cast<const char*>((*slices)[0].begin()), (*slices)[0].size()};
  }
  joined->clear();
  for (const grpc::Slice& slice : *slices) {
    joined->append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return {joined->data(), joined->size()};
}

// What the threads of one loop share.
struct Shared {
  LoopOptions loop;
  LoadOptions load;
  const Cluster* cluster = nullptr;
  Clock::time_point count_from;
  Clock::time_point count_until;
  std::atomic<uint64_t> next_key{0};  // With every_key_once.
  std::atomic<uint64_t> progress{0};
  std::atomic<uint64_t> failures{0};
  std::mutex mutex;
  std::shared_ptr<const RouteTable> routes;  // Guarded by `mutex`.
  std::atomic<uint64_t> routes_version{0};
};

// One place of the loop: a call, or a rest after an error.
struct Slot {
  std::optional<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  std::optional<grpc::Alarm> alarm;
  grpc::ByteBuffer response;
  grpc::Status status;
  Clock::time_point started;
  bool resting = false;
  uint64_t random = 0;
  uint32_t connection = 0;
  uint64_t calls = 0;
};

// A thread's part of the loop. Runs until every slot has ended.
class Worker {
 public:
  using Channels = std::vector<std::vector<std::shared_ptr<grpc::Channel>>>;

  Worker(Shared* shared, const Channels& channels, uint32_t index, uint32_t slots, uint32_t workers)
      : shared_(shared) {
    for (const auto& of_address : channels) {
      stubs_.emplace_back();
      for (const std::shared_ptr<grpc::Channel>& channel : of_address) {
        stubs_.back().push_back(std::make_unique<grpc::GenericStub>(channel));
      }
    }
    for (uint32_t i = 0; i < slots; ++i) {
      auto slot = std::make_unique<Slot>();
      const uint32_t number = i * workers + index;
      slot->connection = number % shared->load.connections;
      slot->calls = number;
      slot->random = (number + 1) * 0x9e3779b97f4a7c15u ^
                     static_cast<uint64_t>(Clock::now().time_since_epoch().count());
      slots_.push_back(std::move(slot));
    }
  }

  void Run() {
    size_t active = 0;
    for (const std::unique_ptr<Slot>& slot : slots_) active += Begin(slot.get()) ? 1 : 0;
    void* tag = nullptr;
    bool ok = false;
    while (active > 0 && queue_.Next(&tag, &ok)) {
      Slot* slot = static_cast<Slot*>(tag);
      if (!slot->resting && !Finish(slot)) {
        Rest(slot);
        continue;
      }
      slot->resting = false;
      if (!Begin(slot)) --active;
    }
    queue_.Shutdown();
    while (queue_.Next(&tag, &ok)) {
    }
  }

  const LoopResult& result() const { return result_; }

 private:
  // False: there is nothing more to do.
  bool Begin(Slot* slot) {
    uint64_t key = 0;
    slot->started = Clock::now();
    if (shared_->loop.every_key_once) {
      key = shared_->next_key.fetch_add(1, std::memory_order_relaxed);
      if (key >= shared_->loop.keys) return false;
    } else {
      if (slot->started >= shared_->count_until) return false;
      slot->random ^= slot->random << 13;
      slot->random ^= slot->random >> 7;
      slot->random ^= slot->random << 17;
      key = slot->random % shared_->loop.keys;
    }
    const uint64_t version = shared_->routes_version.load(std::memory_order_acquire);
    if (routes_ == nullptr || version != routes_version_) {
      const std::lock_guard<std::mutex> lock(shared_->mutex);
      routes_ = shared_->routes;
      routes_version_ = version;
    }
    ++slot->calls;
    const size_t address = routes_->address_of_key.empty() ? slot->calls % routes_->addresses.size()
                                                           : routes_->address_of_key[key];
    // The reader lies in memory of the call, which ends with its context.
    slot->reader.reset();
    slot->context.emplace();
    slot->context->set_deadline(std::chrono::system_clock::now() + shared_->load.call_deadline);
    const BenchOperation operation = shared_->loop.operation;
    slot->reader = stubs_[address][slot->connection]->PrepareUnaryCall(
        &*slot->context, shared_->cluster->Method(operation),
        ToBuffer(shared_->cluster->Encode(operation, key)), &queue_);
    slot->reader->StartCall();
    slot->reader->Finish(&slot->response, &slot->status, slot);
    return true;
  }

  // False: the call failed.
  bool Finish(Slot* slot) {
    const Clock::time_point now = Clock::now();
    std::string error;
    if (!slot->status.ok()) {
      error = absl::StrCat("gRPC code ", static_cast<int>(slot->status.error_code()), ": ",
                           slot->status.error_message());
    } else {
      const auto [data, size] = BytesOf(slot->response, &slices_, &joined_);
      error = shared_->cluster->Check(shared_->loop.operation, data, size);
    }
    slot->response.Clear();
    const bool counted =
        shared_->loop.every_key_once || (now >= shared_->count_from && now < shared_->count_until);
    if (error.empty()) {
      shared_->progress.fetch_add(1, std::memory_order_relaxed);
      if (counted) {
        ++result_.operations;
        result_.latency.Record(static_cast<uint64_t>((now - slot->started).count()));
      }
      return true;
    }
    shared_->failures.fetch_add(1, std::memory_order_relaxed);
    if (counted) ++result_.errors;
    if (result_.first_error.empty()) result_.first_error = error;
    return false;
  }

  void Rest(Slot* slot) {
    slot->resting = true;
    slot->alarm.emplace();
    slot->alarm->Set(&queue_, std::chrono::system_clock::now() + kRestAfterError, slot);
  }

  Shared* const shared_;
  grpc::CompletionQueue queue_;
  std::vector<std::vector<std::unique_ptr<grpc::GenericStub>>> stubs_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::shared_ptr<const RouteTable> routes_;
  uint64_t routes_version_ = 0;
  std::vector<grpc::Slice> slices_;
  std::string joined_;
  LoopResult result_;
};

}  // namespace

class Load::Impl {
 public:
  Impl(const LoadOptions& options, Cluster* cluster) : options_(options), cluster_(cluster) {
    options_.threads = std::clamp<uint32_t>(options_.threads, 1, options_.connections);
  }

  absl::Status Connect() {
    absl::StatusOr<RouteTable> table = cluster_->Resolve();
    if (!table.ok()) return table.status();
    routes_ = std::make_shared<const RouteTable>(*std::move(table));
    channels_.clear();
    for (const std::string& address : routes_->addresses) {
      channels_.emplace_back();
      for (uint32_t i = 0; i < options_.connections; ++i) {
        channels_.back().push_back(NewChannel(address));
      }
    }
    const auto deadline = std::chrono::system_clock::now() + kConnectPatience;
    for (size_t i = 0; i < channels_.size(); ++i) {
      for (const std::shared_ptr<grpc::Channel>& channel : channels_[i]) {
        if (!channel->WaitForConnected(deadline)) {
          return absl::UnavailableError(
              absl::StrCat("no connection to ", cluster_->name(), " at ", routes_->addresses[i]));
        }
      }
    }
    return absl::OkStatus();
  }

  LoopResult Run(const LoopOptions& loop, const LoopEvents& events) {
    Shared shared;
    shared.loop = loop;
    shared.load = options_;
    shared.cluster = cluster_;
    shared.routes = routes_;
    const uint32_t count = std::min(options_.threads, loop.outstanding);
    std::vector<std::unique_ptr<Worker>> workers;
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t slots = loop.outstanding / count + (i < loop.outstanding % count ? 1 : 0);
      workers.push_back(std::make_unique<Worker>(&shared, channels_, i, slots, count));
    }
    const Clock::time_point started = Clock::now();
    shared.count_from = started + loop.warmup;
    shared.count_until = shared.count_from + loop.duration;
    std::atomic<uint32_t> running{count};
    std::vector<std::thread> threads;
    for (const std::unique_ptr<Worker>& worker : workers) {
      threads.emplace_back([&running, worker = worker.get()] {
        worker->Run();
        running.fetch_sub(1);
      });
    }
    Watch(loop, events, running, &shared);
    for (std::thread& thread : threads) thread.join();
    LoopResult result;
    for (const std::unique_ptr<Worker>& worker : workers) {
      const LoopResult& part = worker->result();
      result.operations += part.operations;
      result.errors += part.errors;
      result.latency.Merge(part.latency);
      if (result.first_error.empty()) result.first_error = part.first_error;
    }
    result.seconds = loop.every_key_once
                         ? std::chrono::duration<double>(Clock::now() - started).count()
                         : std::chrono::duration<double>(loop.duration).count();
    return result;
  }

  const std::vector<std::string>& addresses() const { return routes_->addresses; }

 private:
  // Reports while the workers run, and looks leaders up again when calls have failed.
  void Watch(const LoopOptions& loop, const LoopEvents& events,
             const std::atomic<uint32_t>& running, Shared* shared) {
    if (!loop.every_key_once) {
      Wait(shared->count_from, events, running, shared);
      if (events.counting_begins) events.counting_begins();
      Wait(shared->count_until, events, running, shared);
      if (events.counting_ends) events.counting_ends();
    }
    Wait(Clock::time_point::max(), events, running, shared);
  }

  void Wait(Clock::time_point until, const LoopEvents& events, const std::atomic<uint32_t>& running,
            Shared* shared) {
    uint64_t failures_seen = shared->failures.load();
    while (running.load() > 0 && Clock::now() < until) {
      std::this_thread::sleep_until(std::min(until, Clock::now() + kProgressInterval));
      if (events.progress) events.progress(shared->progress.load());
      const uint64_t failures = shared->failures.load();
      if (failures != failures_seen) Refresh(shared);
      failures_seen = failures;
    }
  }

  void Refresh(Shared* shared) {
    absl::StatusOr<RouteTable> table = cluster_->Resolve();
    // Connections exist to the addresses of the beginning only.
    if (!table.ok() || table->addresses != routes_->addresses) return;
    routes_ = std::make_shared<const RouteTable>(*std::move(table));
    const std::lock_guard<std::mutex> lock(shared->mutex);
    shared->routes = routes_;
    shared->routes_version.fetch_add(1, std::memory_order_release);
  }

  LoadOptions options_;
  Cluster* const cluster_;
  std::shared_ptr<const RouteTable> routes_;
  Worker::Channels channels_;
};

Load::Load(const LoadOptions& options, Cluster* cluster)
    : impl_(std::make_unique<Impl>(options, cluster)) {}
Load::~Load() = default;
absl::Status Load::Connect() { return impl_->Connect(); }
const std::vector<std::string>& Load::addresses() const { return impl_->addresses(); }
LoopResult Load::Run(const LoopOptions& loop, const LoopEvents& events) {
  return impl_->Run(loop, events);
}

absl::StatusOr<std::string> CallOnce(const std::string& address, const std::string& method,
                                     const std::string& request,
                                     std::chrono::milliseconds timeout) {
  grpc::GenericStub stub(NewChannel(address));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  grpc::ByteBuffer response;
  grpc::Status status;
  auto reader = stub.PrepareUnaryCall(&context, method, ToBuffer(request), &queue);
  reader->StartCall();
  reader->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  if (!status.ok()) {
    return absl::UnavailableError(absl::StrCat(address, ": ", status.error_message()));
  }
  std::vector<grpc::Slice> slices;
  std::string joined;
  const auto [data, size] = BytesOf(response, &slices, &joined);
  return std::string(data, size);
}

}  // namespace rasputin::client
