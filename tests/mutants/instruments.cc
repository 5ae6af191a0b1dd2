// Adapters from hunts to the instruments; see instruments.h.

#include "tests/mutants/instruments.h"

#include <glog/logging.h>

#include <memory>
#include <optional>

#include "consensus/core/core_runs.h"
#include "consensus/lease/lease_model.h"
#include "consensus/log/crash_run.h"
#include "consensus/log/memory_directory.h"
#include "consensus/log/shared_log.h"
#include "consensus/model/models.h"
#include "range/directory_runs.h"
#include "tests/compare/scenarios.h"
#include "tests/mutants/profiles.h"
#include "tests/mutants/store_runs.h"
#include "tests/sim/simulation.h"

namespace rasputin::mutants {
namespace {

constexpr sim::RealTime kSimulatedLength = 30 * sim::kSecond;

std::string Simulated(const Hunt& hunt, const consensus::Mutants& mutants, uint64_t seed) {
  sim::SimulationOptions options;
  options.seed = seed;
  options.length = kSimulatedLength;
  options.mutants = mutants;
  options.liveness = hunt.instrument == Instrument::kTopologies;
  options.adjust = FindProfile(hunt.with)->adjust;
  const sim::Report report = sim::Simulate(options);
  if (!report.violation.has_value()) return "";
  return report.violation->guarantee + ": " + report.violation->details;
}

std::string LogCrashes(const consensus::Mutants& mutants, uint64_t seed) {
  consensus::log::CrashRun run(seed, mutants);
  for (int cycle = 0; cycle < 12; ++cycle) {
    const bool recovered = run.Reopen();
    if (recovered) run.Work(30);
    if (!run.failure().empty()) return "Durability: " + run.failure();
    if (!recovered) return "Durability: a log could not be opened after a crash";
    run.Crash();
  }
  return "";
}

// A byte of what was acknowledged is changed between two processes, with more behind it.
std::string LogDamage(const consensus::Mutants& mutants, uint64_t seed) {
  using consensus::Index;
  constexpr uint64_t kEntries = 8;
  consensus::log::MemoryDirectory directory;
  consensus::log::LogOptions options;
  options.store = consensus::StoreId(7);
  options.segment_bytes = 8 << 10;
  options.reserve_bytes = 0;
  options.mutants = mutants;
  consensus::log::Recovered recovered;
  auto log = consensus::log::SharedLog::Open(options, &directory, &recovered);
  CHECK(log.ok());
  for (uint64_t i = 1; i <= kEntries; ++i) {
    consensus::log::RangeAppend append;
    append.range = consensus::RangeId(1);
    append.entries.push_back({consensus::Term(1), Index(i), consensus::EntryType::kCommand,
                              absl::Cord(std::string(100, 'p'))});
    (*log)->Append({append});
    std::unique_ptr<consensus::log::WriteJob> job = (*log)->TakeWrite();
    CHECK((*log)->Execute(job.get()).ok());
    (*log)->FinishWrite(std::move(job));
  }
  log->reset();
  directory.Damage("segment-0000000000000001", 300 + seed % 200);
  auto again = consensus::log::SharedLog::Open(options, &directory, &recovered);
  if (!again.ok()) return "";
  if (recovered.ranges[consensus::RangeId(1)].last.index == Index(kEntries)) return "";
  return "Durability: acknowledged entries are gone and the log opens";
}

const compare::Scenario* FindScenario(const std::string& name) {
  for (const compare::Scenario& scenario : compare::Scenarios()) {
    if (name == scenario.name) return &scenario;
  }
  return nullptr;
}

std::string Compared(const Hunt& hunt, const consensus::Mutants& mutants, uint64_t seed) {
  const compare::Scenario& scenario = *FindScenario(hunt.with);
  compare::TrialOptions options;
  options.seed = seed;
  options.mutants = mutants;
  const std::string why = compare::Shortfall(scenario.required, compare::Play(scenario, options));
  return why.empty() ? "" : "Liveness: " + why;
}

std::optional<consensus::model::ModelOptions> FindModel(const std::string& name) {
  for (const consensus::model::NamedFault& fault : consensus::model::FaultsFound()) {
    if (fault.name == name) return fault.options;
  }
  return std::nullopt;
}

}  // namespace

#ifdef RASPUTIN_MUTANTS
consensus::Mutants MutantOf(int number) {
  return consensus::Mutants(static_cast<uint64_t>(number));
}
bool BuiltWithMutants() { return true; }
#else
consensus::Mutants MutantOf(int) { return consensus::Mutants(); }
bool BuiltWithMutants() { return false; }
#endif

std::string Try(const Hunt& hunt, int mutant, uint64_t seed) {
  const consensus::Mutants mutants = MutantOf(mutant);
  switch (hunt.instrument) {
    case Instrument::kSimulator:
    case Instrument::kTopologies:
      return Simulated(hunt, mutants, seed);
    case Instrument::kCores:
      return consensus::RunCores(*consensus::CoreRunOf(hunt.with), seed, mutants).violation;
    case Instrument::kStores:
      return FindStoreRun(hunt.with)->run(mutants, seed);
    case Instrument::kLeases: {
      consensus::lease::LeaseModelOptions options;
      options.seed = seed;
      options.mutants = mutants;
      return consensus::lease::LeaseModel(options).Run().violation;
    }
    case Instrument::kDirectory:
      return range::RunDirectory(seed, mutants);
    case Instrument::kLogCrashes:
      return LogCrashes(mutants, seed);
    case Instrument::kLogDamage:
      return LogDamage(mutants, seed);
    case Instrument::kComparison:
      return Compared(hunt, mutants, seed);
    case Instrument::kModel:
      break;
  }
  LOG(FATAL) << "explored, not tried";
}

std::string Explore(const Hunt& hunt, int mutant, uint64_t states_max, uint64_t* states) {
  consensus::model::ModelOptions options = *FindModel(hunt.with);
  options.replicas.mutants = MutantOf(mutant);
  options.bounds.states_max = states_max;
  options.on_depth = [states](uint64_t, uint64_t seen, uint64_t) { *states = seen; };
  consensus::model::Explorer explorer(options);
  const consensus::model::ModelResult result = explorer.Run();
  *states = result.states;
  return result.violation;
}

bool Knows(const Hunt& hunt) {
  switch (hunt.instrument) {
    case Instrument::kSimulator:
      return FindProfile(hunt.with) != nullptr;
    case Instrument::kCores:
      return consensus::CoreRunOf(hunt.with).has_value();
    case Instrument::kStores:
      return FindStoreRun(hunt.with) != nullptr;
    case Instrument::kModel:
      return FindModel(hunt.with).has_value();
    case Instrument::kComparison:
      return FindScenario(hunt.with) != nullptr;
    default:
      return hunt.with[0] == '\0';
  }
}

}  // namespace rasputin::mutants
