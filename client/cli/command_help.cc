// Help and completion, both written from the table of commands.
//
// Part of command_line.h; pure.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/command_line.h"

namespace rasputin::client {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

std::string Columns(const Rows& rows) {
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());
  std::string text;
  for (const auto& row : rows) {
    absl::StrAppend(&text, "  ", row.first, std::string(width - row.first.size() + 2, ' '),
                    row.second, "\n");
  }
  return text;
}

std::string FlagsText(const std::vector<FlagRow>& flags) {
  Rows rows;
  for (const FlagRow& flag : flags) {
    rows.emplace_back(absl::StrCat("--", flag.name, flag.value.empty() ? "" : " ", flag.value),
                      absl::StrCat(flag.sentence, flag.default_value.empty() ? "" : " Default: ",
                                   flag.default_value, flag.default_value.empty() ? "" : "."));
  }
  return Columns(rows);
}

std::string CommandText(const CommandTable& table, const CommandRow& command) {
  std::string text = absl::StrCat(
      "Usage: ", table.program, " ", command.name, command.operands.empty() ? "" : " ",
      command.operands, command.flags.empty() ? "" : " [flags]", "\n\n", command.sentence, "\n");
  if (!command.flags.empty()) absl::StrAppend(&text, "\nFlags:\n", FlagsText(command.flags));
  return absl::StrCat(text, "\nFlags of every command:\n", FlagsText(table.flags));
}

}  // namespace

std::string HelpText(const CommandTable& table, const std::string& topic) {
  Rows rows;
  for (const CommandRow& command : table.commands) {
    if (command.name == topic) return CommandText(table, command);
    if (topic.empty() || absl::StartsWith(command.name, absl::StrCat(topic, " "))) {
      rows.emplace_back(
          absl::StrCat(command.name, command.operands.empty() ? "" : " ", command.operands),
          command.sentence.substr(0, command.sentence.find(". ")));
    }
  }
  return absl::StrCat("Usage: ", table.program, topic.empty() ? "" : " ", topic,
                      " COMMAND [operands] [flags]\n\n", topic.empty() ? table.sentence : "",
                      topic.empty() ? "\n\n" : "", "Commands (each has a --help of its own):\n",
                      Columns(rows), "\nFlags of every command:\n", FlagsText(table.flags));
}

std::string BashCompletion(const CommandTable& table) {
  const auto flags_of = [](const std::vector<FlagRow>& flags) {
    return absl::StrJoin(flags, " ", [](std::string* out, const FlagRow& flag) {
      absl::StrAppend(out, "--", flag.name);
    });
  };
  // What may follow each beginning of a command's name.
  std::vector<std::string> beginnings = {""};
  std::string cases;
  for (size_t i = 0; i < beginnings.size(); ++i) {
    const std::string beginning = beginnings[i];
    std::set<std::string> next;
    std::string flags;
    for (const CommandRow& command : table.commands) {
      if (command.name == beginning) flags = flags_of(command.flags);
      const std::string before = beginning.empty() ? "" : absl::StrCat(beginning, " ");
      if (!absl::StartsWith(command.name, before) || command.name == beginning) continue;
      const std::string rest = command.name.substr(before.size());
      const std::string word = rest.substr(0, rest.find(' '));
      if (next.insert(word).second) beginnings.push_back(absl::StrCat(before, word));
    }
    absl::StrAppend(&cases, "    '", beginning, "') words='", absl::StrJoin(next, " "),
                    next.empty() || flags.empty() ? "" : " ", flags, "' ;;\n");
  }
  return absl::StrCat("# Completion of ", table.program, " for bash: source <(", table.program,
                      " completion bash)\n_", table.program, R"(() {
  local current="${COMP_WORDS[COMP_CWORD]}" name="" word words=""
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*|*:*|=) continue ;; esac
    case " )",
                      absl::StrJoin(beginnings, "  "), R"(  " in
      *"  ${name:+$name }$word  "*) name="${name:+$name }$word" ;;
    esac
  done
  case "$name" in
)",
                      cases, R"(  esac
  COMPREPLY=($(compgen -W "$words )",
                      flags_of(table.flags), R"( --help" -- "$current"))
}
complete -o default -F _)",
                      table.program, " ", table.program, "\n");
}

}  // namespace rasputin::client
