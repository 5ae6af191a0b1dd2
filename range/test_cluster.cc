// See test_cluster.h.

#include "range/test_cluster.h"

#include <glog/logging.h>

#include <algorithm>

#include "consensus/wire/frame.h"
#include "kv/range_snapshot.h"
#include "kv/state_hash.h"
#include "range/descriptor.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::range {
namespace {

class Waiting : public Completion {
 public:
  void Done(Response response) override {
    CHECK(!response_.has_value()) << "answered twice";
    response_ = std::move(response);
  }
  const std::optional<Response>& response() const { return response_; }

 private:
  std::optional<Response> response_;
};

storage::v1::StoreManifest Manifest(int store, int n) {
  storage::v1::StoreManifest manifest;
  manifest.set_cluster_id(42);
  manifest.set_store_id(static_cast<uint64_t>(store));
  auto* record = manifest.mutable_bootstrap();
  record->set_cluster_id(42);
  for (uint64_t range = 1; range <= 2; ++range) {
    auto* descriptor = record->add_ranges();
    descriptor->set_range_id(range);
    descriptor->set_generation(1);
    descriptor->set_collection_id(range);
    descriptor->set_start_key(CollectionPrefix(range));
    if (range == 1) descriptor->set_end_key(CollectionPrefix(2));
    for (int i = 1; i <= n; ++i) {
      auto* replica = descriptor->add_replicas();
      replica->set_replica_id(static_cast<uint64_t>(i));
      replica->set_store_id(static_cast<uint64_t>(i));
    }
    descriptor->set_next_replica_id(static_cast<uint64_t>(n) + 1);
  }
  for (int store = 1; store <= n; ++store) {
    record->add_stores()->set_store_id(static_cast<uint64_t>(store));
  }
  auto* collection = record->add_collections();
  collection->set_id(kDefaultCollectionId);
  collection->set_name("default");
  collection->set_type(type::v1::COLLECTION_TYPE_KV);
  collection->set_ready(true);
  return manifest;
}

}  // namespace

struct TestCluster::Node : public Transport, public Observer, public Clock {
  // As encoded bytes, as between real stores: what is not on the wire does not arrive.
  void Send(StoreId to, std::vector<consensus::Message> messages) override {
    absl::StatusOr<consensus::wire::Frame> frame =
        consensus::wire::DecodeFrame(consensus::wire::EncodeFrame(messages));
    CHECK(frame.ok()) << frame.status();
    cluster->messages_sent_ += frame->messages.size();
    cluster->Post(id, static_cast<int>(to.value()), std::move(frame->messages), {});
  }
  void OnEvent(const consensus::Event& event) override { cluster->events_.push_back(event); }
  void OnDescriptor(const RangeDescriptor& descriptor, bool leads) override {
    Reported& known = reported[descriptor.range_id()];
    CHECK(known.generation <= descriptor.generation())
        << "an older descriptor was reported after a newer one";
    known = {descriptor.generation(), leads};
  }
  void OnLeader(RangeId, StoreId) override {}
  ClockReading Now() override { return cluster->NowAt(id); }

  absl::Status Open() {
    StoreOptions options = cluster->options_.store;
    options.seed = static_cast<uint64_t>(id);
    options.lease_duration = cluster->lease_duration_;
    options.log_segment_bytes = 1 << 20;
    options.log_reserve_bytes = 1 << 20;
    reported.clear();
    Ports ports{&directory, &engine, this, this, this};
    absl::StatusOr<std::unique_ptr<Store>> opened = Store::Open(options, ports, Now());
    if (!opened.ok()) return opened.status();
    store = *std::move(opened);
    return absl::OkStatus();
  }

  TestCluster* cluster = nullptr;
  int id = 0;
  consensus::log::MemoryDirectory directory;
  kv::MemoryEngine engine;
  std::unique_ptr<Store> store;
  std::map<uint64_t, Reported> reported;  // By this process; by range.
};

