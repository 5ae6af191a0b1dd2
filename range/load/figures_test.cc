// Tables of numbers in words.

#include "range/load/figures.h"

#include <gtest/gtest.h>

namespace rasputin::range {
namespace {

TEST(Figures, Bytes) {
  EXPECT_EQ(FormatBytes(0), "0 bytes");
  EXPECT_EQ(FormatBytes(1023), "1023 bytes");
  EXPECT_EQ(FormatBytes(1024), "1 KiB");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(256 << 20), "256 MiB");
  EXPECT_EQ(FormatBytes((uint64_t{1} << 30) - 1), "1 GiB");
  EXPECT_EQ(FormatBytes(uint64_t{5} << 40), "5 TiB");
  EXPECT_EQ(FormatBytes(uint64_t{5000} << 40), "5000 TiB");
}

TEST(Figures, Counts) {
  EXPECT_EQ(FormatCount(0.2), "0");
  EXPECT_EQ(FormatCount(999.6), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-1), "0");
}

TEST(Figures, CoresTimesAndShares) {
  EXPECT_EQ(FormatCores(0.517), "0.52");
  EXPECT_EQ(FormatTime(std::chrono::milliseconds(90999)), "90 s");
  EXPECT_EQ(FormatTime(std::chrono::seconds(719)), "11 min");
  EXPECT_EQ(FormatShare(0.515), "52%");
}

}  // namespace
}  // namespace rasputin::range
