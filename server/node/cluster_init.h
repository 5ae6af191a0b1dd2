// Initialising a cluster, and what other nodes ask of this one for it.
//
// Only the first of the sorted seed list writes the bootstrap record, to its own disk before
// anybody else's, so that two calls, on two nodes, or with a seed down, never make two clusters; a
// broken-off attempt is finished by the next call with the same record. Blocking: for the slow-work
// threads. Thread-safe: one attempt at a time.

#ifndef RASPUTIN_SERVER_NODE_CLUSTER_INIT_H_
#define RASPUTIN_SERVER_NODE_CLUSTER_INIT_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "server/node/bootstrap_plan.h"

namespace rasputin::server {

class ClusterInit {
 public:
  struct Ports {
    // A call of PeerService.`method` at another node.
    std::function<absl::Status(const std::string& address, const std::string& method,
                               const google::protobuf::MessageLite& request,
                               google::protobuf::MessageLite* response)>
        call_peer;
    // Of this node's store; nullopt: it is in no cluster.
    std::function<std::optional<storage::v1::StoreManifest>()> manifest;
    // Makes this node the store of the manifest and begins to serve it; repeating it is harmless.
    std::function<absl::Status(const storage::v1::StoreManifest&)> adopt;
    // Whether all stores of the record have confirmed it; durable.
    std::function<bool()> is_complete;
    std::function<absl::Status()> mark_complete;
    // Random, not 0.
    std::function<uint64_t()> new_cluster_id;
  };
  struct Self {
    peer::v1::ProbeResponse probe;   // Without cluster and store.
    std::vector<std::string> seeds;  // Normalized; the first one initialises.
    std::string storage_dir;         // For the texts.
    int first_replicas = kFirstMembers;
  };
  struct Result {
    uint64_t cluster_id = 0;
    bool already_initialized = false;
    std::vector<type::v1::StoreDescriptor> stores;
  };

  ClusterInit(Self self, Ports ports);

  // ClusterService.Init: here, or at the node that the seed list appoints. FAILED_PRECONDITION also
  // if this node is of a cluster that exists but its directory is empty: a store that forgot its
  // votes must not take its identity again.
  absl::StatusOr<Result> Init();
  // PeerService.Initialize: only where the seed list appoints this node.
  absl::StatusOr<Result> Initialize();
  // PeerService.Bootstrap.
  absl::Status Bootstrap(const storage::v1::StoreManifest& manifest);
  // What Init said if it found that this node lost its directory; empty: nothing known of that.
  std::string lost() const;
  // This node is a first store of the cluster, and has no store.
  absl::Status ReportLost(uint64_t cluster);
  // PeerService.Probe; does not block.
  peer::v1::ProbeResponse Probe() const;

 private:
  absl::StatusOr<storage::v1::BootstrapRecord> Plan();
  // Gives every other store of the record its identity.
  absl::Status Push(const storage::v1::BootstrapRecord& record);

  const Self self_;
  const Ports ports_;
  std::mutex mutex_;  // Held for a whole attempt.
  mutable std::mutex lost_mutex_;
  std::string lost_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_CLUSTER_INIT_H_
