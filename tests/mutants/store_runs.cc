// The situations of store_runs.h.

#include "tests/mutants/store_runs.h"

#include <glog/logging.h>

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "range/merge_steps.h"
#include "range/test_cluster.h"
#include "rasputin/kv/v1/kv.pb.h"

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

// ---- Merges of range 2 with range 10, which was split off it at "m" and holds "z".

constexpr uint64_t kRight = 10;

struct MergeRun {
  explicit MergeRun(const consensus::Mutants& mutants, uint64_t seed, int stores = 0)
      : cluster(Options(mutants, seed, stores)), steps(&cluster) {
    CHECK(steps.Set(kRange, "z", "old").outcome == range::Outcome::kOk);
    CHECK(steps.Split(kRange, "m", kRight).outcome == range::Outcome::kOk);
    CHECK(steps.Lead(kRange, 1));
    CHECK(steps.Lead(kRight, 2));
  }

  static range::TestClusterOptions Options(const consensus::Mutants& mutants, uint64_t seed,
                                           int stores) {
    range::TestClusterOptions options;
    options.stores = stores;
    options.store.seed = seed;
    options.store.mutants = mutants;
    return options;
  }

  // A request for "z" under the range's generation, to the store given.
  range::Response Call(uint64_t range, int store, kv::Operation operation, const std::string& body,
                       std::optional<kv::RequestId> id) {
    range::Request request;
    request.range = range::RangeId(range);
    request.generation = range::Generation(cluster.Descriptor(store, range)->generation());
    request.operation = operation;
    request.first_key = request.last_key = range::DefaultKey("z");
    request.body = absl::Cord(body);
    request.id = id;
    return cluster.Call(store, std::move(request));
  }

  range::TestCluster cluster;
  range::MergeSteps steps;
};

// The right range's leader does not hear of the merge, and is asked.
std::string AsksTheFrozenRange(const consensus::Mutants& mutants, uint64_t seed) {
  MergeRun run(mutants, seed);
  run.steps.CutOff(kRange, 2);
  CHECK(run.steps.Merge(kRange, kRight).outcome == range::Outcome::kOk);
  CHECK(run.steps.Set(kRange, "z", "new").outcome == range::Outcome::kOk);
  const range::Response read =
      run.Call(kRight, 2, kv::Operation::kGet, range::GetBody("z"), std::nullopt);
  if (read.outcome != range::Outcome::kOk || range::ValueOf(read) == "new") return "";
  return "Linearizability: a read misses what was written to the merged range";
}

// A write to the right range is repeated after the merge and after another write.
std::string RepeatsAfterAMerge(const consensus::Mutants& mutants, uint64_t seed) {
  MergeRun run(mutants, seed);
  const kv::RequestId id{7, 1, 0, static_cast<uint64_t>(run.cluster.Now().wall_us / 1000)};
  const std::string body = range::SetBody("z", "once");
  CHECK(run.Call(kRight, 2, kv::Operation::kSet, body, id).outcome == range::Outcome::kOk);
  CHECK(run.steps.Merge(kRange, kRight).outcome == range::Outcome::kOk);
  CHECK(run.steps.Set(kRange, "z", "later").outcome == range::Outcome::kOk);
  run.Call(kRange, run.cluster.Leader(kRange), kv::Operation::kSet, body, id);
  return run.steps.Value(kRange, "z") == "later" ? "" : "Exactly Once: a write was executed twice";
}

// A member of the right range does not get the freeze.
std::string FreezesWithoutAMember(const consensus::Mutants& mutants, uint64_t seed) {
  MergeRun run(mutants, seed);
  CHECK(run.steps.Note(kRange, kRight).outcome == range::Outcome::kOk);
  run.steps.CutOff(kRight, 3);
  const range::Response frozen = run.steps.Freeze(kRange, kRight);
  if (frozen.outcome == range::Outcome::kOk) {
    run.steps.Absorb(kRange, range::MergeSteps::Frozen(frozen));
  }
  run.cluster.drop = nullptr;
  return run.cluster.Converges(kRange) ? "" : "Convergence: a member cannot apply the merge";
}

