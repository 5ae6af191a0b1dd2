// The inside of a core for the executable model (consensus/model): saved, restored, encoded, its
// timers fired by hand.
//
// Test builds only. Whoever adds a field to Core::Impl adds it to Encode(), or says in Normalise()
// why no behaviour depends on it; the model's audit notices a field that was forgotten. Not
// thread-safe.

#ifndef RASPUTIN_CONSENSUS_CORE_CORE_ACCESS_H_
#define RASPUTIN_CONSENSUS_CORE_CORE_ACCESS_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "consensus/core/core.h"

namespace rasputin::consensus {

// Writes values as bytes, with replicas renamed: replica r (1 to 3) is written as names[r - 1], its
// store, 100 + r, with it. Two states that differ only by a renaming are thus seen to be the same.
class StateBytes {
 public:
  static constexpr int kReplicas = 3;
  using Names = std::array<uint8_t, kReplicas>;

  explicit StateBytes(const Names& names) : names_(names) {}

  void Number(uint64_t value);
  void Replica(ReplicaId id) { Number(id.IsSet() ? names_[id.value() - 1] : 0); }
  void Store(StoreId id) { Number(id.IsSet() ? names_[id.value() - 101] : 0); }
  void Position(LogPosition position) {
    Number(position.term.value());
    Number(position.index.value());
  }
  void Entries(const std::vector<Entry>& entries);
  void State(const HardState& state);
  // The replica that is written as `name` in [1, kReplicas].
  ReplicaId Named(uint8_t name) const;
  const std::string& bytes() const { return bytes_; }

 private:
  const Names names_;
  std::string bytes_;
};

class CoreAccess {
 public:
  // Everything of a core but what it refers to: its log and its store leases.
  using Saved = std::shared_ptr<const void>;
  static Saved Save(const Core& core);
  static void Restore(const Saved& saved, Core* core);

  // What a model without time fires by hand. A timer is armed or not; its instant has no meaning.
  enum class Timer : uint8_t {
    kElection = 1,  // An unbound follower campaigns.
    kAttempt = 2,   // A campaign failed, also one of a leader [H-12].
    kTransfer = 3,  // A handover is given up.
  };
  static bool IsArmed(const Core& core, Timer timer);
  // The timer is due now: the next Tick fires it, and no other.
  static void MakeDue(Core* core, Timer timer);

  // Brings values that no behaviour depends on to the same, and timers that are running to the
  // future. `attempt` is the number of the last campaign that began; kept up to date.
  static void Normalise(Core* core, uint64_t* attempt);
  // Nonces are numbers of the model's choice: the next one that is issued is `value`.
  static void SetNextNonce(Core* core, uint64_t value);
  // A leader numbers its appends one by one whoever they go to. Renumbers those of the last call,
  // `sent`, per follower, so that the order among followers leaves no trace. `before` is the core
  // before the call.
  static void RenumberRounds(const Saved& before, Core* core, std::vector<Message>* sent);

  // The term that it leads, which may be below its own [H-12]; 0 unless leader.
  static Term LedTerm(const Core& core);
  static bool StandsForVotes(const Core& core);
  // Of the leader's appends to any follower; 0 unless leader.
  static uint64_t HighestRound(const Core& core);
  static void Encode(const Core& core, StateBytes* out);

 private:
  static void EncodeLeader(const Core& core, StateBytes* out);
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_CORE_ACCESS_H_
