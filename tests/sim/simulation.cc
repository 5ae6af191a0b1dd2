// Safety runs, and what is judged at their end; see simulation.h.

#include "tests/sim/simulation.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/route/full_key.h"
#include "kv/range_snapshot.h"
#include "kv/state_hash.h"
#include "range/descriptor.h"
#include "tests/linearizability/checker.h"
#include "tests/sim/cluster.h"
#include "tests/sim/damage.h"
#include "tests/sim/directory_keeper.h"
#include "tests/sim/liveness.h"
#include "tests/sim/merge_driver.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/quarantine.h"
#include "tests/sim/store_fates.h"
#include "tests/sim/workload.h"

namespace rasputin::sim {
namespace {

using range::RangeDescriptor;
using range::RangeId;

// Once all faults have ended, writes must succeed again within so many lease lengths: restart wait,
// election, the slowest back-off of clients, and twice as much for luck.
constexpr int kRecoveryLeases = 10;
constexpr RealTime kWarmUp = 3 * kSecond;
// Several times what the load of a run explains.
constexpr double kTurnsPerSecondMax = 4000;
// In a run with damage: how many stores may be replaced, the fewest voters of a range, and how long
// after all other faults it may take until everything is whole.
constexpr int kReplacements = 10;
constexpr size_t kVotersMin = 3;
constexpr RealTime kRepairMax = 120 * kSecond;
// Left-over replicas ask once in a lease length.
constexpr RealTime kSettleMax = 60 * kSecond;
// A range whose move failed rests for up to two minutes, and snapshots leave one after the other.
constexpr RealTime kPlacementMax = 600 * kSecond;

ClockErrors DrawClock(double rate_error_max, Random* random) {
  const auto most = static_cast<int64_t>(rate_error_max * 1e6) - 1;
  const auto draw = [&]() -> int64_t {
    switch (random->Below(4)) {
      case 0:
        return 0;
      case 1:
        return most;
      case 2:
        return -most;
      default:
        return random->Between(-most, most);
    }
  };
  ClockErrors errors;
  errors.boot_ppm = draw();
  errors.raw_ppm = random->Chance(0.5) ? errors.boot_ppm : draw();
  errors.wall_offset_us = random->Between(-2'000'000, 2'000'000);
  return errors;
}

// Often so small that whoever is away for a while needs a snapshot.
void DrawLogLimits(ClusterOptions* cluster, Random* random) {
  cluster->store.log_retain_bytes = uint64_t{1 << 10} << random->Below(10);
  cluster->store.log_retain_dead_bytes = cluster->store.log_retain_bytes / 4;
  cluster->store.dead_after = random->Between(1, 10) * cluster->store.lease_duration;
  cluster->store.snapshot_bytes_per_second = uint64_t{16 << 10} << random->Below(12);
}

// Often so few that what is replayed after a start takes many turns, with others' words between
// them. From a generator of its own, as autopilots.
void DrawTurns(uint64_t seed, ClusterOptions* cluster) {
  Random random = Random(seed).Fork(11);
  if (random.Chance(1.0 / 3)) cluster->store.apply_entries_max = size_t{1} << random.Below(8);
}

// So eager that ranges merge again within a run, and split again under its load.
void DrawAutopilot(ClusterOptions* cluster, Random random) {
  cluster->autopilot.enabled = cluster->front_ends && random.Chance(0.5);
  cluster->autopilot.merges_max = 1 + static_cast<uint32_t>(random.Below(3));
  cluster->autopilot.merge_rules.age_min = std::chrono::seconds(1 + random.Below(4));
  cluster->autopilot.merge_rules.observed_min = std::chrono::seconds(1);
  cluster->store.split.requests_per_second = random.Chance(0.5) ? 1'000'000 : 5 + random.Below(40);
  cluster->store.split.sustained = std::chrono::seconds(2);
  cluster->store.split.pause = std::chrono::seconds(1);
}

// So impatient that stores are given up, and replicas moved back again, within a run. From a
// generator of its own, as autopilots.
void DrawPlacement(const SimulationOptions& options, ClusterOptions* cluster) {
  Random random = Random(options.seed).Fork(9);
  cluster->placement = cluster->front_ends && (random.Chance(1.0 / 3) || options.placement);
  if (!cluster->placement) return;
  cluster->spares = static_cast<int>(random.Below(3));
  if (options.stores_max != 0) {
    cluster->spares = std::min(cluster->spares, options.stores_max - cluster->stores);
  }
  cluster->stores += cluster->spares;
  while (cluster->clocks.size() < static_cast<size_t>(cluster->stores)) {
    cluster->clocks.push_back(DrawClock(cluster->store.clock_rate_error_max, &random));
  }
  cluster->stores_period = std::chrono::seconds(1 + random.Below(10));
  cluster->zones = random.Below(4);
  range::PlacementRules& rules = cluster->placement_rules;
  rules.replication_factor = cluster->replicas == 5 && random.Chance(0.5) ? 5 : 3;
  rules.store_suspect_after = std::chrono::milliseconds(random.Between(1500, 4000));
  rules.store_dead_after =
      rules.store_suspect_after + std::chrono::milliseconds(random.Between(500, 6000));
  rules.move_pause = std::chrono::milliseconds(random.Between(500, 5000));
  rules.leftover_after = std::chrono::milliseconds(random.Between(1000, 5000));
  rules.moves_max = 1 + static_cast<uint32_t>(random.Below(8));
  rules.transfers_max = 1 + static_cast<uint32_t>(random.Below(16));
}

// Often so small that a handful of clients is too many for a range.
server::FairOptions DrawFair(uint64_t seed) {
  Random random = Random(seed).Fork(8);
  server::FairOptions fair;
  if (random.Chance(0.6)) return fair;
  fair.turn_cost = random.Between(1, 6);
  fair.lane_cost_max = random.Between(1, 12);
  fair.lane_requests_min = 1;
  fair.quantum = random.Between(1, 8);
  fair.range_requests_max = static_cast<uint64_t>(random.Between(1, 4));
  fair.collection_requests_max = fair.range_requests_max + random.Below(3);
  fair.node_requests_max = fair.collection_requests_max + random.Below(3);
  fair.wait_max = std::chrono::milliseconds(random.Between(1, 500));
  return fair;
}

ClusterOptions DrawCluster(const SimulationOptions& options, Random* random) {
  ClusterOptions cluster;
  cluster.seed = options.seed;
  cluster.trace = options.trace;
  int members = random->Chance(0.6) ? 3 : 5;
  if (options.stores_max != 0) members = std::min(members, options.stores_max);
  cluster.replicas = members == 5 && random->Chance(0.5) ? 5 : 3;
  cluster.front_ends = random->Chance(0.5) || options.placement;
  cluster.fair = DrawFair(options.seed);
  // A front end on a store without any range would have to be told of the meta range.
  cluster.spares = cluster.front_ends ? 0 : static_cast<int>(random->Below(3));
  cluster.stores = members + cluster.spares;
  if (options.stores_max != 0) cluster.stores = std::min(cluster.stores, options.stores_max);
  cluster.spares = cluster.stores - members;
  cluster.store.mutants = options.mutants;
  // What commands come to does not depend on where batches end.
  Random batches = Random(options.seed).Fork(12);
  if (batches.Chance(0.3)) cluster.store.apply_entries_max = 1 + batches.Below(5);
  cluster.store.lease_duration = std::chrono::milliseconds(random->Chance(0.5) ? 2000 : 800);
  cluster.store.log_segment_bytes = uint64_t{64 << 10} << random->Below(4);
  cluster.store.log_reserve_bytes = cluster.store.log_segment_bytes;
  cluster.store.log_cache_bytes = random->Chance(0.3) ? 4 << 10 : 4 << 20;
  cluster.store.flush_bytes = uint64_t{2 << 10} << random->Below(8);
  if (random->Chance(0.3)) cluster.store.append_bytes_max = uint64_t{1} << random->Below(10);
  cluster.store.log_live_bytes_max = 4 * cluster.store.log_segment_bytes;
  for (int i = 0; i < cluster.stores; ++i) {
    cluster.clocks.push_back(DrawClock(cluster.store.clock_rate_error_max, random));
  }
  cluster.split_frames = random->Chance(0.3);
  cluster.encode = random->Chance(0.8);
  DrawLogLimits(&cluster, random);
  // From a generator of its own: what else a seed means did not change when it came to be.
  DrawAutopilot(&cluster, random->Fork(4));
  DrawPlacement(options, &cluster);
  DrawTurns(options.seed, &cluster);
  cluster.link.in_order = random->Chance(0.7);
  // Far apart: elections take long enough to collide.
  if (random->Chance(0.25)) cluster.link.delay_min = random->Between(5, 60) * kMillisecond;
  if (random->Chance(0.3)) cluster.link.loss = 0.02;
  if (random->Chance(0.3)) cluster.link.duplicate = 0.02;
  if (random->Chance(0.3)) {
    cluster.link.tail_chance = 0.01;
    cluster.link.tail_mean = random->Between(10, 1000) * kMillisecond;
  }
  return cluster;
}

struct NamedWeight {
  const char* name;
  int WorkloadOptions::*weight;
};
constexpr NamedWeight kOperations[] = {
    {"gets", &WorkloadOptions::gets},        {"sets", &WorkloadOptions::sets},
    {"cases", &WorkloadOptions::cases},      {"deletes", &WorkloadOptions::deletes},
    {"scans", &WorkloadOptions::scans},      {"batches", &WorkloadOptions::batches},
    {"counts", &WorkloadOptions::increments}};

std::string OperationsOf(const WorkloadOptions& workload) {
  std::string text;
  for (const NamedWeight& operation : kOperations) {
    if (workload.*operation.weight != 0)
      text += (text.empty() ? "" : " ") + std::string(operation.name);
  }
  return text;
}

WorkloadOptions DrawWorkload(const SimulationOptions& options, Random* random) {
  WorkloadOptions workload;
  workload.clients = static_cast<int>(random->Between(2, 6));
  workload.keys = static_cast<int>(random->Between(2, 12));
  workload.counters = static_cast<int>(random->Between(1, 3));
  workload.think_mean = random->Between(20, 80) * kMillisecond;
  workload.padding_max = random->Chance(0.6) ? 0 : uint64_t{1} << random->Between(6, 11);
  workload.with_id = random->Unit();
  workload.with_read_index = random->Chance(0.5) ? 0 : 0.3;
  int* const weights[] = {&workload.gets,    &workload.sets,  &workload.cases,
                          &workload.deletes, &workload.scans, &workload.batches};
  for (int* weight : weights) {
    if (random->Chance(0.25)) *weight = 0;
  }
  for (const NamedWeight& operation : kOperations) {
    if (options.without.count(operation.name) != 0) workload.*operation.weight = 0;
  }
  if (OperationsOf(workload).empty()) workload.sets = 1;
  if (options.clients_max != 0) workload.clients = std::min(workload.clients, options.clients_max);
  return workload;
}

range::StoreId StoreIdOf(int node) { return range::StoreId(static_cast<uint64_t>(node) + 1); }

bool StartsBefore(const RangeDescriptor& a, const RangeDescriptor& b) {
  return a.start_key() < b.start_key();
}

// Everything of one safety run.
class SafetyRun {
 public:
  explicit SafetyRun(const SimulationOptions& options);
  Report Go();

