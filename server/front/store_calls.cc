// Joining and leaving; see store_calls.h. Not thread-safe.
//
// A joining store is registered before it exists: until it has written its manifest it is only a
// row that nobody answers for.

#include "server/front/store_calls.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "server/front/admin_message.h"
#include "server/front/call_status.h"

namespace rasputin::server {

using range::Outcome;

StoreCalls::StoreCalls(const storage::v1::StoreManifest& manifest, CallTable* calls,
                       Directory* directory, client::Router* router)
    : cluster_id_(manifest.cluster_id()), calls_(calls), directory_(directory), router_(router) {}

void StoreCalls::Join(const ClockReading& now, CallId id, const absl::Cord& request,
                      Instant deadline) {
  const auto wanted = DecodeRequest<peer::v1::JoinRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  if (wanted->store().store_id() != 0 || wanted->store().peer_address().empty() ||
      wanted->join_token() == 0) {
    return calls_->Finish(id, RefuseInvalid(absl::InvalidArgumentError(
                                  "a store that joins has an address and a token, and no id")));
  }
  if (wanted->cluster_id() != cluster_id_) {
    return calls_->Finish(id, RefuseCall(absl::StatusCode::kFailedPrecondition,
                                         rasputin::v1::ERROR_REASON_FAILED_PRECONDITION,
                                         absl::StrCat("this node belongs to cluster ", cluster_id_,
                                                      ", not to ", wanted->cluster_id())));
  }
  storage::v1::MetaCommand command;
  *command.mutable_put_store()->mutable_store() = wanted->store();
  command.mutable_put_store()->set_cluster_id(cluster_id_);
  command.mutable_put_store()->set_join_token(wanted->join_token());
  directory_->Command(now, command, /*repeatable=*/true, deadline,
                      [this, id, deadline](const ClockReading& when, RangeAnswer answer,
                                           storage::v1::MetaResult result) {
                        if (answer.response.outcome != Outcome::kOk) {
                          return calls_->Finish(id, ToCallResult(answer, *router_));
                        }
                        DescribeCluster(when, id, result.first_id(), deadline);
                      });
}

void StoreCalls::DescribeCluster(const ClockReading& now, CallId id, uint64_t store_id,
                                 Instant deadline) {
  directory_->ReadStores(now, deadline,
                         [this, id, store_id](const ClockReading&, const RangeAnswer& answer,
                                              std::vector<type::v1::StoreDescriptor> stores) {
                           if (answer.response.outcome != Outcome::kOk) {
                             return calls_->Finish(id, ToCallResult(answer, *router_));
                           }
                           peer::v1::JoinResponse response;
                           storage::v1::StoreManifest* manifest = response.mutable_manifest();
                           manifest->set_cluster_id(cluster_id_);
                           manifest->set_store_id(store_id);
                           manifest->set_joined(true);
                           storage::v1::BootstrapRecord* record = manifest->mutable_bootstrap();
                           record->set_cluster_id(cluster_id_);
                           for (auto& store : stores) *record->add_stores() = std::move(store);
                           *record->add_ranges() = directory_->MetaRange();
                           calls_->Finish(id, OkResult(response));
                         });
}

void StoreCalls::Decommission(const ClockReading& now, CallId id, const absl::Cord& request,
                              Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::DecommissionStoreRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  storage::v1::MetaCommand command;
  command.mutable_retire_store()->set_store_id(wanted->store_id());
  directory_->Command(now, command, /*repeatable=*/true, deadline,
                      [this, id](const ClockReading&, RangeAnswer answer, storage::v1::MetaResult) {
                        if (answer.response.outcome != Outcome::kOk) {
                          return calls_->Finish(id, ToCallResult(answer, *router_));
                        }
                        calls_->Finish(id, OkResult(admin::v1::DecommissionStoreResponse()));
                      });
}

}  // namespace rasputin::server
