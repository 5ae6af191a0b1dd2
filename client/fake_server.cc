// See fake_server.h. One lock around everything; calls that hang wait outside of it.

#include "client/fake_server.h"

#include <arpa/inet.h>
#include <glog/logging.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "client/route/full_key.h"
#include "google/rpc/status.pb.h"
#include "rasputin/admin/v1/admin.grpc.pb.h"
#include "rasputin/kv/v1/kv.grpc.pb.h"

namespace rasputin::client {
namespace {

using admin::v1::ClusterService;
using admin::v1::CollectionService;
using admin::v1::DirectoryService;

constexpr uint64_t kRangeId = 7;

type::v1::RangeDescriptor FakeRange() {
  type::v1::RangeDescriptor range;
  range.set_range_id(kRangeId);
  range.set_generation(1);
  range.set_collection_id(kDefaultCollectionId);
  range.set_start_key(KeyPrefix(kDefaultCollectionId));
  for (const uint64_t store : {1, 2}) {
    type::v1::ReplicaDescriptor* replica = range.add_replicas();
    replica->set_replica_id(store);
    replica->set_store_id(store);
  }
  return range;
}

grpc::Status ToStatus(const FakeFailure& failure) {
  const auto code = static_cast<grpc::StatusCode>(failure.code);
  if (failure.reason == v1::ERROR_REASON_UNSPECIFIED) return {code, failure.message};
  v1::ErrorDetail detail;
  detail.set_reason(failure.reason);
  if (failure.retry_after_seconds != 0) {
    detail.mutable_retry_after()->set_seconds(failure.retry_after_seconds);
  }
  if (failure.names_range || !failure.hint_address.empty()) {
    *detail.mutable_range() = FakeRange();
  }
  if (!failure.hint_address.empty()) {
    detail.mutable_hint()->set_store_id(2);
    detail.mutable_hint()->set_client_address(failure.hint_address);
  }
  google::rpc::Status rich;
  rich.set_code(failure.code);
  rich.set_message(failure.message);
  rich.add_details()->PackFrom(detail);
  return {code, failure.message, rich.SerializeAsString()};
}

// What the services share.
struct State {
  struct Stored {
    std::string value;
    uint64_t version = 0;
  };

  std::mutex mutex;
  std::condition_variable stopping_changed;
  bool stopping = false;
  std::map<std::string, Stored> rows;
  uint64_t version = 100;
  std::map<std::pair<uint64_t, uint64_t>, std::string> outcomes;  // By client and sequence.
  std::map<std::string, std::deque<FakeFailure>> failures;
  std::map<std::string, int> calls;
  int break_scan_after = -1;
  std::string leader;
  bool initialized = true;
  bool meta_available = true;
  bool paused = false;
  type::v1::RangeDescriptor range = FakeRange();  // As changes of its members left it.

  // Executes the call unless it was told to fail.
  grpc::Status Call(grpc::ServerContext* context, const std::string& method,
                    const std::function<void()>& execute) {
    std::unique_lock<std::mutex> lock(mutex);
    ++calls[method];
    std::deque<FakeFailure>& queue = failures[method];
    if (queue.empty()) {
      execute();
      return grpc::Status::OK;
    }
    const FakeFailure failure = queue.front();
    queue.pop_front();
    if (failure.executed) execute();
    if (failure.hangs) {
      stopping_changed.wait_until(lock, context->deadline(), [this] { return stopping; });
    }
    return ToStatus(failure);
  }

  // The same for a mutation, which is executed once for each RequestId.
  template <typename Request, typename Response>
  grpc::Status Mutate(grpc::ServerContext* context, const std::string& method,
                      const Request& request, Response* response,
                      const std::function<void()>& execute) {
    return Call(context, method, [&] {
      if (!request.has_request_id()) return execute();
      const std::pair<uint64_t, uint64_t> id(request.request_id().client_id(),
                                             request.request_id().sequence());
      const auto known = outcomes.find(id);
      if (known != outcomes.end()) {
        CHECK(response->ParseFromString(known->second));
        return;
      }
      execute();
      outcomes[id] = response->SerializeAsString();
    });
  }
};

class FakeKv : public kv::v1::KvService::Service {
 public:
  explicit FakeKv(State* state) : state_(state) {}

