// The cluster without consensus; see fake_cluster.h. Not thread-safe.
//
// Bounds, generations and leadership are checked as a real store does; everything else is real code
// of kv and range.

#include "server/front/fake_cluster.h"

#include <glog/logging.h>

#include <algorithm>

#include "client/route/full_key.h"
#include "client/route/router.h"
#include "google/rpc/status.pb.h"
#include "kv/fields.h"
#include "kv/key.h"
#include "kv/state_machine.h"
#include "range/descriptor.h"
#include "range/meta_state.h"

namespace rasputin::server {

using range::Outcome;
using range::RangeDescriptor;
using range::Response;

namespace {

Response FromKv(const absl::StatusOr<kv::Outcome>& outcome) {
  CHECK(outcome.ok()) << outcome.status();
  Response response;
  response.body = outcome->response;
  response.message = outcome->message;
  switch (outcome->code) {
    case kv::OutcomeCode::kOk:
      response.outcome = Outcome::kOk;
      break;
    case kv::OutcomeCode::kInvalidArgument:
      response.outcome = Outcome::kInvalidArgument;
      break;
    case kv::OutcomeCode::kSessionExpired:
      response.outcome = Outcome::kSessionExpired;
      break;
    case kv::OutcomeCode::kResourceExhausted:
      response.outcome = Outcome::kOverloaded;
      break;
    case kv::OutcomeCode::kFailedPrecondition:
      response.outcome = Outcome::kFailedPrecondition;
      break;
    case kv::OutcomeCode::kNotFound:
      response.outcome = Outcome::kNotFound;
      break;
    case kv::OutcomeCode::kAlreadyExists:
      response.outcome = Outcome::kAlreadyExists;
      break;
  }
  return response;
}

// A client's request to a range that was emptied, or that has taken such a range's keys.
bool IsOfNoCollectionHere(const range::Request& request, const RangeDescriptor& range) {
  const bool of_clients =
      request.operation <= kv::Operation::kScan ||
      (request.operation >= kv::Operation::kSet && request.operation <= kv::Operation::kBatch);
  return of_clients &&
         (range.dropped() || client::CollectionOf(request.first_key) != range.collection_id());
}

Response Refusal(std::string message) {
  Response response;
  response.outcome = Outcome::kFailedPrecondition;
  response.message = std::move(message);
  return response;
}

}  // namespace

bool FakeCall::Page(absl::Cord response) {
  CHECK(!result.has_value()) << "a page after the end";
  encoded_pages.emplace_back(response);
  kv::v1::ScanResponse page;
  if (page.ParseFromString(encoded_pages.back())) pages.push_back(std::move(page));
  return takes_pages;
}

void FakeCall::Done(CallResult call_result) {
  CHECK(!result.has_value()) << "a second answer";
  result = std::move(call_result);
}

rasputin::v1::ErrorDetail FakeCall::Detail() const {
  google::rpc::Status status;
  rasputin::v1::ErrorDetail detail;
  CHECK(status.ParseFromString(result.value().details));
  CHECK_EQ(status.details_size(), 1);
  CHECK(status.details(0).UnpackTo(&detail));
  return detail;
}

struct FakeCluster::Node final : StorePort, PeerPort, StoresPort {
  void Submit(const ClockReading&, range::Request request) override {
    if (cluster->stores_that_hold.count(id) != 0) {
      kept.push_back(std::move(request));
      return;
    }
    request.completion->Done(cluster->Execute(StoreId(id), request));
  }
  absl::Status TransferLease(const ClockReading&, RangeId range, StoreId target) override {
    CHECK_EQ(cluster->Leader(range.value()), id);
    if (cluster->handovers_to_refuse > 0) {
      --cluster->handovers_to_refuse;
      return absl::FailedPreconditionError("the target cannot be reached");
    }
    cluster->SetLeader(range.value(), target.value());
    return absl::OkStatus();
  }
  void ChangeReplicas(const ClockReading&, RangeId range, consensus::Generation generation,
                      const range::ReplicaChange& change, range::Completion* completion) override {
    completion->Done(cluster->ChangeReplicas(id, range, generation, change));
  }
  void OnStores(const std::vector<type::v1::StoreDescriptor>& stores,
                const RangeDescriptor&) override {
    cluster->stores_told[id] = stores;
  }
  std::optional<ReplicaSummary> FindReplica(const ClockReading&, RangeId range) const override {
    const auto found = cluster->ranges_.find(range.value());
    if (found == cluster->ranges_.end() || !client::HasMember(found->second, id)) {
      return std::nullopt;
    }
    ReplicaSummary summary;
    summary.descriptor = found->second;
    summary.leader_store = StoreId(cluster->Leader(range.value()));
    summary.serving = summary.leader_store.value() == id;
    if (!summary.serving) return summary;
    for (const auto& replica : found->second.replicas()) {
      if (replica.store_id() == id) continue;
      MemberSummary member;
      member.replica_id = replica.replica_id();
      member.store = StoreId(replica.store_id());
      member.supported = cluster->stores_away.count(replica.store_id()) == 0;
      summary.members.push_back(member);
    }
    return summary;
  }
  std::optional<storage::v1::AbsorbedRange> FindAbsorbed(RangeId range) const override {
    const auto found = cluster->absorbed_.find(range.value());
    if (found == cluster->absorbed_.end()) return std::nullopt;
    return found->second;
  }
  ReplicaCounts CountReplicas(const ClockReading&) const override {
    ReplicaCounts counts;
    for (const auto& [range_id, range] : cluster->ranges_) {
      if (!client::HasMember(range, id)) continue;
      ++counts.replicas;
      if (cluster->Leader(range_id) == id) ++counts.serving;
    }
    return counts;
  }
  std::vector<range::RangeReview> ReviewRanges(const ClockReading&,
                                               const range::ReviewOptions& options,
                                               bool* more) override {
    std::vector<range::RangeReview> led;
    size_t splits = 0;
    *more = false;
    for (const auto& [range_id, range] : cluster->ranges_) {
      if (cluster->Leader(range_id) != id || range_id <= reviewed_last) continue;
      *more = led.size() == options.ranges_max;
      if (*more) break;
      led.push_back(Review(range));
      range::SplitVerdict& split = led.back().split;
      if (!split.split || splits++ < options.splits_max) continue;
      split.split = false;
      split.reason += ", but it waits";
    }
    reviewed_last = *more ? led.back().descriptor.range_id() : 0;
    return led;
  }
  std::optional<range::RangeReview> DescribeLoad(const ClockReading&, RangeId range,
                                                 bool briefly) override {
    const auto found = cluster->ranges_.find(range.value());
    if (found == cluster->ranges_.end() || cluster->Leader(range.value()) != id) {
      return std::nullopt;
    }
    (briefly ? cluster->described_briefly : cluster->described) += 1;
    return Review(found->second);
  }
  void CarryLoad(const ClockReading&, const RangeDescriptor& merged,
                 const type::v1::RangeLoad& before) override {
    cluster->carried[merged.range_id()] = before;
  }
  std::vector<type::v1::RangeLoad> ListLoads(const ClockReading& when, size_t max) override {
    std::vector<type::v1::RangeLoad> loads;
    bool more = false;
    for (const range::RangeReview& review : ReviewRanges(when, {}, &more)) {
      loads.push_back(review.load);
    }
    if (loads.size() > max) loads.resize(max);
    return loads;
  }
  type::v1::RangeLoad TotalLoad(const ClockReading&) override { return {}; }
  std::vector<LedRange> ListLed(const ClockReading&) const override {
    std::vector<LedRange> led;
    for (const auto& [range_id, range] : cluster->ranges_) {
      if (cluster->Leader(range_id) != id) continue;
      led.push_back({RangeId(range_id), 0, {}});
      const auto lagging = cluster->lagging.find(range_id);
      if (lagging != cluster->lagging.end()) led.back().lagging = {StoreId(lagging->second)};
    }
    return led;
  }
  std::vector<StoreId> ListSupporting(const ClockReading&) const override {
    std::vector<StoreId> supporting;
    for (const auto& [other, node] : cluster->nodes_) {
      const bool hear_each_other = cluster->disconnected.count({id, other}) == 0 &&
                                   cluster->disconnected.count({other, id}) == 0;
      if (other != id && hear_each_other) supporting.emplace_back(other);
    }
    return supporting;
  }
  const storage::v1::StoreManifest& manifest() const override { return store_manifest; }

