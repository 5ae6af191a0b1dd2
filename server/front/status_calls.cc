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

namespace {

constexpr uint32_t kRowsPerRead = 1000;

}  // namespace

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
  storage::v1::MetaQuery query;
  query.set_stores(true);
  query.set_limit(kRowsPerRead);
  directory_->Query(now, query, gathering->directory_ends,
                    [this, gathering](const ClockReading& when, RangeAnswer answer,
                                      storage::v1::MetaQueryResult result) {
                      if (answer.response.outcome != Outcome::kOk) {
                        return OnNoDirectory(when, gathering, answer);
                      }
                      router_->ReplaceStores({result.stores().begin(), result.stores().end()});
                      if (gathering->list) return GatherRanges(when, gathering, "");
                      GatherCollections(when, gathering, 0);
                    });
}

void StatusCalls::GatherCollections(const ClockReading& now, std::shared_ptr<Gathering> gathering,
                                    uint64_t from) {
  storage::v1::MetaQuery query;
  query.set_collections(true);
  query.set_from_id(from);
  query.set_limit(kRowsPerRead);
  directory_->Query(now, query, gathering->directory_ends,
                    [this, gathering, from](const ClockReading& when, RangeAnswer answer,
                                            storage::v1::MetaQueryResult result) {
                      if (answer.response.outcome != Outcome::kOk) {
                        return OnNoDirectory(when, gathering, answer);
                      }
                      admin::v1::GetStatusResponse& response = gathering->response;
                      const auto& page = result.collections();
                      response.set_collections(response.collections() + page.size());
                      if (result.more() && !page.empty() && page.rbegin()->id() >= from) {
                        return GatherCollections(when, gathering, page.rbegin()->id() + 1);
                      }
                      GatherRanges(when, gathering, "");
                    });
}

void StatusCalls::GatherRanges(const ClockReading& now, std::shared_ptr<Gathering> gathering,
                               const std::string& from) {
  storage::v1::MetaQuery query;
  query.set_ranges_from(from);
  query.set_limit(kRowsPerRead);
  directory_->Query(now, query, gathering->directory_ends,
                    [this, gathering](const ClockReading& when, RangeAnswer answer,
                                      storage::v1::MetaQueryResult result) {
                      if (answer.response.outcome != Outcome::kOk) {
                        return OnNoDirectory(when, gathering, answer);
                      }
                      admin::v1::GetStatusResponse& response = gathering->response;
                      response.set_ranges(response.ranges() + result.ranges_size());
                      for (const auto& range : result.ranges()) {
                        for (const auto& one : range.replicas()) {
                          ++gathering->ranges_on[one.store_id()];
                        }
                      }
                      const std::string next =
                          result.more() && result.ranges_size() > 0
                              ? result.ranges(result.ranges_size() - 1).end_key()
                              : "";
                      if (!next.empty()) return GatherRanges(when, gathering, next);
                      response.set_meta_available(true);
                      AskStores(when, gathering);
                    });
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
