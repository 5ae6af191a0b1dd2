// Joining a running cluster: a node without a store asks its seeds for one.
//
// One attempt at a time, repeated by the caller until it succeeds. Nothing is written before the
// cluster has given an id, so a crash at any step costs at most an id; the manifest makes it this
// node's. A node that the cluster's seed list names is a first store that waits for its identity or
// has lost its directory: it does not join unless it is told to. Blocking: for the slow-work
// threads. Not thread-safe.

#ifndef RASPUTIN_SERVER_NODE_CLUSTER_JOIN_H_
#define RASPUTIN_SERVER_NODE_CLUSTER_JOIN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message_lite.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::server {

class ClusterJoin {
 public:
  struct Ports {
    // See ClusterInit::Ports.
    std::function<absl::Status(const std::string& address, const std::string& method,
                               const google::protobuf::MessageLite& request,
                               google::protobuf::MessageLite* response)>
        call_peer;
    std::function<bool()> has_store;
    std::function<absl::Status(const storage::v1::StoreManifest&)> adopt;
    // Lets the node that the seed list appoints finish an initialisation that broke off.
    std::function<void()> finish_init;
    // This seed has lost its directory.
    std::function<void(uint64_t cluster_id)> report_lost;
  };
  struct Self {
    type::v1::StoreDescriptor store;  // Without an id.
    std::vector<std::string> seeds;
    bool as_new_store = false;  // Also if the seed list names this node.
    uint64_t token = 0;         // Random, not 0; the same for all attempts.
    uint64_t cluster_id = 0;    // Only this cluster is joined; 0: that of the seeds.
  };
  enum class Outcome : uint8_t {
    kNoCluster = 1,  // No seed that answers is in a cluster.
    kHasStore = 2,   // Joined now, or had one already.
    kNotYet = 3,     // `text` says why.
  };
  struct Result {
    Outcome outcome = Outcome::kNoCluster;
    std::string text;
    uint64_t cluster_id = 0;
  };

  ClusterJoin(Self self, Ports ports);

  Result Try();

 private:
  // What the seeds in a cluster say of themselves.
  std::vector<peer::v1::ProbeResponse> ProbeSeeds();
  absl::Status Join(const peer::v1::ProbeResponse& seed);

  const Self self_;
  const Ports ports_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_CLUSTER_JOIN_H_
