// The C++ client of the services for operators: cluster, directory, collections.
//
// Any node answers; calls that changed nothing or may be repeated (all but a MergeRanges that names
// no right neighbour) are repeated until the deadline. Blocking; thread-safe.

#ifndef RASPUTIN_CLIENT_ADMIN_H_
#define RASPUTIN_CLIENT_ADMIN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/client.h"
#include "rasputin/admin/v1/admin.pb.h"

namespace rasputin::client {

// Errors: as in client.h.
class Admin {
 public:
  // Of the options, `attempt_time_max` is not used: these calls may take long.
  explicit Admin(const ClientOptions& options);
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  absl::StatusOr<admin::v1::InitResponse> Init();
  absl::StatusOr<admin::v1::GetStatusResponse> GetStatus();
  absl::StatusOr<admin::v1::ListStoresResponse> ListStores();

  // Collections: the first 1,000.
  absl::StatusOr<admin::v1::ListCollectionsResponse> ListCollections();
  absl::StatusOr<admin::v1::CreateCollectionResponse> CreateCollection(
      const admin::v1::CreateCollectionRequest& request);
  absl::StatusOr<admin::v1::GetCollectionResponse> GetCollection(const std::string& name);
  absl::StatusOr<admin::v1::UpdateCollectionResponse> UpdateCollection(
      const admin::v1::UpdateCollectionRequest& request);
  // NOT_FOUND too if an attempt before succeeded and its answer was lost.
  absl::StatusOr<admin::v1::DropCollectionResponse> DropCollection(const std::string& name);

  absl::StatusOr<admin::v1::LookupRangeResponse> LookupRange(
      const admin::v1::LookupRangeRequest& request);
  // All pages. `collection` "": of all collections.
  absl::StatusOr<std::vector<admin::v1::RangeRoute>> ListRanges(const std::string& collection);
  absl::StatusOr<admin::v1::DescribeRangeResponse> DescribeRange(uint64_t range_id);
  absl::StatusOr<admin::v1::SplitRangeResponse> SplitRange(
      const admin::v1::SplitRangeRequest& request);
  // `right_range_id` 0: with whichever the right neighbour is. A repetition would absorb the next
  // one: then it is not repeated once it may have been executed.
  absl::StatusOr<admin::v1::MergeRangesResponse> MergeRanges(uint64_t left_range_id,
                                                             uint64_t right_range_id = 0);
  absl::StatusOr<admin::v1::TransferLeaseResponse> TransferLease(uint64_t range_id,
                                                                 uint64_t target_store_id);
  // Asks again and again until the range is as asked for or the deadline has passed. `progress`,
  // which may be null, is told what is waited for, every few seconds. DEADLINE_EXCEEDED: the same
  // call goes on from there.
  absl::StatusOr<admin::v1::ChangeReplicasResponse> ChangeReplicas(
      const admin::v1::ChangeReplicasRequest& request,
      const std::function<void(const std::string&)>& progress);
  absl::StatusOr<admin::v1::DecommissionStoreResponse> DecommissionStore(uint64_t store_id);
  // Says what is wanted of a store; the cluster does it by itself.
  absl::StatusOr<admin::v1::DrainStoreResponse> DrainStore(uint64_t store_id,
                                                           type::v1::StoreState state);
  absl::StatusOr<admin::v1::GetPlanResponse> GetPlan();
  absl::StatusOr<admin::v1::SetPlacementResponse> SetPlacement(bool paused);
  absl::StatusOr<admin::v1::WithdrawPromisesResponse> WithdrawPromises(
      const admin::v1::WithdrawPromisesRequest& request);
  absl::StatusOr<admin::v1::ListAuditResponse> ListAudit();
  // The busiest ranges, at most `limit`; 0: 100.
  absl::StatusOr<admin::v1::ListLoadsResponse> ListLoads(uint32_t limit);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_ADMIN_H_
