// Hunts deliberate faults with the simulator: each mutant must be caught, and the code without one
// must pass every seed that it took.
//
// Prints by which checker each was caught and after how many seeds. Each hunt runs in a process of
// its own, because a mutant may well be caught by a CHECK. A process that ends in any other way
// than by a checker's finding or a CHECK has caught nothing. Exit code: 0 all caught and the
// control, run over as many seeds as the slowest hunt needed, found nothing; 1 otherwise; 2 built
// without faults.

#include <glog/logging.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <csignal>
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

// How the process of a hunt ends, but for SIGABRT, which is a CHECK.
constexpr int kNothingFound = 0;
constexpr int kFoundByChecker = 10;

// What a hunt tells its parent, in one write.
struct Catch {
  enum class End : uint8_t { kNothing, kCaught, kBroken } end = End::kNothing;
  uint64_t seed = 0;
  uint64_t tried = 0;
  char by[200] = {};
};

constexpr uint64_t kControl = 0;  // In the place of a mutant's number: none.

int result_pipe = -1;
Catch current;

void SetBy(const std::string& by) { std::strncpy(current.by, by.c_str(), sizeof(current.by) - 1); }

// Takes the words of the CHECK that ends the process.
class LastWords final : public google::LogSink {
 public:
  using google::LogSink::send;
  void send(google::LogSeverity severity, const char*, const char* file, int line,
            const google::LogMessageTime&, const char* message, size_t size) override {
    if (severity != google::GLOG_FATAL) return;
    SetBy(std::string("CHECK at ") + file + ":" + std::to_string(line) + ": " +
          std::string(message, size));
  }
};

[[noreturn]] void OnCheckFailure() {
  (void)!write(result_pipe, &current, sizeof(current));
  std::abort();
}

#ifdef RASPUTIN_MUTANTS
constexpr bool kBuiltWithMutants = true;
consensus::Mutants Mutant(uint64_t number) {
  return number == kControl ? consensus::Mutants() : consensus::Mutants(number);
}
#else
constexpr bool kBuiltWithMutants = false;
consensus::Mutants Mutant(uint64_t) { return consensus::Mutants(); }
#endif

[[noreturn]] void Hunt(uint64_t mutant, uint64_t seeds) {
  static LastWords last_words;
  google::AddLogSink(&last_words);
  google::InstallFailureFunction(&OnCheckFailure);
  const uint64_t first = absl::GetFlag(FLAGS_first_seed);
  int end = kNothingFound;
  for (uint64_t seed = first; seed < first + seeds && end == kNothingFound; ++seed) {
    current.seed = seed;
    ++current.tried;
    SimulationOptions options;
    options.seed = seed;
    options.length = absl::GetFlag(FLAGS_seconds) * kSecond;
    options.mutants = Mutant(mutant);
    const Report report = Simulate(options);
    if (!report.violation.has_value()) continue;
    SetBy(report.violation->guarantee + ": " + report.violation->details.substr(0, 120));
    end = kFoundByChecker;
  }
  (void)!write(result_pipe, &current, sizeof(current));
  std::_Exit(end);
}

Catch HuntInChild(uint64_t mutant, uint64_t seeds) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  std::fflush(stdout);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    // The last words of a CHECK come through the pipe.
    (void)!freopen("/dev/null", "w", stderr);
    result_pipe = ends[1];
    Hunt(mutant, seeds);
  }
  close(ends[1]);
  Catch found;
  const bool told = read(ends[0], &found, sizeof(found)) == static_cast<ssize_t>(sizeof(found));
  close(ends[0]);
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  const bool exited = WIFEXITED(status);
  const bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  if (told && (aborted || (exited && WEXITSTATUS(status) == kFoundByChecker))) {
    found.end = Catch::End::kCaught;
  } else if (told && exited && WEXITSTATUS(status) == kNothingFound) {
    found.end = Catch::End::kNothing;
  } else {
    found.end = Catch::End::kBroken;
    std::snprintf(found.by, sizeof(found.by), "wait status %d", status);
  }
  return found;
}

// Prints how it ended; whether it is as it should be.
bool Print(uint64_t mutant, const Catch& found) {
  const std::string name =
      mutant == kControl ? std::string("control  ") : "mutant " + std::to_string(mutant);
  switch (found.end) {
    case Catch::End::kCaught:
      std::printf("%s: caught after %" PRIu64 " seeds (seed %" PRIu64 ") by %s\n", name.c_str(),
                  found.tried, found.seed, found.by);
      break;
    case Catch::End::kNothing:
      std::printf("%s: nothing found in %" PRIu64 " seeds\n", name.c_str(), found.tried);
      break;
    case Catch::End::kBroken:
      std::printf("%s: the hunt itself broke down (%s)\n", name.c_str(), found.by);
      break;
  }
  std::fflush(stdout);
  return found.end == (mutant == kControl ? Catch::End::kNothing : Catch::End::kCaught);
}

int Main() {
  if (!kBuiltWithMutants) {
    std::fprintf(stderr, "built without the faults: run //tests/mutants:mutants_test\n");
    return 2;
  }
  int missed = 0;
  uint64_t seeds = 1;
  for (const std::string& text : absl::GetFlag(FLAGS_mutants)) {
    const uint64_t mutant = std::strtoull(text.c_str(), nullptr, 10);
    const Catch found = HuntInChild(mutant, absl::GetFlag(FLAGS_seeds));
    if (!Print(mutant, found)) ++missed;
    seeds = std::max(seeds, found.tried);
  }
  const bool control = Print(kControl, HuntInChild(kControl, seeds));
  std::printf("%d mutants missed, the control %s\n", missed, control ? "passed" : "FAILED");
  return missed == 0 && control ? 0 : 1;
}

}  // namespace
}  // namespace rasputin::sim

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return rasputin::sim::Main();
}
