// The commands for operators; see admin_commands.h.

#include "client/cli/admin_commands.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/admin.h"
#include "client/cli/exit_code.h"
#include "client/cli/load_text.h"
#include "client/cli/records.h"
#include "client/route/full_key.h"
#include "client/status.h"

namespace rasputin::client {
namespace {

using type::v1::RangeDescriptor;
using Rows = std::vector<std::vector<std::string>>;

constexpr uint32_t kLoadsShown = 1000;

std::string OrDash(uint64_t id) { return id == 0 ? "-" : absl::StrCat(id); }

// Of the ranges that the store leads, as far as it knows them.
void AddSizes(const type::v1::StoreLoad& store, std::map<uint64_t, uint64_t>* sizes) {
  for (int i = 0; i < std::min(store.led_range_ids_size(), store.led_bytes_size()); ++i) {
    if (store.led_bytes(i) != 0) (*sizes)[store.led_range_ids(i)] = store.led_bytes(i);
  }
}

}  // namespace

int RangeLs(const Context& context) {
  Admin admin(context.options);
  const auto routes = admin.ListRanges(context.line.Text("collection"));
  if (!routes.ok()) return context.Fail(routes.status(), false);
  const auto collections = admin.ListCollections();
  if (!collections.ok()) return context.Fail(collections.status(), false);
  std::map<uint64_t, std::string> names = {{kMetaCollectionId, "(meta)"}};
  for (const auto& one : collections->collections()) names[one.id()] = one.name();

  // The ranges are listed even if their loads cannot be told.
  std::map<uint64_t, type::v1::RangeLoad> loads;
  std::map<uint64_t, uint64_t> sizes;  // In bytes, of those without load, too.
  if (const auto response = admin.ListLoads(kLoadsShown); response.ok()) {
    for (const auto& one : response->ranges()) {
      loads[one.load().range_id()] = one.load();
      sizes[one.load().range_id()] = one.load().size_bytes();
    }
    for (const auto& store : response->stores()) AddSizes(store.load(), &sizes);
  }

  Json json = Json::array();
  Rows rows = {{"RANGE", "COLLECTION", "START", "END", "GENERATION", "LEADER", "STORES", "SIZE",
                "REQUESTS/S", "AGE"}};
  for (const admin::v1::RangeRoute& route : *routes) {
    const RangeDescriptor& range = route.range();
    const auto load = loads.find(range.range_id());
    const bool busy = load != loads.end();
    Json one = RangeJson(range);
    one["collection"] = names[range.collection_id()];
    one["leader_store_id"] = route.leader_store_id();
    const auto size = sizes.find(range.range_id());
    one["size_bytes"] = size != sizes.end() ? Json(size->second) : Json();
    one["load"] = busy ? LoadJson(load->second) : Json();
    json.push_back(std::move(one));
    const std::string start = UserKeyIn(range.start_key(), range.collection_id());
    const std::string end = UserKeyIn(range.end_key(), range.collection_id());
    rows.push_back(
        {absl::StrCat(range.range_id()), names[range.collection_id()],
         start.empty() ? "-" : Show(start, context.hex()),
         end.empty() ? "-" : Show(end, context.hex()), absl::StrCat(range.generation()),
         OrDash(route.leader_store_id()), StoresOf(range),
         size != sizes.end() ? SizeText(static_cast<double>(size->second)) : "-",
         busy ? RateText(load->second.reads_per_second() + load->second.writes_per_second()) : "-",
         busy ? TimeText(load->second.age_seconds()) : "-"});
  }
  context.Write(json, AlignedTable(rows));
  return kDone;
}

int RangeDescribe(const Context& context) {
  const absl::StatusOr<uint64_t> range_id = context.line.OperandNumber(0, "RANGE");
  if (!range_id.ok()) return context.FailUsage(range_id.status());
  const auto response = Admin(context.options).DescribeRange(*range_id);
  if (!response.ok()) return context.Fail(response.status(), false);
  const RangeDescriptor& range = response->range();
  const int64_t lease_left_ms =
      response->lease_left().seconds() * 1000 + response->lease_left().nanos() / 1000000;
  const std::string start = UserKeyIn(range.start_key(), range.collection_id());
  const std::string end = UserKeyIn(range.end_key(), range.collection_id());
  Rows rows = {
      {"range", absl::StrCat(range.range_id(), ", generation ", range.generation())},
      {"collection", absl::StrCat(range.collection_id())},
      {"start", start.empty() ? "-" : Show(start, context.hex())},
      {"end", end.empty() ? "-" : Show(end, context.hex())},
      {"stores", StoresOf(range)},
      {"answered by store", absl::StrCat(response->store_id())},
      {"leader's store", OrDash(response->leader_store_id())},
      {"serving",
       response->serving() ? absl::StrCat("yes, lease for ", lease_left_ms, " ms") : "no"},
      {"term", absl::StrCat(response->term())},
      {"log", absl::StrCat("applied ", response->applied_index(), ", committed ",
                           response->committed_index(), ", last ", response->last_index())},
      {"size", absl::StrCat("about ", response->approximate_bytes(), " bytes")},
  };
  if (response->has_load()) {
    rows.push_back(
        {"load", absl::StrCat(RateText(response->load().reads_per_second()), " reads/s, ",
                              RateText(response->load().writes_per_second()), " writes/s")});
    rows.push_back({"age", TimeText(response->load().age_seconds())});
  }
  for (const auto& decision : response->decisions()) {
    rows.push_back({"decided", DecisionText(decision, Context::NowMs())});
  }
  context.Write(ReportJson(*response), AlignedTable(rows));
  return kDone;
}

int RangeSplit(const Context& context) {
  const absl::StatusOr<std::string> key = BytesOf(context.line.Operand(0), context.hex(), "KEY");
  if (!key.ok()) return context.FailUsage(key.status());
  if (key->empty()) return context.FailUsage(absl::InvalidArgumentError("KEY must not be empty"));
  admin::v1::SplitRangeRequest request;
  request.set_collection(context.line.Text("collection"));
  request.set_split_key(*key);
  const auto response = Admin(context.options).SplitRange(request);
  if (!response.ok()) return context.Fail(response.status(), true);
  Json json;
  json["split"] = response->has_left();
  if (response->has_left()) json["left"] = RangeJson(response->left());
  json["right"] = RangeJson(response->right());
  const uint64_t right = response->right().range_id();
  context.Write(json, response->has_left()
                          ? absl::StrCat("range ", response->left().range_id(),
                                         " ends where the new range ", right, " begins\n")
                          : absl::StrCat("range ", right, " begins there already\n"));
  return kDone;
}

int RangeMerge(const Context& context) {
  const absl::StatusOr<uint64_t> range_id = context.line.OperandNumber(0, "RANGE");
  if (!range_id.ok()) return context.FailUsage(range_id.status());
  uint64_t right_id = 0;
  if (!context.line.Operand(1).empty()) {
    const absl::StatusOr<uint64_t> named = context.line.OperandNumber(1, "RIGHT");
    if (!named.ok()) return context.FailUsage(named.status());
    right_id = *named;
  }
  const auto response = Admin(context.options).MergeRanges(*range_id, right_id);
  if (!response.ok()) {
    const int code = context.Fail(response.status(), true);
    if (OutcomeIsUnknown(response.status()) && right_id == 0) {
      context.Note(
          "look with `rasputin range ls` before repeating it: a repetition absorbs the next "
          "neighbour");
    }
    return code;
  }
  context.Write(RangeJson(response->range()),
                absl::StrCat("range ", *range_id,
                             " now holds its right neighbour's keys too, at "
                             "generation ",
                             response->range().generation(), "\n"));
  return kDone;
}

int LeaseTransfer(const Context& context) {
  const absl::StatusOr<uint64_t> range_id = context.line.OperandNumber(0, "RANGE");
  if (!range_id.ok()) return context.FailUsage(range_id.status());
  const absl::StatusOr<uint64_t> store_id = context.line.OperandNumber(1, "STORE");
  if (!store_id.ok()) return context.FailUsage(store_id.status());
  const auto response = Admin(context.options).TransferLease(*range_id, *store_id);
  if (absl::IsDeadlineExceeded(response.status())) {
    // It was asked for, and the target may become leader after all.
    return context.Fail(OutcomeUnknownError(std::string(response.status().message())), true);
  }
  if (!response.ok()) return context.Fail(response.status(), true);
  Json json;
  json["range_id"] = *range_id;
  json["leader_store_id"] = response->route().leader_store_id();
  context.Write(json, absl::StrCat("range ", *range_id, " is led by store ",
                                   response->route().leader_store_id(), "\n"));
  return kDone;
}

int ClusterInit(const Context& context) {
  const auto response = Admin(context.options).Init();
  if (!response.ok()) return context.Fail(response.status(), true);
  Json json;
  json["cluster_id"] = absl::StrCat(response->cluster_id());
  json["already_initialized"] = response->already_initialized();
  context.Write(
      json, absl::StrCat("cluster ", response->cluster_id(),
                         response->already_initialized() ? " existed already\n" : " created\n"));
  return kDone;
}

int ClusterStatus(const Context& context) {
  const auto response = Admin(context.options).GetStatus();
  if (!response.ok()) return context.Fail(response.status(), false);
  Json json;
  json["initialized"] = response->initialized();
  if (!response->initialized()) {
    context.Write(json, "");
    context.Note("the node belongs to no cluster yet; run: rasputin cluster init");
    return kNo;
  }
  json["cluster_id"] = absl::StrCat(response->cluster_id());
  json["answered_by_store_id"] = response->store_id();
  json["meta_available"] = response->meta_available();
  // Without the meta range nobody knows.
  json["ranges"] = response->meta_available() ? Json(response->ranges()) : Json();
  json["collections"] = response->meta_available() ? Json(response->collections()) : Json();
  json["stores"] = Json::array();
  Rows rows = {{"STORE", "CLIENTS", "PEERS", "REACHABLE", "REPLICAS", "LEADERS"}};
  for (const admin::v1::StoreStatus& one : response->stores()) {
    Json store = StoreJson(one.store());
    store["reachable"] = one.reachable();
    store["replicas"] = one.reachable() ? Json(one.replicas()) : Json();
    store["leaders"] = one.reachable() ? Json(one.leaders()) : Json();
    json["stores"].push_back(std::move(store));
    rows.push_back({absl::StrCat(one.store().store_id()), one.store().client_address(),
                    one.store().peer_address(), one.reachable() ? "yes" : "no",
                    one.reachable() ? absl::StrCat(one.replicas()) : "-",
                    one.reachable() ? absl::StrCat(one.leaders()) : "-"});
  }
  const std::string head =
      response->meta_available()
          ? absl::StrCat("cluster ", response->cluster_id(), ": ", response->ranges(), " ranges, ",
                         response->collections(), " collections\n")
          : absl::StrCat("cluster ", response->cluster_id(),
                         ": the meta range does not answer; a majority of its stores must be up\n");
  context.Write(json, absl::StrCat(head, AlignedTable(rows)));
  return kDone;
}

}  // namespace rasputin::client
