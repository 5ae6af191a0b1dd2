// Breadth-first exploration of all states of a group of three replicas within bounds.
//
// A state of the group is: three states of replicas, the store leases, every message ever sent
// (none is forgotten, so loss, delay, reordering and repetition need no actions of their own), what
// was committed and who was elected so far, and what is left of the bounds. Stops at the first
// violation, which breadth first is one of the shortest. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_MODEL_EXPLORER_H_
#define RASPUTIN_CONSENSUS_MODEL_EXPLORER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "consensus/model/message_table.h"
#include "consensus/model/pair_leases.h"
#include "consensus/model/replica_states.h"

namespace rasputin::consensus::model {

// How often something may happen on one path; kAnyNumber: as often as it changes something.
constexpr uint32_t kAnyNumber = 15;

struct Bounds {
  uint64_t terms_max = 2;   // States beyond are not followed.
  uint64_t rounds_max = 8;  // Appends of one leader to one follower in one term.
  uint64_t epochs_max = 3;  // Of a pair of stores; at most 6.
  uint32_t timeouts = 3;    // Campaigns begun by a timer.
  uint32_t failures = 2;    // Campaigns that are given up.
  uint32_t crashes = 0;
  uint32_t proposals = 0;
  uint32_t transfers = 0;
  uint32_t abdications = 0;
  uint32_t queries = 0;
  uint32_t withdrawals = 1;
  uint32_t lease_ends = 1;         // A holder stops to count on a grantor.
  uint32_t supports = kAnyNumber;  // A holder is supported again.
  uint64_t states_max = 20'000'000;
};

// Faults of the lease layer below the groups, to show that its promises are what safety rests on.
enum class LeaseFault : uint8_t {
  kNone = 0,
  kHolderOutlivesPromise = 4,  // Mutants 4 and 27: S withdraws while L still counts on it.
  kForgottenAtRestart = 21,    // The promises of a process that died are void.
  kExpiredIsWithdrawn = 52,    // Not durable: a late request revives the epoch.
};

// Where an exploration begins. All are reached from nothing by the actions of the model.
enum class Root : uint8_t {
  kNothing = 0,
  kLed = 1,       // Replica 1 leads term 1, replicas 2 and 3 are bound to it.
  kStranded = 2,  // Replica 1 leads term 1, 2 is bound to it, 3 is in term 2 and unbound [H-12].
  kDiverged = 3,  // Replica 1 leads term 1, 3 leads term 2, and nobody has heard from either.
  kOldEntry = 4,  // Replica 1 leads term 3 and holds entries of term 1, 3 one of term 2, 2 none.
};

struct ModelOptions {
  Bounds bounds;
  ReplicaOptions replicas;
  LeaseFault lease_fault = LeaseFault::kNone;
  Root root = Root::kNothing;
  bool symmetry = true;
  // After each depth: how deep, states so far, states to be looked at next.
  std::function<void(uint64_t, uint64_t, uint64_t)> on_depth;
};

struct ModelResult {
  uint64_t states = 0;
  uint64_t transitions = 0;
  uint64_t depth = 0;
  uint64_t cut_off = 0;    // Transitions that a bound on values (terms, rounds, epochs) forbade.
  bool exhausted = false;  // Every state within the bounds was visited.
  uint64_t replica_states = 0;
  uint64_t messages = 0;
  uint64_t executions = 0;  // Of the core's code; the rest was remembered.
  uint64_t audited = 0;
  // Of states visited, so that a model in which nothing happens is noticed.
  uint64_t with_leader = 0;
  uint64_t with_lease = 0;
  uint64_t with_two_leaders = 0;
  uint64_t with_commit = 0;
  std::string violation;            // Empty: none.
  std::vector<std::string> script;  // Unless exhausted: the way to where it stopped, line by line.
};

class Explorer {
 public:
  explicit Explorer(const ModelOptions& options);
  ~Explorer();

  ModelResult Run();
  // The path to where the exploration is just now, for the last words of a CHECK in the core.
  std::vector<std::string> CurrentScript();
  uint64_t states_so_far() const { return nodes_.size(); }

