// The comparison as a program: every scenario under every protocol, or Harpoon without single
// rules.
//
// Prints Markdown. With --without it says for each rule which scenarios fall short, and how; each
// rule's scenario runs in a process of its own, because a broken rule may well end in a CHECK.
// Exit code: 0 Harpoon met what is required of it (or --without was asked), 1 not, 2 usage.

#include <glog/logging.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tests/compare/scenarios.h"
#include "tests/compare/tables.h"
#include "tests/compare/trial.h"

ABSL_FLAG(std::vector<std::string>, scenario, {}, "names of scenarios; none: all");
ABSL_FLAG(std::vector<std::string>, protocols,
          std::vector<std::string>({"harpoon", "raft", "raft+pv+cq", "raft+pv+cq+lease"}),
          "protocols to compare");
ABSL_FLAG(uint64_t, first_seed, 1, "first seed of each scenario");
ABSL_FLAG(uint64_t, seeds, 20, "seeds per scenario and protocol");
ABSL_FLAG(uint64_t, topologies, 100, "random topologies per protocol");
ABSL_FLAG(std::vector<std::string>, without, {},
          "numbers of mutants, or `all`: Harpoon alone, each rule switched off in turn");
ABSL_FLAG(bool, trace, false, "print what happens in each run to standard error");
ABSL_FLAG(bool, list, false, "print the scenarios and the rules that can be switched off");

namespace rasputin::compare {
namespace {

#ifdef RASPUTIN_MUTANTS
constexpr bool kBuiltWithMutants = true;
consensus::Mutants Mutant(int number) { return consensus::Mutants(static_cast<uint64_t>(number)); }
#else
constexpr bool kBuiltWithMutants = false;
consensus::Mutants Mutant(int) { return consensus::Mutants(); }
#endif

uint64_t SeedsOf(const Scenario& scenario) {
  return absl::GetFlag(&scenario == &RandomTopology() ? FLAGS_topologies : FLAGS_seeds);
}

Tally Run(const Scenario& scenario, TrialOptions options) {
  Tally tally;
  const uint64_t first = absl::GetFlag(FLAGS_first_seed);
  options.trace = absl::GetFlag(FLAGS_trace);
  for (uint64_t seed = first; seed < first + SeedsOf(scenario); ++seed) {
    options.seed = seed;
    tally.Add(seed, Play(scenario, options), scenario.required);
  }
  return tally;
}

std::optional<std::vector<Scenario const*>> Chosen() {
  const std::vector<std::string> names = absl::GetFlag(FLAGS_scenario);
  std::vector<Scenario const*> chosen;
  for (const Scenario& scenario : Scenarios()) {
    if (names.empty()) chosen.push_back(&scenario);
  }
  for (const std::string& name : names) {
    const size_t before = chosen.size();
    for (const Scenario& scenario : Scenarios()) {
      if (name == scenario.name) chosen.push_back(&scenario);
    }
    if (chosen.size() == before) {
      std::fprintf(stderr, "no scenario is called '%s' (see --list)\n", name.c_str());
      return std::nullopt;
    }
  }
  return chosen;
}

int Compare(const std::vector<Scenario const*>& scenarios) {
  std::vector<Kind> kinds;
  for (const std::string& name : absl::GetFlag(FLAGS_protocols)) {
    const auto kind = KindOf(name);
    if (!kind.has_value()) {
      std::fprintf(stderr, "no protocol is called '%s'\n", name.c_str());
      return 2;
    }
    kinds.push_back(*kind);
  }
  std::printf("%s\n", Tally::Header().c_str());
  std::vector<std::string> shortfalls;
  for (const Scenario* scenario : scenarios) {
    for (const Kind kind : kinds) {
      TrialOptions options;
      options.kind = kind;
      const Tally tally = Run(*scenario, options);
      std::printf("%s\n", tally.Row(scenario->name, ToString(kind)).c_str());
      std::fflush(stdout);
      if (kind != Kind::kHarpoon || tally.Meets(scenario->required)) continue;
      const std::string why = tally.failed() == 0 ? "recovers too late" : tally.Failures();
      shortfalls.push_back(std::string(scenario->name) + ": " + why);
    }
  }
  std::printf("\nHarpoon %s\n", shortfalls.empty() ? "met all requirements." : "fell short:");
  for (const std::string& shortfall : shortfalls) std::printf("  %s\n", shortfall.c_str());
  return shortfalls.empty() ? 0 : 1;
}

// ---- Without a rule.

// Of the processor, for each run: a broken rule may also keep one event from ever ending. A run
// takes a tenth of a second.
constexpr rlim_t kRunSecondsMax = 20;

struct Verdict {
  bool sound = false;
  char why[200] = {};
};

int verdict_pipe = -1;

[[noreturn]] void OnCheckFailure() {
  Verdict verdict;
  std::strncpy(verdict.why, "a CHECK of the core ends the process", sizeof(verdict.why) - 1);
  (void)!write(verdict_pipe, &verdict, sizeof(verdict));
  std::_Exit(0);
}

[[noreturn]] void JudgeInChild(const Scenario& scenario, int mutant) {
  google::InstallFailureFunction(&OnCheckFailure);
  const rlim_t seconds_max = kRunSecondsMax * SeedsOf(scenario);
  const rlimit limit{seconds_max, seconds_max + 1};
  CHECK_EQ(setrlimit(RLIMIT_CPU, &limit), 0);
  TrialOptions options;
  options.mutants = Mutant(mutant);
  const Tally tally = Run(scenario, options);
  Verdict verdict;
  verdict.sound = tally.Meets(scenario.required);
  char slow[60];
  std::snprintf(slow, sizeof(slow), "recovery p95 %.2f D", tally.RecoveryD(0.95));
  const std::string why = tally.failed() == 0 ? std::string(slow) : tally.Failures();
  std::strncpy(verdict.why, why.c_str(), sizeof(verdict.why) - 1);
  (void)!write(verdict_pipe, &verdict, sizeof(verdict));
  std::_Exit(0);
}

Verdict Judge(const Scenario& scenario, int mutant) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  std::fflush(stdout);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    if (!absl::GetFlag(FLAGS_trace)) (void)!freopen("/dev/null", "w", stderr);
    verdict_pipe = ends[1];
    JudgeInChild(scenario, mutant);
  }
  close(ends[1]);
  Verdict verdict;
  const bool told =
      read(ends[0], &verdict, sizeof(verdict)) == static_cast<ssize_t>(sizeof(verdict));
  close(ends[0]);
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  if (!told && WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
    std::strncpy(verdict.why, "does not end", sizeof(verdict.why) - 1);
    return verdict;
  }
  CHECK(told) << "the run without rule " << mutant << " broke down";
  return verdict;
}

