// The store leases of one store, both halves: support it asks of others and promises it gives.
//
// A pure state machine: time, durable state and messages come in as arguments, effects leave
// through TakeEffects(). The rules and why they hold: README.md. One object per store, shared by
// all its ranges; groups see it only through the LeaseTable (lease_table.h), fed by LeaseUpdate
// values. Not thread-safe: the server guards it with one mutex and drives it from the lease thread.

#ifndef RASPUTIN_CONSENSUS_LEASE_STORE_LEASES_H_
#define RASPUTIN_CONSENSUS_LEASE_STORE_LEASES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "consensus/core/event.h"
#include "consensus/core/lease_view.h"
#include "consensus/core/mutants.h"
#include "consensus/core/types.h"
#include "consensus/lease/message.h"

namespace rasputin::consensus::lease {

struct LeaseOptions {
  StoreId self;
  Duration lease_duration = std::chrono::seconds(2);        // D; extended every D/5.
  double clock_rate_error_max = 0.01;                       // r.
  Duration wall_jump_max = std::chrono::milliseconds(500);  // REALTIME against BOOTTIME [S-8].
  uint64_t seed = 1;
  Mutants mutants;
};

// P: the shortest promise with P(1 - r) >= D(1 + r), rounded up to a millisecond.
Duration PromiseDuration(const LeaseOptions& options);

// Durable state of a pair [S-4], [S-5]; one record of the shared log per change.
struct PairState {
  StoreId peer;
  Epoch own_epoch;  // Epoch with which we ask `peer`; 0: never asked.
  // We never support a lower epoch of `peer`. Granting e sets it to e, withdrawing e to e + 1; so a
  // restart knows that this epoch, and no other, may be promised. 0: nothing was ever granted.
  Epoch lowest_accepted;

  friend bool operator==(const PairState& a, const PairState& b) {
    return a.peer == b.peer && a.own_epoch == b.own_epoch && a.lowest_accepted == b.lowest_accepted;
  }
};

// The durable counter from which epochs are drawn [S-5], with the pairs it serves.
struct DurableLeases {
  Epoch epoch_counter;
  std::vector<PairState> pairs;
  bool was_member = false;  // The store was part of a cluster before this start [S-6].
  // The longest P of earlier processes, which may have promised for so long; zero: as now.
  Duration longest_promise{};
};

// A change of what groups may know, to be queued to each shard's LeaseTable, in order.
struct LeaseUpdate {
  StoreId peer;            // Self: the own epoch of this process, and the store-wide part.
  Support support;         // Support from `peer` for us; unused for self.
  Epoch own_epoch;         // Newest epoch that `peer` has supported; 0: none yet.
  Epoch lowest_accepted;   // Durable; at least 1.
  bool suspended = false;  // Leases held are suspended [S-8]: `support` must not be used.
  // Of the store as a whole, in every update: until when the own disk counts as working [S-7] (far
  // away while there are no peers), and from when on replicas may vote [S-6].
  DualInstant disk_works_until;
  DualInstant may_vote_from;
};

struct LeaseEffects {
  std::vector<LeaseMessage> send;  // May leave at once (what they vouch for is durable).
  // To be appended to the shared log (store records); afterwards OnPersisted(persist_sequence).
  // Only PairState changes and the counter are in it.
  std::vector<PairState> persist;
  Epoch persist_counter;          // 0: unchanged.
  uint64_t persist_sequence = 0;  // 0: nothing to persist.
  // A small record should be written because no client write completed within D/2 [S-7].
  bool write_disk_probe = false;
  std::vector<LeaseUpdate> updates;
  std::vector<Event> events;
};

// What became of an operator's withdrawal [S-9].
enum class Withdrawal : uint8_t {
  kRefused = 1,  // The store asked for support less than D/2 ago: it is not dead. Nothing changed.
  kBegun = 2,    // Acted upon once LeaseUpdate::lowest_accepted says so.
  kNothing = 3,  // Nothing is promised to it, durably: the replicas here are free of it already.
};

class StoreLeases {
 public:
  StoreLeases(const LeaseOptions& options, const DurableLeases& durable, const ClockReading& now);
  ~StoreLeases();

  // Peers with which this store shares at least one range; first called before the first Tick if
  // there are any. Asking begins at the next Tick.
  void SetPeers(const std::vector<StoreId>& peers);

  // Each input carries the instant at which it is processed. A reading older than an earlier one
  // (threads race for the lock) counts as the earlier one.
  void Tick(const ClockReading& now);
  void Step(const ClockReading& now, const LeaseMessage& message);
  void OnPersisted(const ClockReading& now, uint64_t persist_sequence);
  // A write of the shared log, by the path of clients' writes, began at `started` and completed
  // (was synced) by `now` [S-3], [S-7].
  void OnLogWriteCompleted(const ClockReading& now, const DualInstant& started);

  // What the owner knows of its shard, to be said before each Tick: since when it has been in one
  // turn, or has had work waiting without a turn; nullopt: neither. Longer than D/2 is a shard that
  // hangs: nothing is asked for nor granted [S-7]. No input: takes effect at the next one.
  void SetShardBusySince(std::optional<Instant> since);

  // [S-9]: withdraws at once whatever is promised to `peer`, which an operator has proved dead: the
  // rule by which an epoch ends is that of [S-4], only its instant is another one. If `peer` was
  // not dead, it may serve stale reads for up to P; no write is lost (README.md). May be repeated.
  Withdrawal Withdraw(const ClockReading& now, StoreId peer);
  // The lowest epoch of `peer` that is not durably withdrawn; 0: nothing was ever granted to it.
  Epoch LowestAccepted(StoreId peer) const;

  LeaseEffects TakeEffects();
  // Earliest instant at which Tick() has something to do; Instant::max(): only an input wakes it.
  // With peers never more than D/8 ahead, so that pauses are noticed [S-8].
  Instant NextDeadline() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rasputin::consensus::lease

#endif  // RASPUTIN_CONSENSUS_LEASE_STORE_LEASES_H_
