// The commands on members and stores; see member_commands.h.
//
// Whatever takes several steps goes on where it ended when it is repeated: nothing is kept here.

#include "client/cli/member_commands.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/admin.h"
#include "client/cli/exit_code.h"
#include "client/cli/records.h"

namespace rasputin::client {
namespace {

using type::v1::RangeDescriptor;
using type::v1::StoreDescriptor;

// What a change waits for, once for each new text, where somebody can watch it.
std::function<void(const std::string&)> Progress(const Context& context, std::string before) {
  if (!context.streams.terminal) return nullptr;
  return [&context, before = std::move(before),
          last = std::string()](const std::string& text) mutable {
    if (text == last) return;
    last = text;
    context.Note(absl::StrCat(before, text));
  };
}

absl::StatusOr<uint64_t> StoreOperand(const Context& context, size_t index) {
  return context.line.OperandNumber(index, "STORE");
}

// What `range replicas RANGE CHANGE ...` asks for.
absl::StatusOr<admin::v1::ChangeReplicasRequest> ParseChange(const Context& context) {
  admin::v1::ChangeReplicasRequest request;
  const absl::StatusOr<uint64_t> range = context.line.OperandNumber(0, "RANGE");
  if (!range.ok()) return range.status();
  request.set_range_id(*range);
  const std::string what = context.line.Operand(1);
  const bool replaces = what == "replace";
  const size_t operands = replaces ? 4 : 3;
  if (!replaces && what != "add" && what != "remove") {
    return absl::InvalidArgumentError(
        absl::StrCat("'", what, "' is none of add STORE, remove STORE, replace STORE NEW"));
  }
  if (context.line.operands().size() != operands) {
    return absl::InvalidArgumentError(
        replaces ? "replace takes the store that goes and the one that comes: replace STORE NEW"
                 : absl::StrCat(what, " takes one store: ", what, " STORE"));
  }
  const absl::StatusOr<uint64_t> store = StoreOperand(context, 2);
  if (!store.ok()) return store.status();
  if (what == "add") {
    request.set_add_store_id(*store);
    return request;
  }
  request.set_remove_store_id(*store);
  if (!replaces) return request;
  const absl::StatusOr<uint64_t> added = StoreOperand(context, 3);
  if (!added.ok()) return added.status();
  request.set_add_store_id(*added);
  return request;
}

int ShowReplicas(const Context& context) {
  const absl::StatusOr<uint64_t> range_id = context.line.OperandNumber(0, "RANGE");
  if (!range_id.ok()) return context.FailUsage(range_id.status());
  const auto response = Admin(context.options).DescribeRange(*range_id);
  if (!response.ok()) return context.Fail(response.status(), false);
  std::map<uint64_t, admin::v1::MemberStatus> progress;
  for (const auto& member : response->members()) progress[member.replica_id()] = member;
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows = {{"REPLICA", "STORE", "ROLE", "LOG UP TO", "STATE"}};
  for (const auto& replica : response->range().replicas()) {
    const bool leads = response->serving() && replica.store_id() == response->store_id();
    const auto member = progress.find(replica.replica_id());
    std::string state = leads ? "leader" : "-";
    uint64_t match = leads ? response->last_index() : 0;
    if (!leads && member != progress.end()) {
      match = member->second.match_index();
      state = member->second.needs_snapshot() ? "snapshot"
              : member->second.bound()        ? "ok"
                                              : "silent";
    }
    Json one;
    one["replica_id"] = replica.replica_id();
    one["store_id"] = replica.store_id();
    one["role"] = RoleName(replica.role());
    one["match_index"] = match;
    one["state"] = state;
    json.push_back(std::move(one));
    rows.push_back({absl::StrCat(replica.replica_id()), absl::StrCat(replica.store_id()),
                    RoleName(replica.role()), match == 0 ? "-" : absl::StrCat(match), state});
  }
  context.Write(json, AlignedTable(rows));
  return kDone;
}

// The ranges that have a replica on the store.
absl::StatusOr<std::vector<uint64_t>> RangesOn(Admin* admin, uint64_t store) {
  const auto routes = admin->ListRanges("");
  if (!routes.ok()) return routes.status();
  std::vector<uint64_t> ranges;
  for (const admin::v1::RangeRoute& route : *routes) {
    const auto& replicas = route.range().replicas();
    const bool there = std::any_of(replicas.begin(), replicas.end(), [store](const auto& replica) {
      return replica.store_id() == store;
    });
    if (there) ranges.push_back(route.range().range_id());
  }
  return ranges;
}

// So that nothing is begun for a store that is none.
absl::Status CheckIsListed(Admin* admin, uint64_t store) {
  const auto response = admin->ListStores();
  if (!response.ok()) return response.status();
  const auto& all = response->statuses();
  const bool listed = std::any_of(
      all.begin(), all.end(), [store](const auto& one) { return one.store().store_id() == store; });
  if (listed) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("there is no store ", store, "; `rasputin store ls` shows all"));
}

}  // namespace

