// Faults, one function each; see nemesis.h.

#include "tests/sim/nemesis.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "client/route/full_key.h"
#include "range/descriptor.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::sim {
namespace {

using consensus::log::DiskOperation;

struct Switch {
  const char* name;
  bool FaultPlan::*on;
  // Those that came later are drawn from generators of their own: what else a seed means did not
  // change. 0: it has none.
  uint64_t generator = 0;
};

constexpr Switch kSwitches[] = {
    {"kills", &FaultPlan::kills},
    {"power_losses", &FaultPlan::power_losses},
    {"kill_all", &FaultPlan::kill_all},
    {"kills_at_events", &FaultPlan::kills_at_events},
    {"pauses", &FaultPlan::pauses},
    {"suspends", &FaultPlan::suspends},
    {"cuts", &FaultPlan::cuts},
    {"one_way_cuts", &FaultPlan::one_way_cuts},
    {"isolations", &FaultPlan::isolations},
    {"flapping", &FaultPlan::flapping},
    {"slow_replies", &FaultPlan::slow_replies},
    {"client_cuts", &FaultPlan::client_cuts},
    {"lossy_times", &FaultPlan::lossy_times},
    {"disk_stalls", &FaultPlan::disk_stalls},
    {"slow_disks", &FaultPlan::slow_disks},
    {"disk_full", &FaultPlan::disk_full},
    {"disk_errors", &FaultPlan::disk_errors},
    {"engine_stalls", &FaultPlan::engine_stalls},
    {"engine_failures", &FaultPlan::engine_failures},
    {"wall_steps", &FaultPlan::wall_steps},
    {"slow_machines", &FaultPlan::slow_machines},
    {"shutdowns", &FaultPlan::shutdowns},
    {"transfers", &FaultPlan::transfers},
    {"splits", &FaultPlan::splits},
    {"changes", &FaultPlan::changes},
    {"candidate_cuts", &FaultPlan::candidate_cuts, 1},
    {"shard_hangs", &FaultPlan::shard_hangs, 2},
    {"merges", &FaultPlan::merges, 3},
    {"drains", &FaultPlan::drains, 4},
    {"decommissions", &FaultPlan::decommissions, 5},
    {"store_losses", &FaultPlan::store_losses, 6},
};

}  // namespace

FaultPlan DrawPlan(Random* random) {
  FaultPlan plan;
  // Some runs are nearly calm, some have everything.
  const double density = random->Unit();
  for (const Switch& fault : kSwitches) {
    if (fault.generator != 0) plan.*fault.on = random->Fork(fault.generator).Chance(density);
  }
  for (const Switch& fault : kSwitches) {
    if (fault.generator == 0) plan.*fault.on = random->Chance(density);
  }
  // Without splits there is nothing to be merged.
  plan.splits = plan.splits || plan.merges;
  plan.interval_mean = random->Between(100, 2000) * kMillisecond;
  plan.length_mean = random->Between(200, 5000) * kMillisecond;
  plan.operator_interval_mean = random->Between(300, 4000) * kMillisecond;
  return plan;
}

void SwitchOff(const std::set<std::string>& names, FaultPlan* plan) {
  for (const Switch& fault : kSwitches) {
    if (names.count(fault.name) != 0) plan->*fault.on = false;
  }
}

bool MayEndProcesses(const FaultPlan& plan) {
  return plan.disk_errors || plan.engine_failures || plan.disk_full;
}

std::string ToString(const FaultPlan& plan) {
  std::string text;
  for (const Switch& fault : kSwitches) {
    if (plan.*fault.on) text += (text.empty() ? "" : " ") + std::string(fault.name);
  }
  return text.empty() ? "none" : text;
}

