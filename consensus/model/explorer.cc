// The search itself: states, their successors, the path back; see explorer.h.

#include "consensus/model/explorer.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

namespace rasputin::consensus::model {
namespace {

using Kind = MessageFacts::Kind;

constexpr uint32_t kNoNode = UINT32_MAX;

}  // namespace

Explorer::Explorer(const ModelOptions& options)
    : options_(options), replicas_(options.replicas, &messages_) {
  Ghost nothing;
  nothing.leaders.assign(options.bounds.terms_max + 2, 0);
  InternGhost(std::move(nothing));
}

Explorer::~Explorer() = default;

// ---- The way that the search takes.

ModelResult Explorer::Run() {
  root_ = Begin();
  nodes_.push_back({kNoNode, 0});
  Visit(root_);
  Count(root_);
  Check(root_);
  frontier_.push_back(root_);
  std::vector<uint32_t> indexes = {0};
  while (!frontier_.empty() && violation_.empty() && nodes_.size() < options_.bounds.states_max) {
    const auto first_of_next = static_cast<uint32_t>(nodes_.size());
    for (size_t i = 0; i < frontier_.size() && violation_.empty(); ++i) {
      Expand(frontier_[i], indexes[i]);
      if (nodes_.size() >= options_.bounds.states_max) break;
    }
    frontier_ = std::exchange(next_, {});
    indexes.clear();
    for (size_t i = 0; i < frontier_.size(); ++i) {
      indexes.push_back(first_of_next + static_cast<uint32_t>(i));
    }
    if (!frontier_.empty()) ++result_.depth;
    if (options_.on_depth) options_.on_depth(result_.depth, nodes_.size(), frontier_.size());
  }
  result_.states = nodes_.size();
  result_.exhausted = frontier_.empty() && violation_.empty();
  result_.replica_states = replicas_.size();
  result_.messages = messages_.size();
  result_.executions = replicas_.executed();
  result_.audited = replicas_.audited();
  result_.violation = violation_;
  if (!result_.exhausted) {
    std::vector<uint32_t> path = PathTo(expanding_);
    if (!violation_.empty()) path.push_back(performing_);
    result_.script = ScriptOf(path);
  }
  return result_;
}

void Explorer::Expand(const GroupState& state, uint32_t index) {
  expanding_ = index;
  const std::vector<Action> actions = ActionsOf(state);
  for (const Action& action : actions) {
    if (!ArrivesAtOnce(action, state)) continue;
    performing_ = Pack(action);
    GroupState successor = state;
    if (Perform(action, &successor)) return Reach(std::move(successor), index);
  }
  for (const Action& action : actions) {
    if (ArrivesAtOnce(action, state)) continue;
    performing_ = Pack(action);
    GroupState successor = state;
    const bool changed = Perform(action, &successor);
    if (changed && violation_.empty()) Reach(std::move(successor), index);
    if (!violation_.empty()) return;
  }
}

void Explorer::Reach(GroupState successor, uint32_t from) {
  ++result_.transitions;
  if (!Visit(successor)) return;
  Count(successor);
  Check(successor);
  if (!violation_.empty()) return;
  nodes_.push_back({from, performing_});
  next_.push_back(std::move(successor));
}

uint64_t Explorer::HashOf(const GroupState& state) const {
  uint64_t lowest = UINT64_MAX;
  const size_t namings = options_.symmetry ? kNamings : 1;
  for (size_t naming = 0; naming < namings; ++naming) {
    uint64_t sum = MixBits(state.leases.Renamed(kNames[naming]).word());
    sum += ghosts_[state.ghost].hashes[naming];
    sum += MixBits(state.budget ^ 0x62756467);
    for (const ReplicaStates::Id id : state.replicas) sum += replicas_.hashes(id)[naming];
    for (const MessageTable::Id id : state.network) sum += messages_.hashes(id)[naming];
    lowest = std::min(lowest, MixBits(sum));
  }
  return lowest;
}

bool Explorer::Visit(const GroupState& state) { return visited_.insert(HashOf(state)).second; }

void Explorer::Count(const GroupState& state) {
  int leaders = 0;
  int leases = 0;
  for (uint8_t i = 0; i < kReplicas; ++i) {
    if (FactsAt(state, i).role != Role::kLeader) continue;
    ++leaders;
    if (replicas_.ClaimsOf(state.replicas[i], state.leases.ViewOf(i)).lease) ++leases;
  }
  result_.with_leader += leaders > 0 ? 1 : 0;
  result_.with_two_leaders += leaders > 1 ? 1 : 0;
  result_.with_lease += leases > 0 ? 1 : 0;
  result_.with_commit += ghosts_[state.ghost].ghost.committed.empty() ? 0 : 1;
}

// ---- Where it begins.

Explorer::GroupState Explorer::Begin() {
  GroupState state;
  for (size_t i = 0; i < kReplicas; ++i) state.replicas[i] = replicas_.Initial(i);
  const auto set = [&state](Budget budget, uint32_t number) {
    state.budget |= uint64_t{std::min(number, kAnyNumber)} << (4 * budget);
  };
  set(kTimeouts, kAnyNumber);
  set(kFailures, kAnyNumber);
  set(kProposals, kAnyNumber);
  set(kAbdications, kAnyNumber);
  if (options_.root == Root::kLed) LetCampaign(0, {0, 1, 2}, false, &state);
  if (options_.root == Root::kStranded) {
    // Replica 3 campaigns twice, but its requests for votes arrive nowhere.
    for (int i = 0; i < 2; ++i) LetGiveUp(2, &state);
    LetCampaign(0, {0, 1}, false, &state);
  }
  if (options_.root == Root::kDiverged || options_.root == Root::kOldEntry) {
    LetCampaign(0, {0, 1}, true, &state);
    if (options_.root == Root::kOldEntry) LetDo(0, InputKind::kPropose, &state);
    LetCampaign(2, {1, 2}, true, &state);
  }
  if (options_.root == Root::kOldEntry) {
    for (const uint8_t leader : {0, 2}) LetDo(leader, InputKind::kAbdicate, &state);
    state.network.clear();  // What was sent before is lost.
    LetCampaign(0, {0, 1}, true, &state);
  }
  CHECK(options_.root == Root::kNothing || FactsAt(state, 0).role == Role::kLeader) << violation_;
  state.budget = 0;
  const Bounds& bounds = options_.bounds;
  set(kTimeouts, bounds.timeouts);
  set(kFailures, bounds.failures);
  set(kCrashes, bounds.crashes);
  set(kProposals, bounds.proposals);
  set(kTransfers, bounds.transfers);
  set(kAbdications, bounds.abdications);
  set(kQueries, bounds.queries);
  set(kWithdrawals, bounds.withdrawals);
  set(kLeaseEnds, bounds.lease_ends);
  set(kSupports, bounds.supports);
  return state;
}

void Explorer::LetCampaign(uint8_t self, const std::set<uint8_t>& among, bool until_elected,
                           GroupState* state) {
  LetDo(self, InputKind::kElectionTimer, state);
  Action action;
  bool changed = true;
  while (changed && violation_.empty()) {
    changed = false;
    for (const uint8_t i : among) {
      if (changed || !FactsAt(*state, i).writing) continue;
      action.replica = i;
      action.input = {InputKind::kPersisted, 0};
      changed = Perform(action, state);
    }
    const auto network = state->network;
    for (size_t i = 0; i < network.size() && !changed; ++i) {
      if (until_elected && FactsAt(*state, self).role == Role::kLeader) return;
      const MessageFacts& message = messages_.facts(network[i]);
      if (message.kind == Kind::kAppendRequest && until_elected) continue;
      if (among.count(message.from) == 0 || among.count(message.to) == 0) continue;
      action.replica = message.to;
      action.input = {InputKind::kMessage, network[i]};
      changed = Perform(action, state);
    }
  }
}

void Explorer::LetDo(uint8_t self, InputKind kind, GroupState* state) {
  Action action;
  action.replica = self;
  action.input = {kind, 0};
  CHECK(Perform(action, state) && violation_.empty()) << NameOf(action) << violation_;
}

void Explorer::LetGiveUp(uint8_t self, GroupState* state) {
  const auto network = state->network;
  LetCampaign(self, {self}, false, state);
  Action action;
  for (int round = 0; round < 2; ++round) {
    for (const auto id : decltype(network)(state->network)) {
      const Kind kind = messages_.facts(id).kind;
      const bool probes = kind == (round == 0 ? Kind::kProbeRequest : Kind::kProbeReply);
      if (!probes || FactsAt(*state, self).stands) continue;
      action.replica = messages_.facts(id).to;
      action.input = {InputKind::kMessage, id};
      Perform(action, state);
    }
  }
  CHECK(FactsAt(*state, self).stands);
  LetDo(self, InputKind::kAttemptTimer, state);
  state->network = network;
}

// ---- The way back.

uint32_t Explorer::Pack(const Action& action) {
  CHECK(action.input.argument < (1u << 22)) << "more messages than fit";
  return static_cast<uint32_t>(action.kind) | (uint32_t{action.replica} << 2) |
         (uint32_t{action.peer} << 4) | (static_cast<uint32_t>(action.input.kind) << 6) |
         (action.input.argument << 10);
}

Explorer::Action Explorer::Unpack(uint32_t packed) {
  Action action;
  action.kind = static_cast<ActionKind>(packed & 3);
  action.replica = (packed >> 2) & 3;
  action.peer = (packed >> 4) & 3;
  action.input.kind = static_cast<InputKind>((packed >> 6) & 15);
  action.input.argument = packed >> 10;
  return action;
}

std::vector<uint32_t> Explorer::PathTo(uint32_t node) const {
  std::vector<uint32_t> path;
  for (uint32_t at = node; nodes_[at].parent != kNoNode; at = nodes_[at].parent) {
    path.push_back(nodes_[at].action);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

// ---- What was committed and who was elected.

uint32_t Explorer::InternGhost(Ghost ghost) {
  std::string plain;
  StoredGhost stored;
  for (size_t naming = 0; naming < kNamings; ++naming) {
    StateBytes bytes(kNames[naming]);
    for (const uint8_t leader : ghost.leaders) bytes.Replica(ReplicaId(leader));
    for (const Ghost::Committed& committed : ghost.committed) {
      bytes.Number(committed.term);
      bytes.Number(committed.in);
    }
    if (naming == 0) plain = bytes.bytes();
    stored.hashes[naming] = MixBits(HashBytes(bytes.bytes()) ^ 0x67686f73);
  }
  const auto [found, inserted] =
      ghost_ids_.emplace(std::move(plain), static_cast<uint32_t>(ghosts_.size()));
  if (inserted) {
    stored.ghost = std::move(ghost);
    ghosts_.push_back(std::move(stored));
  }
  return found->second;
}

}  // namespace rasputin::consensus::model
