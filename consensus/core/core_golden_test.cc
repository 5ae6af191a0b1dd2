// Runs the scripts in testdata/ and compares what they cause with what is written below each line.
//
// `bazel run //consensus/core:core_golden_test` rewrites them; read the difference before
// committing.

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "consensus/core/core_script.h"
#include "gtest/gtest.h"

namespace rasputin::consensus {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The script with the effects as they are.
std::string Regenerate(const std::string& text) {
  CoreScript script;
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (absl::StartsWith(line, "  ")) continue;
    absl::StrAppend(&out, line, "\n");
    if (!absl::StartsWith(line, "> ")) continue;
    for (const std::string& effect : script.Run(line.substr(2)))
      absl::StrAppend(&out, effect, "\n");
  }
  EXPECT_EQ(absl::StrJoin(script.violations(), "\n"), "");
  return out;
}

class Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(Golden, ScriptCausesWhatItSays) {
  const std::string path = absl::StrCat("consensus/core/testdata/", GetParam(), ".txt");
  if (const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY")) {
    const std::string file = absl::StrCat(workspace, "/", path);
    const std::string text = Regenerate(ReadFile(file));
    std::ofstream(file) << text;
    return;
  }
  const std::string text = ReadFile(path);
  EXPECT_EQ(Regenerate(text), text);
}

INSTANTIATE_TEST_SUITE_P(Scripts, Golden,
                         ::testing::Values("election", "replication", "abdication", "handover",
                                           "catch_up", "restart", "membership", "snapshot",
                                           "stranded"));

}  // namespace
}  // namespace rasputin::consensus
