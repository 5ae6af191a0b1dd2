// What operators say about placement, and what they ask; see placement_calls.h. Not thread-safe.

#include "server/front/placement_calls.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/route/full_key.h"
#include "range/descriptor.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/admin_message.h"
#include "server/front/call_status.h"

namespace rasputin::server {

using range::Outcome;
using type::v1::StoreDescriptor;

namespace {

// Between two questions while the meta range changes its leader.
constexpr Duration kRound = std::chrono::milliseconds(100);

bool IsLeaving(const StoreDescriptor& store) {
  return store.state() == type::v1::STORE_STATE_DECOMMISSIONING;
}

bool IsActive(const StoreDescriptor& store) {
  return store.state() == type::v1::STORE_STATE_UNSPECIFIED ||
         store.state() == type::v1::STORE_STATE_ACTIVE;
}

// Stores that could have a replica: one that drains keeps what it has and takes nothing new.
size_t CountStoresFor(const range::RangeDescriptor& range, const std::map<uint64_t, bool>& stores) {
  return static_cast<size_t>(
      std::count_if(stores.begin(), stores.end(), [&range](const auto& store) {
        return store.second || client::HasMember(range, store.first);
      }));
}

CallResult RefusePrecondition(std::string text) {
  return RefuseCall(absl::StatusCode::kFailedPrecondition,
                    rasputin::v1::ERROR_REASON_FAILED_PRECONDITION, std::move(text));
}

}  // namespace

// A wish about a store on its way into the meta range.
struct PlacementCalls::Drain {
  CallId id = 0;
  StoreDescriptor store;
  Instant deadline;
  std::map<uint64_t, bool> others;  // That keep replicas; true: and take new ones.
};

PlacementCalls::PlacementCalls(const FrontOptions& options, CallTable* calls, Directory* directory,
                               Dispatcher* dispatcher, client::Router* router)
    : options_(options),
      calls_(calls),
      directory_(directory),
      dispatcher_(dispatcher),
      router_(router) {}

void PlacementCalls::GetPlan(const ClockReading& now, CallId id, const absl::Cord& request,
                             Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::GetPlanRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  FindController(now, id, deadline);
}

void PlacementCalls::FindController(const ClockReading& now, CallId id, Instant deadline) {
  if (!calls_->Contains(id)) return;
  storage::v1::MetaQuery query;
  query.set_placement(true);
  directory_->Query(now, query, deadline,
                    [this, id, deadline](const ClockReading& when, RangeAnswer answer,
                                         storage::v1::MetaQueryResult) {
                      if (answer.response.outcome != Outcome::kOk) {
                        return calls_->Finish(id, ToCallResult(answer, *router_));
                      }
                      AskController(when, id, deadline);
                    });
}

void PlacementCalls::AskController(const ClockReading& now, CallId id, Instant deadline) {
  const StoreId leader(router_->Leader(client::kMetaRangeId));
  if (!leader.IsSet()) return AskAgain(now, id, deadline, RangeAnswer());
  RangeCall call;
  call.kind = ForwardKind::kPlan;
  call.store = leader;
  call.repeatable = true;
  call.deadline = std::min(deadline, now.boot + options_.attempt_wait);
  dispatcher_->Send(now, std::move(call),
                    [this, id, deadline](const ClockReading& when, RangeAnswer answer) {
                      if (answer.response.outcome != Outcome::kOk) {
                        return AskAgain(when, id, deadline, answer);
                      }
                      CallResult result;
                      result.body = std::move(answer.response.body);
                      calls_->Finish(id, std::move(result));
                    });
}

void PlacementCalls::AskAgain(const ClockReading& now, CallId id, Instant deadline,
                              const RangeAnswer& answer) {
  if (now.boot + kRound < deadline) {
    return dispatcher_->After(now, kRound, [this, id, deadline](const ClockReading& when) {
      FindController(when, id, deadline);
    });
  }
  if (answer.response.outcome != Outcome::kOk) {
    return calls_->Finish(id, ToCallResult(answer, *router_));
  }
  calls_->Finish(id, RefuseCall(absl::StatusCode::kDeadlineExceeded,
                                rasputin::v1::ERROR_REASON_DEADLINE_EXCEEDED,
                                "the directory (range 1) has no leader"));
}

void PlacementCalls::SetPlacement(const ClockReading& now, CallId id, const absl::Cord& request,
                                  Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::SetPlacementRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  storage::v1::MetaCommand command;
  command.mutable_set_placement()->set_paused(wanted->paused());
  directory_->Command(now, command, /*repeatable=*/true, deadline,
                      [this, id](const ClockReading&, RangeAnswer answer, storage::v1::MetaResult) {
                        if (answer.response.outcome != Outcome::kOk) {
                          return calls_->Finish(id, ToCallResult(answer, *router_));
                        }
                        calls_->Finish(id, OkResult(admin::v1::SetPlacementResponse()));
                      });
}

void PlacementCalls::DrainStore(const ClockReading& now, CallId id, const absl::Cord& request,
                                Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::DrainStoreRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  if (wanted->state() != type::v1::STORE_STATE_ACTIVE &&
      wanted->state() != type::v1::STORE_STATE_DRAINING &&
      wanted->state() != type::v1::STORE_STATE_DECOMMISSIONING) {
    return calls_->Finish(id, RefuseInvalid(absl::InvalidArgumentError(
                                  "say whether the store is to be active, draining or "
                                  "decommissioned")));
  }
  auto drain = std::make_shared<Drain>();
  drain->id = id;
  drain->store.set_store_id(wanted->store_id());
  drain->store.set_state(wanted->state());
  drain->deadline = deadline;
  ReadStores(now, std::move(drain));
}

void PlacementCalls::ReadStores(const ClockReading& now, std::shared_ptr<Drain> drain) {
  directory_->ReadStores(now, drain->deadline,
                         [this, drain](const ClockReading& when, const RangeAnswer& answer,
                                       const std::vector<StoreDescriptor>& stores) {
                           if (answer.response.outcome != Outcome::kOk) {
                             return calls_->Finish(drain->id, ToCallResult(answer, *router_));
                           }
                           CheckStores(when, drain, stores);
                         });
}

void PlacementCalls::CheckStores(const ClockReading& now, std::shared_ptr<Drain> drain,
                                 const std::vector<StoreDescriptor>& stores) {
  const type::v1::StoreState state = drain->store.state();
  bool known = false;
  bool other_leads = false;
  for (const StoreDescriptor& store : stores) {
    if (store.store_id() == drain->store.store_id()) {
      drain->store = store;
      drain->store.set_state(state);
      known = true;
      continue;
    }
    if (!IsLeaving(store)) drain->others[store.store_id()] = IsActive(store);
    other_leads |= IsActive(store);
  }
  if (!known) {
    return calls_->Finish(
        drain->id, RefuseCall(absl::StatusCode::kNotFound, rasputin::v1::ERROR_REASON_NOT_FOUND,
                              absl::StrCat("there is no store ", drain->store.store_id())));
  }
  if (state == type::v1::STORE_STATE_ACTIVE) return SetState(now, drain);
  if (!other_leads) {
    return calls_->Finish(drain->id,
                          RefusePrecondition("0 other stores could lead its ranges: add a "
                                             "store, or make one active again, first"));
  }
  if (state == type::v1::STORE_STATE_DRAINING) return SetState(now, drain);
  CheckRanges(now, drain);
}

// A store is decommissioned only if its replicas could go somewhere.
void PlacementCalls::CheckRanges(const ClockReading& now, std::shared_ptr<Drain> drain) {
  Directory::RangeWalk walk;
  walk.deadline = drain->deadline;
  walk.page = [this, drain](const ClockReading&, const storage::v1::MetaQueryResult& page) {
    for (const auto& range : page.ranges()) {
      const size_t replicas = range::CountFutureVoters(range);
      const size_t left = CountStoresFor(range, drain->others);
      if (!client::HasMember(range, drain->store.store_id()) || replicas <= left) continue;
      calls_->Finish(drain->id,
                     RefusePrecondition(absl::StrCat(
                         left, left == 1 ? " store" : " stores", " would be left, and range ",
                         range.range_id(), " has ", replicas,
                         " replicas: add a store, or lower the replication "
                         "factor, first")));
      return false;
    }
    return true;
  };
  walk.done = [this, drain](const ClockReading& when, const RangeAnswer& answer) {
    if (answer.response.outcome == Outcome::kOk) return SetState(when, drain);
    calls_->Finish(drain->id, ToCallResult(answer, *router_));
  };
  directory_->WalkRanges(now, std::move(walk));
}

void PlacementCalls::SetState(const ClockReading& now, std::shared_ptr<Drain> drain) {
  storage::v1::MetaCommand command;
  command.mutable_set_store_state()->set_store_id(drain->store.store_id());
  command.mutable_set_store_state()->set_state(drain->store.state());
  directory_->Command(
      now, command, /*repeatable=*/true, drain->deadline,
      [this, drain](const ClockReading& when, RangeAnswer answer, storage::v1::MetaResult) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(drain->id, ToCallResult(answer, *router_));
        }
        AskIfDone(when, drain);
      });
}

