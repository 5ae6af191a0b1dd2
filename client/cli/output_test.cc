// Bytes in tables and JSON.

#include "client/cli/output.h"

#include <gtest/gtest.h>

namespace rasputin::client {
namespace {

TEST(Utf8, IsWhatUnicodeSaysItIs) {
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa4z"}) {
    EXPECT_TRUE(IsUtf8(good)) << Show(good, true);
  }
  // Lone, overlong, surrogate, too high, cut off.
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xff", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3z"}) {
    EXPECT_FALSE(IsUtf8(bad)) << Show(bad, true);
  }
}

TEST(SetBytes, KeepsTextAndEncodesTheRest) {
  Json json;
  SetBytes(&json, "a", std::string("x\0y\"", 4));
  SetBytes(&json, "b", "\xff\x01");
  SetBytes(&json, "c", "");
  EXPECT_EQ(json.dump(), R"({"a":"x\u0000y\"","b_base64":"/wE=","c":""})");
}

TEST(BytesOf, ReadsHexadecimalDigitsOnlyInPairs) {
  EXPECT_EQ(*BytesOf("00fF", true, "KEY"), std::string("\x00\xff", 2));
  EXPECT_EQ(*BytesOf("00fF", false, "KEY"), "00fF");
  EXPECT_FALSE(BytesOf("0", true, "KEY").ok());
  EXPECT_FALSE(BytesOf("0g", true, "KEY").ok());
}

TEST(Show, KeepsOneLinePerValue) {
  EXPECT_EQ(Show("a\nb\t\xc3\xa4", false), "a\\nb\\t\xc3\xa4");
  EXPECT_EQ(Show("\xff", false), "\\xff");
  EXPECT_EQ(Show("az", true), "617a");
}

TEST(ShowShort, CutsBetweenCharactersAndSaysTheSize) {
  EXPECT_EQ(ShowShort("abc", false, 3), "abc");
  EXPECT_EQ(ShowShort("abcd", false, 3), "abc... (4 bytes)");
  EXPECT_EQ(ShowShort("a\xc3\xa4z", false, 2), "a... (4 bytes)");
  EXPECT_EQ(ShowShort("\x80\x80\x80", true, 2), "8080... (3 bytes)");
}

TEST(AlignedTable, PadsColumnsAndLeavesNoBlanksAtTheEnd) {
  EXPECT_EQ(AlignedTable({{"ID", "NAME", ""}, {"10", "x", "y"}}), "ID  NAME\n10  x     y\n");
}

}  // namespace
}  // namespace rasputin::client