 private:
  enum Budget : unsigned {
    kTimeouts,
    kFailures,
    kCrashes,
    kProposals,
    kTransfers,
    kQueries,
    kWithdrawals,
    kLeaseEnds,
    kAbdications,
    kSupports,
  };
  enum class ActionKind : uint8_t {
    kReplica = 0,    // An input of one replica alone.
    kLeaseEnds = 1,  // `replica` stops to count on `peer`.
    kSupport = 2,    // `replica` is supported by `peer` (again).
    kWithdraw = 3,   // `replica` withdraws its promise to `peer`.
  };
  struct Action {
    ActionKind kind = ActionKind::kReplica;
    uint8_t replica = 0;
    uint8_t peer = 0;
    Input input;
  };
  struct GroupState {
    std::array<ReplicaStates::Id, kReplicas> replicas{};
    PairLeases leases;
    uint32_t ghost = 0;
    uint64_t budget = 0;
    absl::InlinedVector<MessageTable::Id, 32> network;  // Sorted.
  };
  // What was committed and who was elected so far.
  struct Ghost {
    struct Committed {
      uint64_t term;
      uint64_t in;  // Lowest term in which it was known to be.
    };
    std::vector<Committed> committed;
    std::vector<uint8_t> leaders;  // By term; from 1, 0: nobody.
  };
  struct StoredGhost {
    Ghost ghost;
    Hashes hashes;
  };
  struct Node {
    uint32_t parent;
    uint32_t action;
  };

  static uint32_t Pack(const Action& action);
  static Action Unpack(uint32_t packed);
  uint32_t Left(const GroupState& state, Budget budget) const {
    return static_cast<uint32_t>(state.budget >> (4 * budget)) & 15;
  }
  void Spend(GroupState* state, Budget budget) const;

  GroupState Begin();
  // Replica `self` campaigns, and all messages among the replicas of the set arrive, or just those
  // that elect it.
  void LetCampaign(uint8_t self, const std::set<uint8_t>& among, bool until_elected,
                   GroupState* state);
  void LetGiveUp(uint8_t self, GroupState* state);
  void LetDo(uint8_t self, InputKind kind, GroupState* state);
  std::vector<Action> ActionsOf(const GroupState& state);
  bool ArrivesAtOnce(const Action& action, const GroupState& state) const;
  void Reach(GroupState successor, uint32_t from);
  void AddReplicaActions(const GroupState& state, uint8_t replica, std::vector<Action>* actions);
  void AddLeaseActions(const GroupState& state, uint8_t holder, uint8_t grantor,
                       std::vector<Action>* actions);
  // False: nothing changes, or a bound forbids it. A violation on the way goes to `violation_`.
  bool Perform(const Action& action, GroupState* state);
  enum class Effect : uint8_t { kNone, kChanged, kBeyondBounds };
  Effect PerformOnReplica(const Action& action, GroupState* state);
  static Input InputOf(const Action& action);
  void SpendOn(const Action& action, GroupState* state) const;
  void ChangeLeases(const Action& action, GroupState* state);
  // Who is elected and what is committed now.
  void Learn(uint8_t replica, const ReplicaFacts& before, GroupState* state);
  void Receive(const Outcome& outcome, uint8_t replica, GroupState* state);
  uint32_t InternGhost(Ghost ghost);
  bool IsDead(const MessageFacts& message, const GroupState& state) const;
  void Check(const GroupState& state);
  void CheckLeader(const GroupState& state, uint8_t leader);
  void CheckLogs(const GroupState& state);
  uint64_t HashOf(const GroupState& state) const;
  bool Visit(const GroupState& state);
  void Expand(const GroupState& state, uint32_t index);
  void Count(const GroupState& state);
  std::vector<uint32_t> PathTo(uint32_t node) const;
  std::vector<std::string> ScriptOf(const std::vector<uint32_t>& path);
  std::string NameOf(const Action& action) const;
  const ReplicaFacts& FactsAt(const GroupState& state, uint8_t replica) const {
    return replicas_.facts(state.replicas[replica]);
  }
  void Violation(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }

  const ModelOptions options_;
  MessageTable messages_;
  ReplicaStates replicas_;
  std::vector<StoredGhost> ghosts_;
  absl::flat_hash_map<std::string, uint32_t> ghost_ids_;
  absl::flat_hash_set<uint64_t> visited_;
  std::vector<Node> nodes_;
  std::vector<GroupState> frontier_;
  std::vector<GroupState> next_;
  GroupState root_;
  uint32_t expanding_ = 0;   // The node whose successors are looked for.
  uint32_t performing_ = 0;  // The action that is tried.
  std::string violation_;
  ModelResult result_;
};

}  // namespace rasputin::consensus::model

#endif  // RASPUTIN_CONSENSUS_MODEL_EXPLORER_H_
