// Each mutant of the core that breaks a safety rule is caught by random runs: those of
// core_cluster_test, or runs in which leaders come and go before they have finished anything.
//
// A run is a child process, because the core's own CHECKs may catch a mutant first. Mutants that
// these runs do not reach within a few thousand seeds (8, 10, 37, 38, 50, 51) and those of
// liveness are caught by core_rules_test.cc, core_membership_test.cc and core_scenarios_test.cc.

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>

#include "consensus/core/core_cluster.h"
#include "gtest/gtest.h"

namespace rasputin::consensus {
namespace {

constexpr uint64_t kSeedsMax = 3000;
constexpr int kCaughtByChecker = 17;
constexpr int kCommitByCounting = 15;

ClusterOptions Options(uint64_t seed, int mutant) {
  ClusterOptions options;
  options.seed = seed;
  options.mutants = Mutants(static_cast<uint64_t>(mutant));
  options.replicas = seed % 4 == 0 ? 5 : 3;
  options.loss = 0.05;
  options.duplicate = 0.2;
  options.long_delay = 0.05;
  return options;
}

// One entry to a message, so that a follower may have an old one without the first of the new term.
ClusterOptions UnluckyOptions(uint64_t seed, int mutant) {
  ClusterOptions options;
  options.seed = seed;
  options.mutants = Mutants(static_cast<uint64_t>(mutant));
  options.replicas = 5;
  options.loss = 0.3;
  options.delay_max = std::chrono::milliseconds(20);
  options.append_bytes_max = 1;
  return options;
}

int AnyLeader(CoreCluster* cluster) {
  for (int i = 0; i < 5; ++i) {
    if (cluster->up(i) && cluster->core(i).role() == Role::kLeader) return i;
  }
  return -1;
}

// Three of five are up; once one of them leads and has sent a little, another three are.
void RunUnluckyLeaders(CoreCluster* cluster) {
  for (int round = 0; round < 40 && cluster->violations().empty(); ++round) {
    std::array<int, 5> order = {0, 1, 2, 3, 4};
    for (size_t i = 5; i > 1; --i) std::swap(order[i - 1], order[cluster->Random(i)]);
    for (const size_t i : {3, 4}) cluster->Crash(order[i]);
    for (const size_t i : {0, 1, 2}) cluster->Restart(order[i]);
    cluster->RunUntil(std::chrono::seconds(10), [&] { return AnyLeader(cluster) >= 0; });
    for (int step = static_cast<int>(cluster->Random(6)); step > 0; --step) {
      if (const int leader = AnyLeader(cluster); leader >= 0) cluster->Propose(leader);
      cluster->RunFor(std::chrono::milliseconds(cluster->Random(20)));
    }
  }
}

// Members come and go: what only a change of configuration, or a snapshot, can break.
bool NeedsChanges(int mutant) { return mutant >= 36 && mutant <= 39; }

// Runs seeds until one violates something; exits with kCaughtByChecker, or 0 if none does.
[[noreturn]] void Hunt(int mutant) {
  if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const bool unlucky = mutant == kCommitByCounting;
    ClusterOptions options = unlucky ? UnluckyOptions(seed, mutant) : Options(seed, mutant);
    if (NeedsChanges(mutant)) {
      options.replicas = 3;
      options.stores = 6;
      options.part_at_change = 0.6;
    }
    CoreCluster cluster(options);
    if (unlucky) RunUnluckyLeaders(&cluster);
    for (int step = 0; !unlucky && step < 200; ++step) {
      cluster.RandomStep(NeedsChanges(mutant) ? 0.2 : 0.4);
      if (NeedsChanges(mutant)) cluster.RandomChange();
    }
    cluster.CheckLogs();
    if (cluster.violations().empty()) continue;
    std::printf("  mutant %d: seed %lu: %s\n", mutant, static_cast<unsigned long>(seed),
                cluster.violations().front().c_str());
    std::fflush(stdout);
    _exit(kCaughtByChecker);
  }
  _exit(0);
}

class Mutant : public ::testing::TestWithParam<int> {};

TEST_P(Mutant, IsCaught) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) Hunt(GetParam());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) {
    // A CHECK aborts; any other end says nothing about the mutant.
    ASSERT_EQ(WTERMSIG(status), SIGABRT);
    std::cout << "  mutant " << GetParam() << ": a CHECK of the core" << std::endl;
    return;
  }
  EXPECT_EQ(WEXITSTATUS(status), kCaughtByChecker) << "not caught within " << kSeedsMax << " seeds";
}

TEST(CoreMutants, UnluckyLeadersBreakNothingWithoutAMutant) {
  uint64_t elections = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    CoreCluster cluster(UnluckyOptions(seed, 0));
    RunUnluckyLeaders(&cluster);
    cluster.CheckLogs();
    elections += cluster.counts().elections;
    ASSERT_TRUE(cluster.violations().empty())
        << "seed " << seed << ": " << cluster.violations().front();
  }
  EXPECT_GT(elections, 1000u);
}

INSTANTIATE_TEST_SUITE_P(Safety, Mutant,
                         ::testing::Values(1, 2, 5, 7, 9, 11, 12, 13, 14, 15, 22, 28, 29, 36, 39));

}  // namespace
}  // namespace rasputin::consensus
