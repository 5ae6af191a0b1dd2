// Running an exploration and printing its figures, or the script of what it found.
//
// A CHECK of the core that fails is a finding too: the script up to it is printed and the process
// ends with kViolationExitCode. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_MODEL_REPORT_H_
#define RASPUTIN_CONSENSUS_MODEL_REPORT_H_

#include <string>
#include <vector>

#include "consensus/model/explorer.h"

namespace rasputin::consensus::model {

constexpr int kViolationExitCode = 17;

// Both print to standard output.
void PrintScript(const std::vector<std::string>& script);
ModelResult ExploreAloud(const ModelOptions& options);

}  // namespace rasputin::consensus::model

#endif  // RASPUTIN_CONSENSUS_MODEL_REPORT_H_
