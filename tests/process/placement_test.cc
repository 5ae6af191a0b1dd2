// Real servers that look after themselves: a store that is lost for good is rebuilt elsewhere, one
// is drained and decommissioned, and no client's call fails.

#include <gtest/gtest.h>

#include <iostream>

#include "tests/process/placement_show.h"

namespace rasputin::process {
namespace {

PlacementShowOptions Small() {
  PlacementShowOptions options;
  options.binary = "server/rasputind";
  options.directory = testing::TempDir();
  return options;
}

void Expect(const PlacementReport& report) {
  std::cout << ToString(report);
  EXPECT_EQ(report.unsettled, "");
  EXPECT_EQ(report.failed, 0u);
  EXPECT_TRUE(report.Well()) << report.explanation;
}

TEST(Placement, RebuildsWhatALostStoreHeldWithoutAnOperator) { Expect(ShowLostStore(Small())); }

TEST(Placement, DrainsAndDecommissionsTheStoreOfTheControllerItself) {
  Expect(ShowDrainedStore(Small()));
}

}  // namespace
}  // namespace rasputin::process
