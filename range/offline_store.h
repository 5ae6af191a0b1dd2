// The directory of a store whose process is stopped: what its replicas hold, and the surgery that
// makes a range live again that lost its majority for good.
//
// It breaks the protocol's promise on purpose: what was acknowledged by the lost replicas and is
// not in the survivor's log is gone. Who may be operated on decides recovery_plan.h, and who asks
// for it is an operator (server/recovery). Every step is durable when it returns and may be
// repeated; a crash between two leaves replicas as they were or as they are to be. Not thread-safe.

#ifndef RASPUTIN_RANGE_OFFLINE_STORE_H_
#define RASPUTIN_RANGE_OFFLINE_STORE_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "consensus/core/configuration.h"
#include "consensus/log/shared_log.h"
#include "kv/engine.h"
#include "range/store.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range {

class OfflineStore {
 public:
  // Recovers log and state as a start does; directory and engine outlive it. `now`: of the wall
  // clock at least. NOT_FOUND: the directory belongs to no cluster. Others as Store::Open.
  static absl::StatusOr<std::unique_ptr<OfflineStore>> Open(
      const StoreOptions& options, consensus::log::SegmentDirectory* directory, kv::Engine* engine,
      const ClockReading& now);

  absl::StatusOr<storage::v1::StoreReport> Inspect() const;

  // Appends a configuration of this store's replica alone, in a term above any that it knows, and
  // ends its binding. NOT_FOUND: no replica of the range here.
  absl::Status MakeLone(RangeId range);
  // Removes the replica and its state, and leaves a tombstone. Nothing if there is none.
  absl::Status Remove(RangeId range);

 private:
  OfflineStore(consensus::log::SegmentDirectory* directory, kv::Engine* engine)
      : directory_(directory), engine_(engine) {}

  absl::Status Settle(const StoreOptions& options, const ClockReading& now);
  absl::StatusOr<consensus::Configuration> InForce(const RangeDescriptor& descriptor,
                                                   consensus::Index applied) const;
  absl::StatusOr<storage::v1::ReplicaReport> Report(const RangeDescriptor& descriptor) const;
  // Of this store's replicas.
  absl::StatusOr<std::vector<RangeDescriptor>> Descriptors() const;

  consensus::log::SegmentDirectory* const directory_;
  kv::Engine* const engine_;
  storage::v1::StoreManifest manifest_;
  consensus::log::Recovered recovered_;
  std::unique_ptr<consensus::log::SharedLog> log_;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_OFFLINE_STORE_H_
