// Clients' operations, encoded and recorded; see workload.h.

#include "tests/sim/workload.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "client/route/full_key.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "server/front/ports.h"

namespace rasputin::sim {
namespace {

using linearizability::History;
using linearizability::Kind;
using linearizability::kNever;
using linearizability::Operation;
using linearizability::Result;

// 2026-01-01T00:00:00Z, as in sim_clock.cc: clients' clocks are right.
constexpr uint64_t kWallOriginMs = 1'767'225'600'000;

std::string FullKey(const std::string& key) {
  return client::FullKey(client::kDefaultCollectionId, key);
}

template <typename Message>
absl::Cord Encode(const Message& message) {
  return absl::Cord(message.SerializeAsString());
}

template <typename Message>
Message Decode(const absl::Cord& body) {
  Message message;
  CHECK(message.ParseFromString(std::string(body)));
  return message;
}

server::Method MethodOf(kv::Operation operation) {
  switch (operation) {
    case kv::Operation::kGet:
      return server::Method::kGet;
    case kv::Operation::kScan:
      return server::Method::kScan;
    case kv::Operation::kSet:
      return server::Method::kSet;
    case kv::Operation::kCas:
      return server::Method::kCas;
    case kv::Operation::kDelete:
      return server::Method::kDelete;
    default:
      return server::Method::kBatch;
  }
}

template <typename Request>
void SetExpected(const std::optional<std::string>& expected, Request* request) {
  if (expected.has_value()) {
    request->set_expected_value(*expected);
  } else {
    request->set_expected_absent(true);
  }
}

void Take(const kv::v1::GetResponse& response, Operation* operation) {
  if (response.found()) operation->observed = response.value();
  operation->version = response.version();
}

void Take(const kv::v1::SetResponse& response, Operation* operation) {
  operation->version = response.version();
}

void Take(const kv::v1::CasResponse& response, Operation* operation) {
  operation->swapped = response.success();
  if (!response.success() && response.found()) operation->observed = response.value();
  operation->version = response.version();
}

void Take(const kv::v1::DeleteResponse& response, Operation* operation) {
  if (response.found()) operation->observed = response.previous_value();
  operation->version = response.previous_version();
}

}  // namespace

// One client: its operation under way, and what comes next.
class Client {
 public:
  Client(Workload* workload, uint64_t number, const Random& random)
      : workload_(workload),
        number_(number),
        random_(random),
        caller_(workload->cluster_, workload->cluster_->ClientEndpoint(static_cast<int>(number)),
                random.Fork(1)) {}

  void Think();
  bool busy() const { return caller_.busy() || reading_all_; }
  void ReadAll(std::vector<std::string> keys);
  const Caller& caller() const { return caller_; }

 private:
  void Begin();
  void BeginOne(Kind kind);
  void BeginScan();
  void BeginBatch();
  void BeginIncrement();
  void ReadNext();
  Operation NewOperation(Kind kind, const std::string& key);
  Call NewCall(kv::Operation operation, absl::Cord body, const std::string& key);
  // Perhaps with a RequestId for so many operations.
  template <typename Request>
  Call NewMutation(kv::Operation operation, Request* request, const std::string& key,
                   uint64_t operations);
  std::optional<kv::RequestId> NewId(uint64_t operations);
  // Sends `operation`; `then` hears of its end, after it was recorded.
  void Send(Operation operation, std::function<void(const Operation&)> then);
  void OnScanned(const CallResult& result, uint64_t limit, std::vector<Operation> reads);
  void OnBatched(const CallResult& result, std::vector<Operation> operations);
  void Record(Operation operation, CallOutcome outcome);
  std::string NewValue() {
    const uint64_t padding = workload_->options_.padding_max;
    return "v" + std::to_string(number_) + "-" + std::to_string(++values_) +
           std::string(padding == 0 ? 0 : random_.Below(padding), '.');
  }
  const std::string& SomeKey() {
    return workload_->keys_[workload_->options_.counters +
                            random_.Below(static_cast<uint64_t>(workload_->options_.keys))];
  }
  RealTime now() const { return workload_->cluster_->scheduler().now(); }

