// The rows of a range: the documented bytes, what a crash leaves, and the list of ranges at a
// start.

#include "kv/range_rows.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "kv/key.h"
#include "kv/memory_engine.h"

namespace rasputin::kv {
namespace {

TEST(AppliedState, HasTheDocumentedBytesAndComesBack) {
  const AppliedState state{258, 3, 0x018bcfe568000001};
  const std::string row = EncodeAppliedState(state);
  EXPECT_EQ(absl::BytesToHexString(row),
            "01"
            "0000000000000102"
            "0000000000000003"
            "018bcfe568000001");
  EXPECT_EQ(DecodeAppliedState(row).value(), state);
}

TEST(AppliedState, OfANewerFormatOrAnotherLengthIsDataLoss) {
  std::string row = EncodeAppliedState({1, 1, 1});
  EXPECT_EQ(DecodeAppliedState(row.substr(1)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecodeAppliedState("").status().code(), absl::StatusCode::kDataLoss);
  row[0] = 2;
  EXPECT_EQ(DecodeAppliedState(row).status().code(), absl::StatusCode::kDataLoss);
}

TEST(AppliedState, PersistedLagsBehindUntilAFlush) {
  MemoryEngine engine;
  Turn turn(&engine);
  EXPECT_FALSE(ReadAppliedState(1, engine)->has_value());
  EXPECT_EQ(ReadPersistedAppliedState(1, engine).value(), AppliedState());
  WriteAppliedState(1, {10, 2, 5}, &turn);
  ASSERT_TRUE(turn.Commit().ok());
  EXPECT_EQ(ReadAppliedState(1, engine)->value(), (AppliedState{10, 2, 5}));
  EXPECT_EQ(ReadPersistedAppliedState(1, engine).value(), AppliedState());
  ASSERT_TRUE(engine.StartFlush().ok());
  engine.CompleteFlush();
  EXPECT_EQ(ReadPersistedAppliedState(1, engine).value(), (AppliedState{10, 2, 5}));
}

TEST(Descriptors, AreListedByRangeIdAmongAllOtherRows) {
  MemoryEngine engine;
  Turn turn(&engine);
  for (uint64_t id : {300, 2, 1, 255}) {
    WriteDescriptor(id, "range " + std::to_string(id), &turn);
    WriteAppliedState(id, {1, 1, 1}, &turn);
    turn.Put(RangeRowKey(id, 0x13), "a session row");
  }
  WriteAppliedState(5, {1, 1, 1}, &turn);  // No descriptor.
  turn.Put(RangeRowKey(6, 0x13), "a session row");
  turn.Put(DataKey(1, "k"), "data");
  ASSERT_TRUE(turn.Commit().ok());
  EXPECT_EQ(ListDescriptors(engine).value(),
            (std::vector<std::string>{"range 1", "range 2", "range 255", "range 300"}));
}

TEST(RangeRows, TombstonesAreListedAndAreNoDescriptors) {
  MemoryEngine engine;
  Turn turn(&engine);
  turn.Put(TombstoneKey(4), EncodeTombstone(9));
  turn.Put(TombstoneKey(7), EncodeTombstone(2));
  WriteDescriptor(4, "descriptor", &turn);
  WriteAppliedState(5, AppliedState{1, 1, 1}, &turn);
  ASSERT_TRUE(turn.Commit().ok());
  const auto tombstones = ListTombstones(engine);
  ASSERT_TRUE(tombstones.ok());
  EXPECT_EQ(*tombstones, (std::vector<std::pair<uint64_t, uint64_t>>{{4, 9}, {7, 2}}));
  EXPECT_EQ(*ListDescriptors(engine), (std::vector<std::string>{"descriptor"}));
  // What remembers an absorbed range stands beside it, and outlives the range as well.
  WriteAbsorbed(4, "absorbed", &turn);
  WriteAbsorbed(6, "absorbed too", &turn);
  DeleteRangeRows(4, &turn);
  ASSERT_TRUE(turn.Commit().ok());
  EXPECT_EQ(*ListAbsorbed(engine), (std::vector<std::string>{"absorbed", "absorbed too"}));
  EXPECT_EQ(ListTombstones(engine)->size(), 2u);
  EXPECT_TRUE(ListDescriptors(engine)->empty());
  EXPECT_FALSE(*IsAbsorbedPersisted(4, engine));
  ASSERT_TRUE(engine.StartFlush().ok());
  engine.CompleteFlush();
  EXPECT_TRUE(*IsAbsorbedPersisted(4, engine));
  turn.Put(TombstoneKey(7), "x");
  ASSERT_TRUE(turn.Commit().ok());
  EXPECT_EQ(ListTombstones(engine).status().code(), absl::StatusCode::kDataLoss);
}

TEST(RangeRows, TheHighestAbsorbedRangeIsRemembered) {
  MemoryEngine engine;
  Turn turn(&engine);
  EXPECT_EQ(ReadHighestAbsorbed(4, turn).value(), 0u);
  WriteHighestAbsorbed(4, 258, &turn);
  EXPECT_EQ(ReadHighestAbsorbed(4, turn).value(), 258u);
  EXPECT_EQ(ReadHighestAbsorbed(5, turn).value(), 0u);
  turn.Put(RangeRowKey(4, 0x03), "x");
  EXPECT_EQ(ReadHighestAbsorbed(4, turn).status().code(), absl::StatusCode::kDataLoss);
}

TEST(RangeRows, DeletingTheDataOfARangeLeavesItsOwnRowsAndItsNeighbours) {
  MemoryEngine engine;
  Turn turn(&engine);
  for (const char* key : {"a", "b", "c", "d"}) turn.Put(DataKey(3, key), "data");
  WriteDescriptor(4, "descriptor", &turn);
  turn.Put(RangeRowKey(4, 0x13), "a session row");
  turn.Put(RangeRowKey(5, 0x13), "a session row");
  DeleteRangeData(4, FullKey(3, "b"), FullKey(3, "d"), &turn);
  ASSERT_TRUE(turn.Commit().ok());
  EXPECT_TRUE(engine.Get(DataKey(3, "a"))->has_value());
  EXPECT_FALSE(engine.Get(DataKey(3, "b"))->has_value());
  EXPECT_FALSE(engine.Get(DataKey(3, "c"))->has_value());
  EXPECT_TRUE(engine.Get(DataKey(3, "d"))->has_value());
  EXPECT_EQ(ListDescriptors(engine)->size(), 1u);
  EXPECT_FALSE(engine.Get(RangeRowKey(4, 0x13))->has_value());
  EXPECT_TRUE(engine.Get(RangeRowKey(5, 0x13))->has_value());
}

}  // namespace
}  // namespace rasputin::kv
