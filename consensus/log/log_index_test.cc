// Current records and their bytes per segment, through overwriting, cutting, moving and removing.

#include "consensus/log/log_index.h"

#include <gtest/gtest.h>

namespace rasputin::consensus::log {
namespace {

constexpr uint32_t kEntryBytes = EntryRecordBytes(10);

class LogIndexTest : public ::testing::Test {
 protected:
  LogIndexTest() {
    index_.BeginSegments(4);
    index_.AddSegment(4);
    index_.AddSegment(5);
  }
  RecordKey Append(uint64_t range, uint64_t at, uint64_t term = 1) {
    EntryRef entry;
    entry.term = Term(term);
    entry.sequence = ++sequence_;
    entry.payload_bytes = 10;
    index_.AppendEntry(RangeId(range), Index(at), entry);
    RecordKey key;
    key.type = RecordType::kEntry;
    key.id = range;
    key.index = Index(at);
    key.sequence = sequence_;
    key.bytes = kEntryBytes;
    return key;
  }
  LogIndex index_;
  uint64_t sequence_ = 0;
};

TEST_F(LogIndexTest, OnlyWrittenAndCurrentRecordsAreLive) {
  const RecordKey first = Append(1, 1);
  EXPECT_EQ(index_.live_bytes(), 0u);
  EXPECT_TRUE(index_.SetPlace(first, {4, 100}));
  EXPECT_EQ(index_.LiveIn(4), kEntryBytes);
  const RecordKey second = Append(1, 1, 2);
  EXPECT_EQ(index_.LiveIn(4), 0u);
  EXPECT_FALSE(index_.SetPlace(first, {4, 100})) << "overwritten while it was written";
  EXPECT_TRUE(index_.SetPlace(second, {5, 100}));
  EXPECT_EQ(index_.LiveIn(5), kEntryBytes);
}

TEST_F(LogIndexTest, AMoveCountsOnlyFromWhereTheRecordIs) {
  const RecordKey key = Append(1, 1);
  index_.SetPlace(key, {4, 100});
  EXPECT_FALSE(index_.Move(key, {4, 200}, {5, 100}));
  EXPECT_TRUE(index_.IsCurrent(key, {4, 100}));
  EXPECT_TRUE(index_.Move(key, {4, 100}, {5, 300}));
  EXPECT_EQ(index_.LiveIn(4), 0u);
  EXPECT_EQ(index_.LiveIn(5), kEntryBytes);
  index_.DropFirstSegment();
  EXPECT_EQ(index_.first_segment(), 5u);
}

TEST_F(LogIndexTest, CuttingFreesEntriesAndRemovingFreesAll) {
  for (uint64_t at = 1; at <= 100; ++at) {
    index_.SetPlace(Append(1, at), {4, static_cast<uint32_t>(at * 100)});
  }
  index_.SetStart(RangeId(1), {Term(1), Index(60)}, ++sequence_);
  EXPECT_EQ(index_.LiveIn(4), 40u * kEntryBytes);
  EXPECT_EQ(index_.Find(RangeId(1))->last_index(), Index(100));
  EXPECT_EQ(index_.Find(RangeId(1))->At(Index(61)).place.offset, 6100u);
  index_.Remove(RangeId(1));
  EXPECT_EQ(index_.live_bytes(), 0u);
  EXPECT_EQ(index_.Find(RangeId(1)), nullptr);
}

TEST_F(LogIndexTest, AStartThatDoesNotMatchVoidsByTheFloor) {
  Append(1, 1);
  Append(1, 2);
  const LogStartRecord kept = index_.SetStart(RangeId(1), {Term(1), Index(1)}, ++sequence_);
  EXPECT_EQ(kept.floor, 0u);
  const LogStartRecord reset = index_.SetStart(RangeId(1), {Term(7), Index(2)}, ++sequence_);
  EXPECT_EQ(reset.floor, sequence_);
  EXPECT_EQ(index_.Find(RangeId(1))->last_index(), Index(2));
  Append(1, 3, 7);
  const LogStartRecord later = index_.SetStart(RangeId(1), {Term(7), Index(3)}, sequence_ + 1);
  EXPECT_EQ(later.floor, reset.floor) << "a floor is carried on, or voided entries come back";
}

TEST_F(LogIndexTest, MisuseEndsTheProcess) {
  Append(1, 1);
  EXPECT_DEATH(Append(1, 3), "gap");
  EXPECT_DEATH(Append(1, 2, 0), "Check failed");
  EXPECT_DEATH(index_.AddSegment(9), "Check failed");
  EXPECT_DEATH(index_.Find(RangeId(1))->At(Index(2)), "is not in");
  index_.SetPlace(Append(1, 2), {4, 100});
  EXPECT_DEATH(index_.DropFirstSegment(), "Check failed");
}

// 100,000 idle ranges must stay cheap.
TEST_F(LogIndexTest, AnIdleRangeIsSmall) { EXPECT_LE(sizeof(RangeIndex), 96u); }

}  // namespace
}  // namespace rasputin::consensus::log
