// Gathering the state of the cluster; see status_calls.h. Not thread-safe.
//
// If the meta range does not answer, the stores that this node knows of are asked all the same.

#include "server/front/status_calls.h"

#include <algorithm>
#include <map>
#include <utility>

#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/admin_message.h"
#include "server/front/call_status.h"

namespace rasputin::server {

using range::Outcome;

struct StatusCalls::Gathering {
  CallId id = 0;
  Instant directory_ends;  // The meta range is waited for until then,
  Instant deadline;        // and the stores until then.
  admin::v1::GetStatusResponse response;
  int stores_left = 0;
  bool list = false;  // It is ListStores: without the directory there is no answer.
  std::map<uint64_t, uint64_t> ranges_on;  // By store.
};

StatusCalls::StatusCalls(const FrontOptions& options, const storage::v1::StoreManifest& manifest,
                         CallTable* calls, Directory* directory, Dispatcher* dispatcher,
                         client::Router* router)
    : options_(options),
      cluster_id_(manifest.cluster_id()),
      calls_(calls),
      directory_(directory),
      dispatcher_(dispatcher),
      router_(router) {}

void StatusCalls::GetStatus(const ClockReading& now, CallId id, const absl::Cord& request,
                            Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::GetStatusRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  auto gathering = std::make_shared<Gathering>();
  gathering->id = id;
  gathering->directory_ends = std::min(deadline, now.boot + options_.status_wait);
  gathering->deadline = deadline;
  gathering->response.set_initialized(true);
  gathering->response.set_cluster_id(cluster_id_);
  gathering->response.set_store_id(dispatcher_->self().value());
  GatherStores(now, std::move(gathering));
}

void StatusCalls::GatherStores(const ClockReading& now, std::shared_ptr<Gathering> gathering) {
  directory_->ReadStores(now, gathering->directory_ends,
                         [this, gathering](const ClockReading& when, const RangeAnswer& answer,
                                           const std::vector<type::v1::StoreDescriptor>& stores) {
                           if (answer.response.outcome != Outcome::kOk) {
                             return OnNoDirectory(when, gathering, answer);
                           }
                           router_->ReplaceStores(stores);
                           if (gathering->list) return GatherRanges(when, gathering);
                           GatherCollections(when, gathering);
                         });
}

void StatusCalls::GatherCollections(const ClockReading& now, std::shared_ptr<Gathering> gathering) {
  directory_->ReadCollections(now, gathering->directory_ends,
                              [this, gathering](const ClockReading& when, const RangeAnswer& answer,
                                                const std::vector<type::v1::Collection>& all) {
                                if (answer.response.outcome != Outcome::kOk) {
                                  return OnNoDirectory(when, gathering, answer);
                                }
                                gathering->response.set_collections(all.size());
                                GatherRanges(when, gathering);
                              });
}

void StatusCalls::GatherRanges(const ClockReading& now, std::shared_ptr<Gathering> gathering) {
  Directory::RangeWalk walk;
  walk.deadline = gathering->directory_ends;
  walk.page = [gathering](const ClockReading&, const storage::v1::MetaQueryResult& page) {
    admin::v1::GetStatusResponse& response = gathering->response;
    response.set_ranges(response.ranges() + page.ranges_size());
    for (const auto& range : page.ranges()) {
      for (const auto& one : range.replicas()) ++gathering->ranges_on[one.store_id()];
    }
    return true;
  };
  walk.done = [this, gathering](const ClockReading& when, const RangeAnswer& answer) {
    if (answer.response.outcome != Outcome::kOk) return OnNoDirectory(when, gathering, answer);
    gathering->response.set_meta_available(true);
    AskStores(when, gathering);
  };
  directory_->WalkRanges(now, std::move(walk));
}

void StatusCalls::AskStores(const ClockReading& now, std::shared_ptr<Gathering> gathering) {
  for (const auto& store : router_->Stores()) {
    admin::v1::StoreStatus* status = gathering->response.add_stores();
    *status->mutable_store() = store;
    status->set_ranges(gathering->ranges_on[store.store_id()]);
  }
  gathering->stores_left = gathering->response.stores_size();
  if (gathering->stores_left == 0) return Finish(*gathering);
  for (int i = 0; i < gathering->response.stores_size(); ++i) {
    RangeCall call;
    call.kind = ForwardKind::kStoreStatus;
    call.store = StoreId(gathering->response.stores(i).store().store_id());
    call.deadline = std::min(gathering->deadline, now.boot + options_.status_wait);
    dispatcher_->Send(now, std::move(call),
                      [this, gathering, i](const ClockReading&, RangeAnswer answer) {
                        admin::v1::StoreStatus status;
                        if (answer.response.outcome == Outcome::kOk &&
                            status.ParseFromString(std::string(answer.response.body))) {
                          gathering->response.mutable_stores(i)->MergeFrom(status);
                        }
                        if (--gathering->stores_left > 0) return;
                        Finish(*gathering);
                      });
  }
}

void StatusCalls::ListStores(const ClockReading& now, CallId id, const absl::Cord& request,
                             Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::ListStoresRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  auto gathering = std::make_shared<Gathering>();
  gathering->id = id;
  gathering->list = true;
  gathering->directory_ends = deadline;
  gathering->deadline = deadline;
  GatherStores(now, std::move(gathering));
}

void StatusCalls::OnNoDirectory(const ClockReading& now, std::shared_ptr<Gathering> gathering,
                                const RangeAnswer& answer) {
  if (gathering->list) return calls_->Finish(gathering->id, ToCallResult(answer, *router_));
  gathering->ranges_on.clear();
  AskStores(now, std::move(gathering));
}

void StatusCalls::Finish(const Gathering& gathering) {
  if (!gathering.list) return calls_->Finish(gathering.id, OkResult(gathering.response));
  admin::v1::ListStoresResponse response;
  *response.mutable_statuses() = gathering.response.stores();
  for (const auto& status : response.statuses()) *response.add_stores() = status.store();
  calls_->Finish(gathering.id, OkResult(response));
}

}  // namespace rasputin::server
