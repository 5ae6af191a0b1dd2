// The owner's part of membership in the cluster of cores: changes, snapshots, removals, cut logs.
//
// Works as range/ does: a replica begins with a snapshot, a newer state is never replaced by an
// older one, and whoever learns from a leader's applied configuration that it is no member is gone.

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "consensus/core/configuration_codec.h"
#include "consensus/core/core_cluster.h"

namespace rasputin::consensus {
namespace {

void Keep(std::vector<Member>* members, const std::function<bool(const Member&)>& keep) {
  members->erase(
      std::remove_if(members->begin(), members->end(), [&](const Member& m) { return !keep(m); }),
      members->end());
}

}  // namespace

// ---- Snapshots.

void CoreCluster::SendSnapshot(int from, ReplicaId to) {
  Node& node = nodes_[from];
  const Member* member = node.core->configuration().Find(to);
  if (member == nullptr || !node.transfers.insert(to).second) return;
  const int at = IndexOf(member->store);
  const Index applied = node.core->applied_index();
  const Snapshot snapshot{to,
                          node.core->term(),
                          {node.log->TermAt(applied), applied},
                          node.applied_configuration,
                          node.applied_highest};
  snapshots_sent_.push_back({at, snapshot});
  const auto installed = std::make_shared<bool>(false);
  const Duration transfer = Duration(
      static_cast<int64_t>(Random(static_cast<uint64_t>(options_.lease_duration.count()))));
  AtProcess(at, transfer, [this, from, at, snapshot, installed] {
    if (!Lost(from, at) && nodes_[at].running) *installed = InstallSnapshot(at, snapshot);
  });
  if (Random(4) == 0) {  // Late, and perhaps for the second time.
    AtProcess(at, transfer + options_.lease_duration, [this, from, at, snapshot] {
      if (!Lost(from, at) && nodes_[at].running) InstallSnapshot(at, snapshot);
    });
  }
  AtProcess(from, transfer + options_.delay_max, [this, from, to, installed, life = node.life] {
    Node& sender = nodes_[from];
    if (sender.life != life || sender.core == nullptr) return;
    sender.transfers.erase(to);
    sender.core->OnSnapshotSent(Now(from), to, *installed);
    TakeReadies(from);
  });
}

void CoreCluster::RepeatSnapshots() {
  const std::vector<SentSnapshot> sent = snapshots_sent_;
  for (const SentSnapshot& again : sent) {
    if (nodes_[again.at].running) InstallSnapshot(again.at, again.snapshot);
  }
}

bool CoreCluster::InstallSnapshot(int at, const Snapshot& snapshot) {
  Node& node = nodes_[at];
  const bool any = options_.mutants.Has(39);
  if (snapshot.to <= node.tombstone && !options_.mutants.Has(61)) return false;
  if (node.replica == snapshot.to) {
    const Core& core = *node.core;
    if (core.role() == Role::kLeader) return true;
    if (core.applied_index() >= snapshot.position.index && !any) return true;
    const LogPosition last = node.log->Last();
    const bool holds = snapshot.position.index <= last.index &&
                       snapshot.position.index >= node.log->Start().index &&
                       node.log->TermAt(snapshot.position.index) == snapshot.position.term;
    if (holds && !any) return true;
    if (core.applied_index() > snapshot.position.index) {
      Violation("State Machine Safety: a snapshot replaced a newer state");
    }
    node.durable = core.hard_state();
  } else {
    // A lower id on this store is no member any more: a store holds one member of a configuration,
    // and the one that has the new id is applied at the sender.
    if (node.replica > snapshot.to) return false;
    if (node.replica.IsSet()) RemoveReplica(at);
    node.replica = snapshot.to;
    node.durable = HardState();
    node.durable.term = snapshot.term;
    ++counts_.created;
  }
  ++counts_.snapshots;
  node.persisting.clear();
  node.sync_running = false;
  node.read_index_floor.clear();
  node.transfers.clear();
  ++node.life;
  node.wake_at = Instant::max();
  node.durable_entries.clear();
  node.durable_start = snapshot.position;
  node.durable_configuration = snapshot.configuration;
  node.durable_highest = snapshot.highest;
  node.invariants.reset();
  node.core.reset();
  Start(at);
  return true;
}

// ---- Members.

void CoreCluster::ApplyConfiguration(int replica, const Entry& entry) {
  Node& node = nodes_[replica];
  const auto configuration = DecodeConfiguration(entry.payload);
  if (!configuration.ok()) return Violation("an unreadable configuration was applied");
  node.applied_configuration = *configuration;
  for (const Member& member : configuration->AllMembers()) {
    node.applied_highest = std::max(node.applied_highest, member.replica);
  }
  if (!configuration->IsJoint() && configuration->Find(node.replica) == nullptr) {
    node.removed = true;
  }
}

void CoreCluster::RemoveReplica(int replica) {
  Node& node = nodes_[replica];
  ++counts_.removals;
  node.removed = false;
  node.tombstone = std::max(node.tombstone, node.replica);
  node.replica = ReplicaId();
  node.invariants.reset();
  node.core.reset();
  node.log.reset();
  node.durable = HardState();
  node.durable_entries.clear();
  node.durable_start = LogPosition();
  node.persisting.clear();
  node.sync_running = false;
  node.read_index_floor.clear();
  node.transfers.clear();
  ++node.life;
  node.wake_at = Instant::max();
}

bool CoreCluster::HandleStray(int to, const Message& message) {
  Node& node = nodes_[to];
  if (node.core == nullptr || message.to != node.replica) {
    const auto* query = std::get_if<ReleaseQuery>(&message.body);
    if (query != nullptr && message.to <= node.tombstone) {
      // [H-7]: the store releases for a replica that is gone.
      Message release = message;
      std::swap(release.from, release.to);
      std::swap(release.from_store, release.to_store);
      release.body = Release{query->bound_term, ReplicaId()};
      Deliver(release);
    }
    return true;
  }
  if (node.applied_configuration.Find(message.from) != nullptr ||
      message.from > node.applied_highest || !node.core->MayServeRead(Now(to)) ||
      node.core->configuration().Find(message.from) != nullptr) {
    return false;
  }
  TellRemoved(to, message);
  return true;
}

void CoreCluster::TellRemoved(int from, const Message& message) {
  const int to = IndexOf(message.from_store);
  if (Lost(from, to)) return;
  AtProcess(to, NetworkDelay(), [this, to, replica = message.from] {
    if (nodes_[to].running && nodes_[to].replica == replica) RemoveReplica(to);
  });
}

ProposeStatus CoreCluster::Change(int replica, const Configuration& target) {
  const Configuration before = core(replica).configuration();
  const ProposeStatus status = core(replica).ProposeConfiguration(Now(replica), target).status;
  if (status == ProposeStatus::kAccepted) {
    ++counts_.changes;
    if (core(replica).configuration().IsJoint()) ++counts_.joint_changes;
  }
  TakeReadies(replica);
  return status;
}

// Above those that the leader knows of: an id of a change that came to nothing may come again.
Member CoreCluster::NewMember(int leader, int store) const {
  ReplicaId highest = nodes_[leader].applied_highest;
  for (const Member& member : nodes_[leader].core->configuration().AllMembers()) {
    highest = std::max(highest, member.replica);
  }
  return {highest.Next(), nodes_[store].store};
}

// Two sides for a while: the new voters and the others, or any two.
void CoreCluster::PartAround(int leader, const Configuration& target) {
  std::vector<bool> side(nodes_.size());
  const bool any = Random(2) == 0;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    side[i] = any ? Random(2) == 0 : target.IsVoter(nodes_[i].replica);
  }
  side[static_cast<size_t>(leader)] = true;
  for (int i = 0; i < stores(); ++i) {
    for (int j = 0; j < i; ++j) {
      if (side[static_cast<size_t>(i)] != side[static_cast<size_t>(j)]) CutBoth(i, j);
    }
  }
  At(options_.lease_duration * 3, [this] { HealAll(); });
}

