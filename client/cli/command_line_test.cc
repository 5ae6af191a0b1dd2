// The parser on a small table, and rules that the real table keeps.

#include "client/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/command_table.h"

namespace rasputin::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const CommandTable& Table() {
  static const CommandTable* const table =
      new CommandTable{"tool",
                       "A tool.",
                       {{"timeout", "TIME", "10s", "How long."}},
                       {{"kv get", "KEY [MORE]", "Reads. Or not.", {{"raw", "", "", "Bytes."}}},
                        {"kv set", "KEY VALUE", "Writes.", {{"file", "PATH", "", "From a file."}}},
                        {"list", "", "Lists.", {{"limit", "COUNT", "7", "How many."}}}}};
  return *table;
}

absl::StatusOr<CommandLine> Parse(const std::vector<std::string>& arguments) {
  return CommandLine::Parse(Table(), arguments);
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  const auto line = Parse(arguments);
  return line.ok() ? "no error" : std::string(line.status().message());
}

TEST(CommandLine, TakesFlagsAnywhereAndInBothForms) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--timeout", "3s", "kv", "get", "k", "--raw"},
                                             {"kv", "--timeout=3s", "get", "--raw", "k"},
                                             {"kv", "get", "--raw", "k", "--timeout", "3s"}}) {
    const auto line = Parse(arguments);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(line->command->name, "kv get");
    EXPECT_THAT(line->operands(), ElementsAre("k"));
    EXPECT_TRUE(line->Has("raw"));
    EXPECT_EQ(line->Duration("timeout")->count(), 3000);
  }
}

TEST(CommandLine, TakesOperandsThatLookLikeFlagsBehindTwoDashes) {
  const auto line = Parse({"kv", "set", "--", "--raw", "-"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_THAT(line->operands(), ElementsAre("--raw", "-"));
  EXPECT_THAT(Parse({"kv", "set", "k", "-"})->operands(), ElementsAre("k", "-"));
}

TEST(CommandLine, KeepsValuesWithEqualSignsAndEmptyOnes) {
  EXPECT_EQ(Parse({"kv", "set", "k", "v", "--file=a=b"})->Text("file"), "a=b");
  const auto empty = Parse({"kv", "set", "k", "", "--file", ""});
  EXPECT_TRUE(empty->Has("file"));
  EXPECT_EQ(empty->Operand(1), "");
}

TEST(CommandLine, GivesDefaultsForFlagsThatAreNotThere) {
  const auto line = Parse({"list"});
  ASSERT_TRUE(line.ok());
  EXPECT_FALSE(line->Has("limit"));
  EXPECT_EQ(*line->Number("limit", 1, 10), 7u);
  EXPECT_EQ(line->Duration("timeout")->count(), 10000);
}

TEST(CommandLine, SaysWhatIsWrongAndWhereToLook) {
  EXPECT_THAT(ErrorOf({"nothing"}), HasSubstr("unknown command 'nothing'; see tool --help"));
  EXPECT_THAT(ErrorOf({"kv"}), HasSubstr("see tool kv --help"));
  EXPECT_THAT(ErrorOf({"kv", "get"}), HasSubstr("takes the operands KEY [MORE], not 0"));
  EXPECT_THAT(ErrorOf({"kv", "get", "a", "b", "c"}), HasSubstr("not 3"));
  EXPECT_THAT(ErrorOf({"list", "a"}), HasSubstr("takes no operands"));
  EXPECT_THAT(ErrorOf({"kv", "get", "k", "--no"}), HasSubstr("--no; see tool kv get --help"));
  EXPECT_THAT(ErrorOf({"kv", "get", "k", "--limit", "1"}), HasSubstr("'kv get' has no flag"));
  EXPECT_THAT(ErrorOf({"list", "--limit"}), HasSubstr("takes a value: --limit COUNT"));
  EXPECT_THAT(ErrorOf({"kv", "get", "k", "--raw=1"}), HasSubstr("takes no value"));
  EXPECT_THAT(ErrorOf({"kv", "get", "k", "-r"}), HasSubstr("two dashes"));
}

TEST(CommandLine, RefusesNumbersAndTimesOutOfBounds) {
  for (const char* limit : {"0", "11", "-1", "x", "", "1.5"}) {
    EXPECT_FALSE(Parse({"list", "--limit", limit})->Number("limit", 1, 10).ok()) << limit;
  }
  for (const char* time : {"0s", "-1s", "25h", "10", "", "inf"}) {
    EXPECT_FALSE(Parse({"list", "--timeout", time})->Duration("timeout").ok()) << time;
  }
}

TEST(CommandLine, TakesHelpInsteadOfOperands) {
  const auto line = Parse({"kv", "set", "--help"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_TRUE(line->help);
  EXPECT_EQ(line->topic, "kv set");
  EXPECT_EQ(Parse({"kv", "-h"})->topic, "kv");
  EXPECT_TRUE(Parse({})->help);
}

TEST(CommandHelp, ShowsEveryCommandAndFlagWithItsSentence) {
  const std::string all = HelpText(Commands(), "");
  for (const CommandRow& command : Commands().commands) {
    EXPECT_THAT(all, HasSubstr(command.name));
    const std::string own = HelpText(Commands(), command.name);
    EXPECT_THAT(own, HasSubstr(command.sentence));
    for (const FlagRow& flag : command.flags) {
      EXPECT_THAT(own, HasSubstr("--" + flag.name));
      EXPECT_THAT(own, HasSubstr(flag.sentence));
    }
  }
  EXPECT_EQ(HelpText(Commands(), "kv").find("range"), std::string::npos);
}

TEST(CommandTable, GivesEachFlagAndCommandASentenceThatEnds) {
  std::vector<FlagRow> flags = Commands().flags;
  for (const CommandRow& command : Commands().commands) {
    EXPECT_EQ(command.sentence.back(), '.') << command.name;
    flags.insert(flags.end(), command.flags.begin(), command.flags.end());
  }
  for (const FlagRow& flag : flags) EXPECT_EQ(flag.sentence.back(), '.') << flag.name;
}

// The parser splits arguments before it knows the command.
TEST(CommandTable, NeverUsesOneNameForASwitchAndAFlagWithValue) {
  std::map<std::string, bool> takes_value;
  for (const CommandRow& command : Commands().commands) {
    for (const FlagRow& flag : command.flags) {
      const auto known = takes_value.emplace(flag.name, !flag.value.empty()).first;
      EXPECT_EQ(known->second, !flag.value.empty()) << flag.name;
    }
  }
}

TEST(BashCompletion, NamesEveryWordOfEveryCommand) {
  const std::string script = BashCompletion(Table());
  EXPECT_THAT(script, HasSubstr("'') words='kv list'"));
  EXPECT_THAT(script, HasSubstr("'kv') words='get set'"));
  EXPECT_THAT(script, HasSubstr("'kv get') words='--raw'"));
}

}  // namespace
}  // namespace rasputin::client