Nemesis::Nemesis(Cluster* cluster, const FaultPlan& plan, std::vector<std::string> split_keys,
                 int endpoint, const Random& random)
    : cluster_(cluster),
      plan_(plan),
      split_keys_(std::move(split_keys)),
      random_(random),
      caller_(cluster, endpoint, random.Fork(1)),
      member_caller_(cluster, endpoint, random.Fork(2)),
      clients_(cluster->options().clients) {
  const std::pair<bool, Action> all[] = {
      {plan.kills, &Nemesis::KillOne},
      {plan.power_losses, &Nemesis::LosePower},
      {plan.kill_all, &Nemesis::KillAll},
      {plan.pauses, &Nemesis::PauseOne},
      {plan.suspends, &Nemesis::SuspendOne},
      {plan.cuts, &Nemesis::CutPairs},
      {plan.one_way_cuts, &Nemesis::CutOneWay},
      {plan.isolations, &Nemesis::Isolate},
      {plan.flapping, &Nemesis::Flap},
      {plan.client_cuts, &Nemesis::CutClient},
      {plan.lossy_times, &Nemesis::BeLossy},
      {plan.disk_stalls, &Nemesis::StallDisk},
      {plan.slow_disks, &Nemesis::SlowDisk},
      {plan.disk_full, &Nemesis::FillDisk},
      {plan.disk_errors, &Nemesis::FailDisk},
      {plan.engine_stalls, &Nemesis::StallEngine},
      {plan.engine_failures, &Nemesis::FailEngine},
      {plan.wall_steps, &Nemesis::StepWall},
      {plan.slow_machines, &Nemesis::SlowMachine},
      {plan.shutdowns, &Nemesis::ShutDown},
      {plan.slow_replies, &Nemesis::SlowReplies},
      {plan.shard_hangs, &Nemesis::HangShard},
  };
  for (const auto& [on, action] : all) {
    if (on) actions_.push_back(action);
  }
  if (plan.transfers) operator_actions_.push_back(&Nemesis::Transfer);
  if (plan.splits) operator_actions_.push_back(&Nemesis::Split);
  // Most of the time there is no pair that fits.
  for (int i = 0; plan.merges && i < 3; ++i) operator_actions_.push_back(&Nemesis::MergeSome);
  if (plan.merges) operator_actions_.push_back(&Nemesis::Split);
  if (plan.drains) operator_actions_.push_back(&Nemesis::Drain);
  if (plan.decommissions) operator_actions_.push_back(&Nemesis::Decommission);
  // Most of the time others could not do without.
  for (int i = 0; plan.store_losses && i < 3; ++i) {
    operator_actions_.push_back(&Nemesis::LoseStore);
  }
  // Each change takes several steps.
  for (int i = 0; plan.changes && i < 3; ++i) {
    operator_actions_.push_back(&Nemesis::ChangeMembers);
  }
}

void Nemesis::Start() {
  if (!actions_.empty()) Next();
  if (!operator_actions_.empty()) OperateNext();
  if (plan_.isolations || (plan_.transfers && plan_.changes)) {
    cluster_->AddDescriptorListener([this](int store, const range::RangeDescriptor& descriptor,
                                           bool leads) { OnDescriptor(store, descriptor, leads); });
  }
  if (!plan_.kills_at_events && !plan_.candidate_cuts) return;
  cluster_->set_event_listener(
      [this](int store, const consensus::Event& event) { OnEvent(store, event); });
}

void Nemesis::OperateNext() {
  Later(random_.ExponentialNs(plan_.operator_interval_mean), [this] {
    (this->*operator_actions_[random_.Below(operator_actions_.size())])();
    OperateNext();
  });
}

// A leader that has just applied a split, and told it, is cut off before the child it leads has
// bound anybody: it may not believe that it inherited anything.
void Nemesis::OnDescriptor(int store, const range::RangeDescriptor& descriptor, bool leads) {
  uint64_t& known = generations_[descriptor.range_id()];
  const bool split = leads && known != 0 && descriptor.generation() > known;
  known = std::max<uint64_t>(known, descriptor.generation());
  if (leads && plan_.transfers && random_.Chance(0.2)) {
    // If it is a step of a change of members, the handover begins before the next one.
    const range::RangeId range(descriptor.range_id());
    Later(0, [this, range, descriptor] { HandOver(range, descriptor); });
  }
  if (!plan_.isolations || !split || !random_.Chance(0.4)) return;
  Later(random_.Between(0, kMillisecond), [this, store] { IsolateStore(store); });
}

