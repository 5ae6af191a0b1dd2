// Hunts deliberate faults with the simulator: each mutant must be caught, and none may be seen in
// the code without one.
//
// Prints by which check each was caught and after how many seeds. Each hunt runs in a process of
// its own, because a mutant may well be caught by a CHECK. Exit code: 0 all caught.

#include <glog/logging.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "consensus/core/mutants.h"
#include "tests/sim/simulation.h"

ABSL_FLAG(std::vector<std::string>, mutants,
          std::vector<std::string>({"4", "7", "11", "12", "23", "28", "29", "30", "31"}),
          "numbers of the mutants to hunt");
ABSL_FLAG(uint64_t, first_seed, 1, "first seed");
ABSL_FLAG(uint64_t, seeds, 400, "at most so many seeds per mutant");
ABSL_FLAG(int64_t, seconds, 30, "simulated seconds with faults, per seed");

namespace rasputin::sim {
namespace {

// What a hunt tells its parent, in one write.
struct Catch {
  bool caught = false;
  uint64_t seed = 0;
  uint64_t tried = 0;
  char by[200] = {};
};

int result_pipe = -1;
Catch current;

[[noreturn]] void Tell(const std::string& by) {
  current.caught = true;
  std::strncpy(current.by, by.c_str(), sizeof(current.by) - 1);
  (void)!write(result_pipe, &current, sizeof(current));
  std::_Exit(0);
}

[[noreturn]] void OnCheckFailure() { Tell("a CHECK of the code itself"); }

#ifdef RASPUTIN_MUTANTS
constexpr bool kBuiltWithMutants = true;
consensus::Mutants Mutant(uint64_t number) { return consensus::Mutants(number); }
#else
constexpr bool kBuiltWithMutants = false;
consensus::Mutants Mutant(uint64_t) { return consensus::Mutants(); }
#endif

[[noreturn]] void Hunt(uint64_t mutant) {
  google::InstallFailureFunction(&OnCheckFailure);
  const uint64_t first = absl::GetFlag(FLAGS_first_seed);
  for (uint64_t seed = first; seed < first + absl::GetFlag(FLAGS_seeds); ++seed) {
    current.seed = seed;
    ++current.tried;
    SimulationOptions options;
    options.seed = seed;
    options.length = absl::GetFlag(FLAGS_seconds) * kSecond;
    options.mutants = Mutant(mutant);
    const Report report = Simulate(options);
    if (report.violation.has_value()) {
      Tell(report.violation->guarantee + ": " + report.violation->details.substr(0, 120));
    }
  }
  (void)!write(result_pipe, &current, sizeof(current));
  std::_Exit(0);
}

Catch HuntInChild(uint64_t mutant) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  std::fflush(stdout);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    // The last words of a CHECK are not wanted here.
    (void)!freopen("/dev/null", "w", stderr);
    result_pipe = ends[1];
    Hunt(mutant);
  }
  close(ends[1]);
  Catch found;
  const ssize_t got = read(ends[0], &found, sizeof(found));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (got == static_cast<ssize_t>(sizeof(found))) return found;
  found = Catch();
  found.caught = true;
  std::snprintf(found.by, sizeof(found.by), "the process ended by signal %d", WTERMSIG(status));
  return found;
}

int Main() {
  if (!kBuiltWithMutants) {
    std::fprintf(stderr, "built without the faults: run //tests/mutants:mutants_test\n");
    return 2;
  }
  int missed = 0;
  for (const std::string& text : absl::GetFlag(FLAGS_mutants)) {
    const uint64_t mutant = std::strtoull(text.c_str(), nullptr, 10);
    const Catch found = HuntInChild(mutant);
    if (found.caught) {
      std::printf("mutant %2" PRIu64 ": caught after %" PRIu64 " seeds (seed %" PRIu64 ") by %s\n",
                  mutant, found.tried, found.seed, found.by);
    } else {
      ++missed;
      std::printf("mutant %2" PRIu64 ": MISSED in %" PRIu64 " seeds\n", mutant, found.tried);
    }
    std::fflush(stdout);
  }
  std::printf("%d mutants missed\n", missed);
  return missed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace rasputin::sim

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return rasputin::sim::Main();
}
