// Runs the seeds of regressions.txt: what they found stays mended.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"

namespace rasputin::sim {
namespace {

// False: not flags of the simulator.
bool Parse(absl::string_view flags, SimulationOptions* options) {
  for (absl::string_view flag : absl::StrSplit(flags, ' ', absl::SkipWhitespace())) {
    int64_t number = 0;
    if (flag == "--liveness") {
      options->liveness = true;
    } else if (flag == "--placement") {
      options->placement = true;
    } else if (absl::ConsumePrefix(&flag, "--without=")) {
      for (const absl::string_view name : absl::StrSplit(flag, ',')) {
        options->without.insert(std::string(name));
      }
    } else if (const std::vector<absl::string_view> parts = absl::StrSplit(flag, '=');
               parts.size() == 2 && absl::SimpleAtoi(parts[1], &number)) {
      if (parts[0] == "--seed") {
        options->seed = static_cast<uint64_t>(number);
      } else if (parts[0] == "--seconds") {
        options->length = number * kSecond;
      } else if (parts[0] == "--stores") {
        options->stores_max = static_cast<int>(number);
      } else if (parts[0] == "--clients") {
        options->clients_max = static_cast<int>(number);
      } else {
        return false;
      }
    } else {
      return false;
    }
  }
  return true;
}

TEST(Regressions, SeedsThatOnceViolatedSomethingDoNotAnyMore) {
  std::ifstream file("tests/sim/regressions.txt");
  ASSERT_TRUE(file.is_open());
  std::string line;
  int seeds = 0;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> fields = absl::StrSplit(line, '|');
    ASSERT_EQ(fields.size(), 3u) << line;
    SimulationOptions options;
    ASSERT_TRUE(Parse(fields[0], &options)) << line;
    const Report report = Simulate(options);
    EXPECT_FALSE(report.violation.has_value())
        << line << "\n"
        << report.violation->guarantee << ": " << report.violation->details
        << "\nreplay: bazel run //tests/sim:sim -- " << FlagsOf(options) << " --trace";
    ++seeds;
  }
  EXPECT_GT(seeds, 0);
}

}  // namespace
}  // namespace rasputin::sim