namespace {

TestClusterOptions OfMembers(int n) {
  TestClusterOptions options;
  options.members = n;
  return options;
}

}  // namespace

TestCluster::TestCluster(int n) : TestCluster(OfMembers(n)) {}

TestCluster::TestCluster(const TestClusterOptions& options) : options_(options) {
  for (int id = 1; id <= std::max(options.members, options.stores); ++id) {
    auto node = std::make_unique<Node>();
    node->cluster = this;
    node->id = id;
    CHECK(Store::Bootstrap(&node->directory, Manifest(id, options.members)).ok());
    CHECK(node->Open().ok());
    nodes_[id] = std::move(node);
  }
}

TestCluster::~TestCluster() = default;

Store& TestCluster::store(int id) { return *nodes_.at(id)->store; }

consensus::log::MemoryDirectory& TestCluster::directory(int id) { return nodes_.at(id)->directory; }

kv::MemoryEngine& TestCluster::engine(int id) { return nodes_.at(id)->engine; }

ClockReading TestCluster::Now() const {
  ClockReading now;
  now.boot = consensus::Instant(std::chrono::milliseconds(now_ms_));
  now.raw = now.boot - std::chrono::milliseconds(suspended_ms_);
  now.wall_us = 1'700'000'000'000'000 + now_ms_ * 1000;
  return now;
}

ClockReading TestCluster::NowAt(int id) const {
  ClockReading now = Now();
  const auto error = wall_error_ms_.find(id);
  if (error != wall_error_ms_.end()) now.wall_us += error->second * 1000;
  return now;
}

void TestCluster::Post(int from, int to, std::vector<consensus::Message> messages,
                       std::vector<consensus::lease::LeaseMessage> leases) {
  if (isolated_[from] || isolated_[to]) return;
  if (drop) messages.erase(std::remove_if(messages.begin(), messages.end(), drop), messages.end());
  in_flight_.push_back({to, from, NowAt(from).wall_us, std::move(messages), std::move(leases)});
}

void TestCluster::CarryLeases(Node* node) {
  Store::LeaseOutput output = node->store->TakeLeaseOutput();
  for (auto& message : output.send) {
    const int to = static_cast<int>(message.to.value());
    Post(node->id, to, {}, {message});
  }
  for (const auto& event : output.events) events_.push_back(event);
  if (!output.updates.empty())
    node->store->OnLeaseUpdates(NowAt(node->id), std::move(output.updates));
}

void TestCluster::WriteLog(Node* node) {
  if (logs_stalled_[node->id]) return;
  const ClockReading now = NowAt(node->id);
  std::unique_ptr<consensus::log::WriteJob> job = node->store->log()->TakeWrite();
  if (job == nullptr) return;
  CHECK(node->store->log()->Execute(job.get()).ok());
  const consensus::log::Lsn durable = node->store->log()->FinishWrite(std::move(job));
  node->store->LeaseLogDurable(now, consensus::DualInstant::At(now), durable);
  node->store->OnLogDurable(now, durable);
}

void TestCluster::StepNode(Node* node) {
  const ClockReading now = NowAt(node->id);
  if (node->store->NextLeaseDeadline() <= now.boot) node->store->LeaseTick(now);
  CarryLeases(node);
  WriteLog(node);
  CarryLeases(node);
  if (before_turn != nullptr) before_turn(node->id);
  const absl::Status status = node->store->RunTurn(now);
  if (const auto peers = node->store->TakeLeasePeers()) node->store->SetLeasePeers(*peers);
  if (options_.complete_flushes && !flushes_held_[node->id]) node->engine.CompleteFlush();
  if (status.ok()) return;
  CHECK(on_failure != nullptr) << "store " << node->id << " stopped: " << status;
  node->store.reset();
  on_failure(node->id, status);
}

