// The runs of core_runs.h.

#include "consensus/core/core_runs.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rasputin::consensus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::pair<CoreRun, const char*> kNames[] = {
    {CoreRun::kRandom, "random"},
    {CoreRun::kUnlucky, "unlucky"},
    {CoreRun::kChanges, "changes"},
    {CoreRun::kReboundFollower, "rebound-follower"},
    {CoreRun::kLearnersGo, "learners-go"},
    {CoreRun::kHalves, "halves"},
    {CoreRun::kLateVote, "late-vote"},
    {CoreRun::kLostAppend, "lost-append"},
    {CoreRun::kLateSnapshot, "late-snapshot"},
};
constexpr int kSteps = 200;
constexpr Duration kPatience = seconds(20);

ClusterOptions OptionsOf(CoreRun run, uint64_t seed, const Mutants& mutants) {
  ClusterOptions options;
  options.seed = seed;
  options.mutants = mutants;
  switch (run) {
    case CoreRun::kRandom:
    case CoreRun::kChanges:
      options.replicas = seed % 4 == 0 ? 5 : 3;
      options.loss = 0.05;
      options.duplicate = 0.2;
      options.long_delay = 0.05;
      break;
    case CoreRun::kUnlucky:
      options.replicas = 5;
      options.loss = 0.3;
      options.delay_max = milliseconds(20);
      options.append_bytes_max = 1;
      break;
    case CoreRun::kReboundFollower:
      options.replicas = 5;
      break;
    case CoreRun::kLearnersGo:
    case CoreRun::kHalves:
      options.stores = 5;
      break;
    case CoreRun::kLateSnapshot:
      options.stores = 4;
      break;
    case CoreRun::kLateVote:
    case CoreRun::kLostAppend:
      break;
  }
  if (run == CoreRun::kChanges) {
    options.replicas = 3;
    options.stores = 6;
    options.part_at_change = 0.6;
  }
  return options;
}

int AnyLeader(CoreCluster* cluster) {
  for (int i = 0; i < cluster->stores(); ++i) {
    if (cluster->up(i) && cluster->core(i).role() == Role::kLeader) return i;
  }
  return -1;
}

// Somebody serves; -1: nobody came to, which is not what these runs are about.
int AwaitLeader(CoreCluster* cluster) {
  cluster->RunUntil(kPatience, [cluster] { return cluster->Leader() >= 0; });
  return cluster->Leader();
}

void Part(CoreCluster* cluster, const std::vector<int>& side) {
  const auto within = [&side](int i) {
    return std::find(side.begin(), side.end(), i) != side.end();
  };
  for (int i = 0; i < cluster->stores(); ++i) {
    for (int j = 0; j < i; ++j) {
      if (within(i) != within(j)) cluster->CutBoth(i, j);
    }
  }
}

void ProposeSome(CoreCluster* cluster, int leader) {
  for (int i = 0; i < 3; ++i) {
    cluster->Propose(leader);
    cluster->RunFor(milliseconds(50));
  }
}

// All faults have ended: before long somebody leads, and all members know all that is committed.
// With clients at every replica that does not serve, or without any.
std::string Settle(CoreCluster* cluster, bool clients) {
  cluster->Calm();
  for (int i = 0; i < 20; ++i) {
    cluster->RunFor(seconds(1));
    if (clients) cluster->QueryBindings();
  }
  const int leader = cluster->Leader();
  if (leader < 0) return "Liveness: nobody leads 10 D after all faults have ended";
  const Core& core = cluster->core(leader);
  for (const Member& member : core.configuration().voters) {
    const int at = static_cast<int>(member.store.value()) - 101;
    if (cluster->up(at) && cluster->core(at).commit_index() == core.commit_index()) continue;
    return absl::StrCat("Convergence: replica ", member.replica.value(),
                        " does not know what is committed 10 D after all faults have ended");
  }
  return "";
}

