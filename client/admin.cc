// See admin.h.

#include "client/admin.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <type_traits>
#include <utility>

#include "client/attempts.h"
#include "client/endpoints.h"
#include "client/status.h"
#include "rasputin/admin/v1/admin.grpc.pb.h"

namespace rasputin::client {

using admin::v1::ClusterService;
using admin::v1::CollectionService;
using admin::v1::DirectoryService;

namespace {

// How long one call of a change of members lasts: so often is told what it waits for.
constexpr std::chrono::seconds kStepTime(5);
constexpr std::chrono::milliseconds kStepTimeMin(100);

template <typename Request>
bool IsRepeatable(const Request& request) {
  if constexpr (std::is_same_v<Request, admin::v1::MergeRangesRequest>) {
    return request.right_range_id() != 0;
  }
  return true;
}

}  // namespace

class Admin::Impl {
 public:
  explicit Impl(const ClientOptions& options)
      : options_(options), endpoints_(options.endpoints), seed_(std::random_device()()) {}

  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> Call(bool mutation,
                                grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                                const Request& request) {
    return CallUntil<Service>(Deadline(), mutation, method, request);
  }

  std::chrono::steady_clock::time_point Deadline() const {
    return std::chrono::steady_clock::now() + options_.deadline;
  }

  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> CallUntil(std::chrono::steady_clock::time_point deadline, bool mutation,
                                     grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                           const Request&,
                                                                           Response*),
                                     const Request& request) {
    AttemptOptions options;
    options.deadline = deadline;
    options.repeatable = IsRepeatable(request);
    options.connect_time_max = options_.connect_time_max;
    options.mutation = mutation;
    options.seed = seed_.fetch_add(1);
    Response response;
    AttemptHooks hooks;
    hooks.address = [] { return std::string(); };
    hooks.call = [&](const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context) {
      response.Clear();
      return (Service::NewStub(channel).get()->*method)(context, request, &response);
    };
    const absl::Status status = RunAttempts(options, &endpoints_, hooks);
    if (!status.ok()) return status;
    return response;
  }

  Endpoints& endpoints() { return endpoints_; }

 private:
  const ClientOptions options_;
  Endpoints endpoints_;
  std::atomic<uint64_t> seed_;
};

