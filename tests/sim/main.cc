// The simulator as a program: runs seeds, prints what happened, and for each failing seed the
// command that replays it. Exit code: 0 no violation, 1 violations, 2 usage.

#include <glog/logging.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tests/linearizability/history.h"
#include "tests/sim/coverage.h"
#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"

ABSL_FLAG(uint64_t, seed, 0, "run only this seed");
ABSL_FLAG(uint64_t, first_seed, 1, "first seed of a series");
ABSL_FLAG(uint64_t, seeds, 100, "how many seeds");
ABSL_FLAG(int64_t, seconds, 60, "simulated seconds with faults, per seed");
ABSL_FLAG(bool, liveness, false, "liveness mode: frozen random topologies instead of any fault");
ABSL_FLAG(bool, damage, false, "also damage the disks of a minority, which has to be replaced");
ABSL_FLAG(bool, placement, false, "placement controllers act in every seed, not just in some");
ABSL_FLAG(bool, trace, false, "print every event to standard error");
ABSL_FLAG(bool, twice, false, "run each seed twice and compare the hashes");
ABSL_FLAG(bool, keep_going, true, "go on after a failing seed");
ABSL_FLAG(bool, verbose, false, "one line per seed");
ABSL_FLAG(std::string, history, "",
          "with --seed: write the clients' history to this file as JSON lines");
ABSL_FLAG(bool, coverage, false, "print how many seeds got into each named situation");
ABSL_FLAG(bool, shrink, false, "make each failing seed's run smaller, which takes dozens of runs");
ABSL_FLAG(std::vector<std::string>, without, {}, "faults and operations to leave out");
ABSL_FLAG(int, stores, 0, "at most so many stores (0: as the seed says)");
ABSL_FLAG(int, clients, 0, "at most so many clients (0: as the seed says)");
ABSL_FLAG(uint64_t, mutant, 0, "switch this deliberate fault on (builds with --define mutants=1)");

namespace rasputin::sim {
namespace {

struct Totals {
  uint64_t seeds = 0;
  uint64_t failures = 0;
  Report sum;
  std::vector<RealTime> recoveries;
  SituationCounts seeds_in{};  // Seeds that got into each situation.

  void Add(const Report& report) {
    ++seeds;
    if (report.violation.has_value()) ++failures;
    sum.simulated += report.simulated;
    sum.events += report.events;
    sum.acknowledged += report.acknowledged;
    sum.unknown += report.unknown;
    sum.not_executed += report.not_executed;
    sum.elections += report.elections;
    sum.abdications += report.abdications;
    sum.releases += report.releases;
    sum.pulls += report.pulls;
    sum.kills += report.kills;
    sum.power_losses += report.power_losses;
    sum.torn_tails += report.torn_tails;
    sum.splits += report.splits;
    sum.merges += report.merges;
    sum.transfers += report.transfers;
    sum.changes_asked += report.changes_asked;
    sum.changes_done += report.changes_done;
    sum.snapshots_begun += report.snapshots_begun;
    sum.snapshots_installed += report.snapshots_installed;
    sum.replicas_removed += report.replicas_removed;
    sum.strays += report.strays;
    sum.pauses += report.pauses;
    sum.disk_errors += report.disk_errors;
    sum.looks_for_space += report.looks_for_space;
    sum.engine_stalls += report.engine_stalls;
    sum.engine_failures += report.engine_failures;
    sum.messages += report.messages;
    sum.messages_lost += report.messages_lost;
    sum.process_failures += report.process_failures;
    sum.checked_operations += report.checked_operations;
    sum.damage.Add(report.damage);
    recoveries.push_back(report.recovery);
    for (size_t i = 0; i < kSituations; ++i) {
      sum.situations[i] += report.situations[i];
      if (report.situations[i] != 0) ++seeds_in[i];
    }
  }
};

SimulationOptions running;  // For the last words of a failed CHECK.

std::string ReplayCommand(const SimulationOptions& options) {
  std::string command = "bazel run //tests/sim:sim -- " + FlagsOf(options);
  if (absl::GetFlag(FLAGS_mutant) != 0) {
    command += " --mutant=" + std::to_string(absl::GetFlag(FLAGS_mutant));
  }
  return command + " --trace";
}

// A CHECK of the code under test failed: that is a finding too.
[[noreturn]] void OnCheckFailure() {
  std::printf("seed %" PRIu64 ": a CHECK failed\n  replay: %s\n", running.seed,
              ReplayCommand(running).c_str());
  std::fflush(stdout);
  std::_Exit(1);
}

double Milliseconds(RealTime time) { return static_cast<double>(time) / 1e6; }

double Percentile(std::vector<RealTime> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return Milliseconds(values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))]);
}