// What was frozen is merged after the merge was given up and the right range went on.
std::string MergesAfterGivingUp(const consensus::Mutants& mutants, uint64_t seed) {
  MergeRun run(mutants, seed);
  CHECK(run.steps.Note(kRange, kRight).outcome == range::Outcome::kOk);
  const auto frozen = range::MergeSteps::Frozen(run.steps.Freeze(kRange, kRight));
  const range::RangeDescriptor noted = run.steps.Of(kRange);
  storage::v1::MergeAbandon abandon;
  abandon.set_right_range_id(kRight);
  abandon.set_right_generation(noted.merge().right_generation());
  run.steps.Step(kRange, kv::Operation::kMergeAbandon, abandon.SerializeAsString());
  storage::v1::ThawRange thaw;
  thaw.set_left_range_id(kRange);
  thaw.set_right_generation(noted.merge().right_generation());
  run.steps.Step(kRight, kv::Operation::kThaw, thaw.SerializeAsString());
  CHECK(run.steps.Set(kRight, "z", "new").outcome == range::Outcome::kOk);
  const bool merged = run.steps.Absorb(kRange, frozen).outcome == range::Outcome::kOk;
  return merged ? "One Serving Range: a merge that was abandoned was carried out" : "";
}

// All stores lose what their engines have not flushed, the merge with it.
std::string CrashesAfterAMerge(const consensus::Mutants& mutants, uint64_t seed) {
  MergeRun run(mutants, seed);
  for (int id = 1; id <= 3; ++id) {
    CHECK(run.cluster.engine(id).StartFlush().ok());
    run.cluster.engine(id).CompleteFlush();
  }
  CHECK(run.steps.Set(kRight, "z", "new").outcome == range::Outcome::kOk);
  CHECK(run.steps.Merge(kRange, kRight).outcome == range::Outcome::kOk);
  run.cluster.RunFor(3000);
  for (int id = 1; id <= 3; ++id) run.cluster.Crash(id);
  for (int id = 1; id <= 3; ++id) {
    const absl::Status opened = run.cluster.TryRestart(id);
    if (!opened.ok()) return "Process: a store does not start again: " + opened.ToString();
  }
  return run.steps.Value(kRange, "z") == "new" ? "" : "Durability: an acknowledged write is gone";
}

// The right range's leader has a clock that is ahead.
std::string MergesWithAWrongClock(const consensus::Mutants& mutants, uint64_t seed) {
  MergeRun run(mutants, seed);
  run.cluster.RunFor(3000);
  run.cluster.SetWallError(2, 40'000);
  const auto version = [](const range::Response& response) {
    kv::v1::SetResponse set;
    CHECK(set.ParseFromString(std::string(response.body)));
    return set.version();
  };
  const uint64_t right = version(run.steps.Set(kRight, "z", "1"));
  CHECK(run.steps.Merge(kRange, kRight).outcome == range::Outcome::kOk);
  if (version(run.steps.Set(kRange, "z", "2")) > right) return "";
  return "Versions: a version went backwards";
}

// A store has not got to the merge for a while; its replica of the right range asks meanwhile.
std::string LagsBehindAMerge(const consensus::Mutants& mutants, uint64_t seed) {
  MergeRun run(mutants, seed);
  run.steps.CutOff(kRange, 3);
  CHECK(run.steps.Merge(kRange, kRight).outcome == range::Outcome::kOk);
  run.cluster.RunFor(20'000);
  run.cluster.drop = nullptr;
  return run.cluster.Converges(kRange) ? "" : "Convergence: a member cannot apply the merge";
}

// The store then leaves the merged range; its replica of the right one is left over.
std::string LeavesAMergedRange(const consensus::Mutants& mutants, uint64_t seed) {
  MergeRun run(mutants, seed, 4);
  run.steps.CutOff(kRange, 3);
  CHECK(run.steps.Merge(kRange, kRight).outcome == range::Outcome::kOk);
  CHECK(run.cluster.AddVoter(kRange, 4));
  CHECK(run.cluster.SetVoters(kRange, {1, 2, 4}));
  run.cluster.drop = nullptr;
  const bool gone = run.cluster.RunUntil([&] { return run.steps.IsGone(3, kRight); }, 60'000);
  return gone ? "" : "Convergence: a replica of a range that is no more stays for ever";
}

constexpr StoreRun kRuns[] = {
    {"leader-leaves", LeaderLeaves},
    {"asks-frozen", AsksTheFrozenRange},
    {"repeats-after-merge", RepeatsAfterAMerge},
    {"freezes-without-member", FreezesWithoutAMember},
    {"merges-after-giving-up", MergesAfterGivingUp},
    {"crashes-after-merge", CrashesAfterAMerge},
    {"merges-wrong-clock", MergesWithAWrongClock},
    {"lags-behind-merge", LagsBehindAMerge},
    {"leaves-merged-range", LeavesAMergedRange},
};

}  // namespace

const StoreRun* FindStoreRun(const std::string& name) {
  for (const StoreRun& run : kRuns) {
    if (name == run.name) return &run;
  }
  return nullptr;
}

}  // namespace rasputin::mutants