// Three of five are up; once one of them leads and has sent a little, another three are.
void RunUnlucky(CoreCluster* cluster) {
  for (int round = 0; round < 40 && cluster->violations().empty(); ++round) {
    std::array<int, 5> order = {0, 1, 2, 3, 4};
    for (size_t i = 5; i > 1; --i) std::swap(order[i - 1], order[cluster->Random(i)]);
    for (const size_t i : {3, 4}) cluster->Crash(order[i]);
    for (const size_t i : {0, 1, 2}) cluster->Restart(order[i]);
    cluster->RunUntil(seconds(10), [&] { return AnyLeader(cluster) >= 0; });
    for (int step = static_cast<int>(cluster->Random(6)); step > 0; --step) {
      if (const int leader = AnyLeader(cluster); leader >= 0) cluster->Propose(leader);
      cluster->RunFor(milliseconds(cluster->Random(20)));
    }
  }
}

void RunReboundFollower(CoreCluster* cluster) {
  const int leader = AwaitLeader(cluster);
  if (leader < 0) return;
  const int follower = (leader + 1 + static_cast<int>(cluster->Random(4))) % 5;
  cluster->CutBoth(leader, follower);
  cluster->RunFor(seconds(5));
  cluster->HealAll();
  cluster->RunFor(seconds(2));
  Part(cluster, {leader, follower});
  ProposeSome(cluster, leader);
  cluster->RunFor(seconds(10));
}

bool HasAll(CoreCluster* cluster, int store, int leader) {
  return cluster->up(store) &&
         cluster->core(store).commit_index() >= cluster->core(leader).last_index();
}

// A learner on each store without a replica, caught up.
bool AddLearners(CoreCluster* cluster, int leader) {
  Configuration target = cluster->core(leader).configuration();
  Member next = cluster->NewMember(leader, 3);
  for (int store = 3; store < cluster->stores(); ++store) {
    target.learners.push_back({next.replica, StoreId(static_cast<uint64_t>(101 + store))});
    next.replica = next.replica.Next();
  }
  if (cluster->Change(leader, target) != ProposeStatus::kAccepted) return false;
  return cluster->RunUntil(kPatience, [&] {
    for (int store = 3; store < cluster->stores(); ++store) {
      if (!HasAll(cluster, store, leader)) return false;
    }
    return true;
  });
}

void RunLearnersGo(CoreCluster* cluster) {
  const int leader = AwaitLeader(cluster);
  if (leader < 0 || !AddLearners(cluster, leader)) return;
  const int fellow = (leader + 1 + static_cast<int>(cluster->Random(2))) % 3;
  Part(cluster, {leader, fellow});
  Configuration target = cluster->core(leader).configuration();
  target.learners.clear();
  cluster->Change(leader, target);
  ProposeSome(cluster, leader);
  cluster->RunFor(seconds(10));
}

void RunHalves(CoreCluster* cluster, uint64_t seed) {
  const int leader = AwaitLeader(cluster);
  if (leader < 0 || !AddLearners(cluster, leader)) return;
  cluster->RunFor(seconds(1));
  const Configuration before = cluster->core(leader).configuration();
  Configuration target;
  for (const Member& voter : before.voters) {
    if (voter.replica == cluster->core(leader).self()) target.voters.push_back(voter);
  }
  target.voters.insert(target.voters.end(), before.learners.begin(), before.learners.end());
  // With the links cut before anybody heard of the change, or when the leader goes on to the end of
  // it, of which the old half has not heard yet.
  const bool at_once = seed % 2 == 0;
  if (at_once) Part(cluster, {leader, 3, 4});
  if (cluster->Change(leader, target) != ProposeStatus::kAccepted) return;
  if (!at_once) {
    cluster->RunUntil(kPatience, [&] { return !cluster->core(leader).configuration().IsJoint(); });
    Part(cluster, {leader, 3, 4});
  }
  cluster->RunFor(seconds(10));
}

// `gone` got a snapshot, took part in the change that removed it, and has been told; `behind` has
// heard of none of that. If the snapshot brought `gone` back, without what it has acknowledged
// since, the two would be a majority of the voters that both know.
void RunLateSnapshot(CoreCluster* cluster) {
  const int leader = AwaitLeader(cluster);
  if (leader < 0) return;
  const int behind = (leader + 1) % 3;
  const int gone = (leader + 2) % 3;
  cluster->Crash(gone);
  ProposeSome(cluster, leader);
  cluster->CutLog(leader);
  cluster->Restart(gone);
  if (!cluster->RunUntil(kPatience, [&] { return HasAll(cluster, gone, leader); })) return;
  if (!AddLearners(cluster, leader)) return;
  cluster->RunFor(seconds(3));
  cluster->Isolate(behind);
  Configuration target = cluster->core(leader).configuration();
  const ReplicaId leaving = cluster->core(gone).self();
  target.voters.erase(std::find_if(target.voters.begin(), target.voters.end(),
                                   [&](const Member& m) { return m.replica == leaving; }));
  target.voters.push_back(target.learners.front());
  target.learners.clear();
  if (cluster->Change(leader, target) != ProposeStatus::kAccepted) return;
  cluster->RunFor(seconds(1));
  cluster->QueryBindings();
  if (!cluster->RunUntil(kPatience, [&] { return !cluster->up(gone); })) return;
  cluster->HealAll();
  Part(cluster, {behind, gone});
  cluster->RepeatSnapshots();
  cluster->RunFor(seconds(10));
}

