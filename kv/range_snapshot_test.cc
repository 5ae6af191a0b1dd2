// Claims about snapshots of ranges: all rows and no others, chunk by chunk, and what is refused.

#include "kv/range_snapshot.h"

#include <gtest/gtest.h>

#include <random>

#include "kv/key.h"
#include "kv/memory_engine.h"
#include "kv/range_row_kind.h"
#include "kv/range_rows.h"
#include "kv/state_hash.h"
#include "kv/turn.h"

namespace rasputin::kv {
namespace {

constexpr uint64_t kRange = 5;

RangeBounds Bounds(const std::string& from, const std::string& to) {
  return {kRange, FullKey(3, from), to.empty() ? std::string() : FullKey(3, to)};
}

void Put(MemoryEngine* engine, const std::string& key, const std::string& value) {
  EngineBatch batch;
  batch.Put(key, value);
  ASSERT_TRUE(engine->Write(batch).ok());
}

// Rows of the range [b, d) and around it, in every space.
void FillEngine(MemoryEngine* engine) {
  for (const char* key : {"a", "b", "bb", "c", "d", "e"}) {
    Put(engine, DataKey(3, key), std::string("data of ") + key);
    for (const char space : {kLockSpace, kHistorySpace}) {
      std::string escaped = space + FullKey(3, "");
      AppendEscaped(key, &escaped);
      Put(engine, escaped, std::string(1, space) + " of " + key);
    }
  }
  for (const uint64_t range : {kRange - 1, kRange, kRange + 1}) {
    for (const uint8_t kind : {uint8_t{0}, kAppliedRow, kDescriptorRow, kSessionClientRow}) {
      Put(engine, RangeRowKey(range, kind), "row of " + std::to_string(range));
    }
  }
}

std::vector<std::string> ChunksOf(RangeSnapshotReader* reader) {
  std::vector<std::string> chunks;
  while (true) {
    absl::StatusOr<std::string> chunk = reader->Next();
    EXPECT_TRUE(chunk.ok());
    if (!chunk.ok() || chunk->empty()) return chunks;
    chunks.push_back(*std::move(chunk));
  }
}

absl::Status Install(const RangeBounds& bounds, const std::vector<std::string>& chunks,
                     MemoryEngine* engine) {
  auto writer = RangeSnapshotWriter::Begin(bounds, SpansOf(bounds), {}, engine);
  if (!writer.ok()) return writer.status();
  for (const std::string& chunk : chunks) {
    if (absl::Status status = (*writer)->Add(chunk); !status.ok()) return status;
  }
  return (*writer)->Ingest();
}

uint64_t HashOf(const MemoryEngine& engine, const RangeBounds& bounds) {
  uint64_t hash = 0;
  for (const KeySpan& span : SpansOf(bounds)) {
    hash = hash * 31 + *StateHash(engine, span.begin, span.end);
  }
  return hash;
}

TEST(RangeSnapshot, BringsAllRowsOfTheRangeInEverySpaceAndNoOthers) {
  MemoryEngine from;
  FillEngine(&from);
  MemoryEngine to;
  for (const char* key : {"a", "bx", "d", "z"}) Put(&to, DataKey(3, key), "old");
  Put(&to, RangeRowKey(kRange, 0), "removed replicas");
  const RangeBounds bounds = Bounds("b", "d");
  RangeSnapshotReader reader(from, bounds);
  ASSERT_TRUE(Install(bounds, ChunksOf(&reader), &to).ok());
  EXPECT_EQ(HashOf(to, bounds), HashOf(from, bounds));
  std::vector<std::string> data;
  const auto rows = to.NewIterator(DataKey(3, ""), DataEnd(3));
  for (rows->Seek(""); rows->Valid(); rows->Next()) data.emplace_back(UserKeyOf(rows->key()));
  EXPECT_EQ(data, (std::vector<std::string>{"a", "b", "bb", "c", "d", "z"}));
  EXPECT_EQ(to.Get(RangeRowKey(kRange, 0))->value_or(""), "removed replicas");
  EXPECT_FALSE(to.Get(RangeRowKey(kRange + 1, kAppliedRow))->has_value());
}

TEST(RangeSnapshot, ARangeToTheEndOfTheKeyspaceHasNoUpperBound) {
  MemoryEngine from;
  FillEngine(&from);
  Put(&from, DataKey(9, "last"), "v");
  MemoryEngine to;
  const RangeBounds bounds = Bounds("c", "");
  RangeSnapshotReader reader(from, bounds);
  ASSERT_TRUE(Install(bounds, ChunksOf(&reader), &to).ok());
  EXPECT_EQ(to.Get(DataKey(9, "last"))->value_or(""), "v");
  EXPECT_FALSE(to.Get(DataKey(3, "bb"))->has_value());
}

TEST(RangeSnapshot, ChunksKeepTheirLimitAndALargerRowTravelsAlone) {
  std::mt19937_64 random(3);
  MemoryEngine from;
  const RangeBounds bounds = Bounds("", "");
  for (int i = 0; i < 300; ++i) {
    const size_t bytes = i == 100 ? 5000 : random() % 200;
    Put(&from, DataKey(3, std::to_string(i)), std::string(bytes, 'x'));
  }
  RangeSnapshotReader reader(from, bounds, 1000);
  const std::vector<std::string> chunks = ChunksOf(&reader);
  EXPECT_GT(chunks.size(), 20u);
  int large = 0;
  for (const std::string& chunk : chunks) {
    if (chunk.size() <= 1000) continue;
    ++large;
    EXPECT_LT(chunk.size(), 5100u) << "not alone";
  }
  EXPECT_EQ(large, 1);
  MemoryEngine to;
  ASSERT_TRUE(Install(bounds, chunks, &to).ok());
  EXPECT_EQ(HashOf(to, bounds), HashOf(from, bounds));
}

TEST(RangeSnapshot, AReaderSeesTheMomentOfItsCreationWhateverIsWrittenLater) {
  MemoryEngine from;
  FillEngine(&from);
  const RangeBounds bounds = Bounds("b", "d");
  const uint64_t before = HashOf(from, bounds);
  RangeSnapshotReader reader(from, bounds, 1);
  ASSERT_TRUE(reader.Next().ok());
  for (const char* key : {"b", "bb", "bc", "c"}) Put(&from, DataKey(3, key), "later");
  Put(&from, RangeRowKey(kRange, kAppliedRow), "later");
  MemoryEngine to;
  RangeSnapshotReader again(from, bounds, 1);
  ASSERT_TRUE(Install(bounds, ChunksOf(&again), &to).ok());
  EXPECT_EQ(HashOf(to, bounds), HashOf(from, bounds));
  EXPECT_NE(HashOf(to, bounds), before);
  std::string rest;
  for (const std::string& chunk : ChunksOf(&reader)) rest += chunk;
  EXPECT_EQ(rest.find("later"), std::string::npos);
}

TEST(RangeSnapshot, ADamagedChunkIsRefusedAndNothingIsChanged) {
  MemoryEngine from;
  FillEngine(&from);
  const RangeBounds bounds = Bounds("b", "d");
  RangeSnapshotReader reader(from, bounds, 60);
  const std::vector<std::string> good = ChunksOf(&reader);
  ASSERT_GE(good.size(), 3u);
  MemoryEngine to;
  Put(&to, DataKey(3, "b"), "old");
  const auto refused = [&](std::vector<std::string> chunks) {
    const absl::Status status = Install(bounds, chunks, &to);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_EQ(to.Get(DataKey(3, "b"))->value_or(""), "old");
  };
  std::vector<std::string> chunks = good;
  chunks[1].pop_back();
  refused(chunks);
  chunks = good;
  chunks[1][0] = 2;
  refused(chunks);
  chunks = good;
  chunks[1].clear();
  refused(chunks);
  chunks = good;
  std::swap(chunks[0], chunks[1]);
  refused(chunks);
  chunks = good;
  chunks.insert(chunks.begin(), chunks[0]);
  refused(chunks);
  RangeSnapshotReader wider(from, Bounds("a", "e"));
  refused(ChunksOf(&wider));
}

TEST(RangeSnapshot, WhatIsReplacedMayBeWiderThanTheRange) {
  MemoryEngine from;
  FillEngine(&from);
  MemoryEngine to;
  for (const char* key : {"a", "b", "e", "z"}) Put(&to, DataKey(3, key), "old");
  RangeSnapshotReader reader(from, Bounds("b", "d"));
  auto writer = RangeSnapshotWriter::Begin(Bounds("b", "d"), SpansOf(Bounds("b", "f")), {}, &to);
  ASSERT_TRUE(writer.ok());
  for (const std::string& chunk : ChunksOf(&reader)) ASSERT_TRUE((*writer)->Add(chunk).ok());
  ASSERT_TRUE((*writer)->Ingest().ok());
  EXPECT_EQ(to.Get(DataKey(3, "b"))->value_or(""), "data of b");
  EXPECT_FALSE(to.Get(DataKey(3, "e"))->has_value());
  EXPECT_EQ(to.Get(DataKey(3, "z"))->value_or(""), "old");
}

// As in README.md.
TEST(RangeSnapshot, WritesTheDocumentedBytes) {
  MemoryEngine from;
  Put(&from, DataKey(10, "k1"), "v");
  RangeSnapshotReader reader(from, {2, FullKey(10, ""), FullKey(11, "")});
  const std::vector<std::string> chunks = ChunksOf(&reader);
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0], std::string("\x01\x00\x00\x00\x0b\x00\x00\x00\x01", 9) +
                           std::string("d\x00\x00\x00\x00\x00\x00\x00\x0ak1v", 12));
}

}  // namespace
}  // namespace rasputin::kv
