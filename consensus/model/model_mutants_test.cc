// The model notices broken rules: each of these faults has a counterexample within small bounds.
//
// A search is a child process, because a CHECK of the core may stop it first; the report that it
// prints has the script either way. What is not found: README.md.

#include <sys/wait.h>
#include <unistd.h>

#include "consensus/model/models.h"
#include "consensus/model/report.h"
#include "gtest/gtest.h"

namespace rasputin::consensus::model {
namespace {

class ModelFault : public ::testing::TestWithParam<NamedFault> {};

TEST_P(ModelFault, HasACounterexample) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    _exit(ExploreAloud(GetParam().options).violation.empty() ? 0 : kViolationExitCode);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), kViolationExitCode) << "no state within the bounds shows it";
}

INSTANTIATE_TEST_SUITE_P(Found, ModelFault, ::testing::ValuesIn(FaultsFound()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rasputin::consensus::model
