// The command line program: hands arguments, environment and streams to client/cli.
//
// Not responsible for anything else. A closed pipe ends the program with an error, not a signal.

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "client/cli/program.h"

int main(int argc, char** argv) {
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
  return rasputin::client::RunProgram(std::vector<std::string>(argv + 1, argv + argc),
                                      endpoints == nullptr ? "" : endpoints, streams);
}
