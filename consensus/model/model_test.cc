// All states within small bounds, with the core as it is: nothing that must hold is violated.
//
// Larger bounds: bazel run -c opt //consensus/model:model (README.md lists what was explored).

#include "consensus/model/report.h"
#include "gtest/gtest.h"

namespace rasputin::consensus::model {
namespace {

// From nothing to a leader with a lease, which is interrupted and comes back at a new epoch.
ModelOptions FromNothing() {
  ModelOptions options;
  options.bounds.terms_max = 1;
  options.bounds.timeouts = 1;
  options.bounds.failures = 0;
  return options;
}

// Replica 1 leads; another campaigns when it may.
ModelOptions Led() {
  ModelOptions options;
  options.begins_led = true;
  options.bounds.timeouts = 1;
  options.bounds.failures = 0;
  return options;
}

void ExpectNoViolation(const ModelOptions& options) {
  const ModelResult result = ExploreAloud(options);
  EXPECT_EQ(result.violation, "");
  EXPECT_TRUE(result.exhausted) << "the bounds are too wide for the suite";
  EXPECT_GT(result.with_lease, 0u) << "a model in which nothing happens";
  EXPECT_GT(result.with_commit, 0u);
}

TEST(Model, HoldsFromNothingToALease) { ExpectNoViolation(FromNothing()); }

TEST(Model, HoldsWhileALeaderIsChallenged) { ExpectNoViolation(Led()); }

TEST(Model, EqualEncodingsBehaveAlike) {
  for (ModelOptions options : {FromNothing(), Led()}) {
    options.replicas.audit = true;
    const ModelResult result = ExploreAloud(options);
    EXPECT_EQ(result.violation, "");
    EXPECT_GT(result.audited, 0u);
  }
}

}  // namespace
}  // namespace rasputin::consensus::model