void CoreCluster::RandomChange() {
  if (Random(2) == 0) CutLog(static_cast<int>(Random(nodes_.size())));
  if (Random(8) == 0) RaiseTermAlone(static_cast<int>(Random(nodes_.size())), 1 + Random(3));
  const int leader = Leader();
  if (leader < 0 || nodes_[leader].paused_until > now_) return;
  Configuration target = core(leader).configuration();
  if (target.IsJoint()) return;
  const auto one_of = [this](const std::vector<Member>& members) {
    return members[Random(members.size())];
  };
  switch (Random(12)) {
    case 0:
    case 1: {  // A learner, or two.
      Member next = NewMember(leader, 0);
      for (uint64_t more = 1 + Random(3); more > 0; --more) {
        next.store = nodes_[Random(nodes_.size())].store;
        const std::vector<Member> all = target.AllMembers();
        if (std::any_of(all.begin(), all.end(),
                        [&](const Member& m) { return m.store == next.store; })) {
          continue;
        }
        target.learners.push_back(next);
        next.replica = next.replica.Next();
      }
      break;
    }
    case 2:
    case 3:
    case 4:
    case 5: {  // Learners become voters, and some voters go.
      target.voters.insert(target.voters.end(), target.learners.begin(), target.learners.end());
      target.learners.clear();
      for (uint64_t less = Random(4); less > 0 && target.voters.size() > 2; --less) {
        const Member gone = one_of(core(leader).configuration().voters);
        Keep(&target.voters, [&](const Member& m) { return !(m == gone); });
      }
      break;
    }
    case 6: {  // A voter goes.
      const Member gone = one_of(target.voters);
      if (target.voters.size() > 1) {
        Keep(&target.voters, [&](const Member& m) { return !(m == gone); });
      }
      break;
    }
    case 7:
      if (Random(2) == 0) target.learners.clear();
      break;
    default:
      return;
  }
  if (target == core(leader).configuration()) return;
  if (Change(leader, target) == ProposeStatus::kAccepted &&
      Random(100) < options_.part_at_change * 100) {
    PartAround(leader, target);
  }
}