// Twice in a row, and it is in a term above that of the leader whom the others elect [H-12].
void Nemesis::CutCandidate(int store) {
  const RealTime length =
      random_.Between(1, 4) * cluster_->options().store.lease_duration.count() / 10;
  for (int other = 0; other < cluster_->stores(); ++other) {
    if (other == store) continue;
    cluster_->network().Cut(store, other);
    Later(length, [this, store, other] { cluster_->network().Heal(store, other); });
  }
}

void Nemesis::OnEvent(int store, const consensus::Event& event) {
  if (stopped_) return;
  if (plan_.candidate_cuts && event.type == consensus::EventType::kCampaignVoting &&
      random_.Chance(0.5)) {
    CutCandidate(store);
  }
  if (!plan_.kills_at_events) return;
  switch (event.type) {
    case consensus::EventType::kBecameLeader:
    case consensus::EventType::kBound:
    case consensus::EventType::kVoteGranted:
    case consensus::EventType::kReleased:
    case consensus::EventType::kAbdicated:
    case consensus::EventType::kCampaignPulling:
    case consensus::EventType::kSupportWithdrawn:
      break;
    default:
      return;
  }
  if (!random_.Chance(0.03)) return;
  const KillKind kind = random_.Chance(0.5) ? KillKind::kProcess : KillKind::kPowerLoss;
  Later(random_.ExponentialNs(kMillisecond), [this, store, kind] { Kill(store, kind); });
}

void Nemesis::Next() {
  Later(random_.ExponentialNs(plan_.interval_mean), [this] {
    ++counters_.faults;
    (this->*actions_[random_.Below(actions_.size())])();
    Next();
  });
}

void Nemesis::Later(RealTime delay, std::function<void()> action) {
  cluster_->scheduler().After(delay, "nemesis", 0, [this, action = std::move(action)] {
    if (!stopped_) action();
  });
}

void Nemesis::StopAndHeal() {
  stopped_ = true;
  cluster_->network().HealAll();
  cluster_->network().SetBehaviour(LinkBehaviour());
  for (int number = 0; number < cluster_->stores(); ++number) {
    Node& node = cluster_->node(number);
    node.set_speed(MachineSpeed());
    node.StallDisk(false);
    node.FillDisk(false);
    node.StallEngine(false);
    node.SpareNextWrite();
    if (node.paused()) node.Resume();
    if (node.shard_hangs()) node.ReleaseShard();
    if (!node.alive()) node.Start();
  }
}

int Nemesis::SomeStore() {
  if (random_.Chance(0.5)) {
    const auto known = cluster_->KnownRanges();
    if (!known.empty()) {
      auto chosen = known.begin();
      std::advance(chosen, static_cast<long>(random_.Below(known.size())));
      const int leader = cluster_->LeadingNode(chosen->first);
      if (leader >= 0) return leader;
    }
  }
  int store = 0;
  do {
    store = static_cast<int>(random_.Below(static_cast<uint64_t>(cluster_->stores())));
  } while (cluster_->node(store).retired());
  return store;
}

void Nemesis::Restart(int store, RealTime after) {
  Later(after, [this, store] {
    if (!cluster_->node(store).alive()) return cluster_->node(store).Start();
    if (cluster_->node(store).to_be_killed()) Restart(store, kSecond);
  });
}

// At once, or while the log is being written.
void Nemesis::Kill(int store, KillKind kind) {
  if (!cluster_->node(store).alive()) return;
  ++counters_.kills;
  if (random_.Chance(0.5)) {
    cluster_->node(store).Kill(kind);
    Restart(store, Length());
  } else {
    cluster_->node(store).KillAtNextWrite(kind);
    Restart(store, 100 * kMillisecond + Length());
  }
}

void Nemesis::KillOne() { Kill(SomeStore(), KillKind::kProcess); }

void Nemesis::LosePower() { Kill(SomeStore(), KillKind::kPowerLoss); }

