// Store leases without time: what [S-1] to [S-6] promise to groups, per ordered pair of stores.
//
// A pair (holder L, grantor S) is: the lowest epoch that S has not withdrawn, the epoch that L last
// heard to be supported, whether L counts on it now, and the lowest epoch that this life of L may
// ask with. The one rule that the whole protocol rests on is that S withdraws only what L counts on
// no more ([S-3], [S-4]); consensus/lease and its model show that the lease layer keeps it.
// Replicas are numbered from 0 here; replica r lives on store r. Plain values.

#ifndef RASPUTIN_CONSENSUS_MODEL_PAIR_LEASES_H_
#define RASPUTIN_CONSENSUS_MODEL_PAIR_LEASES_H_

#include <cstddef>
#include <cstdint>

#include "consensus/core/lease_view.h"
#include "consensus/model/naming.h"

namespace rasputin::consensus::model {

struct PairLease {
  uint64_t lowest = 1;     // At the grantor, durable.
  uint64_t heard = 1;      // At the holder; 0: never supported in this life.
  uint64_t asks_from = 1;  // Of the holder's life: epochs are new after a restart [S-5].
  bool held = true;        // The holder counts on `heard`.
};

class PairLeases {
 public:
  PairLeases();
  explicit PairLeases(uint64_t word) : word_(word) {}

  PairLease Get(size_t holder, size_t grantor) const;
  void Set(size_t holder, size_t grantor, const PairLease& pair);
  // All of it; equal words are equal leases.
  uint64_t word() const { return word_; }
  // As seen by the groups on one store: what a core may ask of its LeaseView.
  uint32_t ViewOf(size_t replica) const;
  PairLeases Renamed(const StateBytes::Names& names) const;

 private:
  uint64_t word_ = 0;
};

// The LeaseView of replica `self`, from a word of PairLeases::ViewOf.
class ModelLeases : public LeaseView {
 public:
  explicit ModelLeases(size_t self) : self_(self) {}
  void SetView(uint32_t view) { view_ = view; }

  Support SupportFrom(StoreId peer) const override;
  Epoch OwnEpoch(StoreId peer) const override;
  Epoch LowestAccepted(StoreId leader_store) const override;
  bool MayVote(const ClockReading& now) const override;

 private:
  const size_t self_;
  uint32_t view_ = 0;
};

// In a view of `self`: the lowest epoch of `leader` that it accepts.
uint64_t LowestInView(uint32_t view, size_t self, size_t leader);

}  // namespace rasputin::consensus::model

#endif  // RASPUTIN_CONSENSUS_MODEL_PAIR_LEASES_H_
