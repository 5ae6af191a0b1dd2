// States of single replicas, each distinct one stored once, and what inputs make of them.
//
// A state holds a whole core as it ships, its log, what is durable and what is being written.
// Outcomes of inputs are remembered: the core is a function of its state, its store's leases and
// the input, so that each such combination is executed once however many states of the group
// contain it. Not responsible for the group: explorer.h. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_MODEL_REPLICA_STATES_H_
#define RASPUTIN_CONSENSUS_MODEL_REPLICA_STATES_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "consensus/core/core.h"
#include "consensus/core/core_access.h"
#include "consensus/core/vector_log.h"
#include "consensus/model/message_table.h"
#include "consensus/model/naming.h"
#include "consensus/model/pair_leases.h"

namespace rasputin::consensus::model {

enum class InputKind : uint8_t {
  kMessage = 1,        // argument: number of the message.
  kElectionTimer = 2,  // Of an unbound follower.
  kAttemptTimer = 3,   // The campaign failed.
  kTransferTimer = 4,
  kTick = 5,       // The owner looks: a lease may have ended or come back.
  kPersisted = 6,  // What is being written has become durable.
  kRestart = 7,    // The process dies, with what is being written, and starts again.
  kPropose = 8,
  kTransfer = 9,  // argument: the target, from 0.
  kAbdicate = 10,
  kQuery = 11,  // A client went unserved: the binding is questioned.
};

struct Input {
  InputKind kind = InputKind::kTick;
  uint32_t argument = 0;
};

// What checks and choices of actions look at.
struct ReplicaFacts {
  Role role = Role::kFollower;
  uint64_t term = 0;
  uint64_t led_term = 0;  // 0 unless leader.
  uint64_t vote = 0;      // From 1; 0: none.
  uint64_t released_term = 0;
  uint64_t bound_leader = 0;  // From 1; 0: none.
  uint64_t bound_term = 0;
  uint64_t bound_epoch = 0;
  uint64_t attempt = 0;  // The lowest whose answers may still matter.
  uint64_t commit = 0;
  uint64_t applied = 0;
  uint64_t rounds_max = 0;  // Highest number of an append to a follower.
  bool writing = false;     // Something is not durable yet.
  bool stands = false;      // For votes; a leader may [H-12].
  bool attempt_timer = false;
  bool handing_over = false;
  bool election_timer = false;
  std::vector<uint64_t> log;  // Terms of the entries.
};

struct Outcome {
  uint32_t state = 0;
  std::vector<MessageTable::Id> sent;
  std::string violation;  // Empty: none.
};

struct ReplicaOptions {
  Mutants mutants;
  uint64_t append_bytes_max = 1 << 20;
  // What is sent before it is durable may get out before it is, or without it ever being.
  bool slow_disk = true;
  // Whether a step that breaks an invariant of one core (core_invariants.h) is a violation; if not,
  // what holds of the group must show the fault.
  bool core_invariants = true;
  // Each state reached again by another way is kept twice, and both must behave alike.
  bool audit = false;
};

class ReplicaStates {
 public:
  using Id = uint32_t;

  ReplicaStates(const ReplicaOptions& options, MessageTable* messages);
  ~ReplicaStates();

  // A new replica, number `self` from 0, with nothing.
  Id Initial(size_t self);
  const Outcome& Apply(Id state, uint32_t lease_view, Input input);
  // Executes again; what happened, one line each.
  std::vector<std::string> Describe(Id state, uint32_t lease_view, Input input);

  const ReplicaFacts& facts(Id id) const { return states_[id].facts; }
  const Hashes& hashes(Id id) const { return states_[id].hashes; }
  // As the core itself says, given its store's leases.
  struct Claims {
    bool lease = false;     // Holds a valid leader lease.
    bool reads = false;     // May serve a read of what it has applied.
    bool proposes = false;  // Would accept a proposal.
  };
  Claims ClaimsOf(Id id, uint32_t lease_view);

  size_t size() const { return states_.size(); }
  uint64_t executed() const { return executed_; }
  uint64_t audited() const { return audited_; }

 private:
  // One Ready whose effects wait for the disk.
  struct Write {
    std::optional<HardState> hard_state;
    std::vector<Entry> entries;
    uint64_t sequence = 0;
    std::vector<Message> send_after;
  };
  struct Body {
    size_t self = 0;
    CoreAccess::Saved core;
    std::vector<Entry> log;  // As the process sees it.
    HardState hard_state;    // As the process has it.
    HardState durable;
    std::vector<Entry> durable_log;
    std::vector<Write> writing;
    uint64_t attempt = 0;
    uint64_t life = 1;
  };
  struct State {
    Body body;
    ReplicaFacts facts;
    Hashes hashes;
    std::unique_ptr<Body> other_way;  // Audit only.
  };
  // One core to work with per replica: its state is put in place before each use.
  struct Bench {
    explicit Bench(size_t self) : leases(self) {}
    VectorLog log;
    ModelLeases leases;
    std::unique_ptr<Core> core;
  };
  struct Run {
    Body body;
    std::vector<Message> sent;
    std::vector<std::string> violations;
    std::vector<std::string> events;
  };

  CoreOptions OptionsFor(size_t self) const;
  void Start(Bench* bench, const Body& body);
  void Load(const Body& body, uint32_t lease_view);
  Run Execute(const Body& from, uint32_t lease_view, Input input);
  void Feed(Bench* bench, Run* run, Input input);
  void Settle(Bench* bench, Run* run);
  void CarryOut(Bench* bench, Run* run, Ready ready);
  void FinishWrites(Bench* bench, Run* run);
  void CheckPromises(const Body& from, uint32_t lease_view, Input input, Run* run);
  Outcome Conclude(Run run);
  void Audit(Id state, uint32_t lease_view, Input input, const Outcome& expected);
  Id Intern(Body body);
  std::string EncodeBody(const Body& body, const StateBytes::Names& names);
  ReplicaFacts FactsOf(const Body& body);

  const ReplicaOptions options_;
  MessageTable* const messages_;
  std::array<std::unique_ptr<Bench>, kReplicas> benches_;
  std::vector<State> states_;
  absl::flat_hash_map<std::string, Id> ids_;
  // Key: state; leases and input.
  absl::flat_hash_map<std::pair<uint64_t, uint64_t>, uint32_t> known_;
  std::vector<std::unique_ptr<Outcome>> outcomes_;
  absl::flat_hash_map<uint64_t, uint8_t> claims_;
  uint64_t executed_ = 0;
  uint64_t audited_ = 0;
};

}  // namespace rasputin::consensus::model

#endif  // RASPUTIN_CONSENSUS_MODEL_REPLICA_STATES_H_
