// The holder's half of one pair: the support that this store asks of one peer [S-1], [S-3], [S-5].
//
// A value type: which round was sent when, which answers count, until when. When to ask, durability
// of epochs and the state of the own disk are StoreLeases' business. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_LEASE_HOLDER_H_
#define RASPUTIN_CONSENSUS_LEASE_HOLDER_H_

#include <cstddef>
#include <deque>

#include "consensus/core/lease_view.h"
#include "consensus/core/mutants.h"
#include "consensus/core/types.h"
#include "consensus/lease/message.h"

namespace rasputin::consensus::lease {

class Holder {
 public:
  Holder(Duration lease_duration, const Mutants& mutants)
      : lease_duration_(lease_duration), mutants_(mutants) {}

  // The epoch asked with from now on; higher than the one before (CHECK). Support held at the old
  // one is given up. Asking begins once it is durable.
  void BeginEpoch(Epoch epoch);
  Epoch epoch() const { return epoch_; }

  // The next round, sent at `now`.
  SupportRequest Ask(const ClockReading& now);

  struct Outcome {
    bool first_of_epoch = false;  // Support of this epoch was gained for the first time.
    // The request went out without proof that this store hears the peer, and the answer brought it:
    // ask again at once [S-2].
    bool ask_again = false;
    Epoch refused_below;  // The peer accepts only this epoch or higher [S-5]; 0: it said no such
                          // thing.
  };
  // Answers to unknown rounds or other epochs change nothing.
  Outcome OnReply(const ClockReading& now, const SupportReply& reply);

  // Newest epoch ever supported, and until when: min(sent(n), write_started) + D [S-3].
  Support SupportUntil(const DualInstant& write_started) const;

  // After a pause [S-8]: only rounds sent from now on extend or revive support.
  void Suspend();
  bool suspended() const { return suspended_; }
  // REALTIME says that `jump` passed unseen by the monotonic clocks: everything was sent earlier.
  void MoveBack(Duration jump);

 private:
  static constexpr size_t kRoundsMax = 64;

  struct SentRound {
    Round round;
    DualInstant sent;
    bool proved_hearing = false;  // It echoed a nonce heard less than D/2 before.
    bool asked_again = false;
  };

  SentRound* FindRound(Round round);

  Duration lease_duration_;
  Mutants mutants_;
  Epoch epoch_;
  Round last_round_;
  std::deque<SentRound> rounds_;  // Of this epoch, oldest first; may still be answered.
  Nonce heard_nonce_;             // Newest, by the round it answered.
  Round heard_round_;
  DualInstant heard_at_;
  Epoch supported_epoch_;       // Newest epoch for which support was gained.
  bool supports_now_ = false;   // supported_epoch_ is epoch_ and supported_sent_ is valid.
  DualInstant supported_sent_;  // When the newest supported round was sent.
  bool suspended_ = false;
};

}  // namespace rasputin::consensus::lease

#endif  // RASPUTIN_CONSENSUS_LEASE_HOLDER_H_
