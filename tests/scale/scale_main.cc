// scale --rasputind=FILE --directory=FOLDER [--ranges=1000,5000,20000]: what idle ranges cost.
//
// Prints a table, a column for each number of ranges. Exit code: 0, or 2 for wrong usage.

#include <iostream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/numbers.h"
#include "tests/scale/process_meter.h"
#include "tests/scale/scale.h"

ABSL_FLAG(std::string, rasputind, "bazel-bin/server/rasputind", "the server program");
ABSL_FLAG(std::string, directory, "", "existing; a new folder in it gets data and logs");
ABSL_FLAG(std::vector<std::string>, ranges, (std::vector<std::string>{"1000", "5000", "20000"}),
          "numbers of ranges, from 8 on; each is measured in a cluster of its own");
ABSL_FLAG(int, idle_seconds, 60, "of each measurement of idleness, in seconds");
ABSL_FLAG(int, samples, 100, "keys that are written to see when they can be again");
ABSL_FLAG(int, callers, 48, "splits that are under way at once");
ABSL_FLAG(std::vector<std::string>, server_flags, {}, "for every server, separated by commas");

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("measures what idle ranges cost; see tests/scale/README.md");
  absl::ParseCommandLine(argc, argv);
  rasputin::scale::ScaleOptions options;
  options.binary = absl::GetFlag(FLAGS_rasputind);
  options.directory = absl::GetFlag(FLAGS_directory);
  options.idle_seconds = absl::GetFlag(FLAGS_idle_seconds);
  options.samples = absl::GetFlag(FLAGS_samples);
  options.callers = absl::GetFlag(FLAGS_callers);
  options.flags = absl::GetFlag(FLAGS_server_flags);
  if (options.directory.empty()) {
    std::cerr << "scale: --directory is missing\n";
    return 2;
  }
  options.own_network = rasputin::scale::EnterOwnNetwork();
  if (!options.own_network) {
    std::cerr << "scale: no network of its own is permitted here: the wire is not measured\n";
  }
  std::vector<rasputin::scale::ScaleReport> reports;
  for (const std::string& text : absl::GetFlag(FLAGS_ranges)) {
    if (!absl::SimpleAtoi(text, &options.ranges) || options.ranges < 8) {
      std::cerr << "scale: --ranges wants numbers from 8 on, not '" << text << "'\n";
      return 2;
    }
    reports.push_back(rasputin::scale::RunScale(options));
    std::cout << rasputin::scale::ToString({reports.back()}) << std::endl;
  }
  if (reports.size() > 1) std::cout << rasputin::scale::ToString(reports);
}
