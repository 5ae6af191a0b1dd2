// What the user typed: commands, operands and flags, parsed by a table; help and completion from
// the same table.
//
// Pure. Not responsible for what the commands are (command_table.h) nor for what values mean,
// except numbers and durations. Errors are one sentence for the user, code INVALID_ARGUMENT.

#ifndef RASPUTIN_CLIENT_CLI_COMMAND_LINE_H_
#define RASPUTIN_CLIENT_CLI_COMMAND_LINE_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rasputin::client {

struct FlagRow {
  std::string name;           // Without dashes.
  std::string value;          // Placeholder; empty: the flag takes no value.
  std::string default_value;  // Shown, and what Text() gives if the flag is not there.
  std::string sentence;
};

struct CommandRow {
  std::string name;      // "kv get"
  std::string operands;  // "KEY [VALUE]": those in brackets may be left out.
  std::string sentence;
  std::vector<FlagRow> flags;
};

struct CommandTable {
  std::string program;
  std::string sentence;
  std::vector<FlagRow> flags;  // Of every command.
  std::vector<CommandRow> commands;
};

class CommandLine {
 public:
  // Null: only help was asked for. Points into the table.
  const CommandRow* command = nullptr;
  // --help, or no command at all; `topic` is what was typed of the command's name.
  bool help = false;
  std::string topic;

  // `arguments` without the program's name. Flags may stand anywhere, as --name value or
  // --name=value; what follows "--" is taken as operands; "-" is an operand. The table must outlive
  // the result.
  static absl::StatusOr<CommandLine> Parse(const CommandTable& table,
                                           const std::vector<std::string>& arguments);

  bool Has(const std::string& flag) const { return given_.count(flag) != 0; }
  // The value, or the default.
  std::string Text(const std::string& flag) const;
  absl::StatusOr<uint64_t> Number(const std::string& flag, uint64_t min, uint64_t max) const;
  // Like "10s", "500ms", "1.5m"; more than 0 and at most a day.
  absl::StatusOr<std::chrono::milliseconds> Duration(const std::string& flag) const;

  const std::vector<std::string>& operands() const { return operands_; }
  // The operand at this place, or "" if it was left out.
  std::string Operand(size_t index) const;
  // An operand that must be a number; `what` names it.
  absl::StatusOr<uint64_t> OperandNumber(size_t index, const std::string& what) const;

 private:
  std::map<std::string, std::string> given_;
  std::map<std::string, std::string> defaults_;
  std::vector<std::string> operands_;
};

// The parts between commas, without empty ones.
std::vector<std::string> SplitList(const std::string& text);

// The text of --help: of the program (topic ""), of a group ("kv") or of a command ("kv get").
std::string HelpText(const CommandTable& table, const std::string& topic);
// A script for bash that completes commands and flags.
std::string BashCompletion(const CommandTable& table);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_COMMAND_LINE_H_
