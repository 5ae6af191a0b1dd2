// Stores that come and go, at the front end: Join of PeerService, DecommissionStore of
// ClusterService.
//
// Both are commands of the meta range and idempotent. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_STORE_CALLS_H_
#define RASPUTIN_SERVER_FRONT_STORE_CALLS_H_

#include <cstdint>

#include "absl/strings/cord.h"
#include "server/front/call_table.h"
#include "server/front/directory.h"

namespace rasputin::server {

class StoreCalls {
 public:
  StoreCalls(const storage::v1::StoreManifest& manifest, CallTable* calls, Directory* directory,
             client::Router* router);

  // Gives the caller an id, and with it the manifest of a store that joined.
  void Join(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void Decommission(const ClockReading& now, CallId id, const absl::Cord& request,
                    Instant deadline);

 private:
  // Step 2 of Join: what the store needs to find the others.
  void DescribeCluster(const ClockReading& now, CallId id, uint64_t store_id, Instant deadline);

  const uint64_t cluster_id_;
  CallTable* const calls_;
  Directory* const directory_;
  client::Router* const router_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_STORE_CALLS_H_