  // What the test says about the range, or nothing.
  range::RangeReview Review(const RangeDescriptor& range) const {
    const auto said = cluster->reviews.find(range.range_id());
    range::RangeReview review =
        said == cluster->reviews.end() ? range::RangeReview() : said->second;
    review.descriptor = range;
    review.load.set_range_id(range.range_id());
    return review;
  }

  bool Forward(StoreId to, ForwardRequest request) override {
    const bool known = cluster->nodes_.count(to.value()) != 0;
    if (!known || cluster->disconnected.count({id, to.value()}) != 0) return false;
    ++cluster->forwards[{id, to.value()}];
    cluster->hops_seen_max = std::max(cluster->hops_seen_max, request.hops);
    cluster->frames_.push_back({id, to.value(), std::move(request), std::nullopt});
    return true;
  }
  void Reply(StoreId to, ForwardReply reply) override {
    cluster->frames_.push_back({id, to.value(), std::nullopt, std::move(reply)});
  }

  std::vector<range::Request> kept;  // Of a store that holds.
  uint64_t reviewed_last = 0;
  FakeCluster* cluster = nullptr;
  uint64_t id = 0;
  storage::v1::StoreManifest store_manifest;
  std::unique_ptr<FrontEnd> front;
};

FakeCluster::FakeCluster(uint64_t stores, FrontOptions options, uint64_t members)
    : options_(options), members_(members == 0 ? stores : members) {
  now.boot = Instant(std::chrono::seconds(1));
  record_.set_cluster_id(99);
  for (uint64_t id = 1; id <= 2; ++id) {
    RangeDescriptor range;
    range.set_range_id(id);
    range.set_generation(1);
    range.set_collection_id(id);
    range.set_start_key(client::KeyPrefix(id));
    if (id == 1) range.set_end_key(client::KeyPrefix(2));
    for (uint64_t store = 1; store <= members_; ++store) {
      auto* replica = range.add_replicas();
      replica->set_replica_id(store);
      replica->set_store_id(store);
    }
    range.set_next_replica_id(members_ + 1);
    ranges_[id] = range;
    leaders_[id] = 1;
    *record_.add_ranges() = range;
  }
  for (uint64_t store = 1; store <= stores; ++store) {
    auto* descriptor = record_.add_stores();
    descriptor->set_store_id(store);
    descriptor->set_client_address("node" + std::to_string(store) + ":8880");
  }
  auto* collection = record_.add_collections();
  collection->set_id(2);
  collection->set_name("default");
  collection->set_type(type::v1::COLLECTION_TYPE_KV);
  collection->set_ready(true);

  kv::Turn turn(&engine_);
  CHECK(range::WriteFirstMetaState(record_, &turn).ok());
  CHECK(turn.Commit().ok());
  for (uint64_t store = 1; store <= stores; ++store) RestartFront(store);
}

FakeCluster::~FakeCluster() = default;

FrontEnd& FakeCluster::front(uint64_t store) { return *nodes_.at(store)->front; }

storage::v1::StoreManifest FakeCluster::ManifestOf(uint64_t store) const {
  storage::v1::StoreManifest manifest;
  manifest.set_format(1);
  manifest.set_cluster_id(record_.cluster_id());
  manifest.set_store_id(store);
  *manifest.mutable_bootstrap() = record_;
  return manifest;
}

void FakeCluster::RestartFront(uint64_t store) {
  auto node = std::make_unique<Node>();
  node->cluster = this;
  node->id = store;
  node->store_manifest = ManifestOf(store);
  FrontOptions options = options_;
  options.seed += store + 1000 * ++front_ends_started_;
  node->front = std::make_unique<FrontEnd>(options, FrontPorts{node.get(), node.get(), node.get()});
  nodes_[store] = std::move(node);
}

void FakeCluster::Start(uint64_t store, Method method, const std::string& request, FakeCall* call,
                        Duration timeout) {
  ClientCall client_call;
  client_call.method = method;
  client_call.request = absl::Cord(request);
  client_call.deadline = now.boot + timeout;
  client_call.completion = call;
  call->id = front(store).Start(now, std::move(client_call));
}

void FakeCluster::Release(uint64_t store) {
  stores_that_hold.erase(store);
  for (range::Request& request : std::exchange(nodes_.at(store)->kept, {})) {
    request.completion->Done(Execute(StoreId(store), request));
  }
}

void FakeCluster::RunFront(uint64_t store) {
  do {
    front(store).BeginTurn();
    front(store).Run(now);
  } while (front(store).HeldBack());
}

bool FakeCluster::DeliverOne() {
  for (auto it = frames_.begin(); it != frames_.end(); ++it) {
    if (held.count({it->from, it->to}) != 0) continue;
    Frame frame = std::move(*it);
    frames_.erase(it);
    if (frame.request.has_value()) {
      front(frame.to).OnForward(now, StoreId(frame.from), *std::move(frame.request));
    } else {
      front(frame.to).OnForwardReply(now, StoreId(frame.from), *std::move(frame.reply));
    }
    RunFront(frame.to);
    return true;
  }
  return false;
}

void FakeCluster::Settle() {
  for (auto& [id, node] : nodes_) RunFront(id);
  while (DeliverOne()) continue;
}

void FakeCluster::DeliverOnly(uint64_t store) {
  std::deque<Frame> others;
  auto frames = std::exchange(frames_, {});
  for (Frame& frame : frames) {
    if (frame.to != store || !frame.reply.has_value()) {
      others.push_back(std::move(frame));
      continue;
    }
    front(store).OnForwardReply(now, StoreId(frame.from), *std::move(frame.reply));
    RunFront(store);
  }
  frames_.insert(frames_.begin(), std::make_move_iterator(others.begin()),
                 std::make_move_iterator(others.end()));
}

void FakeCluster::Advance(Duration by) {
  now.boot += by;
  now.raw += by;
  Settle();
}

void FakeCluster::RunUntilDone(const FakeCall& call) {
  const Instant end = now.boot + std::chrono::minutes(1);
  Settle();
  while (!call.result.has_value() && now.boot < end) {
    Instant next = end;
    for (auto& [id, node] : nodes_) next = std::min(next, node->front->NextDeadline());
    Advance(std::max<Duration>(next - now.boot, Duration(1)));
  }
  CHECK(call.result.has_value()) << "the call was not answered in a minute";
}

RangeDescriptor FakeCluster::SplitSilently(const std::string& full_key, uint64_t child_id) {
  const RangeDescriptor parent = *RangeOf(full_key);
  const range::SplitDescriptors halves =
      range::Split(parent, full_key, child_id, client::CollectionOf(full_key));
  ranges_[parent.range_id()] = halves.left;
  ranges_[child_id] = halves.right;
  leaders_[child_id] = leaders_[parent.range_id()];
  return halves.right;
}

const RangeDescriptor* FakeCluster::RangeOf(const std::string& full_key) const {
  for (const auto& [id, range] : ranges_) {
    if (range::Contains(range, full_key)) return &range;
  }
  return nullptr;
}

void FakeCluster::SetLeader(uint64_t range, uint64_t store) { leaders_[range] = store; }

uint64_t FakeCluster::Leader(uint64_t range) const {
  const auto it = leaders_.find(range);
  return it == leaders_.end() ? 0 : it->second;
}

RangeDescriptor FakeCluster::InDirectory(const std::string& full_key) {
  storage::v1::MetaQuery query;
  query.set_ranges_from(full_key);
  const auto outcome = range::AnswerMetaQuery(absl::Cord(query.SerializeAsString()), engine_);
  CHECK(outcome.ok());
  storage::v1::MetaQueryResult result;
  CHECK(result.ParseFromString(std::string(outcome->response)));
  return result.ranges_size() == 0 ? RangeDescriptor() : result.ranges(0);
}

void FakeCluster::ApplyToMeta(const storage::v1::MetaCommand& command) {
  kv::Turn turn(&engine_);
  CHECK(range::ApplyMetaCommand(absl::Cord(command.SerializeAsString()), &turn).ok());
  CHECK(turn.Commit().ok());
}

void FakeCluster::TellObservers(uint64_t range) {
  const auto it = ranges_.find(range);
  for (auto& [id, node] : nodes_) {
    if (it == ranges_.end()) {
      node->front->OnRemoved(RangeId(range));
    } else {
      node->front->OnDescriptor(it->second, Leader(range) == id);
    }
  }
}

void FakeCluster::CrashDuring(uint64_t store, Method method, const std::string& request,
                              int answers) {
  FakeCall lost;
  const auto hold = [&] {
    for (const auto& [other, node] : nodes_) {
      if (other != store) held.insert({other, store});
    }
  };
  Start(store, method, request, &lost);
  hold();
  for (int answer = 1; answer <= answers && !lost.result.has_value(); ++answer) {
    Settle();
    held.clear();
    if (answer < answers) DeliverOnly(store);
    hold();
  }
  BreakConnectionsOf(store);
  RestartFront(store);
  held.clear();
}

void FakeCluster::BreakConnectionsOf(uint64_t store, bool not_sent) {
  std::map<uint64_t, std::vector<uint64_t>> held_by;
  for (const Frame& f : frames_) {
    if (not_sent && f.to == store && f.request.has_value())
      held_by[f.from].push_back(f.request->id);
  }
  const auto concerns = [store](const Frame& f) { return f.from == store || f.to == store; };
  frames_.erase(std::remove_if(frames_.begin(), frames_.end(), concerns), frames_.end());
  for (auto& [id, node] : nodes_) {
    if (id != store) node->front->OnPeerBroken(now, StoreId(store), held_by[id]);
  }
}

uint64_t FakeCluster::requests_executed(kv::Operation operation) const {
  const auto it = executed_.find(operation);
  return it == executed_.end() ? 0 : it->second;
}

Response FakeCluster::Execute(StoreId store, const range::Request& request) {
  if (intercept != nullptr) {
    if (auto answer = intercept(store, request); answer.has_value()) return *std::move(answer);
  }
  Response response;
  const auto it = ranges_.find(request.range.value());
  const bool matches = it != ranges_.end() &&
                       it->second.generation() == request.generation.value() &&
                       range::Contains(it->second, request.first_key) &&
                       (request.last_key.empty() || range::Contains(it->second, request.last_key));
  if (!matches) {
    response.outcome = Outcome::kRangeMismatch;
    const RangeDescriptor* right = RangeOf(request.first_key);
    if (right != nullptr) response.descriptors.push_back(*right);
    return response;
  }
  if (Leader(request.range.value()) != store.value()) {
    response.outcome = Outcome::kNotLeader;
    if (give_hints) response.leader_store = StoreId(Leader(request.range.value()));
    return response;
  }
  const RangeDescriptor& range = it->second;
  const bool steps =
      request.operation == kv::Operation::kFreeze || request.operation == kv::Operation::kThaw;
  if (range.has_frozen_by() && !steps) {
    response.outcome = Outcome::kNotLeader;
    response.leader_store = store;
    response.retry_after = std::chrono::milliseconds(10);
    return response;
  }
  if (IsOfNoCollectionHere(request, range)) {
    response.outcome = Outcome::kNotFound;
    response.message = "the collection was dropped";
    return response;
  }
  ++executed_[request.operation];
  const kv::Space space{range.range_id(), range.collection_id()};
  switch (request.operation) {
    case kv::Operation::kGet:
      return FromKv(kv::Get(space, request.body, engine_));
    case kv::Operation::kScan: {
      const bool bounded = client::CollectionOf(range.end_key()) == range.collection_id();
      return FromKv(kv::ScanPage(space, range::UserKey(range.start_key()),
                                 bounded ? range::UserKey(range.end_key()) : absl::string_view(),
                                 request.body, engine_));
    }
    case kv::Operation::kMetaRead:
      return FromKv(range::AnswerMetaQuery(request.body, engine_));
    case kv::Operation::kSplit:
      return ExecuteSplit(request);
    case kv::Operation::kMergeBegin:
    case kv::Operation::kFreeze:
    case kv::Operation::kMerge:
    case kv::Operation::kMergeAbandon:
    case kv::Operation::kThaw:
    case kv::Operation::kMergeEnd:
      return ExecuteMergeStep(request);
    case kv::Operation::kDropRange:
      return ExecuteDrop(range.range_id());
    case kv::Operation::kBatch:
      if (!kv::ReadFields(request.operation, request.body)->mutates) {
        return FromKv(kv::GetBatch(space, request.body, engine_));
      }
      return ExecuteWrite(request, range);
    default:
      return ExecuteWrite(request, range);
  }
}

// As the range layer does it, except that nothing is copied and joint states pass in no time.
Response FakeCluster::ChangeReplicas(uint64_t store, RangeId range_id,
                                     consensus::Generation generation,
                                     const range::ReplicaChange& change) {
  Response response;
  using Kind = range::ReplicaChange::Kind;
  RangeDescriptor& range = ranges_.at(range_id.value());
  if (Leader(range_id.value()) != store || range.generation() != generation.value()) {
    response.outcome = Outcome::kNotLeader;
    return response;
  }
  if (change.kind == Kind::kSetVoters && !copies_catch_up) {
    response.outcome = Outcome::kFailedPrecondition;
    response.message = "17 entries to go";
    return response;
  }
  RangeDescriptor changed = range;
  changed.clear_replicas();
  for (const auto& replica : range.replicas()) {
    const StoreId on(replica.store_id());
    const bool votes = std::count(change.voters.begin(), change.voters.end(), on) > 0;
    const bool learner = replica.role() == type::v1::REPLICA_ROLE_LEARNER;
    const bool leaves = (change.kind == Kind::kRemoveLearner && on == change.store) ||
                        (change.kind == Kind::kSetVoters && !votes && !learner);
    if (leaves) continue;
    auto* stays = changed.add_replicas();
    *stays = replica;
    if (votes) stays->set_role(type::v1::REPLICA_ROLE_VOTER);
  }
  if (change.kind == Kind::kAddLearner) {
    auto* learner = changed.add_replicas();
    learner->set_replica_id(changed.next_replica_id());
    learner->set_store_id(change.store.value());
    learner->set_role(type::v1::REPLICA_ROLE_LEARNER);
    changed.set_next_replica_id(changed.next_replica_id() + 1);
  }
  changed.set_generation(range.generation() + 1);
  range = changed;
  ++steps_taken;
  if (!client::HasMember(range, store)) leaders_[range_id.value()] = range.replicas(0).store_id();
  return response;
}

Response FakeCluster::ExecuteWrite(const range::Request& request, const RangeDescriptor& range) {
  kv::Turn turn(&engine_);
  Response response;
  if (request.operation == kv::Operation::kMeta) {
    response = FromKv(range::ApplyMetaCommand(request.body, &turn));
  } else {
    kv::Command command;
    command.version = next_version_++ << 16;
    command.session = request.id;
    command.operation = request.operation;
    command.body = request.body;
    response = FromKv(kv::Apply({range.range_id(), range.collection_id()}, command, &turn));
  }
  CHECK(turn.Commit().ok());
  return response;
}

Response FakeCluster::ExecuteDrop(uint64_t range_id) {
  RangeDescriptor& range = ranges_.at(range_id);
  if (range.dropped()) return Response();
  const std::string begin = kv::DataKey(range.collection_id(), range::UserKey(range.start_key()));
  const bool bounded = client::CollectionOf(range.end_key()) == range.collection_id();
  const std::string end = bounded
                              ? kv::DataKey(range.collection_id(), range::UserKey(range.end_key()))
                              : kv::DataKey(range.collection_id() + 1, "");
  kv::Turn turn(&engine_);
  turn.DeleteRange(begin, end);
  CHECK(turn.Commit().ok());
  range.set_dropped(true);
  range.set_generation(range.generation() + 1);
  return Response();
}

Response FakeCluster::ExecuteSplit(const range::Request& request) {
  storage::v1::SplitCommand command;
  CHECK(command.ParseFromString(std::string(request.body)));
  Response response;
  const absl::Status valid = range::ValidateSplit(
      ranges_.at(request.range.value()), command.split_key(), command.child_collection_id());
  if (!valid.ok()) {
    response.outcome = Outcome::kFailedPrecondition;
    response.message = std::string(valid.message());
    return response;
  }
  for (const auto& [id, absorbed] : absorbed_) {
    if (absorbed.left_range_id() == request.range.value() && command.child_range_id() <= id) {
      return Refusal("the id of the new range is older than a merge of this one");
    }
  }
  storage::v1::SplitResult result;
  *result.mutable_right() = SplitSilently(command.split_key(), command.child_range_id());
  *result.mutable_left() = ranges_.at(request.range.value());
  response.body = absl::Cord(result.SerializeAsString());
  return response;
}

Response FakeCluster::ExecuteMergeStep(const range::Request& request) {
  RangeDescriptor* range = &ranges_.at(request.range.value());
  const uint64_t id = range->range_id();
  Response response;
  switch (request.operation) {
    case kv::Operation::kMergeBegin:
      response = MergeBegin(request, range);
      break;
    case kv::Operation::kFreeze:
      response = Freeze(request, range);
      break;
    case kv::Operation::kMerge:
      response = Absorb(request, range);
      break;
    default:
      response = StepBack(request, range);
  }
  TellObservers(id);
  return response;
}

Response FakeCluster::MergeBegin(const range::Request& request, RangeDescriptor* left) {
  storage::v1::MergeBegin command;
  CHECK(command.ParseFromString(std::string(request.body)));
  if (left->has_merge() || command.right().start_key() != left->end_key()) {
    return Refusal("another merge is noted, or it is no neighbour");
  }
  left->mutable_merge()->set_right_range_id(command.right().range_id());
  left->mutable_merge()->set_right_generation(command.right().generation());
  left->set_generation(left->generation() + 1);
  return {};
}

Response FakeCluster::Freeze(const range::Request& request, RangeDescriptor* right) {
  storage::v1::FreezeRange command;
  CHECK(command.ParseFromString(std::string(request.body)));
  if (right->has_merge()) return Refusal("it merges itself");
  const bool is_frozen =
      right->has_frozen_by() && right->frozen_by().left_range_id() == command.left_range_id();
  if (!is_frozen) {
    right->mutable_frozen_by()->set_left_range_id(command.left_range_id());
    right->set_generation(right->generation() + 1);
  }
  if (!members_hold_freezes) return Refusal("store 3 does not hold the freeze");
  storage::v1::FreezeResult result;
  *result.mutable_right() = *right;
  result.set_index(7);
  result.set_term(1);
  result.set_version_floor(next_version_ << 16);
  Response response;
  response.body = absl::Cord(result.SerializeAsString());
  return response;
}

Response FakeCluster::Absorb(const range::Request& request, RangeDescriptor* left) {
  storage::v1::MergeRanges command;
  CHECK(command.ParseFromString(std::string(request.body)));
  const RangeDescriptor& frozen = command.frozen().right();
  const auto right = ranges_.find(frozen.range_id());
  if (!left->has_merge() || left->merge().abandoned() || right == ranges_.end() ||
      left->merge().right_range_id() != frozen.range_id()) {
    return Refusal("no such merge is noted");
  }
  CHECK(right->second.has_frozen_by());
  Absorb(left, frozen);
  TellObservers(frozen.range_id());
  return {};
}

void FakeCluster::Absorb(RangeDescriptor* left, const RangeDescriptor& right) {
  left->clear_merge();
  left->set_end_key(right.end_key());
  left->set_generation(std::max(left->generation(), right.generation()) + 1);
  storage::v1::AbsorbedRange& absorbed = absorbed_[right.range_id()];
  absorbed.set_range_id(right.range_id());
  absorbed.set_left_range_id(left->range_id());
  absorbed.set_generation(left->generation());
  absorbed.set_start_key(left->start_key());
  absorbed.set_end_key(left->end_key());
  ranges_.erase(right.range_id());
}

void FakeCluster::MergeSilently(uint64_t left) {
  RangeDescriptor& range = ranges_.at(left);
  Absorb(&range, RangeDescriptor(*RangeOf(range.end_key())));
}

Response FakeCluster::StepBack(const range::Request& request, RangeDescriptor* range) {
  if (request.operation == kv::Operation::kThaw) {
    storage::v1::ThawRange command;
    CHECK(command.ParseFromString(std::string(request.body)));
    const bool frozen = range->has_frozen_by() &&
                        range->frozen_by().left_range_id() == command.left_range_id() &&
                        range->generation() == command.right_generation() + 1;
    if (frozen) range->clear_frozen_by();
    if (frozen || range->generation() == command.right_generation()) {
      range->set_generation(range->generation() + 1);
    }
    return {};
  }
  storage::v1::MergeAbandon command;  // The same fields as MergeEnd.
  CHECK(command.ParseFromString(std::string(request.body)));
  if (!range->has_merge() || range->merge().right_range_id() != command.right_range_id() ||
      range->merge().right_generation() != command.right_generation()) {
    return Refusal("no such merge is noted");
  }
  range->mutable_merge()->set_abandoned(true);
  if (request.operation == kv::Operation::kMergeEnd) range->clear_merge();
  range->set_generation(range->generation() + 1);
  return {};
}

}  // namespace rasputin::server