void PlacementCalls::AskIfDone(const ClockReading& now, std::shared_ptr<Drain> drain) {
  RangeCall call;
  call.kind = ForwardKind::kPlan;
  // It has just answered the command.
  call.store = StoreId(router_->Leader(client::kMetaRangeId));
  call.repeatable = true;
  call.deadline = std::min(drain->deadline, now.boot + options_.status_wait);
  const auto finish = [this, drain](const ClockReading&, const RangeAnswer& answer) {
    admin::v1::DrainStoreResponse response;
    *response.mutable_store() = drain->store;
    admin::v1::GetPlanResponse plan;
    const bool told = answer.response.outcome == Outcome::kOk &&
                      plan.ParseFromString(std::string(answer.response.body));
    if (!told) {
      response.add_obstacles(
          "the store that leads the meta range, and so moves everything, does not answer now");
    } else if (plan.off()) {
      response.add_obstacles(absl::StrCat("the node of store ", plan.controller_store_id(),
                                          ", which leads the meta range, was started with "
                                          "--placement=false: nothing is moved"));
    } else if (plan.paused()) {
      response.add_obstacles("placement is paused: nothing is moved until `rasputin plan resume`");
    }
    calls_->Finish(drain->id, OkResult(response));
  };
  if (call.store.IsSet()) return dispatcher_->Send(now, std::move(call), finish);
  RangeAnswer none;
  none.response.outcome = Outcome::kNotLeader;
  finish(now, none);
}

}  // namespace rasputin::server
