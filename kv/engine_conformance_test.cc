// What every engine promises, run against each of them. The engines' own matters:
// memory_engine_test, rocks_engine_test.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kv/engine.h"
#include "kv/memory_engine.h"
#include "kv/rocks_engine.h"

namespace rasputin::kv {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

// An engine, and how to make its flush durable and to end its process.
class Host {
 public:
  virtual ~Host() = default;
  virtual Engine* engine() = 0;
  virtual void Flush() = 0;  // Returns when everything so far is durable.
  virtual void Crash() = 0;  // What was not flushed is gone; engine() is a new one.
  virtual void FillDisk() = 0;
};

class MemoryHost : public Host {
 public:
  Engine* engine() override { return &engine_; }
  void Flush() override {
    ASSERT_TRUE(engine_.StartFlush().ok());
    engine_.CompleteFlush();
  }
  void Crash() override { engine_.Crash(); }
  void FillDisk() override { engine_.SetOutOfSpace(true); }

 private:
  MemoryEngine engine_;
};

class RocksHost : public Host {
 public:
  RocksHost() {
    options_.path = ::testing::TempDir() + "/engine_XXXXXX";
    EXPECT_NE(mkdtemp(options_.path.data()), nullptr);
    options_.flush_on_close = false;
    Open();
  }
  Engine* engine() override { return engine_.get(); }
  void Flush() override {
    // A row written last: when it is durable, so is everything before it. Outside of what tests
    // scan.
    const std::string marker = std::to_string(++flushes_);
    EngineBatch batch;
    batch.Put("~marker", marker);
    ASSERT_TRUE(engine_->Write(batch).ok());
    ASSERT_TRUE(engine_->StartFlush().ok());
    while (engine_->GetPersisted("~marker")->value_or("") != marker) {
      ASSERT_TRUE(engine_->StartFlush().ok());  // One under way may have come before the marker.
    }
  }
  void Crash() override {
    engine_.reset();
    Open();
  }
  void FillDisk() override {
    options_.staging_leaves_free_bytes = ~uint64_t{0};  // More than is free.
    Crash();
  }

