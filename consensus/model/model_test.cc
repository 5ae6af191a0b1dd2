// All states within small bounds, with the core as it is: nothing that must hold is violated.
//
// Larger bounds: README.md lists what was explored, and how.

#include <string>

#include "consensus/model/models.h"
#include "consensus/model/report.h"
#include "gtest/gtest.h"

namespace rasputin::consensus::model {
namespace {

class Model : public ::testing::TestWithParam<NamedModel> {};

TEST_P(Model, HoldsInEveryState) {
  const ModelResult result = ExploreAloud(GetParam().options);
  EXPECT_EQ(result.violation, "");
  EXPECT_TRUE(result.exhausted) << "the bounds are too wide for the suite";
  EXPECT_GT(result.with_leader, 0u) << "a model in which nothing happens";
}

INSTANTIATE_TEST_SUITE_P(Suite, Model, ::testing::ValuesIn(SuiteModels()),
                         [](const auto& info) { return info.param.name; });

// States that are taken for the same because of what is left out of their encodings are the same.
TEST(ModelAudit, EqualEncodingsBehaveAlike) {
  uint64_t audited = 0;
  for (const NamedModel& model : SuiteModels()) {
    ModelOptions options = model.options;
    options.replicas.audit = true;
    options.bounds.states_max = 20'000;
    const ModelResult result = Explorer(options).Run();
    EXPECT_EQ(result.violation, "") << model.name;
    audited += result.audited;
  }
  EXPECT_GT(audited, 1000u);
}

}  // namespace
}  // namespace rasputin::consensus::model