void Print(const Totals& totals, double real_seconds) {
  const Report& sum = totals.sum;
  const double simulated = static_cast<double>(sum.simulated) / 1e9;
  std::printf("%" PRIu64 " seeds, %" PRIu64 " violations\n", totals.seeds, totals.failures);
  std::printf("operations: %" PRIu64 " acknowledged, %" PRIu64 " unknown, %" PRIu64
              " not executed, %" PRIu64 " checked for linearizability\n",
              sum.acknowledged, sum.unknown, sum.not_executed, sum.checked_operations);
  std::printf("elections %" PRIu64 ", abdications %" PRIu64 ", releases %" PRIu64
              ", catch-ups %" PRIu64 ", transfers %" PRIu64 ", splits %" PRIu64 ", merges %" PRIu64
              "\n",
              sum.elections, sum.abdications, sum.releases, sum.pulls, sum.transfers, sum.splits,
              sum.merges);
  std::printf("changes of members %" PRIu64 " of %" PRIu64
              " asked for, snapshots installed %" PRIu64 " of %" PRIu64
              " begun, replicas removed %" PRIu64 ", left over %" PRIu64 "\n",
              sum.changes_done, sum.changes_asked, sum.snapshots_installed, sum.snapshots_begun,
              sum.replicas_removed, sum.strays);
  std::printf("kills %" PRIu64 " (power losses %" PRIu64 "), torn tails %" PRIu64
              ", pauses %" PRIu64 ", failed processes %" PRIu64 "\n",
              sum.kills, sum.power_losses, sum.torn_tails, sum.pauses, sum.process_failures);
  std::printf("disk errors %" PRIu64 ", looks for space %" PRIu64 ", engine stalls %" PRIu64
              ", engine failures %" PRIu64 "\n",
              sum.disk_errors, sum.looks_for_space, sum.engine_stalls, sum.engine_failures);
  std::printf("messages %" PRIu64 ", of which lost %" PRIu64 "; events %" PRIu64 "\n", sum.messages,
              sum.messages_lost, sum.events);
  std::printf("recovery after the last fault: median %.0f ms, p95 %.0f ms, longest %.0f ms\n",
              Percentile(totals.recoveries, 0.5), Percentile(totals.recoveries, 0.95),
              Percentile(totals.recoveries, 1));
  std::printf("%.0f simulated seconds in %.1f real ones: %.0f times real time\n", simulated,
              real_seconds, simulated / real_seconds);
}

void PrintFate(const char* name, const DamageFate& fate) {
  std::printf("%-22s %7" PRIu64 " %9" PRIu64 " %8" PRIu64 " %8" PRIu64 " %9" PRIu64 " %10" PRIu64
              "\n",
              name, fate.made, fate.found_at_start, fate.found_running, fate.found_by_look,
              fate.harmless, fate.undetectable);
}

void PrintDamage(const DamageReport& damage) {
  std::printf("%-22s %7s %9s %8s %8s %9s %10s\n", "damage", "made", "at start", "running",
              "at last", "harmless", "like tears");
  for (size_t kind = 0; kind < kDamageKinds; ++kind) {
    PrintFate(ToString(static_cast<DamageKind>(kind)), damage.fates[kind]);
  }
  PrintFate("all", damage.Sum());
  std::printf(
      "stores replaced %zu, after: median %.0f ms, p95 %.0f ms, longest %.0f ms; processes "
      "that ended without a mark %" PRIu64 "\n",
      damage.repairs.size(), Percentile(damage.repairs, 0.5), Percentile(damage.repairs, 0.95),
      Percentile(damage.repairs, 1), damage.marks_lost);
}

// With --coverage all of them, otherwise those that no seed got into.
void PrintSituations(const Totals& totals) {
  const bool all = absl::GetFlag(FLAGS_coverage);
  size_t missed = 0;
  for (size_t i = 0; i < kSituations; ++i) missed += totals.seeds_in[i] == 0 ? 1 : 0;
  std::printf("situations: %zu of %zu\n", kSituations - missed, kSituations);
  for (size_t i = 0; i < kSituations; ++i) {
    if (!all && (totals.seeds_in[i] != 0 || totals.seeds == 1)) continue;
    std::printf("  %8" PRIu64 " times in %6" PRIu64 " seeds: %s\n", totals.sum.situations[i],
                totals.seeds_in[i], NameOf(static_cast<Situation>(i)));
  }
}