 private:
  bool Failed() const { return cluster_->checkers().violation().has_value(); }
  bool WaitUntil(const std::function<bool()>& done, RealTime most);
  void Fault();
  void Recover();
  void PlanDamage(ClusterOptions* cluster);
  void JudgeRepair();
  void PlanPlacement(ClusterOptions* cluster);
  void JudgePlacement();
  void Settle();
  void JudgeHistory();
  void JudgeCounters();
  std::vector<RangeDescriptor> SortedRanges();
  bool DirectoryConverges();
  void JudgeDirectory();
  bool ReplicasConverge();
  uint64_t SnapshotsInstalled();
  void JudgeReplicas();
  void JudgeTurns();
  void Violate(const std::string& guarantee, const std::string& details) {
    cluster_->checkers().Report(guarantee, details);
  }
  void Count();

  SimulationOptions options_;
  Random random_;
  FaultPlan plan_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<Nemesis> nemesis_;
  std::unique_ptr<DirectoryKeeper> directory_;
  std::unique_ptr<MergeDriver> merges_;
  std::unique_ptr<StoreFates> fates_;       // Not in every run.
  std::unique_ptr<Quarantine> quarantine_;  // Not in every run.
  std::unique_ptr<Damage> damage_;
  Report report_;
  std::string listed_;  // By the meta range, when it was last asked.
};

SafetyRun::SafetyRun(const SimulationOptions& options)
    : options_(options), random_(Random(options.seed).Fork(7)) {
  WorkloadOptions workload = DrawWorkload(options, &random_);
  ClusterOptions cluster = DrawCluster(options, &random_);
  plan_ = DrawPlan(&random_);
  if (options.adjust != nullptr) options.adjust(&cluster, &workload, &plan_);
  SwitchOff(options.without, &plan_);
  cluster.clients = workload.clients + 3;
  if (options.damage) PlanDamage(&cluster);
  PlanPlacement(&cluster);
  cluster_ = std::make_unique<Cluster>(cluster);
  workload_ = std::make_unique<Workload>(cluster_.get(), workload, random_.Fork(1));
  nemesis_ = std::make_unique<Nemesis>(cluster_.get(), plan_, workload_->keys(),
                                       cluster_->ClientEndpoint(workload.clients), random_.Fork(2));
  directory_ = std::make_unique<DirectoryKeeper>(
      cluster_.get(), cluster_->ClientEndpoint(workload.clients + 1), random_.Fork(3));
  merges_ = std::make_unique<MergeDriver>(
      cluster_.get(), cluster_->ClientEndpoint(workload.clients + 2), random_.Fork(6));
  nemesis_->set_merge_driver(merges_.get());
  if (cluster.placement) {
    fates_ = std::make_unique<StoreFates>(
        cluster_.get(), cluster_->ClientEndpoint(workload.clients + 3), random_.Fork(8));
    nemesis_->set_store_fates(fates_.get());
    if (plan_.voters_min >= kVotersMin) cluster_->checkers().set_voters_min(kVotersMin);
  }
  if (MayEndProcesses(plan_)) cluster_->set_restart_after_failure(kSecond);
  if (!options.damage) return;
  quarantine_ = std::make_unique<Quarantine>(
      cluster_.get(), cluster_->ClientEndpoint(workload.clients + 3), random_.Fork(4));
  damage_ = std::make_unique<Damage>(cluster_.get(), quarantine_.get(), random_.Fork(5));
}

// Front ends know the meta range's members by its first descriptor only; here they all may go.
void SafetyRun::PlanDamage(ClusterOptions* cluster) {
  cluster->front_ends = false;
  cluster->replacements = kReplacements;
  ++cluster->clients;
  plan_.voters_min = kVotersMin;
}

// Where a store may be lost, a range must never get along with two; so only controllers remove.
void SafetyRun::PlanPlacement(ClusterOptions* cluster) {
  cluster->placement = cluster->placement && cluster->front_ends;
  if (!cluster->placement) {
    plan_.drains = plan_.decommissions = plan_.store_losses = false;
    return;
  }
  ++cluster->clients;
  if (plan_.store_losses || !plan_.changes) plan_.voters_min = SIZE_MAX;
}

bool SafetyRun::WaitUntil(const std::function<bool()>& done, RealTime most) {
  const RealTime end = cluster_->scheduler().now() + most;
  while (!Failed() && !done() && cluster_->scheduler().now() < end) {
    cluster_->RunFor(20 * kMillisecond);
  }
  return done();
}

void SafetyRun::Fault() {
  cluster_->Start();
  directory_->Start();
  merges_->Start();
  workload_->Start();
  cluster_->RunFor(kWarmUp);
  const RealTime lease = cluster_->options().store.lease_duration.count();
  if (!WaitUntil([&] { return workload_->acknowledged() > 0; }, 3 * lease) && !Failed()) {
    Violate("Liveness", "nothing was acknowledged after the first start");
  }
  if (Failed()) return;
  nemesis_->Start();
  if (fates_ != nullptr) fates_->Start();
  if (damage_ != nullptr) {
    quarantine_->Start();
    damage_->Start();
  }
  cluster_->RunFor(options_.length);
}

void SafetyRun::Recover() {
  nemesis_->StopAndHeal();
  const RealTime healed = cluster_->scheduler().now();
  const RealTime lease = cluster_->options().store.lease_duration.count();
  // Of those that are left when a store is lost one may need a snapshot before it makes a majority.
  const bool lost = (fates_ != nullptr && fates_->counters().lost > 0) ||
                    (quarantine_ != nullptr && quarantine_->Busy());
  const bool recovered = WaitUntil([&] { return workload_->last_mutation() > healed; },
                                   kRecoveryLeases * lease + kSecond + (lost ? kRepairMax : 0));
  report_.recovery = workload_->last_mutation() - healed;
  if (!recovered && !Failed()) Violate("Liveness", "no write succeeded after all faults had ended");
}

// "Repaired without an operator": nothing is damaged, and who was is replaced everywhere.
void SafetyRun::JudgeRepair() {
  damage_->Stop();
  if (!WaitUntil([&] { return damage_->Whole(); }, kRepairMax) && !Failed()) {
    Violate("Repair", "a damaged store is not replaced by the end");
  }
  if (Failed()) return;
  // Where an operator moved replicas as well, the two may take one away that the other had counted.
  const std::string problem = damage_->CheckMembers(plan_.changes ? kVotersMin - 1 : kVotersMin);
  if (!problem.empty()) Violate("Repair", problem);
}

// What drains leads nothing, what is lost or decommissioned holds nothing where there is room, and
// each range has the replicas that it should have.
void SafetyRun::JudgePlacement() {
  if (WaitUntil([&] { return fates_->Problem().empty(); }, kPlacementMax) || Failed()) return;
  const std::string problem = fates_->Problem();
  std::optional<std::string> plan;
  fates_->AskPlan([&plan](std::string said) { plan = std::move(said); });
  WaitUntil([&] { return plan.has_value(); }, 20 * kSecond);
  Violate("Placement", absl::StrCat(problem, "; the controller says: ", plan.value_or("nothing")));
}

void SafetyRun::Settle() {
  cluster_->RunFor(2 * kSecond);
  if (Failed()) return;
  workload_->StopStarting();
  if (!WaitUntil([&] { return workload_->Idle(); }, 2 * workload_->options().patience) &&
      !Failed()) {
    Violate("Liveness", "a client's call did not end");
  }
  for (int round = 0; round < 3 && !Failed(); ++round) {
    workload_->ReadAllKeys();
    WaitUntil([&] { return workload_->Idle(); }, 60 * kSecond);
    if (workload_->unread_keys() == 0) break;
  }
  if (!Failed() && workload_->unread_keys() > 0) {
    Violate("Liveness", "a key could not be read after all faults had ended");
  }
}

void SafetyRun::JudgeHistory() {
  const linearizability::History& history = workload_->history();
  linearizability::Verdict verdict = linearizability::CheckLinearizable(history);
  report_.checked_operations = verdict.operations;
  if (verdict.judgement == linearizability::Judgement::kViolation) {
    Violate("Linearizability", absl::StrCat("key ", verdict.key, ": ", verdict.explanation));
  } else if (verdict.judgement == linearizability::Judgement::kUndecided) {
    Violate("Linearizability", "undecided: the search was given up");
  }
  verdict = linearizability::CheckVersions(history);
  if (verdict.judgement != linearizability::Judgement::kLinearizable) {
    Violate("Versions", absl::StrCat("key ", verdict.key, ": ", verdict.explanation));
  }
}

void SafetyRun::JudgeCounters() {
  for (const auto& [key, tally] : workload_->tallies()) {
    const auto found = workload_->final_values().find(key);
    if (found == workload_->final_values().end()) continue;
    const uint64_t count = Workload::CountOf(found->second);
    if (count >= tally.acknowledged && count <= tally.acknowledged + tally.unknown) continue;
    Violate("Exactly Once",
            absl::StrCat("counter ", key, " ends at ", count, " after ", tally.acknowledged,
                         " acknowledged and ", tally.unknown, " unknown increments"));
  }
}

std::vector<RangeDescriptor> SafetyRun::SortedRanges() {
  std::vector<RangeDescriptor> known;
  for (auto& [range, descriptor] : cluster_->KnownRanges()) known.push_back(std::move(descriptor));
  std::sort(known.begin(), known.end(), StartsBefore);
  return known;
}

// The meta range lists the ranges that the stores hold, after a while.
bool SafetyRun::DirectoryConverges() {
  for (int round = 0; round < 40; ++round) {
    cluster_->RunFor(500 * kMillisecond);
    const std::vector<RangeDescriptor> known = SortedRanges();  // A change may be completed late.
    if (Failed() || !WaitUntil([&] { return directory_->UpToDate(); }, 20 * kSecond)) return false;
    std::vector<RangeDescriptor> listed;
    bool answered = false;
    directory_->ReadAll([&](std::vector<RangeDescriptor> ranges) {
      listed = std::move(ranges);
      answered = true;
    });
    WaitUntil([&] { return answered; }, 20 * kSecond);
    std::sort(listed.begin(), listed.end(), StartsBefore);
    bool same = listed.size() == known.size();
    for (size_t i = 0; same && i < known.size(); ++i) {
      same = known[i].SerializeAsString() == listed[i].SerializeAsString();
    }
    if (same) return true;
    listed_.clear();
    for (const RangeDescriptor& range : listed) listed_ += " " + range.ShortDebugString();
  }
  return false;
}

// Every key in exactly one range of the stores, and the meta range says the same.
void SafetyRun::JudgeDirectory() {
  const std::vector<RangeDescriptor> known = SortedRanges();
  std::string expected_start = client::KeyPrefix(client::kMetaCollectionId);
  for (const RangeDescriptor& descriptor : known) {
    if (descriptor.start_key() != expected_start) {
      Violate("One Serving Range", "ranges overlap or leave a gap at the end of the run");
      return;
    }
    expected_start = descriptor.end_key();
  }
  if (!expected_start.empty())
    Violate("One Serving Range", "the last range does not reach the end");
  if (!Failed() && !DirectoryConverges() && !Failed()) {
    Violate("Directory", absl::StrCat("the meta range does not come to list the ", known.size(),
                                      " ranges that the stores hold; it lists:", listed_));
  }
}

// Every member of every range holds the same rows.
bool SafetyRun::ReplicasConverge() {
  report_.strays = 0;
  for (const auto& [range, descriptor] : cluster_->KnownRanges()) {
    std::optional<uint64_t> hash;
    for (int i = 0; i < cluster_->stores(); ++i) {
      if (cluster_->node(i).retired()) continue;
      const bool member = range::FindStore(descriptor, StoreIdOf(i)) != nullptr;
      const range::ReplicaStatus* found = nullptr;
      const std::vector<range::ReplicaStatus> replicas = cluster_->node(i).ListReplicas();
      for (const range::ReplicaStatus& replica : replicas) {
        if (replica.descriptor.range_id() == range.value()) found = &replica;
      }
      if (!member) {
        if (found != nullptr) ++report_.strays;
        continue;
      }
      if (found == nullptr || found->descriptor.generation() != descriptor.generation()) {
        return false;
      }
      uint64_t own = 0;
      for (const kv::KeySpan& span :
           kv::SpansOf({range.value(), descriptor.start_key(), descriptor.end_key()})) {
        own = own * 31 + *kv::StateHash(cluster_->node(i).engine(), span.begin, span.end);
      }
      if (hash.value_or(own) != own) return false;
      hash = own;
    }
  }
  return true;
}

uint64_t SafetyRun::SnapshotsInstalled() {
  uint64_t sum = 0;
  for (int i = 0; i < cluster_->stores(); ++i) {
    sum += cluster_->node(i).store_counters().snapshots_installed;
  }
  return sum;
}

// As many snapshots as are owed leave one after the other, and at the lowest rate that is drawn
// each takes half a minute: what is demanded of them is that they go on.
void SafetyRun::JudgeReplicas() {
  if (!WaitUntil([&] { return merges_->Settled(); }, kSettleMax) && !Failed()) {
    return Violate("Convergence", "a merge is neither carried out nor given up");
  }
  uint64_t installed = SnapshotsInstalled();
  const RealTime begin = cluster_->scheduler().now();
  RealTime progress_at = begin;
  while (!Failed() && !ReplicasConverge()) {
    const RealTime now = cluster_->scheduler().now();
    if (now - progress_at > 120 * kSecond || now - begin > 1200 * kSecond) {
      return Violate("Convergence", "the members of a range do not come to hold the same rows");
    }
    cluster_->RunFor(500 * kMillisecond);  // Each look reads all rows.
    if (SnapshotsInstalled() > installed) {
      installed = SnapshotsInstalled();
      progress_at = cluster_->scheduler().now();
    }
  }
}

// A timer that lies in the past for ever would keep a real executor spinning.
void SafetyRun::JudgeTurns() {
  for (int i = 0; i < cluster_->stores(); ++i) {
    const double turns = static_cast<double>(cluster_->node(i).counters().turns);
    const double seconds = static_cast<double>(cluster_->scheduler().now()) / 1e9;
    if (turns / seconds < kTurnsPerSecondMax) continue;
    Violate("Idle Cost",
            absl::StrCat("store ", i + 1, " took ", turns / seconds, " turns per second"));
  }
}

void SafetyRun::Count() {
  const Checkers::Counters& counters = cluster_->checkers().counters();
  report_.violation = cluster_->checkers().violation();
  report_.hash = cluster_->scheduler().hash();
  report_.plan = ToString(plan_);
  report_.operations = OperationsOf(workload_->options());
  report_.stores = cluster_->stores();
  report_.clients = workload_->options().clients;
  report_.simulated = cluster_->scheduler().now();
  report_.events = cluster_->scheduler().events_run();
  report_.acknowledged = workload_->acknowledged();
  report_.unknown = workload_->unknown();
  report_.not_executed = workload_->not_executed();
  report_.elections = counters.elections;
  report_.abdications = counters.abdications;
  report_.releases = counters.releases;
  report_.pulls = counters.pulls;
  report_.transfers = counters.transfers_started;
  report_.splits = nemesis_->counters().splits_done;
  report_.merges = merges_->counters().done + nemesis_->counters().merges_done;
  report_.changes_asked = nemesis_->counters().changes_asked;
  report_.changes_done = nemesis_->counters().changes_done;
  report_.messages = cluster_->network().stats().sent;
  report_.messages_lost = cluster_->network().stats().lost + cluster_->network().stats().cut;
  report_.process_failures = cluster_->process_failures();
  for (int i = 0; i < cluster_->stores(); ++i) {
    const Node::Counters& node = cluster_->node(i).counters();
    const range::StoreCounters store = cluster_->node(i).store_counters();
    report_.snapshots_begun += store.snapshots_begun;
    report_.snapshots_installed += store.snapshots_installed;
    report_.replicas_removed += store.replicas_removed;
    report_.kills += node.kills;
    report_.power_losses += node.power_losses;
    report_.torn_tails += node.torn_tails;
    report_.pauses += node.pauses;
    report_.disk_errors += node.disk_errors;
    report_.looks_for_space += node.looks_for_space;
    report_.engine_stalls += node.engine_stalls;
    report_.engine_failures += node.engine_failures;
    cluster_->coverage().Hit(Situation::kTornTailAtARestart, node.torn_tails);
    cluster_->coverage().Hit(Situation::kDiedWhileWriting, node.kills_during_write);
    cluster_->coverage().Hit(Situation::kStoppedByItsDisk, node.disk_errors + node.engine_failures);
  }
  if (damage_ != nullptr) report_.damage = damage_->report();
  report_.situations = cluster_->coverage().counts();
  if (options_.keep_history) report_.history = workload_->history();
}

Report SafetyRun::Go() {
  Fault();
  if (!Failed()) Recover();
  if (!Failed() && damage_ != nullptr) JudgeRepair();
  if (!Failed()) Settle();
  if (!Failed() && fates_ != nullptr) JudgePlacement();
  // What clients saw is judged whatever else was found: it says more.
  if (!Failed()) JudgeReplicas();
  if (!Failed()) JudgeDirectory();
  if (!Failed()) JudgeHistory();
  if (!Failed()) JudgeCounters();
  if (!Failed()) JudgeTurns();
  Count();
  return std::move(report_);
}

}  // namespace

Report Simulate(const SimulationOptions& options) {
  return options.liveness ? RunLiveness(options) : SafetyRun(options).Go();
}

}  // namespace rasputin::sim
