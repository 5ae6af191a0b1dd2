// The situations of profiles.h.

#include "tests/mutants/profiles.h"

#include "tests/sim/cluster.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/workload.h"

namespace rasputin::mutants {
namespace {

using sim::ClusterOptions;
using sim::FaultPlan;
using sim::kMillisecond;
using sim::WorkloadOptions;

void WallSteps(ClusterOptions*, WorkloadOptions*, FaultPlan* plan) {
  plan->wall_steps = plan->isolations = plan->transfers = true;
}

// Processes that stand still with reads in their hands, while others go on.
void Pauses(ClusterOptions*, WorkloadOptions*, FaultPlan* plan) {
  plan->pauses = true;
  plan->interval_mean = 500 * kMillisecond;
}

void EngineFailures(ClusterOptions*, WorkloadOptions*, FaultPlan* plan) {
  plan->engine_failures = true;
}

void PowerLosses(ClusterOptions*, WorkloadOptions*, FaultPlan* plan) {
  plan->power_losses = plan->kill_all = true;
}

void Splits(ClusterOptions*, WorkloadOptions*, FaultPlan* plan) {
  plan->splits = plan->transfers = plan->isolations = true;
  plan->operator_interval_mean = 800 * kMillisecond;
}

// A leader that has not applied a split of which the others hear.
void SplitsWithStalls(ClusterOptions* cluster, WorkloadOptions* load, FaultPlan* plan) {
  Splits(cluster, load, plan);
  plan->engine_stalls = true;
  plan->isolations = false;
}

// The leader of a new child dies before its own disk has what the others have.
void SplitsWithKills(ClusterOptions* cluster, WorkloadOptions* load, FaultPlan* plan) {
  Splits(cluster, load, plan);
  plan->kills = plan->power_losses = plan->slow_disks = true;
  plan->isolations = plan->transfers = false;
  plan->interval_mean = 300 * kMillisecond;
  plan->length_mean = 300 * kMillisecond;
}

// Calls are repeated while ranges split.
void SplitsWithRetries(ClusterOptions* cluster, WorkloadOptions* load, FaultPlan* plan) {
  Splits(cluster, load, plan);
  load->with_id = 1;
  plan->client_cuts = plan->lossy_times = true;
  plan->interval_mean = 300 * kMillisecond;
}

void Changes(ClusterOptions* cluster, WorkloadOptions*, FaultPlan* plan) {
  if (!cluster->front_ends && cluster->spares == 0) {
    cluster->spares = 2;
    cluster->stores += 2;
    for (int i = 0; i < 2; ++i) cluster->clocks.push_back(cluster->clocks.front());
  }
  plan->changes = plan->lossy_times = plan->transfers = true;
  plan->operator_interval_mean = 800 * kMillisecond;
}

void Suspends(ClusterOptions*, WorkloadOptions*, FaultPlan* plan) {
  plan->suspends = plan->isolations = true;
}

void FrontEnds(ClusterOptions* cluster, WorkloadOptions*, FaultPlan* plan) {
  cluster->stores -= cluster->spares;
  cluster->spares = 0;
  cluster->front_ends = true;
  plan->cuts = plan->transfers = plan->one_way_cuts = plan->isolations = true;
}

// Controllers that give stores up soon, and stores that drain, leave and are lost.
void Placement(ClusterOptions* cluster, WorkloadOptions*, FaultPlan* plan) {
  cluster->front_ends = cluster->placement = true;
  while (cluster->stores < 5) {
    ++cluster->stores;
    ++cluster->spares;
    cluster->clocks.push_back(cluster->clocks.front());
  }
  cluster->stores_period = std::chrono::seconds(2);
  range::PlacementRules& rules = cluster->placement_rules;
  rules.store_suspect_after = std::chrono::seconds(2);
  rules.store_dead_after = std::chrono::seconds(5);
  rules.move_pause = std::chrono::seconds(1);
  rules.leftover_after = std::chrono::seconds(2);
  plan->drains = plan->decommissions = plan->store_losses = true;
  plan->changes = false;
  plan->operator_interval_mean = 800 * kMillisecond;
}

// With an operator who replaces members too, and other controllers now and then.
void PlacementWithChanges(ClusterOptions* cluster, WorkloadOptions* load, FaultPlan* plan) {
  Placement(cluster, load, plan);
  plan->changes = plan->transfers = true;
  plan->operator_interval_mean = 300 * kMillisecond;
}

// And with splits that the directory often hears of late.
void LeavingStores(ClusterOptions* cluster, WorkloadOptions* load, FaultPlan* plan) {
  PlacementWithChanges(cluster, load, plan);
  plan->splits = plan->isolations = plan->kills = true;
  plan->store_losses = false;
}

constexpr Profile kProfiles[] = {
    {"", nullptr},
    {"wall-steps", WallSteps},
    {"pauses", Pauses},
    {"engine-failures", EngineFailures},
    {"power-losses", PowerLosses},
    {"splits", Splits},
    {"splits-stalls", SplitsWithStalls},
    {"splits-kills", SplitsWithKills},
    {"splits-retries", SplitsWithRetries},
    {"changes", Changes},
    {"suspends", Suspends},
    {"front-ends", FrontEnds},
    {"placement", Placement},
    {"placement-changes", PlacementWithChanges},
    {"leaving-stores", LeavingStores},
};

}  // namespace

const Profile* FindProfile(const std::string& name) {
  for (const Profile& profile : kProfiles) {
    if (name == profile.name) return &profile;
  }
  return nullptr;
}

}  // namespace rasputin::mutants
