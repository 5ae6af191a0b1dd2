// Which of two sets of stores is the better spread.

#include "range/placement/spread.h"

#include <gtest/gtest.h>

namespace rasputin::range {
namespace {

using Labels = std::map<std::string, std::string>;

Collisions Of(const std::vector<Labels>& stores) {
  DomainTable table;
  std::vector<Domains> domains;
  for (const Labels& labels : stores) domains.push_back(table.Number(labels));
  return CountCollisions(domains);
}

TEST(Spread, ThreeZonesAreBetterThanTwo) {
  EXPECT_LT(Of({{{"zone", "a"}}, {{"zone", "b"}}, {{"zone", "c"}}}),
            Of({{{"zone", "a"}}, {{"zone", "b"}}, {{"zone", "b"}}}));
}

TEST(Spread, FiveAsTwoTwoOneIsBetterThanThreeOneOne) {
  const Labels a = {{"zone", "a"}};
  const Labels b = {{"zone", "b"}};
  const Labels c = {{"zone", "c"}};
  EXPECT_LT(Of({a, a, b, b, c}), Of({a, a, a, b, c}));
}

TEST(Spread, TheZoneCountsBeforeTheRack) {
  const Labels a1 = {{"zone", "a"}, {"rack", "1"}};
  const Labels a2 = {{"zone", "a"}, {"rack", "2"}};
  const Labels b1 = {{"zone", "b"}, {"rack", "1"}};
  EXPECT_LT(Of({a1, b1}), Of({a1, a2}));
  EXPECT_LT(Of({a1, a2}), Of({a1, a1}));
}

TEST(Spread, TheSameRackNumberOfTwoZonesIsTwoRacks) {
  const Labels a1 = {{"zone", "a"}, {"rack", "1"}};
  const Labels b1 = {{"zone", "b"}, {"rack", "1"}};
  EXPECT_EQ(Of({a1, b1})[2], 0u);
}

TEST(Spread, WithoutLabelsEverySetOfOneSizeIsTheSame) {
  EXPECT_EQ(Of({{}, {}, {}}), Of({{{"disk", "ssd"}}, {}, {}}));
}

}  // namespace
}  // namespace rasputin::range
