// Each mutant of the core that breaks a safety rule is caught by the runs of core_cluster_test.
//
// A run is a child process, because the core's own CHECKs may catch a mutant first. Mutants that
// these runs do not reach within a few thousand seeds (8, 10, 15, 50, 51) and those of liveness are
// caught by core_rules_test.cc and core_scenarios_test.cc.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "consensus/core/core_cluster.h"
#include "gtest/gtest.h"

namespace rasputin::consensus {
namespace {

constexpr uint64_t kSeedsMax = 3000;
constexpr int kCaughtByChecker = 17;

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

// Runs seeds until one violates something; exits with kCaughtByChecker, or 0 if none does.
[[noreturn]] void Hunt(int mutant) {
  if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    CoreCluster cluster(Options(seed, mutant));
    for (int step = 0; step < 200; ++step) cluster.RandomStep(0.4);
    cluster.CheckLogs();
    if (cluster.violations().empty()) continue;
    std::printf("  mutant %d: seed %lu: %s\n", mutant, static_cast<unsigned long>(seed),
                cluster.violations().front().c_str());
    std::fflush(stdout);
    _exit(kCaughtByChecker);
  }
  _exit(0);
}

class CoreMutants : public ::testing::TestWithParam<int> {};

TEST_P(CoreMutants, IsCaught) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) Hunt(GetParam());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) {
    std::cout << "  mutant " << GetParam() << ": a CHECK of the core" << std::endl;
    return;
  }
  EXPECT_EQ(WEXITSTATUS(status), kCaughtByChecker) << "not caught within " << kSeedsMax << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Safety, CoreMutants,
                         ::testing::Values(1, 2, 5, 7, 9, 11, 12, 13, 14, 22, 28, 29));

}  // namespace
}  // namespace rasputin::consensus
