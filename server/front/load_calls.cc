// Gathering the loads of all stores; see load_calls.h. Not thread-safe.
//
// A leadership that moves meanwhile shows a range twice or not at all; the higher load is kept.

#include "server/front/load_calls.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/admin_message.h"
#include "server/front/call_status.h"

namespace rasputin::server {

using admin::v1::RangeActivity;
using range::Outcome;
using type::v1::Decision;

namespace {

constexpr uint32_t kRangesListed = 100;
constexpr uint32_t kRangesListedMax = 1000;
constexpr size_t kDecisionsListed = 100;

double RequestsOf(const RangeActivity& activity) {
  return activity.load().reads_per_second() + activity.load().writes_per_second();
}

}  // namespace

struct LoadCalls::Gathering {
  CallId id = 0;
  size_t limit = 0;
  int left = 0;  // Stores that have not answered.
  std::vector<admin::v1::StoreStatus> stores;
  std::map<uint64_t, RangeActivity> ranges;
  std::vector<Decision> decisions;
};

LoadCalls::LoadCalls(const FrontOptions& options, CallTable* calls, Dispatcher* dispatcher,
                     client::Router* router)
    : options_(options), calls_(calls), dispatcher_(dispatcher), router_(router) {}

void LoadCalls::List(const ClockReading& now, CallId id, const absl::Cord& request,
                     Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::ListLoadsRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  auto gathering = std::make_shared<Gathering>();
  gathering->id = id;
  gathering->limit =
      wanted->limit() == 0 ? kRangesListed : std::min(wanted->limit(), kRangesListedMax);
  for (const type::v1::StoreDescriptor& store : router_->Stores()) {
    gathering->stores.emplace_back();
    *gathering->stores.back().mutable_store() = store;
  }
  gathering->left = static_cast<int>(gathering->stores.size());
  for (int place = 0; place < static_cast<int>(gathering->stores.size()); ++place) {
    RangeCall call;
    call.kind = ForwardKind::kStoreLoad;
    call.store = StoreId(gathering->stores[static_cast<size_t>(place)].store().store_id());
    call.deadline = std::min(deadline, now.boot + options_.status_wait);
    dispatcher_->Send(now, std::move(call),
                      [this, gathering, place](const ClockReading&, const RangeAnswer& answer) {
                        Take(gathering, place, answer);
                        if (--gathering->left == 0) Finish(*gathering);
                      });
  }
  if (gathering->stores.empty()) Finish(*gathering);
}

void LoadCalls::Take(const std::shared_ptr<Gathering>& gathering, int place,
                     const RangeAnswer& answer) {
  type::v1::StoreLoad load;
  if (answer.response.outcome != Outcome::kOk ||
      !load.ParseFromString(std::string(answer.response.body))) {
    return;
  }
  for (const type::v1::RangeLoad& one : load.ranges()) {
    RangeActivity activity;
    *activity.mutable_load() = one;
    activity.mutable_route()->mutable_range()->set_range_id(one.range_id());
    activity.mutable_route()->set_leader_store_id(load.store_id());
    if (const auto* range = router_->Find(one.range_id()); range != nullptr) {
      *activity.mutable_route()->mutable_range() = *range;
    }
    const auto known = gathering->ranges.find(one.range_id());
    if (known == gathering->ranges.end() || RequestsOf(known->second) < RequestsOf(activity)) {
      gathering->ranges[one.range_id()] = std::move(activity);
    }
  }
  for (const Decision& decision : load.decisions()) gathering->decisions.push_back(decision);
  admin::v1::StoreStatus& status = gathering->stores[static_cast<size_t>(place)];
  status.set_reachable(true);
  status.set_replicas(load.replicas());
  status.set_leaders(load.leaders());
  load.clear_ranges();
  load.clear_decisions();
  load.clear_lagging_range_ids();
  load.clear_lagging_store_ids();
  load.clear_supporting_store_ids();
  load.clear_merge_wishes();
  *status.mutable_load() = std::move(load);
}

void LoadCalls::Finish(const Gathering& gathering) {
  admin::v1::ListLoadsResponse response;
  std::vector<RangeActivity> ranges;
  for (const auto& [id, activity] : gathering.ranges) ranges.push_back(activity);
  std::stable_sort(ranges.begin(), ranges.end(),
                   [](const RangeActivity& one, const RangeActivity& other) {
                     return RequestsOf(one) > RequestsOf(other);
                   });
  if (ranges.size() > gathering.limit) ranges.resize(gathering.limit);
  std::vector<Decision> decisions = gathering.decisions;
  std::stable_sort(
      decisions.begin(), decisions.end(),
      [](const Decision& one, const Decision& other) { return one.at_ms() > other.at_ms(); });
  std::map<uint64_t, Decision> last;
  for (const Decision& decision : decisions) last.emplace(decision.range_id(), decision);
  for (RangeActivity& activity : ranges) {
    const auto it = last.find(activity.load().range_id());
    if (it != last.end()) *activity.mutable_last_decision() = it->second;
    *response.add_ranges() = std::move(activity);
  }
  if (decisions.size() > kDecisionsListed) decisions.resize(kDecisionsListed);
  for (Decision& decision : decisions) *response.add_decisions() = std::move(decision);
  for (const admin::v1::StoreStatus& store : gathering.stores) *response.add_stores() = store;
  calls_->Finish(gathering.id, OkResult(response));
}

}  // namespace rasputin::server
