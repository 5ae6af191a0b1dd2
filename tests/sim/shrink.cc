// What is left out, in which order; see shrink.h.

#include "tests/sim/shrink.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace rasputin::sim {
namespace {

// Nothing is gained by cutting further.
constexpr RealTime kLengthMin = kSecond;

class Shrinker {
 public:
  Shrinker(const SimulationOptions& failing, const ShrinkProgress& progress)
      : smallest_(failing), progress_(progress) {
    const Report report = Simulate(failing);
    if (report.violation.has_value()) guarantee_ = report.violation->guarantee;
    last_ = report;
  }

  SimulationOptions Go() {
    if (guarantee_.empty()) return smallest_;
    // What is left out changes all that follows, so a second round may find more.
    for (int round = 0; round < 2; ++round) {
      Shorten();
      LeaveOut(last_.plan);
      LeaveOut(last_.operations);
      while (last_.stores > 3 && Try("a store", [this](SimulationOptions* options) {
               options->stores_max = last_.stores - 1;
             })) {
      }
      while (last_.clients > 1 && Try("a client", [this](SimulationOptions* options) {
               options->clients_max = last_.clients - 1;
             })) {
      }
    }
    return smallest_;
  }

 private:
  bool Try(const std::string& step, const std::function<void(SimulationOptions*)>& change) {
    SimulationOptions options = smallest_;
    options.trace = false;
    change(&options);
    const Report report = Simulate(options);
    if (!report.violation.has_value() || report.violation->guarantee != guarantee_) return false;
    smallest_ = options;
    last_ = report;
    progress_(step);
    return true;
  }

  void Shorten() {
    while (smallest_.length / 2 >= kLengthMin) {
      const RealTime half = smallest_.length / 2 / kSecond * kSecond;
      if (!Try(absl::StrCat("all beyond ", half / kSecond, " s"),
               [half](SimulationOptions* options) { options->length = half; })) {
        return;
      }
    }
  }

  void LeaveOut(const std::string& names) {
    for (const std::string& name : std::vector<std::string>(absl::StrSplit(names, ' '))) {
      if (name.empty() || name == "none") continue;
      Try(name, [&name](SimulationOptions* options) { options->without.insert(name); });
    }
  }

  SimulationOptions smallest_;
  ShrinkProgress progress_;
  std::string guarantee_;
  Report last_;
};

}  // namespace

SimulationOptions Shrink(const SimulationOptions& failing, const ShrinkProgress& progress) {
  return Shrinker(failing, progress).Go();
}

std::string FlagsOf(const SimulationOptions& options) {
  std::string flags =
      absl::StrCat("--seed=", options.seed, " --seconds=", options.length / kSecond);
  if (options.liveness) flags += " --liveness";
  if (options.damage) flags += " --damage";
  if (options.placement) flags += " --placement";
  if (!options.without.empty()) {
    absl::StrAppend(&flags, " --without=", absl::StrJoin(options.without, ","));
  }
  if (options.stores_max != 0) absl::StrAppend(&flags, " --stores=", options.stores_max);
  if (options.clients_max != 0) absl::StrAppend(&flags, " --clients=", options.clients_max);
  return flags;
}

}  // namespace rasputin::sim
