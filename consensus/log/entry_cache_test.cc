// The cache forgets the oldest first, never what is not written yet.

#include "consensus/log/entry_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace rasputin::consensus::log {
namespace {

TEST(EntryCache, FindsBySequenceAcrossGaps) {
  EntryCache cache(1 << 20);
  cache.Add(3, absl::Cord("three"));
  cache.Add(7, absl::Cord("seven"));
  EXPECT_EQ(*cache.Find(7), "seven");
  EXPECT_EQ(*cache.Find(3), "three");
  EXPECT_EQ(cache.Find(5), nullptr);
  EXPECT_EQ(cache.Find(8), nullptr);
}

TEST(EntryCache, KeepsWhatIsNotWrittenBeyondItsBound) {
  EntryCache cache(1000);
  for (uint64_t i = 1; i <= 10; ++i) cache.Add(i, absl::Cord(std::string(400, 'x')));
  EXPECT_EQ(cache.size(), 10u);
  cache.SetWrittenBelow(6);
  EXPECT_EQ(cache.Find(5), nullptr);
  EXPECT_NE(cache.Find(6), nullptr);
  cache.SetWrittenBelow(11);
  EXPECT_LE(cache.bytes(), 1000u);
  EXPECT_NE(cache.Find(10), nullptr);
}

TEST(EntryCache, SequencesOnlyGrow) {
  EntryCache cache(1000);
  cache.Add(5, absl::Cord());
  EXPECT_DEATH(cache.Add(5, absl::Cord()), "Check failed");
}

}  // namespace
}  // namespace rasputin::consensus::log