void Nemesis::KillAll() {
  const KillKind kind = random_.Chance(0.5) ? KillKind::kProcess : KillKind::kPowerLoss;
  for (int store = 0; store < cluster_->stores(); ++store) {
    if (!cluster_->node(store).alive()) continue;
    ++counters_.kills;
    cluster_->node(store).Kill(kind);
    Restart(store, random_.ExponentialNs(kSecond));
  }
}

void Nemesis::HangShard() { cluster_->node(SomeStore()).HangShard(Length()); }

void Nemesis::PauseOne() { cluster_->node(SomeStore()).Pause(Length(), false); }

void Nemesis::SuspendOne() { cluster_->node(SomeStore()).Pause(Length(), true); }

void Nemesis::CutPairs() {
  const double share = 0.2 + 0.6 * random_.Unit();
  for (int a = 0; a < cluster_->stores(); ++a) {
    for (int b = a + 1; b < cluster_->stores(); ++b) {
      if (!random_.Chance(share)) continue;
      cluster_->network().CutBoth(a, b);
      Later(Length(), [this, a, b] { cluster_->network().HealBoth(a, b); });
    }
  }
}

void Nemesis::CutOneWay() {
  const int a = SomeStore();
  for (int b = 0; b < cluster_->stores(); ++b) {
    if (a == b || random_.Chance(0.4)) continue;
    const bool out = random_.Chance(0.5);
    const int from = out ? a : b;
    const int to = out ? b : a;
    cluster_->network().Cut(from, to);
    Later(Length(), [this, from, to] { cluster_->network().Heal(from, to); });
  }
}

void Nemesis::Isolate() { IsolateStore(SomeStore()); }

void Nemesis::IsolateStore(int a) {
  const RealTime length = Length();
  for (int b = 0; b < cluster_->stores(); ++b) {
    if (a == b) continue;
    cluster_->network().CutBoth(a, b);
    Later(length, [this, a, b] { cluster_->network().HealBoth(a, b); });
  }
}

// Answers to a store take up to half a lease; after a while it is cut off, with answers still on
// the way that a store which counts from their arrival takes for fresh support.
void Nemesis::SlowReplies() {
  const int a = SomeStore();
  const RealTime lease = cluster_->options().store.lease_duration.count();
  LinkBehaviour slow;
  slow.delay_min = lease / 100 * random_.Between(10, 48);
  for (int b = 0; b < cluster_->stores(); ++b) {
    if (b != a) cluster_->network().SetBehaviour(b, a, slow);
  }
  Later(lease + random_.Between(0, lease), [this, a] {
    const RealTime length = Length();
    for (int b = 0; b < cluster_->stores(); ++b) {
      if (b == a) continue;
      cluster_->network().CutBoth(a, b);
      Later(length, [this, a, b] {
        cluster_->network().HealBoth(a, b);
        cluster_->network().SetBehaviour(b, a, cluster_->options().link);
      });
    }
  });
}

void Nemesis::Flap() {
  const int a = SomeStore();
  const int b = SomeStore();
  if (a != b) FlapOnce(a, b, static_cast<int>(random_.Between(2, 20)));
}

void Nemesis::FlapOnce(int a, int b, int left) {
  if (left % 2 == 0) {
    cluster_->network().CutBoth(a, b);
  } else {
    cluster_->network().HealBoth(a, b);
  }
  if (left <= 1) return cluster_->network().HealBoth(a, b);
  Later(random_.ExponentialNs(600 * kMillisecond),
        [this, a, b, left] { FlapOnce(a, b, left - 1); });
}

void Nemesis::CutClient() {
  const int client =
      cluster_->ClientEndpoint(static_cast<int>(random_.Below(static_cast<uint64_t>(clients_))));
  const int store = SomeStore();
  const bool asked = random_.Chance(0.5);
  const int from = asked ? client : store;
  const int to = asked ? store : client;
  cluster_->network().Cut(from, to);
  Later(Length(), [this, from, to] { cluster_->network().Heal(from, to); });
}

