// Random frozen topologies; see liveness.h.

#include "tests/sim/liveness.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/route/full_key.h"
#include "tests/sim/workload.h"

namespace rasputin::sim {
namespace {

using range::RangeId;

constexpr RealTime kStep = 10 * kMillisecond;
constexpr RealTime kWarmUp = 4 * kSecond;
// Beyond three lease lengths, for what is not the protocol's: a client that waits for an answer
// which will not come tries again within 1.5 s.
constexpr RealTime kSlack = 1500 * kMillisecond;
constexpr int kObservedLeases = 16;
constexpr int kSettledLeases = 5;

bool TwoWay(const Network& network, int a, int b) {
  return !network.IsCut(a, b) && !network.IsCut(b, a);
}

// The store with the most two-way links, if they are enough for a majority; else -1.
int FindHub(Cluster* cluster) {
  for (int a = 0; a < cluster->stores(); ++a) {
    int reached = 1;
    for (int b = 0; b < cluster->stores(); ++b) {
      if (a != b && TwoWay(cluster->network(), a, b)) ++reached;
    }
    if (2 * reached > cluster->stores()) return a;
  }
  return -1;
}

void CutSomePairs(Cluster* cluster, Random* random) {
  std::vector<std::pair<int, int>> pairs;
  for (int a = 0; a < cluster->stores(); ++a) {
    for (int b = a + 1; b < cluster->stores(); ++b) pairs.emplace_back(a, b);
  }
  for (size_t i = pairs.size(); i > 1; --i) std::swap(pairs[i - 1], pairs[random->Below(i)]);
  const auto count =
      static_cast<size_t>(static_cast<double>(pairs.size()) * (0.3 + 0.4 * random->Unit()) + 0.5);
  for (size_t i = 0; i < count; ++i) {
    const auto [a, b] =
        random->Chance(0.5) ? pairs[i] : std::make_pair(pairs[i].second, pairs[i].first);
    cluster->network().Cut(a, b);
    if (!random->Chance(0.4)) cluster->network().Cut(b, a);
  }
}

void HealStores(Cluster* cluster) {
  for (int a = 0; a < cluster->stores(); ++a) {
    for (int b = 0; b < cluster->stores(); ++b) cluster->network().Heal(a, b);
  }
}

std::string Topology(Cluster* cluster) {
  std::string text;
  for (int a = 0; a < cluster->stores(); ++a) {
    for (int b = a + 1; b < cluster->stores(); ++b) {
      const bool there = !cluster->network().IsCut(a, b);
      const bool back = !cluster->network().IsCut(b, a);
      const char* link = there && back ? "-" : there ? ">" : back ? "<" : "x";
      absl::StrAppend(&text, text.empty() ? "" : " ", a + 1, link, b + 1);
    }
  }
  return text;
}

// When, after the freeze, the applied index of the range grew.
struct Progress {
  RealTime first = -1;
  RealTime recovered = 0;  // End of the last silence longer than a lease.
  RealTime last = 0;
  uint64_t elections_when_settled = 0;
};

Progress Observe(Cluster* cluster, RangeId range, RealTime lease) {
  Progress progress;
  const RealTime frozen = cluster->scheduler().now();
  const RealTime end = frozen + kObservedLeases * lease;
  const RealTime settled = end - kSettledLeases * lease;
  consensus::Index applied = cluster->checkers().AppliedOf(range);
  progress.last = frozen;
  while (cluster->scheduler().now() < end && !cluster->checkers().violation().has_value()) {
    cluster->RunFor(kStep);
    const RealTime now = cluster->scheduler().now();
    if (now <= settled) progress.elections_when_settled = cluster->checkers().ElectionsOf(range);
    if (cluster->checkers().AppliedOf(range) == applied) continue;
    applied = cluster->checkers().AppliedOf(range);
    if (progress.first < 0) progress.first = now - frozen;
    if (now - progress.last > lease) progress.recovered = now - frozen;
    progress.last = now;
  }
  return progress;
}

}  // namespace

int CutRandomTopology(Cluster* cluster, Random* random) {
  while (true) {
    HealStores(cluster);
    CutSomePairs(cluster, random);
    const int hub = FindHub(cluster);
    if (hub >= 0) return hub;
  }
}

Report RunLiveness(const SimulationOptions& options) {
  Random random = Random(options.seed).Fork(11);
  ClusterOptions shape;
  shape.seed = options.seed;
  shape.trace = options.trace;
  shape.stores = random.Chance(0.7) ? 5 : 3;
  shape.replicas = shape.stores;
  shape.store.mutants = options.mutants;
  shape.store.log_segment_bytes = shape.store.log_reserve_bytes = 256 << 10;
  WorkloadOptions load;
  load.clients = 4;
  load.think_mean = 40 * kMillisecond;
  load.with_id = 1;
  shape.clients = load.clients;
  Cluster cluster(shape);
  Workload workload(&cluster, load, random.Fork(1));
  const RealTime lease = shape.store.lease_duration.count();
  const RangeId data(client::kMetaRangeId + 1);
  cluster.Start();
  workload.Start();
  cluster.RunFor(kWarmUp);
  // Logs that differ: another topology first, for a while, in half of the runs.
  if (random.Chance(0.5)) {
    CutRandomTopology(&cluster, &random);
    cluster.RunFor(random.Between(1, 6000) * kMillisecond);
  }
  CutRandomTopology(&cluster, &random);
  const Progress progress = Observe(&cluster, data, lease);
  const RealTime now = cluster.scheduler().now();
  const std::string topology = Topology(&cluster);
  if (progress.first < 0 || now - progress.last > 3 * lease) {
    cluster.checkers().Report(
        "Liveness", absl::StrCat("no progress for ", now - progress.last, " ns; links ", topology));
  } else if (progress.recovered > 3 * lease + kSlack) {
    cluster.checkers().Report("Liveness", absl::StrCat("progress only after ", progress.recovered,
                                                       " ns; links ", topology));
  } else if (cluster.checkers().ElectionsOf(data) != progress.elections_when_settled) {
    cluster.checkers().Report("No Needless Change",
                              "the leader changed after things had settled; links " + topology);
  }
  Report report;
  report.violation = cluster.checkers().violation();
  report.hash = cluster.scheduler().hash();
  report.plan = topology;
  report.simulated = now;
  report.events = cluster.scheduler().events_run();
  report.acknowledged = workload.acknowledged();
  report.unknown = workload.unknown();
  report.elections = cluster.checkers().counters().elections;
  report.abdications = cluster.checkers().counters().abdications;
  report.releases = cluster.checkers().counters().releases;
  report.pulls = cluster.checkers().counters().pulls;
  report.messages = cluster.network().stats().sent;
  report.recovery = std::max<RealTime>(progress.recovered, 0);
  return report;
}

}  // namespace rasputin::sim