void PrintSmaller(const SimulationOptions& options) {
  const SimulationOptions smaller = Shrink(options, [](const std::string& step) {
    std::printf("  not needed: %s\n", step.c_str());
    std::fflush(stdout);
  });
  std::printf("  smaller: %s\n", ReplayCommand(smaller).c_str());
  std::fflush(stdout);
}

void PrintFailure(const SimulationOptions& options, const Report& report) {
  std::printf("seed %" PRIu64 ": %s: %s\n  plan: %s\n", options.seed,
              report.violation->guarantee.c_str(), report.violation->details.c_str(),
              report.plan.c_str());
  std::printf("  replay: %s\n", ReplayCommand(options).c_str());
  std::fflush(stdout);
}

void PrintSeed(const SimulationOptions& options, const Report& report) {
  std::printf("seed %" PRIu64 " hash %016" PRIx64 " acknowledged %" PRIu64 " elections %" PRIu64
              " kills %" PRIu64 " splits %" PRIu64 " changes %" PRIu64 " snapshots %" PRIu64
              " events %" PRIu64 " recovery %.0f ms plan: %s\n",
              options.seed, report.hash, report.acknowledged, report.elections, report.kills,
              report.splits, report.changes_done, report.snapshots_installed, report.events,
              Milliseconds(report.recovery), report.plan.c_str());
}

SimulationOptions OptionsFromFlags(uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  options.length = absl::GetFlag(FLAGS_seconds) * kSecond;
  options.liveness = absl::GetFlag(FLAGS_liveness);
  options.damage = absl::GetFlag(FLAGS_damage);
  options.placement = absl::GetFlag(FLAGS_placement);
  options.trace = absl::GetFlag(FLAGS_trace);
  for (const std::string& name : absl::GetFlag(FLAGS_without)) options.without.insert(name);
  options.stores_max = absl::GetFlag(FLAGS_stores);
  options.clients_max = absl::GetFlag(FLAGS_clients);
  options.keep_history = !absl::GetFlag(FLAGS_history).empty();
#ifdef RASPUTIN_MUTANTS
  if (absl::GetFlag(FLAGS_mutant) != 0) {
    options.mutants = consensus::Mutants(absl::GetFlag(FLAGS_mutant));
  }
#endif
  return options;
}

int Main() {
  google::InstallFailureFunction(&OnCheckFailure);
#ifndef RASPUTIN_MUTANTS
  if (absl::GetFlag(FLAGS_mutant) != 0) {
    std::fprintf(stderr, "--mutant needs a build with --define mutants=1\n");
    return 2;
  }
#endif
  const uint64_t only = absl::GetFlag(FLAGS_seed);
  const uint64_t first = only != 0 ? only : absl::GetFlag(FLAGS_first_seed);
  const uint64_t count = only != 0 ? 1 : absl::GetFlag(FLAGS_seeds);
  Totals totals;
  const auto began = std::chrono::steady_clock::now();
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const SimulationOptions options = OptionsFromFlags(seed);
    running = options;
    Report report = Simulate(options);
    if (absl::GetFlag(FLAGS_twice)) {
      const Report again = Simulate(options);
      if (again.hash != report.hash && !report.violation.has_value()) {
        report.violation = Violation{"Determinism", "a second run of the seed had another hash"};
      }
    }
    totals.Add(report);
    if (absl::GetFlag(FLAGS_verbose) || only != 0) PrintSeed(options, report);
    if (options.keep_history) {
      std::ofstream out(absl::GetFlag(FLAGS_history));
      linearizability::WriteJsonLines(report.history, &out);
    }
    if (!report.violation.has_value()) continue;
    PrintFailure(options, report);
    if (absl::GetFlag(FLAGS_shrink)) PrintSmaller(options);
    if (!absl::GetFlag(FLAGS_keep_going)) break;
  }
  const std::chrono::duration<double> real = std::chrono::steady_clock::now() - began;
  Print(totals, real.count());
  if (absl::GetFlag(FLAGS_damage)) PrintDamage(totals.sum.damage);
  if (!absl::GetFlag(FLAGS_liveness)) PrintSituations(totals);
  return totals.failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace rasputin::sim

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Runs the simulator; see tests/README.md.");
  absl::ParseCommandLine(argc, argv);
  return rasputin::sim::Main();
}
