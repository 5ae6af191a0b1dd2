// See records.h.

#include "client/cli/records.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/route/full_key.h"

namespace rasputin::client {

using type::v1::RangeDescriptor;
using type::v1::ReplicaDescriptor;
using type::v1::StoreDescriptor;

std::string UserKeyIn(const std::string& full_key, uint64_t collection_id) {
  if (CollectionOf(full_key) != collection_id) return "";
  const absl::string_view key = UserKeyOf(full_key);
  return std::string(key.data(), key.size());
}

std::string RoleName(type::v1::ReplicaRole role) {
  switch (role) {
    case type::v1::REPLICA_ROLE_INCOMING:
      return "incoming";
    case type::v1::REPLICA_ROLE_OUTGOING:
    case type::v1::REPLICA_ROLE_DEMOTING:
      return "outgoing";
    case type::v1::REPLICA_ROLE_LEARNER:
      return "learner";
    default:
      return "voter";
  }
}

std::string StoresOf(const RangeDescriptor& range) {
  return absl::StrJoin(range.replicas(), ",", [](std::string* out, const ReplicaDescriptor& one) {
    absl::StrAppend(out, one.store_id());
    const std::string role = RoleName(one.role());
    if (role != "voter") absl::StrAppend(out, "(", role, ")");
  });
}

std::string LabelsOf(const StoreDescriptor& store) {
  const std::map<std::string, std::string> sorted(store.locality().begin(), store.locality().end());
  return absl::StrJoin(sorted, ",", absl::PairFormatter("="));
}

Json StoreJson(const StoreDescriptor& store) {
  Json json;
  json["store_id"] = store.store_id();
  json["client_address"] = store.client_address();
  json["peer_address"] = store.peer_address();
  json["locality"] = Json::object();
  for (const auto& [label, value] :
       std::map<std::string, std::string>(store.locality().begin(), store.locality().end())) {
    json["locality"][label] = value;
  }
  return json;
}

Json RangeJson(const RangeDescriptor& range) {
  Json json;
  json["range_id"] = range.range_id();
  json["generation"] = range.generation();
  json["collection_id"] = range.collection_id();
  SetBytes(&json, "start_key", UserKeyIn(range.start_key(), range.collection_id()));
  SetBytes(&json, "end_key", UserKeyIn(range.end_key(), range.collection_id()));
  json["replicas"] = Json::array();
  for (const ReplicaDescriptor& replica : range.replicas()) {
    Json one;
    one["replica_id"] = replica.replica_id();
    one["store_id"] = replica.store_id();
    one["role"] = RoleName(replica.role());
    json["replicas"].push_back(std::move(one));
  }
  return json;
}

}  // namespace rasputin::client
