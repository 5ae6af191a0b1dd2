// By popen; see run_program.h.

#include "tests/process/run_program.h"

#include <glog/logging.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>

namespace rasputin::process {

ProgramResult RunProgram(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  PCHECK(pipe != nullptr) << command;
  ProgramResult result;
  std::array<char, 4096> buffer;
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) result.output += buffer.data();
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace rasputin::process