  grpc::Status Get(grpc::ServerContext* context, const kv::v1::GetRequest* request,
                   kv::v1::GetResponse* response) override {
    return state_->Call(context, "Get", [&] {
      const auto row = state_->rows.find(request->key());
      response->set_found(row != state_->rows.end());
      if (!response->found()) return;
      response->set_value(row->second.value);
      response->set_version(row->second.version);
    });
  }

  grpc::Status Set(grpc::ServerContext* context, const kv::v1::SetRequest* request,
                   kv::v1::SetResponse* response) override {
    return state_->Mutate(context, "Set", *request, response, [&] {
      state_->rows[request->key()] = {request->value(), ++state_->version};
      response->set_version(state_->version);
    });
  }

  grpc::Status Cas(grpc::ServerContext* context, const kv::v1::CasRequest* request,
                   kv::v1::CasResponse* response) override {
    return state_->Mutate(context, "Cas", *request, response, [&] {
      const auto row = state_->rows.find(request->key());
      const bool found = row != state_->rows.end();
      const bool holds = request->has_expected_absent() ? !found
                         : request->has_expected_version()
                             ? found && row->second.version == request->expected_version()
                             : found && row->second.value == request->expected_value();
      if (holds) state_->rows[request->key()] = {request->value(), ++state_->version};
      response->set_success(holds);
      response->set_found(holds || found);
      if (!response->found()) return;
      response->set_value(state_->rows[request->key()].value);
      response->set_version(state_->rows[request->key()].version);
    });
  }

  grpc::Status Delete(grpc::ServerContext* context, const kv::v1::DeleteRequest* request,
                      kv::v1::DeleteResponse* response) override {
    return state_->Mutate(context, "Delete", *request, response, [&] {
      const auto row = state_->rows.find(request->key());
      response->set_found(row != state_->rows.end());
      if (!response->found()) return;
      response->set_previous_value(row->second.value);
      response->set_previous_version(row->second.version);
      response->set_version(++state_->version);
      state_->rows.erase(row);
    });
  }

  grpc::Status Scan(grpc::ServerContext* context, const kv::v1::ScanRequest* request,
                    grpc::ServerWriter<kv::v1::ScanResponse>* writer) override {
    bool broken = false;
    const grpc::Status status = state_->Call(context, "Scan", [&] {
      uint64_t sent = 0;
      for (auto row = state_->rows.lower_bound(request->start()); row != state_->rows.end();
           ++row) {
        if (!request->end().empty() && row->first >= request->end()) return;
        if (request->limit() != 0 && sent == request->limit()) return;
        if (state_->break_scan_after == static_cast<int>(sent)) {
          state_->break_scan_after = -1;
          broken = true;
          return;
        }
        kv::v1::ScanResponse page;
        page.add_rows()->set_key(row->first);
        page.mutable_rows(0)->set_version(row->second.version);
        if (!request->keys_only()) page.mutable_rows(0)->set_value(row->second.value);
        writer->Write(page);
        ++sent;
      }
    });
    return broken ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken") : status;
  }

 private:
  State* const state_;
};

class FakeDirectory : public DirectoryService::Service {
 public:
  explicit FakeDirectory(State* state) : state_(state) {}

  grpc::Status LookupRange(grpc::ServerContext* context, const admin::v1::LookupRangeRequest*,
                           admin::v1::LookupRangeResponse* response) override {
    return state_->Call(context, "LookupRange", [&] {
      *response->mutable_route()->mutable_range() = FakeRange();
      response->mutable_route()->set_leader_store_id(1);
      response->add_stores()->set_store_id(1);
      response->mutable_stores(0)->set_client_address(state_->leader);
    });
  }

  grpc::Status ListRanges(grpc::ServerContext* context, const admin::v1::ListRangesRequest*,
                          admin::v1::ListRangesResponse* response) override {
    return state_->Call(context, "ListRanges", [&] {
      *response->add_routes()->mutable_range() = state_->range;
      response->mutable_routes(0)->set_leader_store_id(1);
    });
  }

 private:
  State* const state_;
};

class FakeClusterService : public ClusterService::Service {
 public:
  explicit FakeClusterService(State* state) : state_(state) {}

