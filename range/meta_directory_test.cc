// What the directory keeps of descriptors that come late, twice and in any order, and its feed.

#include "range/meta_directory.h"

#include <gtest/gtest.h>

#include "kv/memory_engine.h"
#include "range/directory_runs.h"
#include "range/meta_rows.h"

namespace rasputin::range {
namespace {

using storage::v1::MetaQueryResult;

std::string Key(const std::string& key) { return CollectionPrefix(2) + key; }

RangeDescriptor Range(uint64_t id, uint64_t generation, const std::string& start,
                      const std::string& end) {
  RangeDescriptor descriptor;
  descriptor.set_range_id(id);
  descriptor.set_generation(generation);
  descriptor.set_collection_id(2);
  descriptor.set_start_key(Key(start));
  descriptor.set_end_key(end.empty() ? "" : Key(end));
  return descriptor;
}

class MetaDirectoryTest : public testing::Test {
 protected:
  void Put(const std::vector<RangeDescriptor>& descriptors) {
    kv::Turn turn(&engine_);
    for (const RangeDescriptor& one : descriptors) {
      ASSERT_TRUE(meta::PutRange(one, {}, &turn).ok());
    }
    ASSERT_TRUE(turn.Commit().ok());
  }

  // "id@generation[start,end)" of every range in key order.
  std::string Ranges() {
    MetaQueryResult result;
    EXPECT_TRUE(meta::ReadRangesFrom("", 1000, engine_, &result).ok());
    std::string out;
    for (const RangeDescriptor& range : result.ranges()) {
      absl::StrAppend(&out, out.empty() ? "" : " ", range.range_id(), "@", range.generation(), "[",
                      range.start_key().substr(8), ",",
                      range.end_key().empty() ? "" : range.end_key().substr(8), ")");
    }
    return out;
  }

  // "everything", or ids of changed ranges, then those of gone ones, then the number to go on with.
  std::string Changes(uint64_t after, uint32_t limit = 100) {
    MetaQueryResult result;
    EXPECT_TRUE(meta::ReadChanges(after, limit, engine_, &result).ok());
    std::string out = result.everything() ? "everything" : "";
    for (const RangeDescriptor& range : result.ranges()) {
      absl::StrAppend(&out, " ", range.range_id());
    }
    for (const uint64_t id : result.gone_range_ids()) absl::StrAppend(&out, " gone ", id);
    absl::StrAppend(&out, result.more() ? " more" : "", " -> ", result.last_change());
    return out;
  }

  kv::MemoryEngine engine_;
};

TEST_F(MetaDirectoryTest, AMergedRangeReplacesWhatItAbsorbed) {
  Put({Range(2, 2, "", "m"), Range(3, 2, "m", "")});
  Put({Range(2, 3, "", "")});
  EXPECT_EQ(Ranges(), "2@3[,)");
}

TEST_F(MetaDirectoryTest, AnAbsorbedRangeIsNotPutBackByALateWrite) {
  Put({Range(2, 2, "", "m"), Range(3, 4, "m", "")});
  Put({Range(2, 5, "", "")});
  Put({Range(3, 4, "m", "")});
  EXPECT_EQ(Ranges(), "2@5[,)");
}

// The merged range itself was never written: what came of it covers the absorbed one in two parts.
TEST_F(MetaDirectoryTest, AnAbsorbedRangeGoesThoughNoSingleRangeCoversIt) {
  Put({Range(2, 2, "", "m"), Range(3, 2, "m", "")});
  Put({Range(2, 4, "", "p")});
  EXPECT_EQ(Ranges(), "2@4[,p)");
  Put({Range(4, 4, "p", "")});
  EXPECT_EQ(Ranges(), "2@4[,p) 4@4[p,)");
}

TEST_F(MetaDirectoryTest, AParentWhoseChildIsWrittenFirstKeepsTheRestOfItsKeys) {
  Put({Range(2, 1, "", "")});
  Put({Range(3, 2, "m", "")});
  EXPECT_EQ(Ranges(), "2@1[,m) 3@2[m,)");
  Put({Range(2, 1, "", "")});
  EXPECT_EQ(Ranges(), "2@1[,m) 3@2[m,)");
  Put({Range(2, 2, "", "m")});
  EXPECT_EQ(Ranges(), "2@2[,m) 3@2[m,)");
}

TEST_F(MetaDirectoryTest, ConvergesForRandomHistoriesInAnyOrder) {
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    ASSERT_EQ(RunDirectory(seed), "") << "seed " << seed;
  }
}

TEST_F(MetaDirectoryTest, TellsOnlyTheNewestChangeOfARange) {
  Put({Range(2, 1, "", "")});
  EXPECT_EQ(Changes(0), "everything 2 -> 2");
  EXPECT_EQ(Changes(2), " -> 2");
  Put({Range(2, 2, "", "m"), Range(3, 2, "m", "")});
  Put({Range(2, 3, "", "m")});
  EXPECT_EQ(Changes(2), " 3 2 -> 5");
  EXPECT_EQ(Changes(2, 1), " 3 more -> 4");
  EXPECT_EQ(Changes(4, 1), " 2 -> 5");
  Put({Range(2, 4, "", "")});
  EXPECT_EQ(Changes(5), " 2 gone 3 -> 7");
  EXPECT_EQ(Changes(2, 1), " 2 gone 3 -> 7");
}

TEST_F(MetaDirectoryTest, AStaleWriteIsNoChange) {
  Put({Range(2, 2, "", "m"), Range(3, 2, "m", "")});
  Put({Range(2, 1, "", ""), Range(3, 2, "m", "")});
  EXPECT_EQ(Changes(3), " -> 3");
}

TEST_F(MetaDirectoryTest, WhoWasAwayTooLongReadsEverything) {
  Put({Range(2, 1, "", "")});
  uint64_t generation = 1;
  for (uint64_t id = 3; id < 3 + meta::kGoneRangesKept + 1; ++id) {
    ++generation;
    Put({Range(2, generation, "", "m"), Range(id, generation, "m", "")});
    ++generation;
    Put({Range(2, generation, "", "")});
  }
  EXPECT_EQ(Changes(2).substr(0, 10), "everything");
  MetaQueryResult result;
  // The first child went with change 5: from there on all is known.
  ASSERT_TRUE(meta::ReadChanges(5, 10, engine_, &result).ok());
  EXPECT_FALSE(result.everything());
  EXPECT_EQ(result.gone_range_ids_size(), static_cast<int>(meta::kGoneRangesKept));
}

TEST_F(MetaDirectoryTest, NobodyGoesOnAcrossARecoveryThatMayHaveLostChanges) {
  Put({Range(2, 1, "", "")});
  kv::Turn turn(&engine_);
  ASSERT_TRUE(meta::SkipChanges(100, &turn).ok());
  ASSERT_TRUE(turn.Commit().ok());
  EXPECT_EQ(Changes(2), "everything 2 -> 102");
  EXPECT_EQ(Changes(50), "everything 2 -> 102");
  EXPECT_EQ(Changes(103), "everything 2 -> 102");
  EXPECT_EQ(Changes(102), " -> 102");
}

}  // namespace
}  // namespace rasputin::range