bool CoreCluster::RaiseTermAlone(int replica, uint64_t terms) {
  Node& node = nodes_[replica];
  if (!up(replica) || node.paused_until > now_ || node.core->role() == Role::kLeader) return false;
  const HardState& hs = node.core->hard_state();
  if (hs.bound_leader.IsSet() && hs.bound_term > hs.released_term &&
      hs.bound_epoch >= node.leases->LowestAccepted(hs.bound_store)) {
    return false;
  }
  const Term term = hs.term.Plus(terms);
  Crash(replica);
  node.running = true;
  node.durable.term = term;
  node.durable.vote = node.replica;
  node.durable.bound_leader = ReplicaId();
  node.durable.bound_store = StoreId();
  node.durable.bound_term = Term();
  node.durable.bound_epoch = Epoch();
  Start(replica);
  return true;
}

void CoreCluster::QueryBindings() {
  for (int i = 0; i < stores(); ++i) {
    if (!up(i) || nodes_[i].paused_until > now_) continue;
    nodes_[i].core->QueryBinding(Now(i));
    TakeReadies(i);
  }
}

void CoreCluster::CutLog(int replica) {
  Node& node = nodes_[replica];
  if (node.core == nullptr) return;
  const Index applied = node.core->applied_index();
  const uint64_t cut = applied.value() - node.durable_start.index.value();
  if (cut == 0 || cut > node.durable_entries.size()) return;
  // What is on its way to the disk may overwrite only what lies behind.
  if (node.durable_entries[cut - 1].term != node.log->TermAt(applied)) return;
  node.durable_start = {node.log->TermAt(applied), applied};
  node.durable_entries.erase(node.durable_entries.begin(),
                             node.durable_entries.begin() + static_cast<ptrdiff_t>(cut));
  node.durable_configuration = node.applied_configuration;
  node.durable_highest = node.applied_highest;
  node.log->CutTo(applied);
}

}  // namespace rasputin::consensus
