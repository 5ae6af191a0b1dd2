// Mutants of the core that break a safety rule are caught by runs of core_runs.h.
//
// A run is a child process, because the core's own CHECKs may catch a mutant first. All mutants,
// and what catches each: tests/mutants.

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "consensus/core/core_runs.h"
#include "gtest/gtest.h"

namespace rasputin::consensus {
namespace {

constexpr uint64_t kSeedsMax = 3000;
constexpr int kCaughtByChecker = 17;

struct Case {
  int mutant;
  CoreRun run;
};

// Runs seeds until one violates something; exits with kCaughtByChecker, or 0 if none does.
[[noreturn]] void Hunt(const Case& sought) {
  if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const Mutants mutants(static_cast<uint64_t>(sought.mutant));
    const std::string violation = RunCores(sought.run, seed, mutants).violation;
    if (violation.empty()) continue;
    std::printf("  mutant %d: seed %lu: %s\n", sought.mutant, static_cast<unsigned long>(seed),
                violation.c_str());
    std::fflush(stdout);
    _exit(kCaughtByChecker);
  }
  _exit(0);
}

class Mutant : public ::testing::TestWithParam<Case> {};

TEST_P(Mutant, IsCaught) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) Hunt(GetParam());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) {
    // A CHECK aborts; any other end says nothing about the mutant.
    ASSERT_EQ(WTERMSIG(status), SIGABRT);
    std::cout << "  mutant " << GetParam().mutant << ": a CHECK of the core" << std::endl;
    return;
  }
  EXPECT_EQ(WEXITSTATUS(status), kCaughtByChecker) << "not caught within " << kSeedsMax << " seeds";
}

TEST(CoreMutants, NothingIsViolatedWithoutAMutant) {
  const std::pair<CoreRun, uint64_t> kRuns[] = {
      {CoreRun::kUnlucky, 100},        {CoreRun::kRandom, 30},     {CoreRun::kChanges, 30},
      {CoreRun::kReboundFollower, 10}, {CoreRun::kLearnersGo, 10}, {CoreRun::kHalves, 10},
      {CoreRun::kLostAppend, 10},      {CoreRun::kLateVote, 10},   {CoreRun::kLateSnapshot, 10}};
  uint64_t elections = 0;
  for (const auto& [run, seeds] : kRuns) {
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      const CoreRunResult result = RunCores(run, seed, Mutants());
      elections += result.counts.elections;
      ASSERT_EQ(result.violation, "") << ToString(run) << ", seed " << seed;
    }
  }
  EXPECT_GT(elections, 1000u);
}

std::vector<Case> Cases() {
  std::vector<Case> cases = {{8, CoreRun::kReboundFollower}, {15, CoreRun::kUnlucky},
                             {18, CoreRun::kLostAppend},     {36, CoreRun::kHalves},
                             {37, CoreRun::kLearnersGo},     {38, CoreRun::kHalves},
                             {39, CoreRun::kChanges},        {61, CoreRun::kLateSnapshot},
                             {64, CoreRun::kHalves},         {66, CoreRun::kLateVote}};
  for (const int mutant : {1, 2, 5, 7, 9, 11, 12, 13, 14, 28, 29}) {
    cases.push_back({mutant, CoreRun::kRandom});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Safety, Mutant, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return absl::StrCat(info.param.mutant); });

}  // namespace
}  // namespace rasputin::consensus