int WithoutRules(const std::vector<Scenario const*>& scenarios) {
  if (!kBuiltWithMutants) {
    std::fprintf(stderr, "built without the switches: run //tests/compare:compare\n");
    return 2;
  }
  const std::vector<std::string> wanted = absl::GetFlag(FLAGS_without);
  std::printf(
      "| switched off | mutant | without it | scenarios that fall short |\n|---|---|---|---|\n");
  for (const Rule& rule : Rules()) {
    bool chosen = false;
    for (const std::string& name : wanted) {
      chosen = chosen || name == "all" || name == std::to_string(rule.mutant);
    }
    if (!chosen) continue;
    std::printf("| %s | %d | %s | ", rule.rule, rule.mutant, rule.without);
    int short_of = 0;
    for (const Scenario* scenario : scenarios) {
      const Verdict verdict = Judge(*scenario, rule.mutant);
      if (verdict.sound) continue;
      std::printf("%s**%s**: %s", short_of++ == 0 ? "" : "; ", scenario->name, verdict.why);
      std::fflush(stdout);
    }
    std::printf("%s |\n", short_of == 0 ? "none" : "");
  }
  return 0;
}

int List() {
  for (const Scenario& scenario : Scenarios()) {
    std::printf("%-18s %s\n", scenario.name, scenario.what);
  }
  for (const Rule& rule : Rules()) {
    std::printf("without %2d: %-20s %s\n", rule.mutant, rule.rule, rule.without);
  }
  return 0;
}

int Main() {
  if (absl::GetFlag(FLAGS_list)) return List();
  const auto scenarios = Chosen();
  if (!scenarios.has_value()) return 2;
  return absl::GetFlag(FLAGS_without).empty() ? Compare(*scenarios) : WithoutRules(*scenarios);
}

}  // namespace
}  // namespace rasputin::compare

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("measures Harpoon and Raft in the same scenarios");
  absl::ParseCommandLine(argc, argv);
  return rasputin::compare::Main();
}
