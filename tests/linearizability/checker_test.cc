// The checker against histories known to be right, known to be wrong, and against brute force.

#include "tests/linearizability/checker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace rasputin::linearizability {
namespace {

Operation At(int64_t called, int64_t returned, Kind kind) {
  static uint64_t process = 0;
  Operation operation;
  operation.process = ++process;
  operation.kind = kind;
  operation.key = "k";
  operation.called_ns = called;
  operation.returned_ns = returned;
  operation.result = returned == kNever ? Result::kUnknown : Result::kOk;
  return operation;
}

Operation Get(int64_t called, int64_t returned, std::optional<std::string> observed) {
  Operation operation = At(called, returned, Kind::kGet);
  operation.observed = std::move(observed);
  return operation;
}

Operation Set(int64_t called, int64_t returned, std::string value) {
  Operation operation = At(called, returned, Kind::kSet);
  operation.value = std::move(value);
  return operation;
}

Operation Delete(int64_t called, int64_t returned, std::optional<std::string> observed) {
  Operation operation = At(called, returned, Kind::kDelete);
  operation.observed = std::move(observed);
  return operation;
}

Operation Swapped(int64_t called, int64_t returned, std::optional<std::string> expected,
                  std::string value) {
  Operation operation = At(called, returned, Kind::kCas);
  operation.expected = std::move(expected);
  operation.value = std::move(value);
  operation.swapped = true;
  return operation;
}

Operation NotSwapped(int64_t called, int64_t returned, std::optional<std::string> expected,
                     std::optional<std::string> current) {
  Operation operation = Swapped(called, returned, std::move(expected), "never");
  operation.swapped = false;
  operation.observed = std::move(current);
  return operation;
}

constexpr std::nullopt_t kNone = std::nullopt;

bool IsLinearizable(const History& history) {
  const Verdict verdict = CheckLinearizable(history);
  EXPECT_NE(verdict.judgement, Judgement::kUndecided);
  return verdict.judgement == Judgement::kLinearizable;
}

TEST(Checker, AcceptsWhatHappenedOneByOne) {
  EXPECT_TRUE(
      IsLinearizable({Get(1, 2, kNone), Set(3, 4, "a"), Get(5, 6, "a"), Swapped(7, 8, "a", "b"),
                      NotSwapped(9, 10, "a", "b"), Delete(11, 12, "b"), Get(13, 14, kNone),
                      Swapped(15, 16, kNone, "c"), Delete(17, 18, "c")}));
}

TEST(Checker, RefusesAStaleRead) {
  EXPECT_FALSE(IsLinearizable({Set(1, 2, "a"), Set(3, 4, "b"), Get(5, 6, "a")}));
}

TEST(Checker, AcceptsEitherValueWhileAWriteIsUnderWay) {
  EXPECT_TRUE(IsLinearizable({Set(1, 2, "a"), Set(3, 9, "b"), Get(4, 5, "a"), Get(6, 7, "b")}));
}

TEST(Checker, RefusesAReadThatGoesBack) {
  EXPECT_FALSE(IsLinearizable({Set(1, 2, "a"), Set(3, 9, "b"), Get(4, 5, "b"), Get(6, 7, "a")}));
}

TEST(Checker, RefusesALostWrite) {
  EXPECT_FALSE(IsLinearizable({Set(1, 2, "a"), Get(3, 4, kNone)}));
}

TEST(Checker, RefusesTwoSwapsOfOneValue) {
  EXPECT_FALSE(IsLinearizable({Set(1, 2, "a"), Swapped(3, 9, "a", "b"), Swapped(3, 9, "a", "c")}));
}

TEST(Checker, RefusesACasThatFailedOnTheValueItExpected) {
  EXPECT_FALSE(IsLinearizable({Set(1, 2, "a"), NotSwapped(3, 4, "a", "a")}));
}

TEST(Checker, RefusesAValueThatNobodyWrote) {
  EXPECT_FALSE(IsLinearizable({Set(1, 2, "a"), Get(3, 4, "z")}));
}

TEST(Checker, RefusesAWriteThatTookEffectTwice) {
  EXPECT_FALSE(IsLinearizable({Set(1, 2, "a"), Set(3, 4, "b"), Get(5, 6, "b"), Get(7, 8, "a")}));
}

TEST(Checker, LetsAWriteOfUnknownOutcomeAppearLate) {
  EXPECT_TRUE(IsLinearizable({Set(1, kNever, "a"), Get(3, 4, kNone), Get(5, 6, "a")}));
}

TEST(Checker, LetsAWriteOfUnknownOutcomeNeverAppear) {
  EXPECT_TRUE(IsLinearizable({Set(1, kNever, "a"), Get(3, 4, kNone), Get(50, 60, kNone)}));
}

TEST(Checker, RefusesAWriteOfUnknownOutcomeThatAppearsAndVanishes) {
  EXPECT_FALSE(IsLinearizable({Set(1, kNever, "a"), Get(3, 4, "a"), Get(5, 6, kNone)}));
}

TEST(Checker, LetsADeleteOfUnknownOutcomeTakeEffectOnceOnly) {
  EXPECT_TRUE(
      IsLinearizable({Set(1, 2, "a"), Delete(3, kNever, kNone), Get(5, 6, "a"), Get(7, 8, kNone)}));
  EXPECT_FALSE(IsLinearizable({Set(1, 2, "a"), Delete(3, kNever, kNone), Get(5, 6, kNone),
                               Set(7, 8, "b"), Get(9, 10, kNone)}));
}

TEST(Checker, FollowsAChainOfUnknownSwaps) {
  EXPECT_TRUE(IsLinearizable(
      {Swapped(1, kNever, kNone, "a"), Swapped(2, kNever, "a", "b"), Get(3, 4, "b")}));
  EXPECT_FALSE(IsLinearizable(
      {Swapped(5, kNever, kNone, "a"), Swapped(2, kNever, "a", "b"), Get(3, 4, "b")}));
}

TEST(Checker, KeepsAnUnseenWriteOnWhichAnUnknownSwapMayBuild) {
  EXPECT_TRUE(IsLinearizable({Set(1, kNever, "x"), Swapped(2, kNever, "x", "z"),
                              Swapped(2, kNever, "y", "z"), Get(3, 4, "z")}));
}

TEST(Checker, IgnoresWhatWasNotExecuted) {
  Operation refused = Set(1, 2, "a");
  refused.result = Result::kNotExecuted;
  EXPECT_TRUE(IsLinearizable({refused, Get(3, 4, kNone)}));
  EXPECT_FALSE(IsLinearizable({refused, Get(3, 4, "a")}));
}

TEST(Checker, JudgesEachKeyByItself) {
  Operation other = Get(3, 4, kNone);
  other.key = "other";
  EXPECT_TRUE(IsLinearizable({Set(1, 2, "a"), other}));
  other.observed = "a";
  const Verdict verdict = CheckLinearizable({Set(1, 2, "a"), other});
  EXPECT_EQ(verdict.judgement, Judgement::kViolation);
  EXPECT_EQ(verdict.key, "other");
  EXPECT_NE(verdict.explanation.find("> process"), std::string::npos);
}

TEST(Checker, CountsIncrementsThatShareValues) {
  EXPECT_TRUE(IsLinearizable({Set(0, 1, "0"), Swapped(2, kNever, "0", "1"), Swapped(3, 9, "0", "1"),
                              Swapped(10, 11, "1", "2")}));
  EXPECT_FALSE(IsLinearizable({Set(0, 1, "0"), Swapped(3, 9, "0", "1"), Swapped(3, 9, "0", "1"),
                               Swapped(10, 11, "1", "2")}));
}

TEST(Versions, RefusesAVersionThatGoesBack) {
  Operation first = Set(1, 2, "a");
  first.version = 7;
  Operation second = Set(3, 4, "b");
  second.version = 8;
  EXPECT_EQ(CheckVersions({first, second}).judgement, Judgement::kLinearizable);
  second.version = 7;
  EXPECT_EQ(CheckVersions({first, second}).judgement, Judgement::kViolation);
}

TEST(Versions, RefusesTwoVersionsOfOneValue) {
  Operation write = Set(1, 2, "a");
  write.version = 7;
  Operation read = Get(3, 4, "a");
  read.version = 8;
  EXPECT_EQ(CheckVersions({write, read}).judgement, Judgement::kViolation);
}

// A register that takes each operation at one moment, and histories of it, some of them damaged.
struct Register {
  std::optional<std::string> value;

