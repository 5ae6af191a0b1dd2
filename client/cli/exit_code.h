// From an error to an exit code and the line that tells the user what to do.
//
// Pure.

#ifndef RASPUTIN_CLIENT_CLI_EXIT_CODE_H_
#define RASPUTIN_CLIENT_CLI_EXIT_CODE_H_

#include <string>

#include "absl/status/status.h"

namespace rasputin::client {

enum ExitCode : int {
  kDone = 0,
  kNo = 1,              // A missing key, a failed cas.
  kWrongUsage = 2,      // Nothing was asked of the cluster.
  kNotReached = 3,      // No node, or no quorum; nothing was changed.
  kRefused = 4,         // The cluster said no; nothing was changed.
  kOutcomeUnknown = 5,  // It may or may not have been done.
};

// Of an error that a Client or Admin returned. `mutation`: the call could change something.
ExitCode ExitCodeOf(const absl::Status& error, bool mutation);

// One line without the program's name: what happened and what to do.
std::string ExplainError(const absl::Status& error, bool mutation);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_EXIT_CODE_H_
