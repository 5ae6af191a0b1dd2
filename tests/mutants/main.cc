// Hunts the deliberate faults: each must be caught, and the code without one must pass all that was
// tried.
//
// Prints a Markdown table: by what each was caught, after how many tries and seconds; then the
// controls, each instrument without a fault over as many tries as its slowest hunt. Exit code: 0
// all caught and the controls found nothing; 1 otherwise; 2 built without faults, or usage.

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tests/mutants/hunt.h"
#include "tests/mutants/instruments.h"
#include "tests/mutants/list.h"

ABSL_FLAG(std::vector<std::string>, mutants, {}, "numbers of the mutants to hunt; none: all");
ABSL_FLAG(bool, quick, false, "only those that are caught within a second or two");
ABSL_FLAG(uint64_t, first_seed, 1, "first seed of each hunt");
ABSL_FLAG(double, effort, 1, "times the tries that each hunt may take at most");
ABSL_FLAG(int, at_a_time, 2, "processes");

namespace rasputin::mutants {
namespace {

constexpr uint64_t kControlTriesMin = 20;
constexpr size_t kOutcomeLength = 100;  // Of what was found: the guarantee, and how it was seen.
constexpr uint64_t kMillion = 1'000'000;

bool Chosen(const MutantInfo& mutant) {
  const std::vector<std::string> wanted = absl::GetFlag(FLAGS_mutants);
  if (absl::GetFlag(FLAGS_quick) && !mutant.hunt.quick) return false;
  return wanted.empty() ||
         std::find(wanted.begin(), wanted.end(), std::to_string(mutant.number)) != wanted.end();
}

std::string NameOf(const Hunt& hunt) {
  std::string name = ToString(hunt.instrument);
  if (hunt.with[0] != '\0') name += std::string(": ") + hunt.with;
  return name;
}

std::string Outcome(const Catch& found) {
  switch (found.end) {
    case Catch::End::kCaught:
      return std::string(found.by).substr(0, kOutcomeLength);
    case Catch::End::kNothing:
      return "nothing found";
    case Catch::End::kBroken:
      break;
  }
  return std::string("the hunt itself broke down: ") + found.by;
}

void PrintRow(const std::string& first, const Order& order, const Catch& found) {
  const bool model = order.hunt.instrument == Instrument::kModel;
  std::printf("| %s | %s | %s | %" PRIu64 "%s | %.1f |\n", first.c_str(),
              NameOf(order.hunt).c_str(), Outcome(found).c_str(), found.tried,
              model ? " states" : "", found.seconds);
  std::fflush(stdout);
}

int Main() {
  if (!BuiltWithMutants()) {
    std::fprintf(stderr, "built without the faults: run //tests/mutants:mutants_test\n");
    return 2;
  }
  std::vector<Order> orders;
  std::map<int, const MutantInfo*> infos;
  for (const MutantInfo& mutant : AllMutants()) {
    if (!Knows(mutant.hunt)) {
      std::fprintf(stderr, "the hunt of mutant %d names nothing known\n", mutant.number);
      return 2;
    }
    if (!Chosen(mutant)) continue;
    Order order{mutant.number, mutant.hunt, absl::GetFlag(FLAGS_first_seed)};
    order.hunt.tries_max = static_cast<uint64_t>(static_cast<double>(mutant.hunt.tries_max) *
                                                 absl::GetFlag(FLAGS_effort));
    order.seconds_max = static_cast<uint64_t>(static_cast<double>(order.seconds_max) *
                                              std::max(1.0, absl::GetFlag(FLAGS_effort)));
    orders.push_back(order);
    infos[mutant.number] = &mutant;
  }
  int missed = 0;
  std::map<std::pair<Instrument, std::string>, Order> controls;
  std::printf("| mutant | instrument | caught by | tries | s |\n|---|---|---|---|---|\n");
  const int at_a_time = std::max(1, absl::GetFlag(FLAGS_at_a_time));
  HuntAll(orders, at_a_time, [&](const Order& order, const Catch& found) {
    const bool model = order.hunt.instrument == Instrument::kModel;
    PrintRow(std::to_string(order.mutant) + " " + infos[order.mutant]->breaks, order, found);
    if (found.end != Catch::End::kCaught) ++missed;
    Order& control = controls.emplace(std::make_pair(order.hunt.instrument, order.hunt.with), order)
                         .first->second;
    if (control.mutant != 0) control.hunt.tries_max = 1;
    control.mutant = 0;
    const uint64_t tries =
        model ? found.tried / kMillion + 1 : std::max(found.tried, kControlTriesMin);
    control.hunt.tries_max = std::max(control.hunt.tries_max, tries);
  });
  std::vector<Order> all_controls;
  for (const auto& [name, control] : controls) all_controls.push_back(control);
  int found_without = 0;
  HuntAll(all_controls, at_a_time, [&](const Order& order, const Catch& found) {
    PrintRow("none", order, found);
    if (found.end != Catch::End::kNothing) ++found_without;
  });
  std::printf("\n%zu mutants hunted, %d missed; %zu controls, %d found something\n", orders.size(),
              missed, all_controls.size(), found_without);
  return missed == 0 && found_without == 0 ? 0 : 1;
}

}  // namespace
}  // namespace rasputin::mutants

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("hunts deliberate faults");
  absl::ParseCommandLine(argc, argv);
  return rasputin::mutants::Main();
}