Admin::Admin(const ClientOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Admin::~Admin() = default;

absl::StatusOr<admin::v1::InitResponse> Admin::Init() {
  return impl_->Call<ClusterService>(true, &ClusterService::Stub::Init, admin::v1::InitRequest());
}

absl::StatusOr<admin::v1::GetStatusResponse> Admin::GetStatus() {
  absl::StatusOr<admin::v1::GetStatusResponse> response;
  for (size_t i = 0; i < impl_->endpoints().size(); ++i) {
    absl::StatusOr<admin::v1::GetStatusResponse> one = impl_->Call<ClusterService>(
        false, &ClusterService::Stub::GetStatus, admin::v1::GetStatusRequest());
    if (i == 0 || one.ok()) response = std::move(one);
    if (!response.ok() || response->initialized()) break;
    // Another endpoint may belong to the cluster that is meant.
    impl_->endpoints().Advance();
  }
  return response;
}

absl::StatusOr<admin::v1::ListStoresResponse> Admin::ListStores() {
  return impl_->Call<ClusterService>(false, &ClusterService::Stub::ListStores,
                                     admin::v1::ListStoresRequest());
}

absl::StatusOr<admin::v1::ListCollectionsResponse> Admin::ListCollections() {
  return impl_->Call<CollectionService>(false, &CollectionService::Stub::ListCollections,
                                        admin::v1::ListCollectionsRequest());
}

absl::StatusOr<admin::v1::CreateCollectionResponse> Admin::CreateCollection(
    const admin::v1::CreateCollectionRequest& request) {
  return impl_->Call<CollectionService>(true, &CollectionService::Stub::CreateCollection, request);
}

absl::StatusOr<admin::v1::GetCollectionResponse> Admin::GetCollection(const std::string& name) {
  admin::v1::GetCollectionRequest request;
  request.set_name(name);
  return impl_->Call<CollectionService>(false, &CollectionService::Stub::GetCollection, request);
}

absl::StatusOr<admin::v1::UpdateCollectionResponse> Admin::UpdateCollection(
    const admin::v1::UpdateCollectionRequest& request) {
  return impl_->Call<CollectionService>(true, &CollectionService::Stub::UpdateCollection, request);
}

absl::StatusOr<admin::v1::DropCollectionResponse> Admin::DropCollection(const std::string& name) {
  admin::v1::DropCollectionRequest request;
  request.set_name(name);
  return impl_->Call<CollectionService>(true, &CollectionService::Stub::DropCollection, request);
}

absl::StatusOr<admin::v1::LookupRangeResponse> Admin::LookupRange(
    const admin::v1::LookupRangeRequest& request) {
  return impl_->Call<DirectoryService>(false, &DirectoryService::Stub::LookupRange, request);
}

absl::StatusOr<std::vector<admin::v1::RangeRoute>> Admin::ListRanges(
    const std::string& collection) {
  std::vector<admin::v1::RangeRoute> routes;
  admin::v1::ListRangesRequest request;
  request.set_collection(collection);
  do {
    absl::StatusOr<admin::v1::ListRangesResponse> page =
        impl_->Call<DirectoryService>(false, &DirectoryService::Stub::ListRanges, request);
    if (!page.ok()) return page.status();
    for (admin::v1::RangeRoute& route : *page->mutable_routes()) {
      routes.push_back(std::move(route));
    }
    request.set_from_key(page->resume_key());
  } while (!request.from_key().empty());
  return routes;
}

absl::StatusOr<admin::v1::DescribeRangeResponse> Admin::DescribeRange(uint64_t range_id) {
  admin::v1::DescribeRangeRequest request;
  request.set_range_id(range_id);
  return impl_->Call<ClusterService>(false, &ClusterService::Stub::DescribeRange, request);
}

absl::StatusOr<admin::v1::SplitRangeResponse> Admin::SplitRange(
    const admin::v1::SplitRangeRequest& request) {
  return impl_->Call<ClusterService>(true, &ClusterService::Stub::SplitRange, request);
}

absl::StatusOr<admin::v1::MergeRangesResponse> Admin::MergeRanges(uint64_t left_range_id,
                                                                  uint64_t right_range_id) {
  admin::v1::MergeRangesRequest request;
  request.set_range_id(left_range_id);
  request.set_right_range_id(right_range_id);
  return impl_->Call<ClusterService>(true, &ClusterService::Stub::MergeRanges, request);
}

absl::StatusOr<admin::v1::ChangeReplicasResponse> Admin::ChangeReplicas(
    const admin::v1::ChangeReplicasRequest& request,
    const std::function<void(const std::string&)>& progress) {
  const auto deadline = impl_->Deadline();
  while (true) {
    const auto now = std::chrono::steady_clock::now();
    absl::StatusOr<admin::v1::ChangeReplicasResponse> response = impl_->CallUntil<ClusterService>(
        std::min(deadline, now + kStepTime), true, &ClusterService::Stub::ChangeReplicas, request);
    const absl::Status& status = response.status();
    if (status.ok()) return response;
    const bool not_yet =
        absl::IsDeadlineExceeded(status) || OutcomeIsUnknown(status) ||
        (absl::IsUnavailable(status) && ReasonOf(status) != v1::ERROR_REASON_STORE_UNREACHABLE);
    if (!not_yet || std::chrono::steady_clock::now() + kStepTimeMin > deadline) return response;
    if (progress) progress(std::string(status.message()));
  }
}

absl::StatusOr<admin::v1::DecommissionStoreResponse> Admin::DecommissionStore(uint64_t store_id) {
  admin::v1::DecommissionStoreRequest request;
  request.set_store_id(store_id);
  return impl_->Call<ClusterService>(true, &ClusterService::Stub::DecommissionStore, request);
}

absl::StatusOr<admin::v1::DrainStoreResponse> Admin::DrainStore(uint64_t store_id,
                                                                type::v1::StoreState state) {
  admin::v1::DrainStoreRequest request;
  request.set_store_id(store_id);
  request.set_state(state);
  return impl_->Call<ClusterService>(true, &ClusterService::Stub::DrainStore, request);
}

absl::StatusOr<admin::v1::GetPlanResponse> Admin::GetPlan() {
  return impl_->Call<ClusterService>(false, &ClusterService::Stub::GetPlan,
                                     admin::v1::GetPlanRequest());
}

absl::StatusOr<admin::v1::SetPlacementResponse> Admin::SetPlacement(bool paused) {
  admin::v1::SetPlacementRequest request;
  request.set_paused(paused);
  return impl_->Call<ClusterService>(true, &ClusterService::Stub::SetPlacement, request);
}

absl::StatusOr<admin::v1::WithdrawPromisesResponse> Admin::WithdrawPromises(
    const admin::v1::WithdrawPromisesRequest& request) {
  return impl_->Call<ClusterService>(true, &ClusterService::Stub::WithdrawPromises, request);
}

absl::StatusOr<admin::v1::ListLoadsResponse> Admin::ListLoads(uint32_t limit) {
  admin::v1::ListLoadsRequest request;
  request.set_limit(limit);
  return impl_->Call<ClusterService>(false, &ClusterService::Stub::ListLoads, request);
}

absl::StatusOr<admin::v1::ListAuditResponse> Admin::ListAudit() {
  return impl_->Call<ClusterService>(false, &ClusterService::Stub::ListAudit,
                                     admin::v1::ListAuditRequest());
}

absl::StatusOr<admin::v1::TransferLeaseResponse> Admin::TransferLease(uint64_t range_id,
                                                                      uint64_t target_store_id) {
  admin::v1::TransferLeaseRequest request;
  request.set_range_id(range_id);
  request.set_target_store_id(target_store_id);
  return impl_->Call<ClusterService>(true, &ClusterService::Stub::TransferLease, request);
}

}  // namespace rasputin::client
