// The steps of an attempt; see the header.

#include "server/node/cluster_join.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rasputin::server {

ClusterJoin::ClusterJoin(Self self, Ports ports)
    : self_(std::move(self)), ports_(std::move(ports)) {}

ClusterJoin::Result ClusterJoin::Try() {
  if (ports_.has_store()) return {Outcome::kHasStore, "", 0};
  const std::vector<peer::v1::ProbeResponse> members = ProbeSeeds();
  if (members.empty()) return {};
  const uint64_t cluster = members.front().cluster_id();
  bool named = false;
  for (const peer::v1::ProbeResponse& member : members) {
    if (member.cluster_id() != cluster) {
      return {Outcome::kNotYet,
              absl::StrCat("seed ", members.front().peer_address(), " belongs to cluster ", cluster,
                           ", seed ", member.peer_address(), " to cluster ", member.cluster_id(),
                           ": correct --seed-peers"),
              cluster};
    }
    named |= std::count(member.seed_peers().begin(), member.seed_peers().end(),
                        self_.store.peer_address()) > 0;
  }
  if (self_.cluster_id != 0 && cluster != self_.cluster_id) {
    return {Outcome::kNotYet,
            absl::StrCat("the store belongs to cluster ", self_.cluster_id, ", but seed ",
                         members.front().peer_address(), " to cluster ", cluster,
                         ": correct --seed-peers, or use the directory of this cluster"),
            cluster};
  }
  if (named) {
    ports_.finish_init();
    if (ports_.has_store()) return {Outcome::kHasStore, "", cluster};
    if (!self_.as_new_store) {
      ports_.report_lost(cluster);
      return {Outcome::kNotYet, "the directory of this seed is empty", cluster};
    }
  }
  std::string why;
  for (const peer::v1::ProbeResponse& member : members) {
    const absl::Status status = Join(member);
    if (status.ok()) return {Outcome::kHasStore, "", cluster};
    why = absl::StrCat("seed ", member.peer_address(), ": ", status.message());
  }
  return {Outcome::kNotYet, why, cluster};
}

std::vector<peer::v1::ProbeResponse> ClusterJoin::ProbeSeeds() {
  std::vector<peer::v1::ProbeResponse> members;
  for (const std::string& seed : self_.seeds) {
    if (seed == self_.store.peer_address()) continue;
    peer::v1::ProbeResponse probe;
    const absl::Status status = ports_.call_peer(seed, "Probe", peer::v1::ProbeRequest(), &probe);
    if (status.ok() && probe.cluster_id() != 0) members.push_back(std::move(probe));
  }
  return members;
}

absl::Status ClusterJoin::Join(const peer::v1::ProbeResponse& seed) {
  peer::v1::JoinRequest request;
  request.set_cluster_id(seed.cluster_id());
  *request.mutable_store() = self_.store;
  request.set_join_token(self_.token);
  peer::v1::JoinResponse response;
  const absl::Status status = ports_.call_peer(seed.peer_address(), "Join", request, &response);
  if (!status.ok()) return status;
  const storage::v1::StoreManifest& manifest = response.manifest();
  if (manifest.cluster_id() != seed.cluster_id() || manifest.store_id() == 0 ||
      !manifest.joined()) {
    return absl::InternalError("the answer is not the manifest of a store that joins");
  }
  return ports_.adopt(manifest);
}

}  // namespace rasputin::server
