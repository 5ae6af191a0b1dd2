// Parsing by the table; help and completion are in command_help.cc.

#include "client/cli/command_line.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace rasputin::client {
namespace {

using Words = std::vector<std::string>;

std::string SeeHelp(const CommandTable& table, const CommandRow* command) {
  return absl::StrCat("; see ", table.program, command == nullptr ? "" : " ",
                      command == nullptr ? "" : command->name, " --help");
}

const FlagRow* FindFlag(const std::vector<FlagRow>& flags, absl::string_view name) {
  for (const FlagRow& flag : flags) {
    if (name == flag.name) return &flag;
  }
  return nullptr;
}

Words NameOf(const CommandRow& command) { return absl::StrSplit(command.name, ' '); }

bool BeginsWith(const Words& words, const Words& beginning) {
  return words.size() >= beginning.size() &&
         std::equal(beginning.begin(), beginning.end(), words.begin());
}

// The command whose name the words begin with; null if none.
const CommandRow* FindCommand(const CommandTable& table, const Words& words) {
  for (const CommandRow& command : table.commands) {
    if (BeginsWith(words, NameOf(command))) return &command;
  }
  return nullptr;
}

// A command's name begins with all these words.
bool IsGroup(const CommandTable& table, const Words& words) {
  return std::any_of(table.commands.begin(), table.commands.end(),
                     [&](const CommandRow& row) { return BeginsWith(NameOf(row), words); });
}

absl::Status CheckOperands(const CommandTable& table, const CommandRow& command, size_t given) {
  const Words names = absl::StrSplit(command.operands, ' ', absl::SkipEmpty());
  const size_t needed = static_cast<size_t>(std::count_if(
      names.begin(), names.end(), [](const std::string& name) { return name[0] != '['; }));
  if (given >= needed && given <= names.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", command.name, "' takes ",
                   names.empty() ? "no operands" : absl::StrCat("the operands ", command.operands),
                   ", not ", given, SeeHelp(table, &command)));
}

struct Split {
  Words words;
  std::vector<std::pair<std::string, std::string>> flags;
};

// Flags of any command are known here; whether they belong to this one is checked later.
const FlagRow* FindFlagOfAny(const CommandTable& table, absl::string_view name) {
  if (const FlagRow* flag = FindFlag(table.flags, name)) return flag;
  for (const CommandRow& command : table.commands) {
    if (const FlagRow* flag = FindFlag(command.flags, name)) return flag;
  }
  return nullptr;
}

absl::StatusOr<Split> SplitArguments(const CommandTable& table, const Words& arguments) {
  Split split;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view text = arguments[i];
    if (text == "--") {
      split.words.insert(split.words.end(), arguments.begin() + i + 1, arguments.end());
      break;
    }
    if (text == "-h") text = "--help";
    if (!absl::ConsumePrefix(&text, "--")) {
      if (text.size() > 1 && text[0] == '-') {
        return absl::InvalidArgumentError(
            absl::StrCat("unknown flag ", text, "; flags begin with two dashes, and '--' ends them",
                         SeeHelp(table, nullptr)));
      }
      split.words.emplace_back(text);
      continue;
    }
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    const bool has_value = text.find('=') != absl::string_view::npos;
    const FlagRow* flag = FindFlagOfAny(table, parts.first);
    const bool is_switch = parts.first == "help" || (flag != nullptr && flag->value.empty());
    if (flag == nullptr && !is_switch) {
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown flag --", parts.first, SeeHelp(table, FindCommand(table, split.words))));
    }
    if (is_switch && has_value) {
      return absl::InvalidArgumentError(absl::StrCat("flag --", parts.first, " takes no value"));
    }
    if (is_switch || has_value) {
      split.flags.push_back(parts);
    } else if (++i < arguments.size()) {
      split.flags.emplace_back(parts.first, arguments[i]);
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --", flag->name, " takes a value: --", flag->name, " ", flag->value));
    }
  }
  return split;
}

}  // namespace

absl::StatusOr<CommandLine> CommandLine::Parse(const CommandTable& table, const Words& arguments) {
  absl::StatusOr<Split> split = SplitArguments(table, arguments);
  if (!split.ok()) return split.status();
  CommandLine line;
  line.command = FindCommand(table, split->words);
  for (const auto& [name, value] : split->flags) {
    if (name == "help") line.help = true;
    line.given_[name] = value;
  }
  if (split->words.empty()) line.help = true;
  if (line.command == nullptr) {
    line.topic = absl::StrJoin(split->words, " ");
    if (!IsGroup(table, split->words)) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown command '", line.topic, "'", SeeHelp(table, nullptr)));
    }
    if (line.help) return line;
    return absl::InvalidArgumentError(absl::StrCat("'", line.topic, "' needs more words; see ",
                                                   table.program, " ", line.topic, " --help"));
  }
  line.topic = line.command->name;
  if (line.help) return line;
  line.operands_.assign(split->words.begin() + NameOf(*line.command).size(), split->words.end());
  for (const auto& [name, value] : split->flags) {
    if (FindFlag(table.flags, name) == nullptr && FindFlag(line.command->flags, name) == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("'", line.command->name, "' has no flag --",
                                                     name, SeeHelp(table, line.command)));
    }
  }
  for (const std::vector<FlagRow>* flags : {&table.flags, &line.command->flags}) {
    for (const FlagRow& flag : *flags) line.defaults_[flag.name] = flag.default_value;
  }
  const absl::Status operands = CheckOperands(table, *line.command, line.operands_.size());
  if (!operands.ok()) return operands;
  return line;
}

std::string CommandLine::Text(const std::string& flag) const {
  const auto given = given_.find(flag);
  if (given != given_.end()) return given->second;
  const auto by_default = defaults_.find(flag);
  return by_default == defaults_.end() ? std::string() : by_default->second;
}

absl::StatusOr<uint64_t> CommandLine::Number(const std::string& flag, uint64_t min,
                                             uint64_t max) const {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(Text(flag), &number) || number < min || number > max) {
    return absl::InvalidArgumentError(absl::StrCat("flag --", flag, " must be a number from ", min,
                                                   " to ", max, ", not '", Text(flag), "'"));
  }
  return number;
}

absl::StatusOr<std::chrono::milliseconds> CommandLine::Duration(const std::string& flag) const {
  absl::Duration duration;
  if (!absl::ParseDuration(Text(flag), &duration) || duration < absl::Milliseconds(1) ||
      duration > absl::Hours(24)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "flag --", flag, " must be a time like 10s or 500ms, at most 24h, not '", Text(flag), "'"));
  }
  return std::chrono::milliseconds(absl::ToInt64Milliseconds(duration));
}

std::vector<std::string> SplitList(const std::string& text) {
  return absl::StrSplit(text, ',', absl::SkipWhitespace());
}

std::string CommandLine::Operand(size_t index) const {
  return index < operands_.size() ? operands_[index] : std::string();
}

absl::StatusOr<uint64_t> CommandLine::OperandNumber(size_t index, const std::string& what) const {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(Operand(index), &number)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " must be a number, not '", Operand(index), "'"));
  }
  return number;
}

}  // namespace rasputin::client
