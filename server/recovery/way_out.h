// The operator's way out [S-9]: has every store that is reached withdraw what it has promised to a
// store that was proved dead, and keeps the trace of it.
//
// Blocking, for the slow-work threads; knows no sockets and no leases, only its ports. Thread-safe
// as far as they are.

#ifndef RASPUTIN_SERVER_RECOVERY_WAY_OUT_H_
#define RASPUTIN_SERVER_RECOVERY_WAY_OUT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "range/store.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "server/recovery/audit_file.h"

namespace rasputin::server {

class WayOut {
 public:
  struct Ports {
    // A call of PeerService.`method` at another node.
    std::function<absl::Status(const std::string& address, const std::string& method,
                               const google::protobuf::MessageLite& request,
                               google::protobuf::MessageLite* response)>
        call_peer;
    // The other stores on the list: id, peer address.
    std::function<std::map<uint64_t, std::string>()> other_stores;
    // At this store, see range::Store::LeaseWithdraw; nullopt: it is not open.
    std::function<std::optional<range::Store::LeaseWithdrawal>(uint64_t dead_store)> withdraw;
    // Of this store; nullopt: it is in no cluster.
    std::function<std::optional<storage::v1::StoreManifest>()> manifest;
    // Microseconds since the Unix epoch.
    std::function<int64_t()> wall_us;
    // Waits a little for the disk.
    std::function<void()> pause;
    // So many pauses last for half a lease: a store that is silent for as long is not refused.
    int pauses_of_half_lease = 0;
  };

  WayOut(const std::string& storage_dir, Ports ports);

  // ClusterService.WithdrawPromises.
  absl::StatusOr<admin::v1::WithdrawPromisesResponse> Withdraw(
      const admin::v1::WithdrawPromisesRequest& request) const;
  // PeerService.WithdrawPromises.
  absl::StatusOr<peer::v1::WithdrawPromisesResponse> WithdrawHere(
      const peer::v1::WithdrawPromisesRequest& request) const;
  // ClusterService.ListAudit and PeerService.ListAudit: the newest lines of each store.
  admin::v1::ListAuditResponse ListAudit() const;
  peer::v1::ListAuditResponse ListAuditHere() const;

 private:
  // FAILED_PRECONDITION: the store answers at its address.
  absl::Status CheckIsSilent(uint64_t store, const std::string& address,
                             const storage::v1::StoreManifest& self) const;

  const AuditFile audit_;
  const Ports ports_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RECOVERY_WAY_OUT_H_