 private:
  void Open() {
    absl::StatusOr<std::unique_ptr<Engine>> engine = OpenRocksEngine(options_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  RocksOptions options_;
  std::unique_ptr<Engine> engine_;
  int flushes_ = 0;
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Host>()> make;
};

class EngineConformance : public ::testing::TestWithParam<Kind> {
 protected:
  EngineConformance() : host_(GetParam().make()) {}

  Engine& engine() { return *host_->engine(); }

  void Put(const std::string& key, const std::string& value) {
    EngineBatch batch;
    batch.Put(key, value);
    ASSERT_TRUE(engine().Write(batch).ok());
  }
  void Delete(const std::string& key) {
    EngineBatch batch;
    batch.Delete(key);
    ASSERT_TRUE(engine().Write(batch).ok());
  }
  void Flush() { host_->Flush(); }
  std::string Get(const std::string& key) { return engine().Get(key)->value_or("(none)"); }
  std::string Persisted(const std::string& key) {
    return engine().GetPersisted(key)->value_or("(none)");
  }
  static Rows Collect(EngineIterator* rows, const std::string& from) {
    Rows collected;
    for (rows->Seek(from); rows->Valid(); rows->Next()) {
      collected.emplace_back(std::string(rows->key()), std::string(rows->value()));
    }
    EXPECT_TRUE(rows->status().ok());
    return collected;
  }
  Rows Scan(const std::string& begin, const std::string& end) {
    return Collect(engine().NewIterator(begin, end).get(), begin);
  }

  std::unique_ptr<EngineIngest> Stage(std::vector<KeySpan> spans) {
    absl::StatusOr<std::unique_ptr<EngineIngest>> staged = engine().NewIngest(std::move(spans));
    EXPECT_TRUE(staged.ok()) << staged.status();
    return *std::move(staged);
  }
  void Ingest(std::vector<KeySpan> spans, const Rows& rows) {
    std::unique_ptr<EngineIngest> staged = Stage(std::move(spans));
    for (const auto& [key, value] : rows) ASSERT_TRUE(staged->Put(key, value).ok());
    const absl::Status status = engine().Ingest(staged.get());
    ASSERT_TRUE(status.ok()) << status;
  }

  std::unique_ptr<Host> host_;
};

TEST_P(EngineConformance, ReadsWhatWasWrittenLast) {
  EXPECT_EQ(Get("a"), "(none)");
  Put("a", "1");
  Put("a", "2");
  EXPECT_EQ(Get("a"), "2");
  Delete("a");
  EXPECT_EQ(Get("a"), "(none)");
  Delete("never there");
}

TEST_P(EngineConformance, KeepsEmptyValuesAndAllBytesOfKeys) {
  const std::string key("\x00\xff\x00 key", 8);
  Put(key, "");
  EXPECT_EQ(Get(key), "");
  EXPECT_EQ(Get(key.substr(0, 7)), "(none)");
}

TEST_P(EngineConformance, AppliesEditsOfABatchInOrder) {
  EngineBatch batch;
  batch.Put("a", "1");
  batch.Delete("a");
  batch.Put("b", "1");
  batch.DeleteRange("a", "c");
  batch.Put("b", "2");
  batch.DeleteRange("x", "x");
  ASSERT_TRUE(engine().Write(batch).ok());
  EXPECT_EQ(Scan("", "~"), (Rows{{"b", "2"}}));
}

TEST_P(EngineConformance, DeletesRangesWithoutTheirEnd) {
  for (const char* key : {"a", "b", "ba", "c"}) Put(key, key);
  EngineBatch batch;
  batch.DeleteRange("b", "c");
  ASSERT_TRUE(engine().Write(batch).ok());
  EXPECT_EQ(Scan("", "~"), (Rows{{"a", "a"}, {"c", "c"}}));
}

TEST_P(EngineConformance, IteratesInTheOrderOfUnsignedBytesWithinBounds) {
  for (const std::string& key : {std::string("\x7f"), std::string("\x80"), std::string("a"),
                                 std::string("b"), std::string("ab"), std::string("\x00", 1)}) {
    Put(key, "v");
  }
  std::vector<std::string> keys;
  for (const auto& [key, value] : Scan("", "")) keys.push_back(key);
  EXPECT_EQ(keys,
            (std::vector<std::string>{std::string("\x00", 1), "a", "ab", "b", "\x7f", "\x80"}));
  EXPECT_EQ(Scan("ab", "\x7f").size(), 2u);
  EXPECT_EQ(Scan("b", "b").size(), 0u);
  const std::unique_ptr<EngineIterator> rows = engine().NewIterator("ab", "\x7f");
  EXPECT_EQ(Collect(rows.get(), "a").front().first, "ab");
  EXPECT_EQ(Collect(rows.get(), "b").size(), 1u);
  EXPECT_EQ(Collect(rows.get(), "z").size(), 0u);
}

TEST_P(EngineConformance, IteratorsSeeTheMomentOfTheirCreation) {
  Put("a", "1");
  Put("b", "1");
  const std::unique_ptr<EngineIterator> rows = engine().NewIterator("", "~");
  rows->Seek("");
  Put("a", "2");
  Delete("b");
  Put("c", "2");
  EngineBatch batch;
  batch.DeleteRange("a", "d");
  ASSERT_TRUE(engine().Write(batch).ok());
  Flush();
  EXPECT_EQ(Collect(rows.get(), ""), (Rows{{"a", "1"}, {"b", "1"}}));
  EXPECT_EQ(Scan("", "~"), Rows());
}

TEST_P(EngineConformance, PersistsNothingBeforeAFlush) {
  Put("a", "1");
  EXPECT_EQ(Persisted("a"), "(none)");
  Flush();
  EXPECT_EQ(Persisted("a"), "1");
  Put("a", "2");
  Put("b", "2");
  EXPECT_EQ(Persisted("a"), "1");
  EXPECT_EQ(Persisted("b"), "(none)");
  EXPECT_EQ(Get("a"), "2");
}

TEST_P(EngineConformance, LosesAtACrashExactlyWhatWasNotFlushed) {
  Put("a", "1");
  Put("gone", "1");
  Delete("gone");
  Flush();
  Put("a", "2");
  Put("b", "2");
  host_->Crash();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "(none)");
  EXPECT_EQ(Get("gone"), "(none)");
  Put("b", "3");
  EXPECT_EQ(Get("b"), "3");
}

TEST_P(EngineConformance, APrefixOfTheBatchesSurvivesACrashWhole) {
  for (int i = 1; i <= 300; ++i) {
    EngineBatch batch;
    batch.Put("applied", std::to_string(i));
    batch.Put("row" + std::to_string(i), std::string(1000, 'x'));
    ASSERT_TRUE(engine().Write(batch).ok());
    if (i % 100 == 50) {
      ASSERT_TRUE(engine().StartFlush().ok());  // Finished or not.
    }
  }
  host_->Crash();
  const std::string text = Get("applied");
  const int applied = text == "(none)" ? 0 : std::stoi(text);
  for (int i = 1; i <= 300; ++i) {
    EXPECT_EQ(Get("row" + std::to_string(i)) != "(none)", i <= applied) << i << " of " << applied;
  }
}

TEST_P(EngineConformance, CountsUnflushedBytes) {
  const uint64_t before = engine().UnflushedBytes();
  for (int i = 0; i < 1000; ++i) Put("key" + std::to_string(i), std::string(1000, 'x'));
  const uint64_t full = engine().UnflushedBytes();
  EXPECT_GE(full, before + 1000000);
  Flush();
  EXPECT_LT(engine().UnflushedBytes(), full / 2);
}

TEST_P(EngineConformance, ApproximatesBytesOfARange) {
  for (int i = 0; i < 1000; ++i) Put("a" + std::to_string(i), std::string(1000, 'x'));
  for (int i = 0; i < 1000; ++i) Put("b" + std::to_string(i), std::string(100, 'x'));
  Flush();
  EXPECT_GT(engine().ApproximateBytes("a", "b"), 2 * engine().ApproximateBytes("b", "c"));
  EXPECT_GT(engine().ApproximateBytes("a", ""), 0u);
  EXPECT_EQ(engine().ApproximateBytes("c", "d"), 0u);
}

TEST_P(EngineConformance, AnIngestReplacesWhatLiesInItsSpansAndNothingElse) {
  for (const char* key : {"a", "b1", "b2", "b3", "c", "d1", "e"}) Put(key, "old");
  Flush();
  Put("b4", "old, not flushed");
  Put("c1", "not flushed");
  std::unique_ptr<EngineIngest> staged = Stage({{"b", "c"}, {"d", "e"}, {"x", "y"}});
  ASSERT_TRUE(staged->Put("b2", "new").ok());
  ASSERT_TRUE(staged->Put("b9", "new").ok());
  ASSERT_TRUE(staged->Put("x1", "new").ok());
  EXPECT_EQ(Get("b2"), "old") << "visible too early";
  ASSERT_TRUE(engine().Ingest(staged.get()).ok());
  staged.reset();
  const Rows expected = {{"a", "old"},          {"b2", "new"}, {"b9", "new"}, {"c", "old"},
                         {"c1", "not flushed"}, {"e", "old"},  {"x1", "new"}};
  EXPECT_EQ(Scan("", "~"), expected);
  Put("b1", "later");
  EXPECT_EQ(Get("b1"), "later");
}

TEST_P(EngineConformance, AnIngestIsDurableAtOnceWithAllThatWasWrittenBefore) {
  Put("b", "1");
  Flush();
  Put("a", "1");
  ASSERT_TRUE(engine().StartFlush().ok());  // Finished or not.
  Put("z", "1");
  Ingest({{"b", "c"}}, {{"bb", "new"}});
  EXPECT_EQ(Persisted("bb"), "new");
  EXPECT_EQ(Persisted("b"), "(none)");
  Put("later", "1");
  host_->Crash();
  EXPECT_EQ(Scan("", "~"), (Rows{{"a", "1"}, {"bb", "new"}, {"z", "1"}}));
}

TEST_P(EngineConformance, AnIngestOfNoRowsEmptiesItsSpans) {
  for (const char* key : {"a", "b", "c"}) Put(key, "old");
  Ingest({{"a", "c"}}, {});
  EXPECT_EQ(Scan("", "~"), (Rows{{"c", "old"}}));
  host_->Crash();
  EXPECT_EQ(Scan("", "~"), (Rows{{"c", "old"}}));
}

TEST_P(EngineConformance, IteratorsOfBeforeAnIngestDoNotSeeIt) {
  for (const char* key : {"a", "b"}) Put(key, "old");
  const std::unique_ptr<EngineIterator> rows = engine().NewIterator("", "~");
  rows->Seek("");
  Ingest({{"a", "z"}}, {{"c", "new"}});
  EXPECT_EQ(Collect(rows.get(), ""), (Rows{{"a", "old"}, {"b", "old"}}));
  EXPECT_EQ(Scan("", "~"), (Rows{{"c", "new"}}));
}

TEST_P(EngineConformance, WhatWasStagedAndNotPutInPlaceIsGone) {
  Put("a", "1");
  Flush();
  {
    std::unique_ptr<EngineIngest> dropped = Stage({{"a", "b"}});
    ASSERT_TRUE(dropped->Put("a", "2").ok());
  }
  EXPECT_EQ(Get("a"), "1");
  std::unique_ptr<EngineIngest> one = Stage({{"a", "b"}});
  std::unique_ptr<EngineIngest> other = Stage({{"c", "d"}});
  ASSERT_TRUE(one->Put("a1", "2").ok());
  ASSERT_TRUE(other->Put("c1", "2").ok());
  ASSERT_TRUE(engine().Ingest(other.get()).ok());
  one.reset();
  other.reset();
  host_->Crash();
  EXPECT_EQ(Scan("", "~"), (Rows{{"a", "1"}, {"c1", "2"}}));
}

TEST_P(EngineConformance, AFullDiskRefusesToStageAndChangesNothing) {
  Put("a", "1");
  Flush();
  host_->FillDisk();
  std::unique_ptr<EngineIngest> refused = Stage({{"a", "b"}});
  EXPECT_EQ(refused->Put("a", "3").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Scan("", "~"), (Rows{{"a", "1"}}));
}

TEST_P(EngineConformance, BehavesLikeAMapUnderRandomEditsFlushesAndCrashes) {
  std::mt19937_64 random(7);
  std::map<std::string, std::string> model;
  std::map<std::string, std::string> flushed;
  const auto key = [&] { return "k" + std::to_string(random() % 50); };
  for (int step = 0; step < 600; ++step) {
    EngineBatch batch;
    for (int edits = random() % 5; edits > 0; --edits) {
      std::string a = key();
      std::string b = key();
      switch (random() % 4) {
        case 0:
          batch.Delete(a);
          model.erase(a);
          break;
        case 1:
          if (b < a) std::swap(a, b);
          batch.DeleteRange(a, b);
          model.erase(model.lower_bound(a), model.lower_bound(b));
          break;
        default:
          b = std::to_string(random());
          batch.Put(a, b);
          model[a] = b;
      }
    }
    ASSERT_TRUE(engine().Write(batch).ok());
    if (random() % 60 == 0) {
      std::string a = key();
      std::string b = a + "~";
      Rows rows;
      for (int i = static_cast<int>(random() % 3); i > 0; --i) {
        rows.emplace(rows.begin(), a + std::to_string(i), std::to_string(random()));
      }
      Ingest({{a, b}}, rows);
      model.erase(model.lower_bound(a), model.lower_bound(b));
      model.insert(rows.begin(), rows.end());
      flushed = model;
    } else if (random() % 40 == 0) {
      Flush();
      flushed = model;
    } else if (random() % 40 == 0) {
      host_->Crash();
      model = flushed;
    }
    if (step % 10 == 0) {
      ASSERT_EQ(Scan("", "~"), Rows(model.begin(), model.end())) << "step " << step;
      const std::string probe = key();
      const auto expected = flushed.find(probe);
      ASSERT_EQ(Persisted(probe), expected == flushed.end() ? "(none)" : expected->second);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Engines, EngineConformance,
    ::testing::Values(Kind{"Memory", [] { return std::make_unique<MemoryHost>(); }},
                      Kind{"Rocks", [] { return std::make_unique<RocksHost>(); }}),
    [](const ::testing::TestParamInfo<Kind>& info) { return info.param.name; });

}  // namespace
}  // namespace rasputin::kv