// The candidate's requests of the next term reach nobody, so that the others may elect another in
// it.
void RunLateVote(CoreCluster* cluster) {
  std::optional<Message> vote;
  cluster->drop = [&vote](const Message& message) {
    const auto* reply = std::get_if<VoteReply>(&message.body);
    if (reply != nullptr && reply->granted && !vote.has_value()) vote = message;
    return reply != nullptr || (vote.has_value() && message.from == vote->to &&
                                std::holds_alternative<VoteRequest>(message.body));
  };
  if (!cluster->RunUntil(kPatience, [&] { return vote.has_value(); })) return;
  const int candidate = static_cast<int>(vote->to_store.value()) - 101;
  const bool stands_again = cluster->RunUntil(kPatience, [&] {
    const Core& core = cluster->core(candidate);
    return core.role() == Role::kCandidate && core.term() > vote->term;
  });
  if (!stands_again) return;
  cluster->Isolate(candidate);
  cluster->drop = nullptr;
  cluster->RunFor(milliseconds(10));  // Its own vote is durable.
  cluster->core(candidate).Step(cluster->Now(candidate), *vote);
  cluster->RunFor(seconds(10));
}

std::string RunLostAppend(CoreCluster* cluster) {
  const int leader = AwaitLeader(cluster);
  if (leader < 0) return "";
  cluster->RunFor(seconds(2));
  const StoreId victim(static_cast<uint64_t>(101 + (leader + 1) % 3));
  cluster->drop = [victim](const Message& message) { return message.to_store == victim; };
  cluster->Propose(leader);
  cluster->RunFor(milliseconds(100));
  cluster->drop = nullptr;
  return Settle(cluster, /*clients=*/false);
}

}  // namespace

const char* ToString(CoreRun run) {
  for (const auto& [known, name] : kNames) {
    if (known == run) return name;
  }
  return "";
}

std::optional<CoreRun> CoreRunOf(const std::string& name) {
  for (const auto& [run, known] : kNames) {
    if (name == known) return run;
  }
  return std::nullopt;
}

CoreRunResult RunCores(CoreRun run, uint64_t seed, const Mutants& mutants) {
  CoreCluster cluster(OptionsOf(run, seed, mutants));
  std::string end;
  switch (run) {
    case CoreRun::kRandom:
    case CoreRun::kChanges:
      for (int step = 0; step < kSteps && cluster.violations().empty(); ++step) {
        cluster.RandomStep(run == CoreRun::kChanges ? 0.2 : 0.4);
        if (run == CoreRun::kChanges) cluster.RandomChange();
      }
      if (cluster.violations().empty()) end = Settle(&cluster, /*clients=*/true);
      break;
    case CoreRun::kUnlucky:
      RunUnlucky(&cluster);
      break;
    case CoreRun::kReboundFollower:
      RunReboundFollower(&cluster);
      break;
    case CoreRun::kLearnersGo:
      RunLearnersGo(&cluster);
      break;
    case CoreRun::kHalves:
      RunHalves(&cluster, seed);
      break;
    case CoreRun::kLateVote:
      RunLateVote(&cluster);
      break;
    case CoreRun::kLateSnapshot:
      RunLateSnapshot(&cluster);
      break;
    case CoreRun::kLostAppend:
      end = RunLostAppend(&cluster);
      break;
  }
  cluster.CheckLogs();
  CoreRunResult result;
  result.counts = cluster.counts();
  result.violation = cluster.violations().empty() ? end : cluster.violations().front();
  return result;
}

}  // namespace rasputin::consensus