  void Take(Operation* operation) {
    switch (operation->kind) {
      case Kind::kGet:
        operation->observed = value;
        return;
      case Kind::kSet:
        value = operation->value;
        return;
      case Kind::kDelete:
        operation->observed = value;
        value.reset();
        return;
      case Kind::kCas:
        operation->swapped = value == operation->expected;
        if (operation->swapped) {
          value = operation->value;
        } else {
          operation->observed = value;
        }
        return;
    }
  }
};

std::string SomeValue(std::mt19937_64* random, int count) {
  return std::string(1, static_cast<char>('a' + (*random)() % count));
}

// `unique`: values of writes are distinct.
History RandomHistory(std::mt19937_64* random, int operations, int64_t span, bool unique) {
  std::vector<std::pair<int64_t, Operation>> order;
  for (int i = 0; i < operations; ++i) {
    Operation operation;
    operation.process = i;
    operation.key = "k";
    operation.kind = static_cast<Kind>(1 + (*random)() % 4);
    operation.value = unique ? std::to_string(i) : SomeValue(random, 3);
    operation.expected = unique && i > 0 ? std::to_string((*random)() % i) : SomeValue(random, 3);
    if ((*random)() % 4 == 0) operation.expected.reset();
    operation.called_ns = static_cast<int64_t>((*random)() % span);
    operation.returned_ns = operation.called_ns + 1 + static_cast<int64_t>((*random)() % 20);
    const int64_t effect =
        operation.called_ns +
        static_cast<int64_t>((*random)() % (operation.returned_ns - operation.called_ns + 1));
    operation.result = Result::kOk;
    order.emplace_back(effect, operation);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Register the_register;
  History history;
  for (auto& [effect, operation] : order) {
    const bool unknown = (*random)() % 6 == 0;
    if (!unknown || (*random)() % 2 == 0) the_register.Take(&operation);
    if (unknown) {
      operation.result = Result::kUnknown;
      operation.returned_ns = kNever;
      operation.observed.reset();
      operation.swapped = false;
    }
    history.push_back(operation);
  }
  return history;
}

bool Fits(Register* the_register, const Operation& operation) {
  Operation copy = operation;
  the_register->Take(&copy);
  if (operation.result == Result::kUnknown) return true;
  return copy.observed == operation.observed && copy.swapped == operation.swapped;
}

// Tries every order that respects real time.
bool BruteForce(const History& history, uint32_t left, const Register& the_register) {
  bool done = true;
  for (size_t i = 0; i < history.size(); ++i) {
    if ((left >> i & 1) && history[i].result == Result::kOk) done = false;
  }
  if (done) return true;
  int64_t first_return = kNever;
  for (size_t i = 0; i < history.size(); ++i) {
    if (left >> i & 1) first_return = std::min(first_return, history[i].returned_ns);
  }
  for (size_t i = 0; i < history.size(); ++i) {
    if (!(left >> i & 1) || history[i].called_ns > first_return) continue;
    Register next = the_register;
    if (!Fits(&next, history[i])) continue;
    if (BruteForce(history, left & ~(1u << i), next)) return true;
  }
  return false;
}

TEST(Checker, AgreesWithBruteForceOnSmallHistories) {
  std::mt19937_64 random(7);
  int wrong = 0;
  for (int round = 0; round < 20000; ++round) {
    History history = RandomHistory(&random, 6, 30, round % 2 == 0);
    if (round % 4 != 0) {
      Operation& damaged = history[random() % history.size()];
      if (damaged.kind != Kind::kSet && damaged.result == Result::kOk && !damaged.swapped) {
        damaged.observed = round % 2 == 0 ? std::to_string(random() % 6) : SomeValue(&random, 3);
      }
    }
    const bool expected = BruteForce(history, (1u << history.size()) - 1, Register());
    if (!expected) ++wrong;
    std::string text;
    for (const Operation& operation : history) text += ToString(operation) + "\n";
    ASSERT_EQ(IsLinearizable(history), expected) << "round " << round << "\n" << text;
  }
  EXPECT_GT(wrong, 1000);
}

TEST(Checker, AcceptsLongHistoriesOfARegisterQuickly) {
  std::mt19937_64 random(8);
  for (int round = 0; round < 20; ++round) {
    const History history = RandomHistory(&random, 5000, 20000, true);
    const Verdict verdict = CheckLinearizable(history);
    EXPECT_EQ(verdict.judgement, Judgement::kLinearizable) << verdict.explanation;
    EXPECT_LT(verdict.steps, 1'000'000u);
  }
}

}  // namespace
}  // namespace rasputin::linearizability
