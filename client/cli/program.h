// The program `rasputin` without its process: arguments in, streams out, exit code back.
//
// Not thread-safe.

#ifndef RASPUTIN_CLIENT_CLI_PROGRAM_H_
#define RASPUTIN_CLIENT_CLI_PROGRAM_H_

#include <string>
#include <vector>

#include "client/cli/context.h"

namespace rasputin::client {

// `arguments` without the program's name; `endpoints`: the environment's RASPUTIN_ENDPOINTS, "" if
// it is not set. Returns an ExitCode.
int RunProgram(const std::vector<std::string>& arguments, const std::string& endpoints,
               const Streams& streams);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_PROGRAM_H_
