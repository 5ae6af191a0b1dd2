// Store leases of one store for tests of the core: the rules of [S-1] to [S-7], none of the
// plumbing.
//
// Withdrawals and epochs are durable at once. Not a replacement for consensus/lease: it exists so
// that the core can be tested alone and compiled with mutants. Time comes in through the arguments,
// on this store's clock. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_CORE_FAKE_STORE_LEASES_H_
#define RASPUTIN_CONSENSUS_CORE_FAKE_STORE_LEASES_H_

#include <cstdint>
#include <map>
#include <vector>

#include "consensus/core/lease_view.h"
#include "consensus/core/types.h"

namespace rasputin::consensus {

struct FakeLeaseRequest {
  Epoch epoch;
  uint64_t round = 0;
  uint64_t echo = 0;
};
struct FakeLeaseReply {
  Epoch epoch;
  uint64_t round = 0;
  bool supported = false;
  Epoch lowest_accepted;
  uint64_t nonce = 0;
};

class FakeStoreLeases : public LeaseView {
 public:
  FakeStoreLeases(StoreId self, Duration lease_duration, const std::vector<StoreId>& peers);

  // The instant of all that follows; ends promises that are over [S-4]. Returns whether groups must
  // be ticked.
  bool Advance(const ClockReading& now);
  FakeLeaseRequest MakeRequest(StoreId peer);
  FakeLeaseReply Answer(StoreId from, const FakeLeaseRequest& request);
  // Whether groups must be ticked; `again` is set when the peer is to be asked at once.
  bool OnReply(StoreId from, const FakeLeaseReply& reply, bool* again);
  // The process stops and starts: what is not durable is lost [S-6].
  void Restart(const ClockReading& now);
  void SetDiskWorks(bool works) { disk_works_ = works; }

  Support SupportFrom(StoreId peer) const override;
  Epoch OwnEpoch(StoreId peer) const override;
  Epoch LowestAccepted(StoreId leader_store) const override;
  bool MayVote(const ClockReading& now) const override;

 private:
  struct Asked {  // We hold.
    Epoch epoch;
    Epoch supported_epoch;
    Support support;
    uint64_t heard_nonce = 0;
    std::map<uint64_t, Instant> sent_at;
  };
  struct Granted {  // We promise.
    Epoch lowest{1};
    Epoch granted;
    Instant expiry = Instant::min();
    std::map<uint64_t, Instant> nonces;  // Issued lately, with their instants.
  };

  const StoreId self_;
  const Duration lease_duration_;
  const Duration promise_;
  ClockReading now_;
  Instant may_vote_from_ = Instant::min();
  Epoch counter_{1};
  uint64_t nonce_ = 0;
  uint64_t round_ = 0;
  bool disk_works_ = true;
  std::map<StoreId, Asked> asked_;
  std::map<StoreId, Granted> granted_;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_FAKE_STORE_LEASES_H_
