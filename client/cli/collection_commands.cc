// The commands about collections; see collection_commands.h.

#include "client/cli/collection_commands.h"

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/admin.h"
#include "client/cli/exit_code.h"
#include "client/cli/output.h"
#include "rasputin/admin/v1/admin.pb.h"

namespace rasputin::client {
namespace {

using type::v1::Collection;
using type::v1::CollectionOptions;
using type::v1::SplitThresholds;
using Rows = std::vector<std::vector<std::string>>;

// A threshold, the flag that sets it, and its name in JSON.
struct Threshold {
  const char* flag;
  const char* json;
  uint64_t (SplitThresholds::*get)() const;
  void (SplitThresholds::*set)(uint64_t);
};

constexpr Threshold kThresholds[] = {
    {"split-size-bytes", "size_bytes", &SplitThresholds::size_bytes,
     &SplitThresholds::set_size_bytes},
    {"split-requests-per-second", "requests_per_second", &SplitThresholds::requests_per_second,
     &SplitThresholds::set_requests_per_second},
    {"split-cpu-millicores", "cpu_millicores", &SplitThresholds::cpu_millicores,
     &SplitThresholds::set_cpu_millicores},
    {"split-read-bytes-per-second", "read_bytes_per_second",
     &SplitThresholds::read_bytes_per_second, &SplitThresholds::set_read_bytes_per_second},
    {"split-written-bytes-per-second", "written_bytes_per_second",
     &SplitThresholds::written_bytes_per_second, &SplitThresholds::set_written_bytes_per_second},
};

std::string TypeName(type::v1::CollectionType type) {
  return type == type::v1::COLLECTION_TYPE_KV ? "kv" : absl::StrCat("type ", int{type});
}

std::string StateOf(const Collection& collection) {
  if (collection.dropping()) return "being dropped";
  return collection.ready() ? "ready" : "being created";
}

std::map<std::string, std::string> LabelsOf(const CollectionOptions& options) {
  const auto& labels = options.placement().required_labels();
  return {labels.begin(), labels.end()};
}

Json OptionsJson(const CollectionOptions& options) {
  Json json;
  json["replication_factor"] = options.replication_factor();
  Json split;
  for (const Threshold& one : kThresholds) split[one.json] = (options.split().*one.get)();
  json["split"] = split;
  json["required_labels"] = LabelsOf(options);
  return json;
}

Json CollectionJson(const Collection& collection) {
  Json json;
  json["id"] = collection.id();
  json["name"] = collection.name();
  json["type"] = TypeName(collection.type());
  json["ready"] = collection.ready();
  json["dropping"] = collection.dropping();
  json["options"] = OptionsJson(collection.options());
  return json;
}

std::string OrDefault(uint64_t value) { return value == 0 ? "default" : absl::StrCat(value); }

std::string Description(const Collection& collection) {
  Rows rows = {{"collection", collection.name()},
               {"id", absl::StrCat(collection.id())},
               {"type", TypeName(collection.type())},
               {"state", StateOf(collection)},
               {"replicas", OrDefault(collection.options().replication_factor())}};
  for (const Threshold& one : kThresholds) {
    rows.push_back({one.flag, OrDefault((collection.options().split().*one.get)())});
  }
  std::string labels;
  for (const auto& [name, value] : LabelsOf(collection.options())) {
    absl::StrAppend(&labels, labels.empty() ? "" : ",", name, "=", value);
  }
  rows.push_back({"require", labels.empty() ? "-" : labels});
  return AlignedTable(rows);
}

// Changes what the flags say, and nothing else. Limits are the server's.
absl::Status ReadOptions(const CommandLine& line, CollectionOptions* options) {
  if (line.Has("replicas")) {
    const absl::StatusOr<uint64_t> replicas =
        line.Number("replicas", 0, std::numeric_limits<uint32_t>::max());
    if (!replicas.ok()) return replicas.status();
    options->set_replication_factor(static_cast<uint32_t>(*replicas));
  }
  for (const Threshold& one : kThresholds) {
    if (!line.Has(one.flag)) continue;
    const absl::StatusOr<uint64_t> value =
        line.Number(one.flag, 0, std::numeric_limits<uint64_t>::max());
    if (!value.ok()) return value.status();
    (options->mutable_split()->*one.set)(*value);
  }
  if (!line.Has("require")) return absl::OkStatus();
  auto* labels = options->mutable_placement()->mutable_required_labels();
  labels->clear();
  if (line.Text("require") == "none") return absl::OkStatus();
  for (const std::string& label : SplitList(line.Text("require"))) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError("--require takes NAME=VALUE,... or none");
    }
    (*labels)[label.substr(0, equals)] = label.substr(equals + 1);
  }
  return absl::OkStatus();
}

int Show(const Context& context, const Collection& collection) {
  context.Write(CollectionJson(collection), Description(collection));
  return kDone;
}

}  // namespace

int CollectionCreate(const Context& context) {
  admin::v1::CreateCollectionRequest request;
  request.set_name(context.line.Operand(0));
  request.set_type(type::v1::COLLECTION_TYPE_KV);
  const absl::Status flags = ReadOptions(context.line, request.mutable_options());
  if (!flags.ok()) return context.FailUsage(flags);
  const auto response = Admin(context.options).CreateCollection(request);
  if (!response.ok()) return context.Fail(response.status(), true);
  const Collection& collection = response->collection();
  context.Write(CollectionJson(collection),
                absl::StrCat("collection ", collection.name(), " has id ", collection.id(), "\n"));
  return kDone;
}

int CollectionLs(const Context& context) {
  const auto response = Admin(context.options).ListCollections();
  if (!response.ok()) return context.Fail(response.status(), false);
  Json json = Json::array();
  Rows rows = {{"ID", "NAME", "TYPE", "STATE"}};
  for (const Collection& one : response->collections()) {
    json.push_back(CollectionJson(one));
    rows.push_back({absl::StrCat(one.id()), one.name(), TypeName(one.type()), StateOf(one)});
  }
  context.Write(json, AlignedTable(rows));
  if (response->more()) context.Note("there are more collections than the 1,000 shown");
  return kDone;
}

int CollectionDescribe(const Context& context) {
  const auto response = Admin(context.options).GetCollection(context.line.Operand(0));
  if (!response.ok()) return context.Fail(response.status(), false);
  return Show(context, response->collection());
}

int CollectionUpdate(const Context& context) {
  Admin admin(context.options);
  const auto now = admin.GetCollection(context.line.Operand(0));
  if (!now.ok()) return context.Fail(now.status(), false);
  admin::v1::UpdateCollectionRequest request;
  request.set_name(now->collection().name());
  *request.mutable_options() = now->collection().options();
  const absl::Status flags = ReadOptions(context.line, request.mutable_options());
  if (!flags.ok()) return context.FailUsage(flags);
  const auto response = admin.UpdateCollection(request);
  if (!response.ok()) return context.Fail(response.status(), true);
  return Show(context, response->collection());
}

int CollectionDrop(const Context& context) {
  const std::string name = context.line.Operand(0);
  if (!context.line.Has("yes")) {
    return context.FailUsage(absl::InvalidArgumentError(
        absl::StrCat("this removes all keys of ", name, " for good: say --yes")));
  }
  const auto response = Admin(context.options).DropCollection(name);
  if (!response.ok()) return context.Fail(response.status(), true);
  Json json;
  json["ranges_emptied"] = response->ranges_emptied();
  context.Write(json, absl::StrCat("collection ", name, " is dropped, ", response->ranges_emptied(),
                                   " ranges emptied\n"));
  return kDone;
}

}  // namespace rasputin::client
