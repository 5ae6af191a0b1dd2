// What can happen in a state of the group, what comes of it, and what must hold in it.
//
// Part of Explorer (explorer.h), like explorer.cc, which has the search, and script.cc. Does not
// decide in which order states are visited. Not thread-safe.

#include <glog/logging.h>

#include <algorithm>

#include "consensus/model/explorer.h"

namespace rasputin::consensus::model {
namespace {

using Kind = MessageFacts::Kind;

bool Binds(const ReplicaFacts& facts, const PairLeases& leases, uint8_t self) {
  if (facts.bound_leader == 0 || facts.bound_term <= facts.released_term) return false;
  const size_t leader = facts.bound_leader - 1;
  return leader == self || facts.bound_epoch >= leases.Get(leader, self).lowest;
}

}  // namespace

// ---- Choices.

// A question that changes nothing where it arrives but what was answered ([H-5], pulls) may as well
// arrive at once: it stays in the network, so it can arrive again later, and answers that nobody
// takes do no harm. Then nothing else needs to be tried in this state. A leader is another case:
// whatever arrives makes it look at its lease, and it may abdicate.
bool Explorer::ArrivesAtOnce(const Action& action, const GroupState& state) const {
  if (action.input.kind != InputKind::kMessage) return false;
  const Kind kind = messages_.facts(action.input.argument).kind;
  return (kind == Kind::kProbeRequest || kind == Kind::kPullRequest) &&
         FactsAt(state, action.replica).role != Role::kLeader;
}

std::vector<Explorer::Action> Explorer::ActionsOf(const GroupState& state) {
  std::vector<Action> actions;
  for (const MessageTable::Id id : state.network) {
    Action action;
    action.replica = messages_.facts(id).to;
    action.input = {InputKind::kMessage, id};
    actions.push_back(action);
  }
  for (uint8_t i = 0; i < kReplicas; ++i) {
    AddReplicaActions(state, i, &actions);
    for (uint8_t grantor = 0; grantor < kReplicas; ++grantor) {
      if (grantor != i) AddLeaseActions(state, i, grantor, &actions);
    }
  }
  return actions;
}

void Explorer::AddReplicaActions(const GroupState& state, uint8_t replica,
                                 std::vector<Action>* actions) {
  const auto add = [&](InputKind kind, uint32_t argument = 0) {
    Action action;
    action.replica = replica;
    action.input = {kind, argument};
    actions->push_back(action);
  };
  const ReplicaFacts& facts = FactsAt(state, replica);
  if (facts.writing) add(InputKind::kPersisted);
  if (Left(state, kCrashes) > 0) add(InputKind::kRestart);
  if (facts.attempt_timer && Left(state, kFailures) > 0) add(InputKind::kAttemptTimer);
  switch (facts.role) {
    case Role::kFollower:
      if (facts.election_timer && Left(state, kTimeouts) > 0) add(InputKind::kElectionTimer);
      if (facts.bound_leader != 0 && Left(state, kQueries) > 0) add(InputKind::kQuery);
      return;
    case Role::kProbing:
    case Role::kPulling:
    case Role::kCandidate:
      return;
    case Role::kLeader:
      break;
  }
  const ReplicaStates::Claims claims =
      replicas_.ClaimsOf(state.replicas[replica], state.leases.ViewOf(replica));
  if (!claims.lease) add(InputKind::kTick);
  if (claims.proposes && Left(state, kProposals) > 0) add(InputKind::kPropose);
  if (Left(state, kAbdications) > 0) add(InputKind::kAbdicate);
  if (facts.handing_over) {
    add(InputKind::kTransferTimer);
  } else if (Left(state, kTransfers) > 0) {
    for (uint8_t i = 0; i < kReplicas; ++i) {
      if (i != replica) add(InputKind::kTransfer, i);
    }
  }
}

// Only where it can matter now: before `holder` leads or `grantor` is bound to it, what happens to
// their lease can as well happen later.
void Explorer::AddLeaseActions(const GroupState& state, uint8_t holder, uint8_t grantor,
                               std::vector<Action>* actions) {
  const bool leads = FactsAt(state, holder).role == Role::kLeader;
  const ReplicaFacts& follower = FactsAt(state, grantor);
  const bool bound = follower.bound_leader == holder + 1u && Binds(follower, state.leases, grantor);
  if (!leads && !bound) return;
  const auto add = [actions](ActionKind kind, uint8_t replica, uint8_t peer) {
    Action action;
    action.kind = kind;
    action.replica = replica;
    action.peer = peer;
    actions->push_back(action);
  };
  const PairLease pair = state.leases.Get(holder, grantor);
  const bool outlives = options_.lease_fault == LeaseFault::kHolderOutlivesPromise;
  if (pair.held && Left(state, kLeaseEnds) > 0) add(ActionKind::kLeaseEnds, holder, grantor);
  if (!pair.held && leads && pair.lowest >= pair.asks_from && Left(state, kSupports) > 0) {
    add(ActionKind::kSupport, holder, grantor);
  }
  if ((!pair.held || outlives) && pair.lowest < options_.bounds.epochs_max &&
      Left(state, kWithdrawals) > 0) {
    add(ActionKind::kWithdraw, grantor, holder);
  }
}

// ---- Effects.

void Explorer::Spend(GroupState* state, Budget budget) const {
  const uint32_t left = Left(*state, budget);
  CHECK(left > 0);
  if (left != kAnyNumber) state->budget -= uint64_t{1} << (4 * budget);
}

void Explorer::SpendOn(const Action& action, GroupState* state) const {
  if (action.kind == ActionKind::kLeaseEnds) return Spend(state, kLeaseEnds);
  if (action.kind == ActionKind::kWithdraw) return Spend(state, kWithdrawals);
  if (action.kind == ActionKind::kSupport) return Spend(state, kSupports);
  if (action.kind != ActionKind::kReplica) return;
  switch (action.input.kind) {
    case InputKind::kElectionTimer:
      return Spend(state, kTimeouts);
    case InputKind::kAttemptTimer:
      return Spend(state, kFailures);
    case InputKind::kRestart:
      return Spend(state, kCrashes);
    case InputKind::kPropose:
      return Spend(state, kProposals);
    case InputKind::kTransfer:
      return Spend(state, kTransfers);
    case InputKind::kAbdicate:
      return Spend(state, kAbdications);
    case InputKind::kQuery:
      return Spend(state, kQueries);
    default:
      return;
  }
}

bool Explorer::Perform(const Action& action, GroupState* state) {
  SpendOn(action, state);
  ChangeLeases(action, state);
  // Time passes; the leader notices when it looks.
  if (action.kind == ActionKind::kLeaseEnds) return true;
  const Effect effect = PerformOnReplica(action, state);
  return effect == Effect::kChanged ||
         (effect == Effect::kNone && action.kind != ActionKind::kReplica);
}

void Explorer::ChangeLeases(const Action& action, GroupState* state) {
  const uint8_t self = action.replica;
  switch (action.kind) {
    case ActionKind::kLeaseEnds: {
      PairLease pair = state->leases.Get(self, action.peer);
      pair.held = false;
      state->leases.Set(self, action.peer, pair);
      return;
    }
    case ActionKind::kSupport: {
      PairLease pair = state->leases.Get(self, action.peer);
      const bool revived = options_.lease_fault == LeaseFault::kExpiredIsWithdrawn &&
                           pair.heard != 0 && pair.lowest == pair.heard + 1;
      if (revived) pair.lowest = pair.heard;
      pair.heard = pair.lowest;
      pair.held = true;
      state->leases.Set(self, action.peer, pair);
      return;
    }
    case ActionKind::kWithdraw: {
      PairLease pair = state->leases.Get(action.peer, self);
      ++pair.lowest;
      state->leases.Set(action.peer, self, pair);
      return;
    }
    case ActionKind::kReplica:
      break;
  }
  if (action.input.kind != InputKind::kRestart) return;
  for (uint8_t peer = 0; peer < kReplicas; ++peer) {
    if (peer == self) continue;
    PairLease held = state->leases.Get(self, peer);
    held.asks_from = std::max(held.asks_from, held.heard + 1);
    held.heard = 0;
    held.held = false;
    state->leases.Set(self, peer, held);
    if (options_.lease_fault != LeaseFault::kForgottenAtRestart) continue;
    PairLease promised = state->leases.Get(peer, self);
    ++promised.lowest;
    state->leases.Set(peer, self, promised);
  }
}

Input Explorer::InputOf(const Action& action) {
  return action.kind == ActionKind::kReplica ? action.input : Input{InputKind::kTick, 0};
}

Explorer::Effect Explorer::PerformOnReplica(const Action& action, GroupState* state) {
  const uint8_t self = action.replica;
  const ReplicaStates::Id before = state->replicas[self];
  const Outcome& outcome = replicas_.Apply(before, state->leases.ViewOf(self), InputOf(action));
  if (!outcome.violation.empty()) Violation(outcome.violation);
  const ReplicaFacts& facts = replicas_.facts(outcome.state);
  if (facts.term > options_.bounds.terms_max || facts.rounds_max > options_.bounds.rounds_max) {
    ++result_.cut_off;
    return Effect::kBeyondBounds;
  }
  const size_t messages = state->network.size();
  state->replicas[self] = outcome.state;
  Receive(outcome, self, state);
  const bool changed = outcome.state != before || state->network.size() != messages;
  if (outcome.state != before) Learn(self, replicas_.facts(before), state);
  return changed ? Effect::kChanged : Effect::kNone;
}

// Messages that can have no effect any more are dropped at once.
void Explorer::Receive(const Outcome& outcome, uint8_t replica, GroupState* state) {
  auto& network = state->network;
  for (const MessageTable::Id id : outcome.sent) {
    const auto place = std::lower_bound(network.begin(), network.end(), id);
    if (place != network.end() && *place == id) continue;
    network.insert(place, id);
  }
  network.erase(std::remove_if(network.begin(), network.end(),
                               [&](MessageTable::Id id) {
                                 const MessageFacts& facts = messages_.facts(id);
                                 return (facts.to == replica || facts.from == replica) &&
                                        IsDead(facts, *state);
                               }),
                network.end());
}

void Explorer::Learn(uint8_t replica, const ReplicaFacts& before, GroupState* state) {
  const ReplicaFacts& now = FactsAt(*state, replica);
  const bool elected =
      now.led_term != 0 && (before.role != Role::kLeader || before.led_term != now.led_term);
  if (!elected && now.commit <= before.commit) return;
  Ghost ghost = ghosts_[state->ghost].ghost;
  if (elected) {
    uint8_t& leader = ghost.leaders[now.led_term];
    if (leader != 0 && leader != replica + 1) {
      Violation("Election Safety: two leaders of term " + std::to_string(now.led_term));
    }
    leader = static_cast<uint8_t>(replica + 1);
  }
  const uint64_t in = now.led_term != 0 ? now.led_term : now.term;
  for (uint64_t index = before.commit + 1; index <= now.commit; ++index) {
    const uint64_t term = now.log[index - 1];
    if (index > ghost.committed.size()) {
      ghost.committed.push_back({term, in});
      continue;
    }
    Ghost::Committed& known = ghost.committed[index - 1];
    if (known.term != term) {
      Violation("State Machine Safety: two entries at " + std::to_string(index));
    }
    known.in = std::min(known.in, in);
  }
  state->ghost = InternGhost(std::move(ghost));
}

// Terms and attempts only grow, so this is for good.
bool Explorer::IsDead(const MessageFacts& message, const GroupState& state) const {
  const ReplicaFacts& to = FactsAt(state, message.to);
  const ReplicaFacts& from = FactsAt(state, message.from);
  switch (message.kind) {
    case Kind::kProbeRequest:
    case Kind::kPullRequest:
      return message.attempt < from.attempt;
    case Kind::kProbeReply:
    case Kind::kPullReply:
      return message.attempt < to.attempt;
    case Kind::kVoteRequest:
      // The campaign is over and the term no news; or the vote went to another.
      return (message.term <= to.term && (from.term != message.term || !from.stands)) ||
             (message.term == to.term && to.vote != 0 && to.vote != message.from + 1u &&
              !options_.replicas.mutants.Has(7) && !options_.replicas.mutants.Has(11));
    case Kind::kAppendRequest:
      // Its sender leads that term no more and is refused: whatever it leads next, it sends again.
      return message.term < to.term && from.led_term != message.term;
    case Kind::kVoteReply:
      return message.term < to.term ||
             (message.term == to.term && (!message.positive || !to.stands));
    case Kind::kAppendReply:
      return message.term < to.term || (message.term == to.term && to.role != Role::kLeader);
    case Kind::kRelease:
      return to.released_term >= message.term && (!message.positive || to.term > message.term);
    default:
      return false;
  }
}

// ---- What must hold in each state.

void Explorer::Check(const GroupState& state) {
  const Ghost& ghost = ghosts_[state.ghost].ghost;
  for (uint8_t i = 0; i < kReplicas; ++i) {
    const ReplicaFacts& facts = FactsAt(state, i);
    if (facts.role == Role::kLeader) CheckLeader(state, i);
    if (Binds(facts, state.leases, i) &&
        ghost.leaders[facts.bound_term] != static_cast<uint8_t>(facts.bound_leader)) {
      Violation("[H-4] bound to a replica that was not elected");
    }
  }
  CheckLogs(state);
}

void Explorer::CheckLeader(const GroupState& state, uint8_t leader) {
  const ReplicaFacts& facts = FactsAt(state, leader);
  const Ghost& ghost = ghosts_[state.ghost].ghost;
  for (size_t i = 0; i < ghost.committed.size(); ++i) {
    const Ghost::Committed& committed = ghost.committed[i];
    if (committed.in >= facts.led_term) continue;
    if (i >= facts.log.size() || facts.log[i] != committed.term) {
      Violation("Leader Completeness: a leader lacks the committed entry " + std::to_string(i + 1));
    }
  }
  const auto claims = replicas_.ClaimsOf(state.replicas[leader], state.leases.ViewOf(leader));
  if (claims.reads && facts.applied < ghost.committed.size()) {
    Violation("[H-10] a lease read would miss a committed entry");
  }
  if (!claims.lease) return;
  for (uint8_t i = 0; i < kReplicas; ++i) {
    if (i == leader || FactsAt(state, i).role != Role::kLeader) continue;
    if (replicas_.ClaimsOf(state.replicas[i], state.leases.ViewOf(i)).lease) {
      Violation("Lease Disjointness: two valid leader leases");
    }
    if (FactsAt(state, i).led_term > facts.led_term) {
      Violation("No Preemption: another was elected while a leader's lease is valid");
    }
  }
}

void Explorer::CheckLogs(const GroupState& state) {
  for (uint8_t a = 0; a < kReplicas; ++a) {
    for (uint8_t b = 0; b < a; ++b) {
      const std::vector<uint64_t>& one = FactsAt(state, a).log;
      const std::vector<uint64_t>& other = FactsAt(state, b).log;
      bool above = false;  // They agree at a higher index.
      for (size_t i = std::min(one.size(), other.size()); i > 0; --i) {
        if (one[i - 1] == other[i - 1]) {
          above = true;
        } else if (above) {
          Violation("Log Matching: logs agree at an index and differ below it");
        }
      }
    }
  }
}

}  // namespace rasputin::consensus::model