  grpc::Status Init(grpc::ServerContext* context, const admin::v1::InitRequest*,
                    admin::v1::InitResponse* response) override {
    return state_->Call(context, "Init", [&] {
      response->set_cluster_id(UINT64_MAX);
      response->set_already_initialized(state_->initialized);
      state_->initialized = true;
    });
  }

  grpc::Status GetStatus(grpc::ServerContext* context, const admin::v1::GetStatusRequest*,
                         admin::v1::GetStatusResponse* response) override {
    return state_->Call(context, "GetStatus", [&] {
      response->set_initialized(state_->initialized);
      if (!state_->initialized) return;
      response->set_cluster_id(UINT64_MAX);
      response->set_meta_available(state_->meta_available);
      response->set_ranges(state_->meta_available ? 3 : 0);
      response->add_stores()->mutable_store()->set_store_id(1);
      response->mutable_stores(0)->set_reachable(true);
      response->add_stores()->mutable_store()->set_store_id(2);
      response->mutable_stores(1)->set_reachable(state_->meta_available);
    });
  }

  grpc::Status ListStores(grpc::ServerContext* context, const admin::v1::ListStoresRequest*,
                          admin::v1::ListStoresResponse* response) override {
    return state_->Call(context, "ListStores", [&] {
      response->add_stores()->set_store_id(1);
      response->mutable_stores(0)->set_client_address(state_->leader);
      for (const bool alive : {true, false}) {
        admin::v1::StoreStatus* status = response->add_statuses();
        status->mutable_store()->set_store_id(alive ? 1 : 3);
        if (alive) *status->mutable_store() = response->stores(0);
        status->set_reachable(alive);
        status->set_ranges(1);
      }
    });
  }

  grpc::Status ChangeReplicas(grpc::ServerContext* context,
                              const admin::v1::ChangeReplicasRequest* request,
                              admin::v1::ChangeReplicasResponse* response) override {
    return state_->Call(context, "ChangeReplicas", [&] {
      type::v1::RangeDescriptor changed = state_->range;
      changed.clear_replicas();
      for (const auto& replica : state_->range.replicas()) {
        if (replica.store_id() != request->remove_store_id()) *changed.add_replicas() = replica;
      }
      if (request->add_store_id() != 0) {
        changed.add_replicas()->set_store_id(request->add_store_id());
      }
      state_->range = changed;
      *response->mutable_range() = changed;
    });
  }

  grpc::Status MergeRanges(grpc::ServerContext* context, const admin::v1::MergeRangesRequest*,
                           admin::v1::MergeRangesResponse* response) override {
    return state_->Call(context, "MergeRanges", [&] {
      state_->range.set_generation(state_->range.generation() + 1);
      *response->mutable_range() = state_->range;
    });
  }

  grpc::Status DecommissionStore(grpc::ServerContext* context,
                                 const admin::v1::DecommissionStoreRequest*,
                                 admin::v1::DecommissionStoreResponse*) override {
    return state_->Call(context, "DecommissionStore", [] {});
  }

  grpc::Status DrainStore(grpc::ServerContext* context, const admin::v1::DrainStoreRequest* request,
                          admin::v1::DrainStoreResponse* response) override {
    return state_->Call(context, "DrainStore", [&] {
      response->mutable_store()->set_store_id(request->store_id());
      response->mutable_store()->set_state(request->state());
      if (state_->paused) response->add_obstacles("placement is paused");
    });
  }

  grpc::Status GetPlan(grpc::ServerContext* context, const admin::v1::GetPlanRequest*,
                       admin::v1::GetPlanResponse* response) override {
    return state_->Call(context, "GetPlan", [&] {
      response->set_controller_store_id(1);
      type::v1::Decision* done = response->add_done();
      done->set_range_id(7);
      done->set_outcome(type::v1::DECISION_OUTCOME_DONE);
      done->set_reason("replica from store 3 to store 4; store 3 is being decommissioned");
      response->add_obstacles("store 3 does not answer");
      response->set_ranges_short(2);
    });
  }

  grpc::Status SetPlacement(grpc::ServerContext* context,
                            const admin::v1::SetPlacementRequest* request,
                            admin::v1::SetPlacementResponse*) override {
    return state_->Call(context, request->paused() ? "PausePlacement" : "ResumePlacement",
                        [&] { state_->paused = request->paused(); });
  }

