// Explores within bounds given on the command line, without or with a mutant, and prints figures.
//
//   model [--model=NAME of models.cc] [--mutant=N] [--lease-fault=N] [--root=N] [--audit]
//   [--progress] [--show-last]
//   [--NAME=NUMBER of a bound]
//
// Exit code 0: no violation, 17: a violation, with the script on standard output.

#include <glog/logging.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "consensus/model/models.h"
#include "consensus/model/report.h"

namespace rasputin::consensus::model {
namespace {

int Main(int argc, char** argv) {
  ModelOptions options;
  bool show_last = false;  // The way to the last state that was looked at.
  Bounds& bounds = options.bounds;
  std::map<std::string, uint32_t*> small = {
      {"timeouts", &bounds.timeouts},     {"failures", &bounds.failures},
      {"crashes", &bounds.crashes},       {"proposals", &bounds.proposals},
      {"transfers", &bounds.transfers},   {"abdications", &bounds.abdications},
      {"queries", &bounds.queries},       {"withdrawals", &bounds.withdrawals},
      {"lease-ends", &bounds.lease_ends}, {"supports", &bounds.supports}};
  std::map<std::string, uint64_t*> large = {{"terms", &bounds.terms_max},
                                            {"rounds", &bounds.rounds_max},
                                            {"epochs", &bounds.epochs_max},
                                            {"states", &bounds.states_max},
                                            {"append-bytes", &options.replicas.append_bytes_max}};
  for (int i = 1; i < argc; ++i) {
    std::string name(argv[i]);
    uint64_t value = 1;
    if (const size_t equals = name.find('='); equals != std::string::npos) {
      value = std::strtoull(name.c_str() + equals + 1, nullptr, 10);
      name.resize(equals);
    }
    if (name.rfind("--", 0) == 0) name = name.substr(2);
    if (name == "model") {
      const std::string text(argv[i]);
      const std::string wanted = text.substr(text.find('=') + 1);
      for (const NamedModel& model : SuiteModels()) {
        if (model.name == wanted) options = model.options;
      }
    } else if (name == "mutant") {
      options.replicas.mutants = Mutants(value);
    } else if (name == "lease-fault") {
      options.lease_fault = static_cast<LeaseFault>(value);
    } else if (name == "root") {
      options.root = static_cast<Root>(value);
    } else if (name == "audit") {
      options.replicas.audit = value != 0;
    } else if (name == "show-last") {
      show_last = value != 0;
    } else if (name == "progress") {
      options.on_depth = [](uint64_t depth, uint64_t states, uint64_t next) {
        std::fprintf(stderr, "depth %lu: %lu states, %lu next\n", static_cast<unsigned long>(depth),
                     static_cast<unsigned long>(states), static_cast<unsigned long>(next));
      };
    } else if (name == "core-invariants") {
      options.replicas.core_invariants = value != 0;
    } else if (name == "symmetry") {
      options.symmetry = value != 0;
    } else if (name == "slow-disk") {
      options.replicas.slow_disk = value != 0;
    } else if (small.count(name) != 0) {
      *small[name] = static_cast<uint32_t>(value);
    } else if (large.count(name) != 0) {
      *large[name] = value;
    } else {
      std::fprintf(stderr, "unknown option %s; the head of model_main.cc names them\n", argv[i]);
      return 2;
    }
  }
  const ModelResult result = ExploreAloud(options);
  if (show_last && result.violation.empty()) PrintScript(result.script);
  return result.violation.empty() ? 0 : kViolationExitCode;
}

}  // namespace
}  // namespace rasputin::consensus::model

int main(int argc, char** argv) { return rasputin::consensus::model::Main(argc, argv); }
