// See the header; ids and bounds of the first ranges are those of ranges.md in the README of
// range/.

#include "server/node/bootstrap_plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rasputin::server {
namespace {

constexpr uint64_t kMetaRangeId = 1;
constexpr uint64_t kFirstRangeId = 2;
constexpr uint64_t kMetaCollectionId = 1;
constexpr uint64_t kDefaultCollectionId = 2;

// A full key begins with the collection's id, 8 bytes big-endian.
std::string CollectionPrefix(uint64_t id) {
  std::string prefix(8, '\0');
  for (int i = 7; i >= 0; --i, id >>= 8) prefix[i] = static_cast<char>(id & 0xff);
  return prefix;
}

type::v1::RangeDescriptor FirstRange(uint64_t range_id, uint64_t collection_id,
                                     const std::string& end, int members) {
  type::v1::RangeDescriptor range;
  range.set_range_id(range_id);
  range.set_generation(1);
  range.set_collection_id(collection_id);
  range.set_start_key(CollectionPrefix(collection_id));
  range.set_end_key(end);
  for (int i = 1; i <= members; ++i) {
    type::v1::ReplicaDescriptor* replica = range.add_replicas();
    replica->set_replica_id(static_cast<uint64_t>(i));
    replica->set_store_id(static_cast<uint64_t>(i));
  }
  range.set_next_replica_id(static_cast<uint64_t>(members) + 1);
  return range;
}

}  // namespace

std::vector<std::string> NormalizedSeeds(const std::vector<std::string>& seeds,
                                         const std::string& own_address) {
  std::vector<std::string> normalized = seeds;
  if (normalized.empty()) normalized.push_back(own_address);
  std::sort(normalized.begin(), normalized.end());
  normalized.erase(std::unique(normalized.begin(), normalized.end()), normalized.end());
  return normalized;
}

absl::Status CheckSeed(const std::string& address, const peer::v1::ProbeResponse& probe,
                       const std::vector<std::string>& seeds) {
  if (probe.cluster_id() != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("seed ", address, " is already part of cluster ", probe.cluster_id(),
                     "; take it off --seed-peers"));
  }
  if (probe.peer_address() != address) {
    return absl::FailedPreconditionError(
        absl::StrCat("seed ", address, " calls itself ", probe.peer_address(),
                     "; use the same address in --seed-peers and --advertise-host"));
  }
  const std::vector<std::string> theirs(probe.seed_peers().begin(), probe.seed_peers().end());
  if (theirs != seeds) {
    return absl::FailedPreconditionError(absl::StrCat(
        "seed ", address, " was started with --seed-peers=", absl::StrJoin(theirs, ","),
        ", this node with ", absl::StrJoin(seeds, ","), "; the lists must be equal"));
  }
  return absl::OkStatus();
}

storage::v1::BootstrapRecord PlanCluster(uint64_t cluster_id,
                                         const std::vector<peer::v1::ProbeResponse>& probes,
                                         int members) {
  storage::v1::BootstrapRecord record;
  record.set_cluster_id(cluster_id);
  for (size_t i = 0; i < probes.size(); ++i) {
    type::v1::StoreDescriptor* store = record.add_stores();
    store->set_store_id(i + 1);
    store->set_peer_address(probes[i].peer_address());
    store->set_client_address(probes[i].client_address());
    *store->mutable_locality() = probes[i].locality();
  }
  members = std::min(members, record.stores_size());
  *record.add_ranges() =
      FirstRange(kMetaRangeId, kMetaCollectionId, CollectionPrefix(kDefaultCollectionId), members);
  *record.add_ranges() = FirstRange(kFirstRangeId, kDefaultCollectionId, "", members);
  type::v1::Collection* collection = record.add_collections();
  collection->set_id(kDefaultCollectionId);
  collection->set_name("default");
  collection->set_type(type::v1::COLLECTION_TYPE_KV);
  collection->set_ready(true);
  return record;
}

absl::Status CheckDirectory(const storage::v1::StoreManifest& manifest,
                            const std::vector<type::v1::StoreDescriptor>& stores,
                            const std::vector<std::string>& seeds) {
  const bool known = std::any_of(stores.begin(), stores.end(), [&seeds](const auto& store) {
    return std::count(seeds.begin(), seeds.end(), store.peer_address()) > 0;
  });
  if (known) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the directory belongs to store ", manifest.store_id(), " of cluster ", manifest.cluster_id(),
      ", to which none of --seed-peers=", absl::StrJoin(seeds, ","),
      " belongs; use the directory of this cluster, or its seeds"));
}

}  // namespace rasputin::server
