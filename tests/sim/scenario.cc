// Set-up, roles and final judgement of scenarios; see scenario.h.

#include "tests/sim/scenario.h"

#include <gtest/gtest.h>

#include "client/route/full_key.h"
#include "tests/linearizability/checker.h"

namespace rasputin::sim {
namespace {

constexpr RealTime kStep = 5 * kMillisecond;
const range::RangeId kData(client::kMetaRangeId + 1);

}  // namespace

Scenario::Scenario(int stores, uint64_t seed) {
  ClusterOptions options;
  options.seed = seed;
  options.stores = options.replicas = stores;
  options.store.log_segment_bytes = options.store.log_reserve_bytes = 256 << 10;
  WorkloadOptions load;
  load.clients = options.clients = 4;
  load.think_mean = 20 * kMillisecond;
  load.with_id = 1;
  cluster_ = std::make_unique<Cluster>(options);
  workload_ = std::make_unique<Workload>(cluster_.get(), load, Random(seed).Fork(5));
  cluster_->Start();
  workload_->Start();
  EXPECT_TRUE(RunUntil([&] { return cluster_->ServingNode(kData) >= 0; }, 10 * kSecond));
  EXPECT_TRUE(Progresses(5 * kSecond));
  RunFor(2 * kSecond);
}

Scenario::~Scenario() {
  const auto& violation = cluster_->checkers().violation();
  EXPECT_FALSE(violation.has_value()) << violation->guarantee << ": " << violation->details;
  workload_->StopStarting();
  HealAll();
  EXPECT_TRUE(RunUntil([&] { return workload_->Idle(); }, 20 * kSecond));
  workload_->ReadAllKeys();
  EXPECT_TRUE(RunUntil([&] { return workload_->Idle(); }, 60 * kSecond));
  EXPECT_EQ(workload_->unread_keys(), 0);
  const auto verdict = linearizability::CheckLinearizable(workload_->history());
  EXPECT_EQ(verdict.judgement, linearizability::Judgement::kLinearizable) << verdict.explanation;
}

int Scenario::Leader() {
  const int leader = cluster_->ServingNode(kData);
  EXPECT_GE(leader, 0) << "nobody serves";
  return leader;
}

int Scenario::Follower(int n) {
  const int leader = Leader();
  for (int store = 0; store < cluster_->stores(); ++store) {
    if (store != leader && --n == 0) return store;
  }
  ADD_FAILURE() << "not so many followers";
  return -1;
}

void Scenario::LeaveOnlyLinksOf(int hub) {
  for (int a = 0; a < cluster_->stores(); ++a) {
    for (int b = a + 1; b < cluster_->stores(); ++b) {
      if (a != hub && b != hub) CutBoth(a, b);
    }
  }
}

void Scenario::Isolate(int store, bool outgoing, bool incoming) {
  for (int other = 0; other < cluster_->stores(); ++other) {
    if (other == store) continue;
    if (outgoing) Cut(store, other);
    if (incoming) Cut(other, store);
  }
}

bool Scenario::RunUntil(const std::function<bool()>& done, RealTime most) {
  const RealTime end = cluster_->scheduler().now() + most;
  while (!done()) {
    if (cluster_->scheduler().now() >= end || cluster_->checkers().violation().has_value()) {
      return false;
    }
    RunFor(kStep);
  }
  return true;
}

RealTime Scenario::TimeToAnotherLeader(int old_leader, RealTime most) {
  const RealTime from = cluster_->scheduler().now();
  const bool found = RunUntil(
      [&] {
        const int serving = cluster_->ServingNode(kData);
        return serving >= 0 && serving != old_leader;
      },
      most);
  return found ? cluster_->scheduler().now() - from : -1;
}

bool Scenario::Progresses(RealTime most) {
  const auto applied = cluster_->checkers().AppliedOf(kData);
  return RunUntil([&] { return cluster_->checkers().AppliedOf(kData) > applied; }, most);
}

uint64_t Scenario::Elections() const { return cluster_->checkers().ElectionsOf(kData); }

bool Scenario::IsServing(int store) {
  for (const range::ReplicaStatus& replica : cluster_->node(store).ListReplicas()) {
    if (range::RangeId(replica.descriptor.range_id()) == kData) return replica.serving;
  }
  return false;
}

}  // namespace rasputin::sim
