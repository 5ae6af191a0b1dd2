// What a shard knows of the store leases: a copy fed by queued LeaseUpdates, read by its groups.
//
// Not responsible for any rule of the protocol; it only answers by the latest update. It may lag
// behind StoreLeases, always on the safe side. Not thread-safe: one per shard, used in its turn.

#ifndef RASPUTIN_CONSENSUS_LEASE_LEASE_TABLE_H_
#define RASPUTIN_CONSENSUS_LEASE_LEASE_TABLE_H_

#include <map>

#include "consensus/core/lease_view.h"
#include "consensus/core/types.h"
#include "consensus/lease/store_leases.h"

namespace rasputin::consensus::lease {

class LeaseTable : public LeaseView {
 public:
  explicit LeaseTable(StoreId self) : self_(self) {}

  // In the order in which StoreLeases produced them.
  void Apply(const LeaseUpdate& update);
  // The owner saw a sign of a pause that StoreLeases has not looked at yet [S-8]: no support of a
  // peer is used before its next update.
  void SuspendPeers();

  Support SupportFrom(StoreId peer) const override;
  Support HeldSupportFrom(StoreId peer) const override;
  Epoch OwnEpoch(StoreId peer) const override;
  Epoch LowestAccepted(StoreId leader_store) const override;
  // False until the first update.
  bool MayVote(const ClockReading& now) const override;

 private:
  struct Row {
    Support support;
    Epoch own_epoch;
    Epoch lowest_accepted;
    bool suspended = false;
  };

  const StoreId self_;
  std::map<StoreId, Row> rows_;
  bool known_ = false;
  DualInstant disk_works_until_;
  DualInstant may_vote_from_;
};

}  // namespace rasputin::consensus::lease

#endif  // RASPUTIN_CONSENSUS_LEASE_LEASE_TABLE_H_
