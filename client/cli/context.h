// What every command works with: the parsed line, where to read and write, how to reach the
// cluster.
//
// Not thread-safe; one per run of the program.

#ifndef RASPUTIN_CLIENT_CLI_CONTEXT_H_
#define RASPUTIN_CLIENT_CLI_CONTEXT_H_

#include <cstdint>
#include <istream>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "client/cli/command_line.h"
#include "client/cli/output.h"
#include "client/client.h"

namespace rasputin::client {

struct Streams {
  std::istream* in = nullptr;
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  bool terminal = false;      // `err` is one: progress may be shown.
  bool out_terminal = false;  // `out` is one: it may be written over.
};

struct Context {
  CommandLine line;
  Streams streams;
  ClientOptions options;
  bool json = false;

  // Writes the result in the form that was asked for.
  void Write(const Json& json_result, const std::string& table_result) const;
  // One line on the error stream.
  void Note(const std::string& sentence) const;
  // Explains an error of the cluster and returns its exit code.
  int Fail(const absl::Status& error, bool mutation) const;
  // Explains a mistake of the user and returns its exit code.
  int FailUsage(const absl::Status& error) const;
  bool hex() const { return line.Has("hex"); }
  // The time of this machine, in milliseconds since 1970.
  static uint64_t NowMs();
};

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_CONTEXT_H_
