// Implementation of lease_table.h: lookups only, no rule is decided here.
//
// Thread-safety and invariants: see the header.

#include "consensus/lease/lease_table.h"

#include <algorithm>

namespace rasputin::consensus::lease {

void LeaseTable::Apply(const LeaseUpdate& update) {
  rows_[update.peer] = {update.support, update.own_epoch, update.lowest_accepted, update.suspended};
  disk_works_until_ = update.disk_works_until;
  may_vote_from_ = update.may_vote_from;
  known_ = true;
}

void LeaseTable::SuspendPeers() {
  for (auto& [peer, row] : rows_) row.suspended = row.suspended || peer != self_;
}

Support LeaseTable::SupportFrom(StoreId peer) const {
  Support support = HeldSupportFrom(peer);
  const auto row = rows_.find(peer);
  if (row != rows_.end() && row->second.suspended) support.until = DualInstant{};
  return support;
}

Support LeaseTable::HeldSupportFrom(StoreId peer) const {
  // The own store supports itself while its disk works [S-7], [H-6].
  if (peer == self_) return {OwnEpoch(self_), disk_works_until_};
  const auto row = rows_.find(peer);
  return row == rows_.end() ? Support{} : row->second.support;
}

Epoch LeaseTable::OwnEpoch(StoreId peer) const {
  const auto row = rows_.find(peer);
  return row == rows_.end() ? Epoch() : row->second.own_epoch;
}

Epoch LeaseTable::LowestAccepted(StoreId leader_store) const {
  const auto row = rows_.find(leader_store);
  // At least 1, so that epoch 0 (no support yet) never binds.
  return row == rows_.end() ? Epoch(1) : std::max(Epoch(1), row->second.lowest_accepted);
}

bool LeaseTable::MayVote(const ClockReading& now) const {
  return known_ && may_vote_from_.EndedForGrantor(now) && !disk_works_until_.EndedForHolder(now);
}

}  // namespace rasputin::consensus::lease