void TestCluster::RunFor(int milliseconds) {
  for (int i = 0; i < milliseconds; ++i) {
    ++now_ms_;
    std::vector<Mail> arriving;
    arriving.swap(in_flight_);
    for (Mail& mail : arriving) {
      Store* store = nodes_.at(mail.to)->store.get();
      if (store == nullptr) continue;
      if (!mail.messages.empty()) store->Step(NowAt(mail.to), std::move(mail.messages));
      if (mail.leases.empty()) continue;
      store->OnPeerClock(StoreId(static_cast<uint64_t>(mail.from)), Now().boot,
                         static_cast<uint64_t>(mail.sent_wall_us));
      for (const auto& message : mail.leases) store->LeaseStep(NowAt(mail.to), message);
    }
    for (auto& [id, node] : nodes_) {
      if (node->store != nullptr) StepNode(node.get());
    }
  }
}

bool TestCluster::RunUntil(const std::function<bool()>& done, int milliseconds) {
  for (int i = 0; i < milliseconds; ++i) {
    if (done()) return true;
    RunFor(1);
  }
  return done();
}

int TestCluster::Leader(uint64_t range) const {
  int leader = 0;
  for (const auto& [id, node] : nodes_) {
    if (node->store == nullptr) continue;
    for (const ReplicaStatus& status : node->store->ListReplicas(Now())) {
      if (status.descriptor.range_id() != range || !status.serving) continue;
      CHECK_EQ(leader, 0) << "two leaders serve range " << range;
      leader = id;
    }
  }
  return leader;
}

std::optional<RangeDescriptor> TestCluster::Descriptor(int store, uint64_t range) const {
  for (const ReplicaStatus& status : nodes_.at(store)->store->ListReplicas(Now())) {
    if (status.descriptor.range_id() == range) return status.descriptor;
  }
  return std::nullopt;
}

TestCluster::Reported TestCluster::LastReported(int store, uint64_t range) const {
  const std::map<uint64_t, Reported>& reported = nodes_.at(store)->reported;
  const auto found = reported.find(range);
  return found == reported.end() ? Reported() : found->second;
}

Response TestCluster::Call(int store, Request request) {
  Waiting waiting;
  request.completion = &waiting;
  nodes_.at(store)->store->Submit(NowAt(store), std::move(request));
  CHECK(RunUntil([&waiting] { return waiting.response().has_value(); })) << "no answer";
  return *waiting.response();
}

Response TestCluster::CallLeader(uint64_t range, kv::Operation operation, const std::string& key,
                                 const std::string& body) {
  Response response;
  for (int attempt = 0; attempt < 50; ++attempt) {
    RunUntil([&] { return Leader(range) != 0; });
    const int leader = Leader(range);
    CHECK_NE(leader, 0) << "range " << range << " has no leader";
    Request request;
    request.range = RangeId(range);
    request.generation = Generation(Descriptor(leader, range)->generation());
    request.operation = operation;
    request.first_key = key;
    request.last_key = key;
    request.body = absl::Cord(body);
    response = Call(leader, std::move(request));
    if (response.outcome != Outcome::kNotLeader) break;
  }
  return response;
}

bool TestCluster::Change(uint64_t range, const ReplicaChange& change) {
  const auto end = Now().boot + std::chrono::seconds(30);
  while (Now().boot < end) {
    RunUntil([&] { return Leader(range) != 0; });
    const int leader = Leader(range);
    if (leader == 0) continue;
    Waiting waiting;
    const Generation generation(Descriptor(leader, range)->generation());
    const absl::Status asked =
        store(leader).ChangeReplicas(NowAt(leader), RangeId(range), generation, change, &waiting);
    if (!asked.ok()) {
      RunFor(50);
      continue;
    }
    CHECK(RunUntil([&waiting] { return waiting.response().has_value(); })) << "no answer";
    if (waiting.response()->outcome == Outcome::kOk) return true;
  }
  return false;
}

