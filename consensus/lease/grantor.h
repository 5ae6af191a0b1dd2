// The grantor's half of one pair: what this store promises to one peer [S-2], [S-4], [S-5].
//
// A value type: decides, and says what must be durable before an answer may leave; durability
// itself and messages are StoreLeases' business. Not thread-safe.
//
// Invariant: an epoch that is promised equals lowest_accepted().

#ifndef RASPUTIN_CONSENSUS_LEASE_GRANTOR_H_
#define RASPUTIN_CONSENSUS_LEASE_GRANTOR_H_

#include <cstddef>
#include <deque>

#include "consensus/core/mutants.h"
#include "consensus/core/types.h"
#include "consensus/lease/message.h"

namespace rasputin::consensus::lease {

class Grantor {
 public:
  struct Options {
    Duration lease_duration;    // D.
    Duration promise_duration;  // P.
    Mutants mutants;
  };

  // `lowest_accepted`: durable; 0 if nothing was ever granted. What a process before this one may
  // have promised counts as promised until `restart_wait_end` [S-6].
  Grantor(const Options& options, Epoch lowest_accepted, const DualInstant& restart_wait_end);

  struct Answer {
    SupportReply reply;
    bool first_of_epoch = false;  // This process promises this epoch for the first time.
  };
  // Answers a request received at `now`. `nonce` is new; it is in the answer. A promise binds from
  // now on; its answer may leave only once lowest_accepted() is durable.
  Answer OnRequest(const ClockReading& now, const SupportRequest& request, bool disk_works,
                   Nonce nonce, Epoch durable_lowest);

  // Begins the withdrawal if the promise has ended [S-4]; returns whether it did.
  bool WithdrawIfEnded(const ClockReading& now);

  // Begins the withdrawal of what is promised before it has ended, by an operator's word that the
  // peer is dead [S-9]; returns whether anything was promised. The peer must not have been heard
  // within D/2 (CHECK): see HeardLately.
  bool WithdrawEarly(const ClockReading& now);
  // A request came less than D/2 ago: the peer is not dead, or not for long.
  bool HeardLately(const ClockReading& now) const;

  // In memory; ahead of what is durable while a change is being written.
  Epoch lowest_accepted() const { return lowest_accepted_; }
  // What groups may act on, given what is durable.
  Epoch LowestForGroups(Epoch durable_lowest) const;
  Epoch promised_epoch() const { return promised_; }  // 0: no promise.
  const DualInstant& promised_until() const { return until_; }

 private:
  // Nonces kept: more than can be asked for honestly within D/2.
  static constexpr size_t kNoncesMax = 32;

  struct Issued {
    Nonce nonce;
    DualInstant at;
  };

  bool IsFreshEcho(const ClockReading& now, Nonce echo) const;
  void Issue(const ClockReading& now, Nonce nonce);

  Options options_;
  Epoch lowest_accepted_;
  Epoch promised_;
  DualInstant until_;          // Valid while promised_ is set; never moves backwards for an epoch.
  std::deque<Issued> issued_;  // Oldest first.
  Epoch mutant_ended_;         // Mutant 52 only.
  int64_t mutant_wall_until_us_ = 0;  // Mutant 6 only.
};

}  // namespace rasputin::consensus::lease

#endif  // RASPUTIN_CONSENSUS_LEASE_GRANTOR_H_