  // Store 1 withdraws; store 2 has just heard the one that is called dead, if that is store 9.
  grpc::Status WithdrawPromises(grpc::ServerContext* context,
                                const admin::v1::WithdrawPromisesRequest* request,
                                admin::v1::WithdrawPromisesResponse* response) override {
    return state_->Call(context, "WithdrawPromises", [&] {
      auto* one = response->add_stores();
      one->set_store_id(1);
      one->set_outcome(admin::v1::WITHDRAWAL_OUTCOME_WITHDRAWN);
      if (request->store_id() != 9) return;
      auto* two = response->add_stores();
      two->set_store_id(2);
      two->set_outcome(admin::v1::WITHDRAWAL_OUTCOME_REFUSED);
      two->set_message("store 9 asked it");
    });
  }

  grpc::Status ListAudit(grpc::ServerContext* context, const admin::v1::ListAuditRequest*,
                         admin::v1::ListAuditResponse* response) override {
    return state_->Call(context, "ListAudit", [&] {
      auto* one = response->add_stores();
      one->set_store_id(1);
      one->set_reachable(true);
      one->add_lines("TIME something");
      response->add_stores()->set_store_id(2);
    });
  }

  grpc::Status DescribeRange(grpc::ServerContext* context, const admin::v1::DescribeRangeRequest*,
                             admin::v1::DescribeRangeResponse* response) override {
    return state_->Call(context, "DescribeRange", [&] {
      *response->mutable_range() = FakeRange();
      response->set_serving(true);
      response->mutable_load()->set_reads_per_second(1200);
      response->mutable_thresholds()->set_requests_per_second(2500);
      response->add_decisions()->set_kind(type::v1::DECISION_KIND_SPLIT);
      response->mutable_decisions(0)->set_outcome(type::v1::DECISION_OUTCOME_NOT_TAKEN);
      response->mutable_decisions(0)->set_reason("one key has all requests");
      response->mutable_lease_left()->set_nanos(1500 * 1000 * 1000 / 2);
    });
  }

  grpc::Status ListLoads(grpc::ServerContext* context, const admin::v1::ListLoadsRequest*,
                         admin::v1::ListLoadsResponse* response) override {
    return state_->Call(context, "ListLoads", [&] {
      admin::v1::RangeActivity* one = response->add_ranges();
      *one->mutable_route()->mutable_range() = FakeRange();
      one->mutable_route()->set_leader_store_id(1);
      one->mutable_load()->set_range_id(kRangeId);
      one->mutable_load()->set_writes_per_second(31);
      one->mutable_load()->set_size_bytes(2048);
      response->add_stores()->mutable_store()->set_store_id(1);
      response->mutable_stores(0)->set_reachable(true);
      response->mutable_stores(0)->mutable_load()->set_used_bytes(3 << 20);
      response->mutable_stores(0)->mutable_load()->add_led_range_ids(kRangeId);
      response->mutable_stores(0)->mutable_load()->add_led_bytes(4096);
    });
  }

  grpc::Status SplitRange(grpc::ServerContext* context, const admin::v1::SplitRangeRequest* request,
                          admin::v1::SplitRangeResponse* response) override {
    return state_->Call(context, "SplitRange", [&] {
      const std::string key = FullKey(kDefaultCollectionId, request->split_key());
      *response->mutable_left() = FakeRange();
      response->mutable_left()->set_end_key(key);
      *response->mutable_right() = FakeRange();
      response->mutable_right()->set_range_id(kRangeId + 1);
      response->mutable_right()->set_start_key(key);
    });
  }

  grpc::Status TransferLease(grpc::ServerContext* context,
                             const admin::v1::TransferLeaseRequest* request,
                             admin::v1::TransferLeaseResponse* response) override {
    return state_->Call(context, "TransferLease", [&] {
      response->mutable_route()->set_leader_store_id(request->target_store_id());
    });
  }

 private:
  State* const state_;
};

class FakeCollections : public CollectionService::Service {
 public:
  explicit FakeCollections(State* state) : state_(state) {}

  grpc::Status CreateCollection(grpc::ServerContext* context,
                                const admin::v1::CreateCollectionRequest* request,
                                admin::v1::CreateCollectionResponse* response) override {
    return state_->Call(context, "CreateCollection", [&] {
      response->mutable_collection()->set_id(9);
      response->mutable_collection()->set_name(request->name());
      response->mutable_collection()->set_type(request->type());
    });
  }