bool TestCluster::SetVoters(uint64_t range, const std::vector<int>& stores) {
  ReplicaChange change;
  change.kind = ReplicaChange::Kind::kSetVoters;
  for (const int store : stores) change.voters.emplace_back(static_cast<uint64_t>(store));
  return Change(range, change);
}

bool TestCluster::AddLearner(uint64_t range, int store) {
  ReplicaChange change;
  change.store = StoreId(static_cast<uint64_t>(store));
  return Change(range, change);
}

bool TestCluster::RemoveLearner(uint64_t range, int store) {
  ReplicaChange change;
  change.kind = ReplicaChange::Kind::kRemoveLearner;
  change.store = StoreId(static_cast<uint64_t>(store));
  return Change(range, change);
}

bool TestCluster::AddVoter(uint64_t range, int store) {
  if (!AddLearner(range, store)) return false;
  RunUntil([&] { return Leader(range) != 0; });
  std::vector<int> voters = {store};
  const RangeDescriptor descriptor = *Descriptor(Leader(range), range);
  for (const auto& replica : descriptor.replicas()) {
    if (IsVoter(replica)) voters.push_back(static_cast<int>(replica.store_id()));
  }
  return SetVoters(range, voters);
}

uint64_t TestCluster::HashOf(int store, const RangeDescriptor& descriptor) const {
  uint64_t hash = 0;
  for (const rasputin::kv::KeySpan& span : rasputin::kv::SpansOf(
           {descriptor.range_id(), descriptor.start_key(), descriptor.end_key()})) {
    hash = hash * 31 + *rasputin::kv::StateHash(nodes_.at(store)->engine, span.begin, span.end);
  }
  return hash;
}

bool TestCluster::Converges(uint64_t range) {
  return RunUntil(
      [&] {
        const int leader = Leader(range);
        if (leader == 0) return false;
        const RangeDescriptor descriptor = *Descriptor(leader, range);
        const uint64_t hash = HashOf(leader, descriptor);
        for (const auto& replica : descriptor.replicas()) {
          const int id = static_cast<int>(replica.store_id());
          if (nodes_.at(id)->store == nullptr) return false;
          const std::optional<RangeDescriptor> known = Descriptor(id, range);
          if (!known.has_value() || known->generation() != descriptor.generation() ||
              HashOf(id, descriptor) != hash) {
            return false;
          }
        }
        return true;
      },
      30000);
}

void TestCluster::Crash(int id) {
  Node* node = nodes_.at(id).get();
  node->store.reset();
  node->directory.Crash(consensus::log::CrashKind::kLoseAll, static_cast<uint64_t>(now_ms_));
  node->engine.Crash();
}

void TestCluster::Restart(int id) {
  const absl::Status opened = TryRestart(id);
  CHECK(opened.ok()) << opened;
}

absl::Status TestCluster::TryRestart(int id) { return nodes_.at(id)->Open(); }

void TestCluster::Suspend(int milliseconds) {
  now_ms_ += milliseconds;
  suspended_ms_ += milliseconds;
}

std::string SetBody(const std::string& key, const std::string& value) {
  ::rasputin::kv::v1::SetRequest request;
  request.set_key(key);
  request.set_value(value);
  return request.SerializeAsString();
}

std::string GetBody(const std::string& key) {
  ::rasputin::kv::v1::GetRequest request;
  request.set_key(key);
  return request.SerializeAsString();
}

std::string SplitBody(const std::string& full_key, uint64_t child, uint64_t collection) {
  storage::v1::SplitCommand split;
  split.set_split_key(full_key);
  split.set_child_range_id(child);
  split.set_child_collection_id(collection);
  return split.SerializeAsString();
}

std::optional<std::string> ValueOf(const Response& response) {
  ::rasputin::kv::v1::GetResponse get;
  CHECK(get.ParseFromString(std::string(response.body)));
  if (!get.found()) return std::nullopt;
  return get.value();
}

}  // namespace rasputin::range
