// What the route cache believes after each kind of news. Keys are short strings instead of full
// keys with a prefix: the router does not look inside. Not responsible for asking the directory.

#include "client/route/router.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace rasputin::client {
namespace {

type::v1::RangeDescriptor Range(uint64_t id, uint64_t generation, absl::string_view start,
                                absl::string_view end) {
  type::v1::RangeDescriptor range;
  range.set_range_id(id);
  range.set_generation(generation);
  range.set_start_key(std::string(start));
  range.set_end_key(std::string(end));
  for (uint64_t store = 1; store <= 3; ++store) {
    auto* replica = range.add_replicas();
    replica->set_replica_id(store);
    replica->set_store_id(store * 10);
  }
  return range;
}

uint64_t Located(const Router& router, absl::string_view key) {
  const auto* range = router.Locate(key);
  return range == nullptr ? 0 : range->range_id();
}

TEST(Router, FindsTheRangeWhoseBoundsHoldTheKey) {
  Router router;
  EXPECT_TRUE(router.Learn(Range(1, 1, "b", "d")));
  EXPECT_TRUE(router.Learn(Range(2, 1, "f", "")));
  const struct {
    absl::string_view key;
    uint64_t range;
  } kCases[] = {{"a", 0}, {"b", 1}, {"c", 1}, {"d", 0}, {"e", 0}, {"f", 2}, {"zz", 2}};
  for (const auto& c : kCases) EXPECT_EQ(Located(router, c.key), c.range) << c.key;
}

TEST(Router, ReplacesARangeByItsHigherGenerationOnly) {
  Router router;
  router.Learn(Range(1, 5, "a", "m"));
  EXPECT_FALSE(router.Learn(Range(1, 4, "a", "z")));
  EXPECT_EQ(Located(router, "n"), 0u);
  EXPECT_TRUE(router.Learn(Range(1, 6, "a", "c")));
  EXPECT_EQ(Located(router, "d"), 0u);
  EXPECT_EQ(Located(router, "b"), 1u);
}

TEST(Router, EvictsOlderRangesThatANewOneOverlaps) {
  Router router;
  router.Learn(Range(1, 1, "a", "d"));
  router.Learn(Range(2, 1, "d", "g"));
  router.Learn(Range(3, 1, "g", ""));
  EXPECT_TRUE(router.Learn(Range(4, 2, "c", "e")));
  EXPECT_EQ(Located(router, "a"), 0u);
  EXPECT_EQ(Located(router, "d"), 4u);
  EXPECT_EQ(Located(router, "f"), 0u);
  EXPECT_EQ(Located(router, "g"), 3u);
  EXPECT_EQ(router.RangeCount(), 2u);
}

TEST(Router, IgnoresAnOldParentOverItsYoungerChild) {
  Router router;
  router.Learn(Range(2, 3, "m", "t"));
  EXPECT_FALSE(router.Learn(Range(1, 1, "a", "")));
  EXPECT_EQ(Located(router, "m"), 2u);
  EXPECT_EQ(Located(router, "b"), 0u);
}

TEST(Router, LearnsBothHalvesOfASplitInEitherOrder) {
  for (const bool child_first : {true, false}) {
    Router router;
    router.Learn(Range(1, 1, "a", ""));
    if (child_first) router.Learn(Range(2, 2, "m", ""));
    router.Learn(Range(1, 2, "a", "m"));
    if (!child_first) router.Learn(Range(2, 2, "m", ""));
    EXPECT_EQ(Located(router, "b"), 1u);
    EXPECT_EQ(Located(router, "x"), 2u);
  }
}

TEST(Router, ForgettingARangeDropsItsLeaderToo) {
  Router router;
  router.Learn(Range(1, 1, "a", ""));
  router.LearnLeader(1, 20);
  EXPECT_EQ(router.Leader(1), 20u);
  router.Forget(1);
  EXPECT_EQ(router.Leader(1), 0u);
  EXPECT_EQ(router.Find(1), nullptr);
}

TEST(Router, ForgetsTheLeadersOfAnUnreachableStoreOnly) {
  Router router;
  router.LearnLeader(1, 20);
  router.LearnLeader(2, 30);
  router.LearnLeader(3, 20);
  router.ForgetLeadersOn(20);
  EXPECT_EQ(router.Leader(1), 0u);
  EXPECT_EQ(router.Leader(2), 30u);
  EXPECT_EQ(router.Leader(3), 0u);
}

TEST(Router, KeepsCollectionsByName) {
  Router router;
  type::v1::Collection collection;
  collection.set_id(7);
  collection.set_name("orders");
  router.LearnCollection(collection);
  ASSERT_NE(router.FindCollection("orders"), nullptr);
  EXPECT_EQ(router.FindCollection("orders")->id(), 7u);
  router.ForgetCollection("orders");
  EXPECT_EQ(router.FindCollection("orders"), nullptr);
}

TEST(MemberToTry, GoesRoundTheMembersFromThePreferredOne) {
  const auto range = Range(1, 1, "a", "");
  EXPECT_EQ(MemberToTry(range, 20, 0), 20u);
  EXPECT_EQ(MemberToTry(range, 20, 1), 30u);
  EXPECT_EQ(MemberToTry(range, 20, 2), 10u);
  EXPECT_EQ(MemberToTry(range, 99, 0), 10u);
  EXPECT_EQ(MemberToTry(type::v1::RangeDescriptor(), 20, 0), 0u);
}

}  // namespace
}  // namespace rasputin::client
