// Decisions of the first start: who initialises, what the first state of a cluster is, and whether
// a directory belongs to this node. Pure functions; thread-safe.
//
// Errors are sentences for the user that say what to do.

#ifndef RASPUTIN_SERVER_NODE_BOOTSTRAP_PLAN_H_
#define RASPUTIN_SERVER_NODE_BOOTSTRAP_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::server {

// Members of each of the first ranges, if there are so many stores and nothing else is wanted.
inline constexpr int kFirstMembers = 3;

// The seed list in the order that decides: sorted, each once. Empty: the node alone.
std::vector<std::string> NormalizedSeeds(const std::vector<std::string>& seeds,
                                         const std::string& own_address);

// Whether the probed seed may become a first store together with a node that has `seeds`
// (normalized); `address` is the one it was probed at.
absl::Status CheckSeed(const std::string& address, const peer::v1::ProbeResponse& probe,
                       const std::vector<std::string>& seeds);

// The first state of a cluster whose stores answered with `probes`, in the order of the seed list:
// store ids 1.., ranges 1 (meta) and 2 (everything else), the collection `default`. Each range has
// `members` replicas, at least one, or as many as there are stores.
storage::v1::BootstrapRecord PlanCluster(uint64_t cluster_id,
                                         const std::vector<peer::v1::ProbeResponse>& probes,
                                         int members = kFirstMembers);

// Whether one of `seeds` (normalized) is a store of the manifest's cluster, whose stores are
// `stores`, as far as the directory knows them. FAILED_PRECONDITION: it may be another cluster's.
absl::Status CheckDirectory(const storage::v1::StoreManifest& manifest,
                            const std::vector<type::v1::StoreDescriptor>& stores,
                            const std::vector<std::string>& seeds);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_BOOTSTRAP_PLAN_H_