void Nemesis::BeLossy() {
  LinkBehaviour behaviour;
  behaviour.loss = random_.Chance(0.5) ? 0.3 * random_.Unit() : 0;
  behaviour.duplicate = random_.Chance(0.5) ? 0.3 * random_.Unit() : 0;
  behaviour.tail_chance = random_.Chance(0.5) ? 0.2 * random_.Unit() : 0;
  behaviour.tail_mean = random_.Between(20, 2000) * kMillisecond;
  behaviour.delay_mean_extra = random_.Between(50, 20'000) * kMicrosecond;
  behaviour.in_order = random_.Chance(0.3);
  cluster_->network().SetBehaviour(behaviour);
  Later(Length(), [this] { cluster_->network().SetBehaviour(cluster_->options().link); });
}

void Nemesis::StallDisk() {
  const int store = SomeStore();
  cluster_->node(store).StallDisk(true);
  Later(Length(), [this, store] { cluster_->node(store).StallDisk(false); });
}

void Nemesis::SlowDisk() {
  const int store = SomeStore();
  MachineSpeed speed = cluster_->options().speed;
  speed.sync_mean_extra = random_.Between(1, 300) * kMillisecond;
  speed.sync_tail_chance = 0.05;
  speed.sync_tail_mean = kSecond;
  cluster_->node(store).set_speed(speed);
  Later(Length(), [this, store] { cluster_->node(store).set_speed(cluster_->options().speed); });
}

void Nemesis::FillDisk() {
  const int store = SomeStore();
  cluster_->node(store).FillDisk(true);
  cluster_->coverage().OnDiskFull(store);
  Later(Length(), [this, store] { cluster_->node(store).FillDisk(false); });
}

void Nemesis::FailDisk() {
  constexpr DiskOperation kOperations[] = {DiskOperation::kSync, DiskOperation::kSync,
                                           DiskOperation::kWrite, DiskOperation::kRead};
  cluster_->node(SomeStore()).FailNext(kOperations[random_.Below(4)]);
}

void Nemesis::StallEngine() {
  const int store = SomeStore();
  cluster_->node(store).StallEngine(true);
  Later(Length(), [this, store] { cluster_->node(store).StallEngine(false); });
}

void Nemesis::FailEngine() { cluster_->node(SomeStore()).FailEngine(); }

// Up to 20 s: a version that is more than 60 s ahead is refused [formats].
void Nemesis::StepWall() {
  const int64_t most = random_.Chance(0.5) ? 20'000'000 : 2'000'000;
  cluster_->node(SomeStore()).clock()->StepWall(random_.Between(-most, most));
}

void Nemesis::SlowMachine() {
  const int store = SomeStore();
  MachineSpeed speed = cluster_->options().speed;
  speed.turn_delay_mean = random_.Between(1, 200) * kMillisecond;
  if (random_.Chance(0.5)) speed.lease_delay_mean = random_.Between(1, 200) * kMillisecond;
  cluster_->node(store).set_speed(speed);
  Later(Length(), [this, store] { cluster_->node(store).set_speed(cluster_->options().speed); });
}

void Nemesis::ShutDown() {
  const int store = SomeStore();
  if (!cluster_->node(store).alive()) return;
  cluster_->node(store).BeginShutdown();
  Later(random_.ExponentialNs(500 * kMillisecond), [this, store] {
    if (!cluster_->node(store).alive()) return;
    ++counters_.kills;
    cluster_->node(store).Kill(KillKind::kProcess);
    Restart(store, Length());
  });
}

void Nemesis::Transfer() {
  const auto known = cluster_->KnownRanges();
  if (known.empty()) return;
  auto chosen = known.begin();
  std::advance(chosen, static_cast<long>(random_.Below(known.size())));
  HandOver(chosen->first, chosen->second);
}

void Nemesis::HandOver(range::RangeId range, const range::RangeDescriptor& descriptor) {
  const int leader = cluster_->LeadingNode(range);
  if (leader < 0) return;
  ++counters_.transfers_asked;
  const auto& replicas = descriptor.replicas();
  const auto target = random_.Below(static_cast<uint64_t>(replicas.size()));
  cluster_->node(leader).TransferLease(
      range, range::StoreId(replicas[static_cast<int>(target)].store_id()));
}

// By both ways, as with changes of members.
void Nemesis::MergeSome() {
  if (!cluster_->options().front_ends || random_.Chance(0.5)) return merge_driver_->MergeSome();
  if (member_caller_.busy()) return;
  const auto known = cluster_->KnownRanges();
  if (known.empty()) return;
  auto chosen = known.begin();
  std::advance(chosen, static_cast<long>(random_.Below(known.size())));
  admin::v1::MergeRangesRequest request;
  request.set_range_id(chosen->first.value());
  // As the operator sees it, so that a repetition does not merge one more range.
  for (const auto& [id, descriptor] : known) {
    const bool is_next = descriptor.start_key() == chosen->second.end_key();
    if (is_next && !descriptor.start_key().empty()) request.set_right_range_id(id.value());
  }
  Call call;
  call.method = server::Method::kMergeRanges;
  call.body = absl::Cord(request.SerializeAsString());
  call.repeatable = true;
  member_caller_.Start(std::move(call), [this](const CallResult& result) {
    if (result.outcome == CallOutcome::kAnswered) ++counters_.merges_done;
  });
}

// One step of an operator who looks at a range: add a learner where there is no replica, let one
// vote, with or without another one leaving, or have one leave.
void Nemesis::ChangeMembers() {
  const auto known = cluster_->KnownRanges();
  if (known.empty()) return;
  auto chosen = known.begin();
  std::advance(chosen, static_cast<long>(random_.Below(known.size())));
  // Front ends that do not read the list of stores know of the meta range's members by its first
  // descriptor only.
  if (cluster_->options().front_ends && !cluster_->options().placement &&
      chosen->first == range::RangeId(client::kMetaRangeId)) {
    return;
  }
  // By both ways: an operator's calls go to any front end, which does all the steps. Only that way
  // looks whether a store is still on the list.
  if (cluster_->options().front_ends && (fates_ != nullptr || random_.Chance(0.5))) {
    return ChangeByFrontEnd(chosen->second);
  }
  const int leader = cluster_->LeadingNode(chosen->first);
  const std::optional<range::ReplicaChange> change = SomeChange(chosen->second);
  if (leader < 0 || !change.has_value()) return;
  ++counters_.changes_asked;
  cluster_->node(leader).ChangeReplicas(chosen->first,
                                        range::Generation(chosen->second.generation()), *change,
                                        [this](const range::Response& response) {
                                          if (response.outcome == range::Outcome::kOk)
                                            ++counters_.changes_done;
                                        });
}

bool Nemesis::MayHold(range::StoreId store) {
  const bool listed = fates_ == nullptr || fates_->IsListed(store);
  return listed && !cluster_->node(static_cast<int>(store.value()) - 1).retired();
}

void Nemesis::ChangeByFrontEnd(const range::RangeDescriptor& descriptor) {
  if (member_caller_.busy()) return;
  std::vector<uint64_t> members;
  std::vector<uint64_t> free;
  for (int i = 1; i <= cluster_->stores(); ++i) {
    const auto store = static_cast<uint64_t>(i);
    const bool holds = range::FindStore(descriptor, range::StoreId(store)) != nullptr;
    if (!holds && !MayHold(range::StoreId(store))) continue;
    (holds ? members : free).push_back(store);
  }
  admin::v1::ChangeReplicasRequest request;
  request.set_range_id(descriptor.range_id());
  if (!free.empty() && random_.Chance(0.7)) {
    request.set_add_store_id(free[random_.Below(free.size())]);
  }
  const size_t fewest = std::max<size_t>(plan_.voters_min, 2);
  if (members.size() > fewest && (request.add_store_id() == 0 || random_.Chance(0.5))) {
    request.set_remove_store_id(members[random_.Below(members.size())]);
  }
  if (request.add_store_id() == 0 && request.remove_store_id() == 0) return;
  ++counters_.changes_asked;
  Call call;
  call.method = server::Method::kChangeReplicas;
  call.body = absl::Cord(request.SerializeAsString());
  call.repeatable = true;
  member_caller_.Start(std::move(call), [this](const CallResult& result) {
    if (result.outcome == CallOutcome::kAnswered) ++counters_.changes_done;
  });
}

std::optional<range::ReplicaChange> Nemesis::SomeChange(const range::RangeDescriptor& descriptor) {
  std::vector<range::StoreId> voters;
  std::vector<range::StoreId> learners;
  std::vector<range::StoreId> free;
  for (int store = 0; store < cluster_->stores(); ++store) {
    const range::StoreId id(static_cast<uint64_t>(store) + 1);
    if (MayHold(id)) free.push_back(id);
  }
  for (const auto& replica : descriptor.replicas()) {
    const range::StoreId store(replica.store_id());
    free.erase(std::remove(free.begin(), free.end(), store), free.end());
    if (replica.role() == type::v1::REPLICA_ROLE_LEARNER) {
      learners.push_back(store);
    } else if (replica.role() != type::v1::REPLICA_ROLE_UNSPECIFIED) {
      return std::nullopt;  // One is under way.
    } else {
      voters.push_back(store);
    }
  }
  range::ReplicaChange change;
  const auto leave = [&] {
    voters.erase(voters.begin() + static_cast<long>(random_.Below(voters.size())));
  };
  if (!learners.empty() && random_.Chance(0.15)) {
    change.kind = range::ReplicaChange::Kind::kRemoveLearner;
    change.store = learners.front();
  } else if (!learners.empty()) {
    change.kind = range::ReplicaChange::Kind::kSetVoters;
    if (voters.size() >= 5 || random_.Chance(0.5)) leave();
    voters.insert(voters.end(), learners.begin(), learners.end());
    change.voters = voters;
  } else if (!free.empty() && random_.Chance(voters.size() < 3 ? 0.9 : 0.6)) {
    change.store = free[random_.Below(free.size())];
  } else if (voters.size() > plan_.voters_min) {
    change.kind = range::ReplicaChange::Kind::kSetVoters;
    if (voters.size() == 2 && !random_.Chance(0.3)) return std::nullopt;
    leave();
    change.voters = voters;
  } else {
    return std::nullopt;
  }
  return change;
}

// An id for the child from the meta range, then the split.
void Nemesis::Split() {
  if (split_keys_.empty() || caller_.busy()) return;
  ++counters_.splits_asked;
  const std::string& user_key = split_keys_[random_.Below(split_keys_.size())];
  if (cluster_->options().front_ends) return SplitByFrontEnd(user_key);
  const std::string key = client::FullKey(client::kDefaultCollectionId, user_key);
  storage::v1::MetaCommand command;
  command.mutable_allocate_ids()->set_range_ids(1);
  Call call;
  call.operation = kv::Operation::kMeta;
  call.body = absl::Cord(command.SerializeAsString());
  call.first_key = call.last_key = client::KeyPrefix(client::kMetaCollectionId);
  caller_.Start(std::move(call), [this, key](const CallResult& result) {
    if (result.outcome != CallOutcome::kAnswered || stopped_) return;
    storage::v1::MetaResult answer;
    CHECK(answer.ParseFromString(std::string(result.response.body)));
    SubmitSplit(answer.first_id(), key);
  });
}

// As an operator asks for it, at any store.
void Nemesis::SplitByFrontEnd(const std::string& user_key) {
  admin::v1::SplitRangeRequest request;
  request.set_split_key(user_key);
  Call call;
  call.method = server::Method::kSplitRange;
  call.body = absl::Cord(request.SerializeAsString());
  caller_.Start(std::move(call), [this](const CallResult& result) {
    if (result.outcome == CallOutcome::kAnswered) ++counters_.splits_done;
  });
}

void Nemesis::SubmitSplit(uint64_t child, const std::string& key) {
  storage::v1::SplitCommand command;
  command.set_split_key(key);
  command.set_child_range_id(child);
  command.set_child_collection_id(client::kDefaultCollectionId);
  Call call;
  call.operation = kv::Operation::kSplit;
  call.body = absl::Cord(command.SerializeAsString());
  call.first_key = call.last_key = key;
  caller_.Start(std::move(call), [this](const CallResult& result) {
    if (result.outcome == CallOutcome::kAnswered) ++counters_.splits_done;
  });
}

}  // namespace rasputin::sim
