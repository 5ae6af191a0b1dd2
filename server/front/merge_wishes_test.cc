// When a wish stands, vouches, ends and rests.

#include "server/front/merge_wishes.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

using consensus::Instant;
using std::chrono::minutes;
using std::chrono::seconds;

type::v1::RangeDescriptor Range(uint64_t id, const std::string& start, const std::string& end) {
  type::v1::RangeDescriptor range;
  range.set_range_id(id);
  range.set_start_key(start);
  range.set_end_key(end);
  return range;
}

struct MergeWishesTest : testing::Test {
  bool Confirm() { return wishes.Confirm(now, left, right, "both are small"); }

  MergeWishes wishes;
  Instant now{seconds(1000)};
  type::v1::RangeDescriptor left = Range(7, "a", "m");
  type::v1::RangeDescriptor right = Range(8, "m", "z");
};

TEST_F(MergeWishesTest, IsNewsOnceAndIsReportedWithItsAge) {
  EXPECT_TRUE(Confirm());
  now += seconds(3);
  EXPECT_FALSE(Confirm());
  const auto list = wishes.List(now);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].left_range_id(), 7u);
  EXPECT_EQ(list[0].right_range_id(), 8u);
  EXPECT_EQ(list[0].standing_ms(), 3000u);
  EXPECT_EQ(list[0].reason(), "both are small");
}

TEST_F(MergeWishesTest, StandsOnlyForTheBoundsThatItWasMadeFor) {
  Confirm();
  EXPECT_TRUE(wishes.Stands(now, left, right));
  EXPECT_FALSE(wishes.Stands(now, left, Range(9, "m", "z")));
  EXPECT_FALSE(wishes.Stands(now, left, Range(8, "m", "t"))) << "the right range has split";
  EXPECT_FALSE(wishes.Stands(now, Range(7, "a", "k"), Range(8, "m", "z")));
  right = Range(8, "m", "t");
  EXPECT_TRUE(Confirm()) << "it begins anew";
  wishes.Drop(7);
  EXPECT_FALSE(wishes.Stands(now, left, right));
  EXPECT_TRUE(wishes.List(now).empty());
}

TEST_F(MergeWishesTest, EndsIfNobodyConfirmsIt) {
  Confirm();
  now += MergeWishes::kUnconfirmedMax;
  EXPECT_FALSE(wishes.Stands(now, left, right));
  EXPECT_TRUE(wishes.List(now).empty());
  EXPECT_TRUE(wishes.TakeDue(now).empty());
  EXPECT_TRUE(Confirm()) << "it does not rest";
}

TEST_F(MergeWishesTest, IsLookedAtAgainEveryFewSeconds) {
  Confirm();
  EXPECT_TRUE(wishes.TakeDue(now + seconds(4)).empty());
  EXPECT_EQ(wishes.TakeDue(now + seconds(5)), std::vector<uint64_t>{7});
  EXPECT_TRUE(wishes.TakeDue(now + seconds(6)).empty());
}

TEST_F(MergeWishesTest, EndsAfterTenMinutesAllTheSameAndRests) {
  Confirm();
  const Instant began = now;
  for (; now < began + MergeWishes::kStandMax; now += minutes(1)) EXPECT_EQ(Confirm(), false);
  EXPECT_TRUE(wishes.TakeDue(now).empty());
  EXPECT_TRUE(wishes.List(now).empty());
  EXPECT_FALSE(wishes.HasPlace(now, 7));
  EXPECT_FALSE(Confirm());
  now += MergeWishes::kRest;
  EXPECT_TRUE(wishes.HasPlace(now, 7));
  EXPECT_TRUE(Confirm());
}

TEST_F(MergeWishesTest, AreFew) {
  for (uint64_t id = 100; id < 100 + MergeWishes::kMax; ++id) {
    EXPECT_TRUE(wishes.Confirm(now, Range(id, "a", "m"), right, ""));
  }
  EXPECT_FALSE(wishes.HasPlace(now, 7));
  EXPECT_FALSE(Confirm());
  EXPECT_EQ(wishes.List(now).size(), MergeWishes::kMax);
  EXPECT_TRUE(wishes.HasPlace(now, 100));
}

}  // namespace
}  // namespace rasputin::server
