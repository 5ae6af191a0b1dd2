// What a group may know of the store leases of its store: a read-only, deterministic port.
//
// The implementation is `lease::LeaseTable` (consensus/lease), a copy that is fed by queued updates
// and may therefore lag; every lag is on the safe side (a lease looks shorter to its holder, a
// promise looks longer to its grantor). Not thread-safe; used within a shard's turn.

#ifndef RASPUTIN_CONSENSUS_CORE_LEASE_VIEW_H_
#define RASPUTIN_CONSENSUS_CORE_LEASE_VIEW_H_

#include "consensus/core/types.h"

namespace rasputin::consensus {

// Support that a peer store gives to this store [S-2], [S-3].
struct Support {
  Epoch epoch;        // The epoch supported; 0: never supported yet.
  DualInstant until;  // Counted from the sending of the round that earned it.
};

class LeaseView {
 public:
  virtual ~LeaseView() = default;

  // Support of `peer` for this store. For the own store: epoch OwnEpoch(self), until as long as
  // [S-7] holds. Suspended support [S-8] reads as ended.
  virtual Support SupportFrom(StoreId peer) const = 0;

  // Like SupportFrom, but suspended support reads as still held: decides only whether a lease has
  // *ended*, so that a leader abdicates [H-7]; nothing may be served by it [S-8].
  virtual Support HeldSupportFrom(StoreId peer) const { return SupportFrom(peer); }

  // Newest epoch at which `peer` has supported this store; appends to replicas on `peer` carry it
  // and bind them to it [H-4], [H-8]. 0: none yet; binds nobody. `peer` has it durably, so every
  // binding to it ends with a withdrawal, even across a restart of `peer` [S-4], [S-6].
  virtual Epoch OwnEpoch(StoreId peer) const = 0;

  // Lowest epoch of `leader_store` that this store has not durably withdrawn [S-4]: a binding at
  // epoch e is alive while e >= LowestAccepted(leader_store).
  virtual Epoch LowestAccepted(StoreId leader_store) const = 0;

  // False during the restart wait of [S-6] and while the own log disk does not work [S-7]: then no
  // replica of this store votes, probes, or answers a probe with ok.
  virtual bool MayVote(const ClockReading& now) const = 0;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_LEASE_VIEW_H_
