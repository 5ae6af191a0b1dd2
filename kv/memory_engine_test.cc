// What is particular to the engine in memory: flushes that its owner completes, failures it is told
// of.

#include "kv/memory_engine.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "kv/state_hash.h"

namespace rasputin::kv {
namespace {

void Put(MemoryEngine* engine, const std::string& key, const std::string& value) {
  EngineBatch batch;
  batch.Put(key, value);
  ASSERT_TRUE(engine->Write(batch).ok());
}
std::string Get(const MemoryEngine& engine, const std::string& key) {
  return engine.Get(key)->value_or("(none)");
}

TEST(MemoryEngine, AFlushThatIsNotCompleteIsLostAtACrash) {
  MemoryEngine engine;
  Put(&engine, "a", "1");
  ASSERT_TRUE(engine.StartFlush().ok());
  EXPECT_TRUE(engine.FlushUnderWay());
  engine.Crash();
  EXPECT_EQ(Get(engine, "a"), "(none)");
  EXPECT_FALSE(engine.FlushUnderWay());
}

TEST(MemoryEngine, AFlushHoldsWhatWasWrittenWhenItBegan) {
  MemoryEngine engine;
  Put(&engine, "a", "1");
  ASSERT_TRUE(engine.StartFlush().ok());
  Put(&engine, "a", "2");
  Put(&engine, "a", "3");
  engine.CompleteFlush();
  EXPECT_EQ(engine.GetPersisted("a")->value_or("(none)"), "1");
  EXPECT_EQ(engine.UnflushedBytes(), 4u);
  engine.Crash();
  EXPECT_EQ(Get(engine, "a"), "1");
  EXPECT_EQ(engine.UnflushedBytes(), 0u);
}

TEST(MemoryEngine, AFlushAskedForDuringAnotherBeginsAfterIt) {
  MemoryEngine engine;
  Put(&engine, "a", "1");
  ASSERT_TRUE(engine.StartFlush().ok());
  Put(&engine, "a", "2");
  ASSERT_TRUE(engine.StartFlush().ok());
  engine.CompleteFlush();
  EXPECT_TRUE(engine.FlushUnderWay());
  engine.CompleteFlush();
  EXPECT_FALSE(engine.FlushUnderWay());
  engine.Crash();
  EXPECT_EQ(Get(engine, "a"), "2");
}

TEST(MemoryEngine, AnIteratorSurvivesTheRemovalOfWhereItStands) {
  MemoryEngine engine;
  for (const char* key : {"a", "b", "c"}) Put(&engine, key, "1");
  std::unique_ptr<EngineIterator> rows = engine.NewIterator("", "");
  rows->Seek("b");
  EngineBatch batch;
  batch.DeleteRange("a", "d");
  ASSERT_TRUE(engine.Write(batch).ok());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(engine.StartFlush().ok());
    engine.CompleteFlush();
  }
  EXPECT_EQ(rows->key(), "b");
  EXPECT_EQ(rows->value(), "1");
  rows->Next();
  EXPECT_EQ(rows->key(), "c");
  rows.reset();
  ASSERT_TRUE(engine.StartFlush().ok());
  engine.CompleteFlush();
  EXPECT_EQ(engine.ApproximateBytes("", ""), 0u);
}

TEST(MemoryEngine, AWriteItIsToldToFailChangesNothing) {
  MemoryEngine engine;
  engine.FailWrites(absl::ResourceExhaustedError("stalled"));
  EngineBatch batch;
  batch.Put("a", "1");
  EXPECT_FALSE(engine.Write(batch).ok());
  EXPECT_EQ(Get(engine, "a"), "(none)");
  EXPECT_EQ(engine.UnflushedBytes(), 0u);
}

TEST(StateHash, TellsDifferentRowsApartAndNothingElse) {
  MemoryEngine a;
  MemoryEngine b;
  Put(&a, "k1", "v1");
  Put(&a, "k2", "v2");
  Put(&b, "k2", "other");
  Put(&b, "k1", "v1");
  EXPECT_NE(*StateHash(a, "", ""), *StateHash(b, "", ""));
  EXPECT_EQ(*StateHash(a, "", "k2"), *StateHash(b, "", "k2"));
  Put(&b, "k2", "v2");
  EXPECT_EQ(*StateHash(a, "", ""), *StateHash(b, "", ""));
  // Where a key ends and its value begins counts.
  MemoryEngine c;
  MemoryEngine d;
  Put(&c, "k", "1v");
  Put(&d, "k1", "v");
  EXPECT_NE(*StateHash(c, "", ""), *StateHash(d, "", ""));
}

TEST(StateHash, IsTheSameOnEveryPlatform) {
  MemoryEngine engine;
  EXPECT_EQ(*StateHash(engine, "", ""), 0xcbf29ce484222325u);
  Put(&engine, "some key of 20 bytes", "value");
  EXPECT_EQ(*StateHash(engine, "", ""), 16266688596108616265u);
}

TEST(MemoryEngine, AnIngestThatMeetsAFullDiskChangesNothingAndMayBeRepeated) {
  MemoryEngine engine;
  EngineBatch batch;
  batch.Put("a", "1");
  ASSERT_TRUE(engine.Write(batch).ok());
  absl::StatusOr<std::unique_ptr<EngineIngest>> staged = engine.NewIngest({{"a", "b"}});
  ASSERT_TRUE(staged.ok());
  ASSERT_TRUE((*staged)->Put("aa", "2").ok());
  engine.SetOutOfSpace(true);
  EXPECT_EQ(engine.Ingest(staged->get()).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(engine.Get("a")->value_or("(none)"), "1");
  EXPECT_EQ(engine.GetPersisted("a")->value_or("(none)"), "(none)");
  engine.SetOutOfSpace(false);
  EXPECT_TRUE(engine.Ingest(staged->get()).ok());
  EXPECT_EQ(engine.Get("a")->value_or("(none)"), "(none)");
  EXPECT_EQ(engine.Get("aa")->value_or("(none)"), "2");
}

TEST(MemoryEngine, ADamagedBlockAnswersDataLossUntilItIsWrittenAnew) {
  MemoryEngine engine;
  for (const char* key : {"a", "b", "c"}) Put(&engine, key, "1");
  EXPECT_EQ(engine.Damage(0, 3), 0u);  // Nothing is flushed.
  ASSERT_TRUE(engine.StartFlush().ok());
  engine.CompleteFlush();
  EXPECT_EQ(engine.Damage(1, 1), 1u);
  EXPECT_EQ(engine.Get("b").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Get(engine, "c"), "1");
  {
    const std::unique_ptr<EngineIterator> rows = engine.NewIterator("", "");
    rows->Seek("a");
    ASSERT_TRUE(rows->Valid());
    rows->Next();
    EXPECT_FALSE(rows->Valid());
    EXPECT_EQ(rows->status().code(), absl::StatusCode::kDataLoss);
  }
  Put(&engine, "b", "2");
  EXPECT_EQ(Get(engine, "b"), "2");
  engine.Crash();
  EXPECT_EQ(engine.Get("b").status().code(), absl::StatusCode::kDataLoss);
  Put(&engine, "b", "3");
  ASSERT_TRUE(engine.StartFlush().ok());
  engine.CompleteFlush();
  Put(&engine, "b", "4");
  EXPECT_EQ(engine.DamagedRows(), 0u);
}

}  // namespace
}  // namespace rasputin::kv
