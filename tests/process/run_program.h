// Runs a program to its end and keeps what it wrote. Thread-safe.

#ifndef RASPUTIN_TESTS_PROCESS_RUN_PROGRAM_H_
#define RASPUTIN_TESTS_PROCESS_RUN_PROGRAM_H_

#include <string>

namespace rasputin::process {

struct ProgramResult {
  int code = 0;        // 128 + signal if it was killed.
  std::string output;  // Of both streams.
};

// `command` is the shell's.
ProgramResult RunProgram(const std::string& command);

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_RUN_PROGRAM_H_