int RangeReplicas(const Context& context) {
  if (context.line.operands().size() == 1) return ShowReplicas(context);
  const absl::StatusOr<admin::v1::ChangeReplicasRequest> request = ParseChange(context);
  if (!request.ok()) return context.FailUsage(request.status());
  const auto response = Admin(context.options).ChangeReplicas(*request, Progress(context, ""));
  if (!response.ok()) return context.Fail(response.status(), true);
  context.Write(RangeJson(response->range()),
                absl::StrCat("range ", response->range().range_id(), " is on the stores ",
                             StoresOf(response->range()), "\n"));
  return kDone;
}

namespace {

std::string WantedName(type::v1::StoreState state) {
  switch (state) {
    case type::v1::STORE_STATE_DRAINING:
      return "draining";
    case type::v1::STORE_STATE_DECOMMISSIONING:
      return "decommissioning";
    default:
      return "active";
  }
}

}  // namespace

int StoreLs(const Context& context) {
  const auto response = Admin(context.options).ListStores();
  if (!response.ok()) return context.Fail(response.status(), false);
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows = {
      {"STORE", "STATE", "WANTED", "RANGES", "LEADERS", "CLIENTS", "PEERS", "LOCALITY"}};
  for (const admin::v1::StoreStatus& status : response->statuses()) {
    const StoreDescriptor& store = status.store();
    const std::string state = status.reachable() ? "alive" : "dead";
    Json one = StoreJson(store);
    one["state"] = state;
    one["wanted"] = WantedName(store.state());
    one["ranges"] = status.ranges();
    one["leaders"] = status.reachable() ? Json(status.leaders()) : Json();
    json.push_back(std::move(one));
    rows.push_back({absl::StrCat(store.store_id()), state, WantedName(store.state()),
                    absl::StrCat(status.ranges()),
                    status.reachable() ? absl::StrCat(status.leaders()) : "-",
                    store.client_address(), store.peer_address(),
                    store.locality().empty() ? "-" : LabelsOf(store)});
  }
  context.Write(json, AlignedTable(rows));
  return kDone;
}

int StoreReplace(const Context& context) {
  const absl::StatusOr<uint64_t> from = StoreOperand(context, 0);
  if (!from.ok()) return context.FailUsage(from.status());
  const absl::StatusOr<uint64_t> to = context.line.OperandNumber(1, "NEW");
  if (!to.ok()) return context.FailUsage(to.status());
  if (*from == *to) {
    return context.FailUsage(absl::InvalidArgumentError("STORE and NEW must differ"));
  }
  Admin admin(context.options);
  const absl::Status listed = CheckIsListed(&admin, *to);
  if (!listed.ok()) return context.Fail(listed, false);
  std::set<uint64_t> done;
  // Ranges that split meanwhile are found by looking again.
  for (bool found = true; found;) {
    const auto ranges = RangesOn(&admin, *from);
    if (!ranges.ok()) return context.Fail(ranges.status(), false);
    const size_t before = done.size();
    for (size_t i = 0; i < ranges->size(); ++i) {
      const uint64_t range = (*ranges)[i];
      if (context.streams.terminal) {
        context.Note(absl::StrCat("range ", range, " (", i + 1, " of ", ranges->size(), ")"));
      }
      admin::v1::ChangeReplicasRequest request;
      request.set_range_id(range);
      request.set_add_store_id(*to);
      request.set_remove_store_id(*from);
      const auto changed = admin.ChangeReplicas(request, Progress(context, "  "));
      if (!changed.ok()) {
        const int code = context.Fail(changed.status(), true);
        context.Note(absl::StrCat(done.size(), " ranges are done; once that is mended, repeat the ",
                                  "command, which goes on with range ", range));
        return code;
      }
      done.insert(range);
    }
    found = done.size() > before;
  }
  Json json;
  json["removed_store_id"] = *from;
  json["added_store_id"] = *to;
  json["ranges"] = Json::array();
  for (const uint64_t range : done) json["ranges"].push_back(range);
  context.Write(json, done.empty()
                          ? absl::StrCat("no range has a replica on store ", *from, "\n")
                          : absl::StrCat("store ", *to, " holds what store ", *from,
                                         " held: ", done.size(), " ranges; `rasputin store forget ",
                                         *from, "` takes it off the list\n"));
  return kDone;
}

int StoreForget(const Context& context) {
  const absl::StatusOr<uint64_t> store = StoreOperand(context, 0);
  if (!store.ok()) return context.FailUsage(store.status());
  const auto response = Admin(context.options).DecommissionStore(*store);
  if (!response.ok()) return context.Fail(response.status(), true);
  Json json;
  json["store_id"] = *store;
  context.Write(json, absl::StrCat("store ", *store, " is off the list for good\n"));
  return kDone;
}

}  // namespace rasputin::client
