// The command line program: hands arguments, environment and streams to client/cli.
//
// Not responsible for anything else. A closed pipe ends the program with an error, not a signal.

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/cli/program.h"

int main(int argc, char** argv) {
  // The system's Abseil watches every lock of gRPC's for deadlocks, which costs about 5% of the
  // program's CPU time; none of the locks is ours. Before the first of them is taken.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  signal(SIGPIPE, SIG_IGN);
  // gRPC's own log would stand beside the one line that says what happened.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  std::ios::sync_with_stdio(false);
  const char* endpoints = getenv("RASPUTIN_ENDPOINTS");
  rasputin::client::Streams streams;
  streams.in = &std::cin;
  streams.out = &std::cout;
  streams.err = &std::cerr;
  streams.terminal = isatty(STDERR_FILENO) == 1;
  streams.out_terminal = isatty(STDOUT_FILENO) == 1;
  return rasputin::client::RunProgram(std::vector<std::string>(argv + 1, argv + argc),
                                      endpoints == nullptr ? "" : endpoints, streams);
}
