// Tables of the layout of full keys and of bounds. Not responsible for the limits of user keys,
// which the front end checks.

#include "client/route/full_key.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace rasputin::client {
namespace {

TEST(FullKey, IsTheIdInEightBytesBigEndianThenTheUserKey) {
  EXPECT_EQ(FullKey(0x0102, "k"), std::string("\0\0\0\0\0\0\x01\x02k", 9));
  EXPECT_EQ(KeyPrefix(2), std::string("\0\0\0\0\0\0\0\x02", 8));
}

TEST(FullKey, ComesApartAgain) {
  const std::string full = FullKey(77, "user");
  EXPECT_EQ(CollectionOf(full), 77u);
  EXPECT_EQ(UserKeyOf(full), "user");
  EXPECT_EQ(CollectionOf("short"), 0u);
}

TEST(FullKey, EveryKeyOfACollectionLiesBelowTheNextCollection) {
  EXPECT_LT(FullKey(255, std::string(100, '\xff')), KeyPrefix(256));
}

TEST(KeyInBounds, IncludesStartExcludesEndAndTakesAnEmptyEndAsUnbounded) {
  const struct {
    absl::string_view key, start, end;
    bool inside;
  } kCases[] = {
      {"b", "b", "d", true},  {"c", "b", "d", true}, {"d", "b", "d", false},
      {"a", "b", "d", false}, {"z", "b", "", true},  {"a", "b", "", false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(KeyInBounds(c.key, c.start, c.end), c.inside)
        << c.key << " in [" << c.start << ", " << c.end << ")";
  }
}

}  // namespace
}  // namespace rasputin::client
