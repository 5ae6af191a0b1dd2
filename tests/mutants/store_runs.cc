// The situations of store_runs.h.

#include "tests/mutants/store_runs.h"

#include <glog/logging.h>

#include <utility>
#include <variant>
#include <vector>

#include "range/test_cluster.h"

namespace rasputin::mutants {
namespace {

constexpr uint64_t kRange = 2;
constexpr char kKey[] = "k";

// A client that asks a store which does not lead.
void AskForARead(range::TestCluster* cluster, int store) {
  const auto descriptor = cluster->Descriptor(store, kRange);
  if (!descriptor.has_value()) return;
  range::Request request;
  request.range = range::RangeId(kRange);
  request.generation = range::Generation(descriptor->generation());
  request.operation = kv::Operation::kGet;
  request.first_key = request.last_key = descriptor->start_key();
  request.body = absl::Cord(range::GetBody(kKey));
  cluster->Call(store, std::move(request));
}

// A leader leaves the range by its own last act, and not one of its releases arrives. Its store is
// there and goes on to extend its promises and to be promised to, so nothing ends the bindings of
// those who stay but a word of that store [H-7] [H-11].
std::string LeaderLeaves(const consensus::Mutants& mutants, uint64_t seed) {
  range::TestClusterOptions options;
  options.stores = 4;
  options.store.seed = seed;
  options.store.mutants = mutants;
  range::TestCluster cluster(options);
  CHECK(cluster.RunUntil([&] { return cluster.Leader(kRange) != 0; }));
  CHECK(cluster.AddVoter(kRange, 4));
  const int leader = cluster.Leader(kRange);
  const range::StoreId left(static_cast<uint64_t>(leader));
  cluster.drop = [left](const consensus::Message& message) {
    return message.from_store == left && message.range == range::RangeId(kRange) &&
           std::holds_alternative<consensus::Release>(message.body);
  };
  std::vector<int> others;
  for (int store = 1; store <= 4; ++store) {
    if (store != leader) others.push_back(store);
  }
  CHECK(cluster.SetVoters(kRange, others));
  CHECK(cluster.RunUntil([&] { return !cluster.Descriptor(leader, kRange).has_value(); }));
  cluster.drop = nullptr;
  for (int second = 0; second < 20 && cluster.Leader(kRange) == 0; ++second) {
    for (const int store : others) AskForARead(&cluster, store);
    cluster.RunFor(1000);
  }
  return cluster.Leader(kRange) != 0 ? "" : "Liveness: nobody leads 10 D after the leader left";
}

constexpr StoreRun kRuns[] = {{"leader-leaves", LeaderLeaves}};

}  // namespace

const StoreRun* FindStoreRun(const std::string& name) {
  for (const StoreRun& run : kRuns) {
    if (name == run.name) return &run;
  }
  return nullptr;
}

}  // namespace rasputin::mutants