  grpc::Status GetCollection(grpc::ServerContext* context,
                             const admin::v1::GetCollectionRequest* request,
                             admin::v1::GetCollectionResponse* response) override {
    return state_->Call(context, "GetCollection", [&] {
      response->mutable_collection()->set_id(9);
      response->mutable_collection()->set_name(request->name());
      response->mutable_collection()->set_ready(true);
      response->mutable_collection()->mutable_options()->set_replication_factor(5);
    });
  }

  grpc::Status UpdateCollection(grpc::ServerContext* context,
                                const admin::v1::UpdateCollectionRequest* request,
                                admin::v1::UpdateCollectionResponse* response) override {
    return state_->Call(context, "UpdateCollection", [&] {
      response->mutable_collection()->set_name(request->name());
      *response->mutable_collection()->mutable_options() = request->options();
    });
  }

  grpc::Status DropCollection(grpc::ServerContext* context, const admin::v1::DropCollectionRequest*,
                              admin::v1::DropCollectionResponse* response) override {
    return state_->Call(context, "DropCollection", [&] { response->set_ranges_emptied(4); });
  }

  grpc::Status ListCollections(grpc::ServerContext* context,
                               const admin::v1::ListCollectionsRequest*,
                               admin::v1::ListCollectionsResponse* response) override {
    return state_->Call(context, "ListCollections", [&] {
      response->add_collections()->set_id(kDefaultCollectionId);
      response->mutable_collections(0)->set_name("default");
      response->mutable_collections(0)->set_type(type::v1::COLLECTION_TYPE_KV);
      response->mutable_collections(0)->set_ready(true);
    });
  }

 private:
  State* const state_;
};

}  // namespace

class FakeServer::Impl {
 public:
  Impl() : kv_(&state_), directory_(&state_), cluster_(&state_), collections_(&state_) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.RegisterService(&kv_);
    builder.RegisterService(&directory_);
    builder.RegisterService(&cluster_);
    builder.RegisterService(&collections_);
    server_ = builder.BuildAndStart();
    CHECK(server_ != nullptr && port != 0);
    address_ = "127.0.0.1:" + std::to_string(port);
    state_.leader = address_;
  }

  ~Impl() {
    {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      state_.stopping = true;
    }
    state_.stopping_changed.notify_all();
    server_->Shutdown();
  }

  // Runs `use` with everything under the lock.
  template <typename Use>
  auto With(const Use& use) {
    const std::lock_guard<std::mutex> lock(state_.mutex);
    return use(&state_);
  }

  const std::string& address() const { return address_; }

 private:
  State state_;
  FakeKv kv_;
  FakeDirectory directory_;
  FakeClusterService cluster_;
  FakeCollections collections_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

FakeServer::FakeServer() : impl_(std::make_unique<Impl>()) {}
FakeServer::~FakeServer() = default;

const std::string& FakeServer::address() const { return impl_->address(); }

void FakeServer::Fail(const std::string& method, const FakeFailure& failure, int times) {
  impl_->With([&](State* state) {
    for (int i = 0; i < times; ++i) state->failures[method].push_back(failure);
  });
}

int FakeServer::Calls(const std::string& method) const {
  return impl_->With([&](State* state) { return state->calls[method]; });
}

void FakeServer::BreakScanAfter(int rows) {
  impl_->With([&](State* state) { state->break_scan_after = rows; });
}

void FakeServer::SetLeader(const std::string& client_address) {
  impl_->With([&](State* state) { state->leader = client_address; });
}

void FakeServer::SetMetaAvailable(bool available) {
  impl_->With([&](State* state) { state->meta_available = available; });
}

void FakeServer::SetInitialized(bool initialized) {
  impl_->With([&](State* state) { state->initialized = initialized; });
}

void FakeServer::Put(const std::string& key, const std::string& value) {
  impl_->With([&](State* state) { state->rows[key] = {value, ++state->version}; });
}

std::string FakeServer::Value(const std::string& key) const {
  return impl_->With([&](State* state) { return state->rows[key].value; });
}

std::string DeadAddress() {
  const int bound = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  PCHECK(bind(bound, reinterpret_cast<sockaddr*>(&address), size) == 0);
  PCHECK(getsockname(bound, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(bound);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

}  // namespace rasputin::client
