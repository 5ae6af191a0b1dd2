// StorePort over a real range::Store.
//
// Adds nothing: only converts what a front end sees of replicas. Used by the server and the
// simulator, under the lock of the store's shard side.

#ifndef RASPUTIN_SERVER_FRONT_RANGE_STORE_PORT_H_
#define RASPUTIN_SERVER_FRONT_RANGE_STORE_PORT_H_

#include <optional>
#include <vector>

#include "range/store.h"
#include "server/front/ports.h"

namespace rasputin::server {

class RangeStorePort final : public StorePort {
 public:
  // `store` outlives this.
  explicit RangeStorePort(range::Store* store) : store_(store) {}

  void Submit(const ClockReading& now, range::Request request) override;
  absl::Status TransferLease(const ClockReading& now, RangeId range, StoreId target) override;
  void ChangeReplicas(const ClockReading& now, RangeId range, consensus::Generation generation,
                      const range::ReplicaChange& change, range::Completion* completion) override;
  std::optional<ReplicaSummary> FindReplica(const ClockReading& now, RangeId range) const override;
  std::optional<storage::v1::AbsorbedRange> FindAbsorbed(RangeId range) const override;
  ReplicaCounts CountReplicas(const ClockReading& now) const override;
  std::vector<range::RangeReview> ReviewRanges(const ClockReading& now,
                                               const range::ReviewOptions& options,
                                               bool* more) override;
  std::optional<range::RangeReview> DescribeLoad(const ClockReading& now, RangeId range,
                                                 bool briefly) override;
  void CarryLoad(const ClockReading& now, const range::RangeDescriptor& merged,
                 const type::v1::RangeLoad& before) override;
  std::vector<type::v1::RangeLoad> ListLoads(const ClockReading& now, size_t max) override;
  type::v1::RangeLoad TotalLoad(const ClockReading& now) override;
  std::vector<LedRange> ListLed(const ClockReading& now) const override;
  std::vector<StoreId> ListSupporting(const ClockReading& now) const override;
  const storage::v1::StoreManifest& manifest() const override;

 private:
  range::Store* const store_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_RANGE_STORE_PORT_H_
