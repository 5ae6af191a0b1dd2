// Figures and scripts on standard output; see report.h.

#include "consensus/model/report.h"

#include <glog/logging.h>
#include <unistd.h>

#include <chrono>
#include <iostream>

namespace rasputin::consensus::model {
namespace {

// For the last words of a CHECK, which knows no arguments.
Explorer* running = nullptr;

[[noreturn]] void EndWithScript() {
  Explorer* explorer = running;
  running = nullptr;
  if (explorer != nullptr) {
    std::cout << "  a CHECK of the core after " << explorer->states_so_far() << " states\n";
    PrintScript(explorer->CurrentScript());
    std::cout << std::flush;
  }
  _exit(explorer != nullptr ? kViolationExitCode : 1);
}

}  // namespace

void PrintScript(const std::vector<std::string>& script) {
  for (const std::string& line : script) std::cout << "    " << line << "\n";
}

ModelResult ExploreAloud(const ModelOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  Explorer explorer(options);
  running = &explorer;
  google::InstallFailureFunction(&EndWithScript);
  ModelResult result = explorer.Run();
  running = nullptr;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::cout << "  " << result.states << " states, " << result.transitions << " transitions, depth "
            << result.depth << ", "
            << (result.exhausted           ? "exhausted"
                : result.violation.empty() ? "not exhausted"
                                           : "stopped")
            << "; " << result.cut_off << " transitions beyond the bounds\n  "
            << result.replica_states << " states of single replicas, " << result.messages
            << " messages, " << result.executions << " calls of the core, " << result.audited
            << " audited\n  with a leader " << result.with_leader << ", with a valid lease "
            << result.with_lease << ", with two leaders " << result.with_two_leaders
            << ", with a commit " << result.with_commit << "; "
            << static_cast<uint64_t>(static_cast<double>(result.states) / (seconds + 1e-9))
            << " states per second\n";
  if (!result.violation.empty()) {
    std::cout << "  " << result.violation << "\n";
    PrintScript(result.script);
  }
  std::cout << std::flush;
  return result;
}

}  // namespace rasputin::consensus::model
