// A turn reads its own edits as if they were committed, and commits all or nothing.

#include "kv/turn.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kv/memory_engine.h"

namespace rasputin::kv {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

Rows Collect(const Turn& turn, const std::string& begin, const std::string& end) {
  Rows rows;
  EXPECT_TRUE(turn.ForEach(begin, end,
                           [&](absl::string_view key, absl::string_view value) {
                             rows.emplace_back(std::string(key), std::string(value));
                           })
                  .ok());
  return rows;
}

TEST(Turn, ReadsItsOwnEditsBeforeTheEngine) {
  MemoryEngine engine;
  Turn turn(&engine);
  turn.Put("a", "1");
  EXPECT_FALSE(engine.Get("a")->has_value());
  EXPECT_EQ(*turn.Get("a").value(), "1");
  ASSERT_TRUE(turn.Commit().ok());
  EXPECT_TRUE(turn.Empty());
  EXPECT_EQ(*turn.Get("a").value(), "1");
  turn.Delete("a");
  EXPECT_FALSE(turn.Get("a")->has_value());
  EXPECT_TRUE(engine.Get("a")->has_value());
}

TEST(Turn, ThatFailsToCommitIsAsItWas) {
  MemoryEngine engine;
  Turn turn(&engine);
  turn.Put("a", "1");
  engine.FailWrites(absl::ResourceExhaustedError("stalled"));
  EXPECT_EQ(turn.Commit().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(*turn.Get("a").value(), "1");
  EXPECT_FALSE(engine.Get("a")->has_value());
  engine.FailWrites(absl::OkStatus());
  ASSERT_TRUE(turn.Commit().ok());
  EXPECT_EQ(*engine.Get("a").value(), "1");
}

TEST(Turn, ARangeDeletionHidesWhatIsBeforeItAndNotWhatFollows) {
  MemoryEngine engine;
  Turn turn(&engine);
  turn.Put("a", "1");
  ASSERT_TRUE(turn.Commit().ok());
  turn.Put("b", "1");
  turn.DeleteRange("a", "c");
  EXPECT_FALSE(turn.Get("a")->has_value());
  EXPECT_FALSE(turn.Get("b")->has_value());
  turn.Put("b", "2");
  EXPECT_EQ(*turn.Get("b").value(), "2");
  EXPECT_EQ(Collect(turn, "", ""), (Rows{{"b", "2"}}));
}

TEST(Turn, BehavesLikeAMapWhereverItIsCommitted) {
  std::mt19937_64 random(3);
  MemoryEngine engine;
  Turn turn(&engine);
  std::map<std::string, std::string> model;
  const auto key = [&] { return "k" + std::to_string(random() % 30); };
  for (int step = 0; step < 20'000; ++step) {
    std::string a = key();
    std::string b = key();
    switch (random() % 8) {
      case 0:
        if (b < a) std::swap(a, b);
        turn.DeleteRange(a, b);
        model.erase(model.lower_bound(a), model.lower_bound(b));
        break;
      case 1:
      case 2:
        turn.Delete(a);
        model.erase(a);
        break;
      default:
        b = std::to_string(step);
        turn.Put(a, b);
        model[a] = b;
    }
    // Short turns, and long ones in which it is asked for all rows again and again.
    if (random() % (step < 10'000 ? 20 : 400) == 0) {
      ASSERT_TRUE(turn.Commit().ok());
    }
    const std::string probe = key();
    const auto expected = model.find(probe);
    const std::string value = expected == model.end() ? "(none)" : expected->second;
    ASSERT_EQ(turn.Get(probe)->value_or("(none)"), value);
    ASSERT_EQ(turn.GetOften(probe)->value_or("(none)"), value);
    if (step % 10 == 0) {
      ASSERT_EQ(Collect(turn, "", ""), Rows(model.begin(), model.end()));
      ASSERT_EQ(Collect(turn, "k15", "k25"),
                Rows(model.lower_bound("k15"), model.lower_bound("k25")));
    }
  }
}

}  // namespace
}  // namespace rasputin::kv