  Workload* workload_;
  uint64_t number_;
  Random random_;
  Caller caller_;
  uint64_t sequence_ = 0;
  uint64_t values_ = 0;
  bool reading_all_ = false;
  std::vector<std::string> to_read_;
  std::map<std::string, std::optional<std::string>> last_seen_;
};

void Client::Think() {
  workload_->cluster_->scheduler().After(random_.ExponentialNs(workload_->options_.think_mean),
                                         "think", number_, [this] {
                                           if (!workload_->stopped_ && !busy()) Begin();
                                         });
}

void Client::Begin() {
  const WorkloadOptions& options = workload_->options_;
  const int weights[] = {options.gets,  options.sets,    options.cases,     options.deletes,
                         options.scans, options.batches, options.increments};
  int total = 0;
  for (const int weight : weights) total += weight;
  int draw = static_cast<int>(random_.Below(static_cast<uint64_t>(total)));
  int choice = 0;
  while (draw >= weights[choice]) draw -= weights[choice++];
  switch (choice) {
    case 0:
      return BeginOne(Kind::kGet);
    case 1:
      return BeginOne(Kind::kSet);
    case 2:
      return BeginOne(Kind::kCas);
    case 3:
      return BeginOne(Kind::kDelete);
    case 4:
      return BeginScan();
    case 5:
      return BeginBatch();
    default:
      return BeginIncrement();
  }
}

Operation Client::NewOperation(Kind kind, const std::string& key) {
  Operation operation;
  operation.process = number_;
  operation.kind = kind;
  operation.key = key;
  operation.called_ns = now();
  if (kind == Kind::kSet || kind == Kind::kCas) operation.value = NewValue();
  if (kind == Kind::kCas) {
    const auto seen = last_seen_.find(key);
    if (seen != last_seen_.end()) operation.expected = seen->second;
  }
  return operation;
}

std::optional<kv::RequestId> Client::NewId(uint64_t operations) {
  if (!random_.Chance(workload_->options_.with_id)) return std::nullopt;
  kv::RequestId id;
  id.client_id = number_ + 1;
  id.sequence = sequence_ + 1;
  id.acked_below = id.sequence;
  id.issued_at_ms = kWallOriginMs + static_cast<uint64_t>(now() / kMillisecond);
  sequence_ += operations;
  return id;
}

Call Client::NewCall(kv::Operation operation, absl::Cord body, const std::string& key) {
  Call call;
  call.operation = operation;
  call.body = std::move(body);
  call.first_key = call.last_key = FullKey(key);
  call.patience = workload_->options_.patience;
  if (workload_->cluster_->options().front_ends) call.method = MethodOf(operation);
  if (operation == kv::Operation::kGet || operation == kv::Operation::kScan) {
    call.is_read = true;
    call.read_index = random_.Chance(workload_->options_.with_read_index);
  }
  return call;
}

template <typename Request>
Call Client::NewMutation(kv::Operation operation, Request* request, const std::string& key,
                         uint64_t operations) {
  const std::optional<kv::RequestId> id = NewId(operations);
  if (id.has_value()) {
    type::v1::RequestId* encoded = request->mutable_request_id();
    encoded->set_client_id(id->client_id);
    encoded->set_sequence(id->sequence);
    encoded->set_acked_below(id->acked_below);
    encoded->set_issued_at_ms(id->issued_at_ms);
  }
  Call call = NewCall(operation, Encode(*request), key);
  call.id = id;
  return call;
}

void Client::Record(Operation operation, CallOutcome outcome) {
  switch (outcome) {
    case CallOutcome::kAnswered:
      ++workload_->acknowledged_;
      operation.result = Result::kOk;
      operation.returned_ns = now();
      if (operation.kind != Kind::kGet) {
        workload_->longest_silence_ =
            std::max(workload_->longest_silence_, now() - workload_->last_mutation_);
        workload_->last_mutation_ = now();
      }
      last_seen_[operation.key] = operation.kind == Kind::kSet || operation.swapped
                                      ? std::optional<std::string>(operation.value)
                                  : operation.kind == Kind::kDelete ? std::nullopt
                                                                    : operation.observed;
      break;
    case CallOutcome::kNotExecuted:
      ++workload_->not_executed_;
      operation.result = Result::kNotExecuted;
      operation.returned_ns = now();
      break;
    case CallOutcome::kUnknown:
      ++workload_->unknown_;
      break;
  }
  workload_->history_.push_back(std::move(operation));
}

void Client::Send(Operation operation, std::function<void(const Operation&)> then) {
  Call call;
  switch (operation.kind) {
    case Kind::kGet: {
      kv::v1::GetRequest request;
      request.set_key(operation.key);
      call = NewCall(kv::Operation::kGet, Encode(request), operation.key);
      break;
    }
    case Kind::kSet: {
      kv::v1::SetRequest request;
      request.set_key(operation.key);
      request.set_value(operation.value);
      call = NewMutation(kv::Operation::kSet, &request, operation.key, 1);
      break;
    }
    case Kind::kCas: {
      kv::v1::CasRequest request;
      request.set_key(operation.key);
      request.set_value(operation.value);
      SetExpected(operation.expected, &request);
      call = NewMutation(kv::Operation::kCas, &request, operation.key, 1);
      break;
    }
    case Kind::kDelete: {
      kv::v1::DeleteRequest request;
      request.set_key(operation.key);
      call = NewMutation(kv::Operation::kDelete, &request, operation.key, 1);
      break;
    }
  }
  caller_.Start(std::move(call), [this, operation = std::move(operation),
                                  then = std::move(then)](const CallResult& result) mutable {
    if (result.outcome == CallOutcome::kAnswered) {
      const absl::Cord& body = result.response.body;
      switch (operation.kind) {
        case Kind::kGet:
          Take(Decode<kv::v1::GetResponse>(body), &operation);
          break;
        case Kind::kSet:
          Take(Decode<kv::v1::SetResponse>(body), &operation);
          break;
        case Kind::kCas:
          Take(Decode<kv::v1::CasResponse>(body), &operation);
          break;
        case Kind::kDelete:
          Take(Decode<kv::v1::DeleteResponse>(body), &operation);
          break;
      }
    }
    Record(operation, result.outcome);
    then(workload_->history_.back());
  });
}

void Client::BeginOne(Kind kind) {
  Send(NewOperation(kind, SomeKey()), [this](const Operation&) { Think(); });
}

// Reads the counter, then swaps it for the next count.
void Client::BeginIncrement() {
  const std::string& key =
      workload_->keys_[random_.Below(static_cast<uint64_t>(workload_->options_.counters))];
  Send(NewOperation(Kind::kGet, key), [this, key](const Operation& read) {
    if (read.result != Result::kOk) return Think();
    Operation swap = NewOperation(Kind::kCas, key);
    swap.expected = read.observed;
    swap.value = std::to_string(Workload::CountOf(read.observed) + 1) + "|" + swap.value;
    Send(std::move(swap), [this, key](const Operation& swapped) {
      CounterTally& tally = workload_->tallies_[key];
      if (swapped.result == Result::kUnknown) ++tally.unknown;
      if (swapped.result == Result::kOk && swapped.swapped) ++tally.acknowledged;
      Think();
    });
  });
}

void Client::BeginScan() {
  const std::string& start = workload_->keys_[random_.Below(workload_->keys_.size())];
  kv::v1::ScanRequest request;
  request.set_start(start);
  request.set_limit(1 + random_.Below(workload_->keys_.size()));
  std::vector<Operation> reads;
  for (const std::string& key : workload_->keys_) {
    if (key >= start) reads.push_back(NewOperation(Kind::kGet, key));
  }
  caller_.Start(
      NewCall(kv::Operation::kScan, Encode(request), start),
      [this, limit = request.limit(), reads = std::move(reads)](const CallResult& result) mutable {
        OnScanned(result, limit, std::move(reads));
        Think();
      });
}

// A page tells of every key up to its last row, and up to the range's end if there is no more. A
// front end's pages together tell of every key, or of those up to the last row where a limit ended
// the scan.
void Client::OnScanned(const CallResult& result, uint64_t limit, std::vector<Operation> reads) {
  if (result.outcome != CallOutcome::kAnswered) return;
  const bool by_front_end = workload_->cluster_->options().front_ends;
  std::vector<kv::v1::ScanResponse> pages;
  if (by_front_end) {
    for (const absl::Cord& page : result.pages) pages.push_back(Decode<kv::v1::ScanResponse>(page));
  } else {
    pages.push_back(Decode<kv::v1::ScanResponse>(result.response.body));
  }
  std::map<std::string, kv::v1::KeyValue> rows;
  for (const kv::v1::ScanResponse& page : pages) {
    for (const kv::v1::KeyValue& row : page.rows()) rows[row.key()] = row;
  }
  const std::string& range_end = result.descriptor.end_key();
  const bool all_told = by_front_end ? rows.size() < limit : !pages.front().more();
  for (Operation& read : reads) {
    const bool in_range = by_front_end || range_end.empty() || FullKey(read.key) < range_end;
    const bool before_last_row = !rows.empty() && read.key <= rows.rbegin()->first;
    if (!before_last_row && !(all_told && in_range)) continue;
    const auto row = rows.find(read.key);
    if (row != rows.end()) {
      read.observed = row->second.value();
      read.version = row->second.version();
    }
    Record(read, CallOutcome::kAnswered);
  }
}

void Client::BeginBatch() {
  std::vector<Operation> operations;
  kv::v1::BatchRequest request;
  const range::RangeDescriptor* range = nullptr;
  std::string first;
  std::string last;
  for (uint64_t i = 0; i < 2 + random_.Below(3); ++i) {
    const std::string& key = SomeKey();
    const range::RangeDescriptor* holder = caller_.router().Locate(FullKey(key));
    if (range == nullptr) range = holder;
    // A front end divides a batch over ranges; a store takes keys of one.
    const bool divided = workload_->cluster_->options().front_ends;
    if (!divided && (holder == nullptr || holder != range)) continue;
    Operation operation = NewOperation(static_cast<Kind>(1 + random_.Below(4)), key);
    kv::v1::BatchOperation* part = request.add_operations();
    switch (operation.kind) {
      case Kind::kGet:
        part->mutable_get()->set_key(key);
        break;
      case Kind::kSet:
        part->mutable_set()->set_key(key);
        part->mutable_set()->set_value(operation.value);
        break;
      case Kind::kCas:
        part->mutable_cas()->set_key(key);
        part->mutable_cas()->set_value(operation.value);
        SetExpected(operation.expected, part->mutable_cas());
        break;
      case Kind::kDelete:
        part->mutable_delete_()->set_key(key);
        break;
    }
    if (operations.empty() || key < first) first = key;
    if (operations.empty() || key > last) last = key;
    operations.push_back(std::move(operation));
  }
  if (operations.empty()) return Think();
  Call call = NewMutation(kv::Operation::kBatch, &request, first, operations.size());
  call.last_key = FullKey(last);
  caller_.Start(std::move(call),
                [this, operations = std::move(operations)](const CallResult& result) mutable {
                  OnBatched(result, std::move(operations));
                  Think();
                });
}

void Client::OnBatched(const CallResult& result, std::vector<Operation> operations) {
  if (result.outcome != CallOutcome::kAnswered) {
    for (Operation& operation : operations) Record(std::move(operation), result.outcome);
    return;
  }
  const auto response = Decode<kv::v1::BatchResponse>(result.response.body);
  CHECK_EQ(response.results_size(), static_cast<int>(operations.size()));
  for (size_t i = 0; i < operations.size(); ++i) {
    const kv::v1::BatchResult& part = response.results(static_cast<int>(i));
    Operation& operation = operations[i];
    CallOutcome outcome = CallOutcome::kAnswered;
    if (part.has_get()) {
      Take(part.get(), &operation);
    } else if (part.has_set()) {
      Take(part.set(), &operation);
    } else if (part.has_cas()) {
      Take(part.cas(), &operation);
    } else if (part.has_delete_()) {
      Take(part.delete_(), &operation);
    } else {
      // An error of its own, for example a forgotten session, or of its part of a divided batch.
      outcome = CallOutcome::kUnknown;
    }
    Record(std::move(operation), outcome);
  }
}

void Client::ReadAll(std::vector<std::string> keys) {
  reading_all_ = true;
  to_read_ = std::move(keys);
  ReadNext();
}

void Client::ReadNext() {
  if (to_read_.empty()) {
    reading_all_ = false;
    return;
  }
  const std::string key = to_read_.back();
  to_read_.pop_back();
  Send(NewOperation(Kind::kGet, key), [this, key](const Operation& read) {
    if (read.result == Result::kOk) {
      workload_->final_values_[key] = read.observed;
    } else {
      ++workload_->unread_;
    }
    ReadNext();
  });
}

Workload::Workload(Cluster* cluster, const WorkloadOptions& options, const Random& random)
    : cluster_(cluster), options_(options) {
  for (int i = 0; i < options.counters; ++i) keys_.push_back("c" + std::to_string(i));
  for (int i = 0; i < options.keys; ++i) {
    keys_.push_back("k" + std::to_string(i / 10) + std::to_string(i % 10));
  }
  for (int i = 0; i < options.clients; ++i) {
    clients_.push_back(std::make_unique<Client>(this, static_cast<uint64_t>(i),
                                                random.Fork(static_cast<uint64_t>(i))));
  }
}

Workload::~Workload() = default;

void Workload::Start() {
  for (auto& client : clients_) client->Think();
}

bool Workload::Idle() const {
  return std::none_of(clients_.begin(), clients_.end(),
                      [](const auto& client) { return client->busy(); });
}

void Workload::ReadAllKeys() {
  unread_ = 0;
  clients_.front()->ReadAll(keys_);
}

uint64_t Workload::CountOf(const std::optional<std::string>& value) {
  return value.has_value() ? std::strtoull(value->c_str(), nullptr, 10) : 0;
}

Caller::Counters Workload::CallCounters() const {
  Caller::Counters sum;
  for (const auto& client : clients_) {
    const Caller::Counters& one = client->caller().counters();
    sum.attempts += one.attempts;
    sum.timeouts += one.timeouts;
    sum.mismatches += one.mismatches;
    sum.not_leader += one.not_leader;
    sum.overloaded += one.overloaded;
    sum.unknown += one.unknown;
    sum.sessions_expired += one.sessions_expired;
  }
  return sum;
}

}  // namespace rasputin::sim
