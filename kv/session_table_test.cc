// The rules by which outcomes are remembered and forgotten [H-17], in the time of commands'
// versions.

#include "kv/session_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kv/key.h"
#include "kv/memory_engine.h"
#include "kv/range_row_kind.h"
#include "kv/range_rows.h"
#include "kv/state_hash.h"

namespace rasputin::kv {
namespace {

using Admission = SessionTable::Admission;
using Memory = SessionTable::Memory;

constexpr uint64_t kRange = 5;
constexpr uint64_t kMinuteMs = 60 * 1000;

class Sessions : public ::testing::Test {
 protected:
  Sessions() : turn_(&engine_) {}

  RequestId Id(uint64_t client, uint64_t sequence) const { return {client, sequence, 0, now_ms_}; }

  // Executes as a command would; what the table said.
  Memory Execute(const RequestId& id, uint64_t range = kRange) {
    SessionTable table(range, ++version_ + (now_ms_ << 16), &turn_);
    const Admission admission = table.Admit(id).value();
    if (admission != Admission::kAdmitted) return Memory::kForgotten;
    const Memory memory = table.Recall(id.sequence, Operation::kSet, &remembered_).value();
    if (memory == Memory::kNew) {
      table.Remember(id.sequence, Operation::kSet, "outcome " + std::to_string(id.sequence));
    }
    return memory;
  }
  int CountRows() {
    int rows = 0;
    EXPECT_TRUE(turn_
                    .ForEach(RangeRowKey(kRange, 0), RangeRowsEnd(kRange),
                             [&](absl::string_view, absl::string_view) { ++rows; })
                    .ok());
    return rows;
  }

  MemoryEngine engine_;
  Turn turn_;
  uint64_t now_ms_ = 1'700'000'000'000;
  uint64_t version_ = 0;
  std::string remembered_;
};

TEST_F(Sessions, ARepeatIsAnsweredAndCommandsOfOthersAreNot) {
  const RequestId id = Id(1, 7);
  EXPECT_EQ(Execute(id), Memory::kNew);
  EXPECT_EQ(Execute(Id(1, 8)), Memory::kNew);
  EXPECT_EQ(Execute(Id(2, 7)), Memory::kNew);
  EXPECT_EQ(Execute(id), Memory::kRepeat);
  EXPECT_EQ(remembered_, "outcome 7");
}

TEST_F(Sessions, SequencesMayArriveInAnyOrder) {
  for (uint64_t sequence : {900, 3, 500, 1}) EXPECT_EQ(Execute(Id(1, sequence)), Memory::kNew);
  for (uint64_t sequence : {1, 900, 3, 500}) EXPECT_EQ(Execute(Id(1, sequence)), Memory::kRepeat);
}

TEST_F(Sessions, TheLast1024SequencesAreRemembered) {
  for (uint64_t sequence = 1; sequence <= 1024 + 10; ++sequence) {
    ASSERT_EQ(Execute(Id(1, sequence)), Memory::kNew);
  }
  for (uint64_t sequence = 1; sequence <= 10; ++sequence) {
    EXPECT_EQ(Execute(Id(1, sequence)), Memory::kForgotten);
  }
  for (uint64_t sequence = 11; sequence <= 1024 + 10; ++sequence) {
    ASSERT_EQ(Execute(Id(1, sequence)), Memory::kRepeat);
  }
}

TEST_F(Sessions, AClientThatStaysActiveIsRememberedForHours) {
  const RequestId first = Id(1, 1);
  Execute(first);
  for (int minute = 0; minute < 300; ++minute) {
    now_ms_ += kMinuteMs;
    ASSERT_EQ(Execute(Id(1, 2 + minute)), Memory::kNew);
  }
  EXPECT_EQ(Execute(first), Memory::kRepeat);
}

TEST_F(Sessions, AnOutcomeIsKeptForTenIdleMinutes) {
  const RequestId id = Id(1, 1);
  Execute(id);
  now_ms_ += 10 * kMinuteMs;
  Execute(Id(2, 1));
  EXPECT_EQ(Execute(id), Memory::kRepeat);
}

TEST_F(Sessions, ARequestIsNeverExecutedAgainHoweverLongItsClientIsIdle) {
  for (uint64_t idle_ms = 9 * kMinuteMs; idle_ms < 15 * kMinuteMs; idle_ms += 501) {
    const uint64_t range = idle_ms;  // A table of its own.
    // The worst client: its clock as far ahead as is admitted, `last used` as stale as it can be.
    Execute(Id(1, 1), range);
    now_ms_ += kLastUsedGrainMs - 1;
    RequestId last = Id(1, 2);
    last.issued_at_ms += kClockAheadMaxMs;
    ASSERT_EQ(Execute(last, range), Memory::kNew);
    now_ms_ += idle_ms;
    Execute(Id(2, 1), range);  // Drops the client, as soon as that is possible.
    const Memory memory = Execute(last, range);
    ASSERT_NE(memory, Memory::kNew) << "idle for " << idle_ms << " ms";
    if (idle_ms <= 10 * kMinuteMs) {
      ASSERT_EQ(memory, Memory::kRepeat);
    } else if (idle_ms >= 12 * kMinuteMs) {
      ASSERT_EQ(memory, Memory::kForgotten);
    }
  }
}

TEST_F(Sessions, AClientThatComesBackDoesNotReviveItsOldRequests) {
  const RequestId old = Id(1, 1);
  Execute(old);
  now_ms_ += 30 * kMinuteMs;
  Execute(Id(2, 1));
  EXPECT_EQ(Execute(Id(1, 2)), Memory::kNew);
  EXPECT_EQ(Execute(old), Memory::kForgotten);
}

TEST_F(Sessions, IdleClientsLeaveNoRowsBehind) {
  for (uint64_t client = 1; client <= 100; ++client) {
    for (uint64_t sequence = 1; sequence <= 3; ++sequence) Execute(Id(client, sequence));
  }
  EXPECT_EQ(CountRows(), 1 + 100 * (2 + 3));
  now_ms_ += 13 * kMinuteMs;
  for (uint64_t client = 1001; client <= 1050; ++client) Execute(Id(client, 1));
  EXPECT_EQ(CountRows(), 1 + 50 * (2 + 1));
  ASSERT_TRUE(turn_.Commit().ok());
  EXPECT_EQ(CountRows(), 1 + 50 * (2 + 1));
}

TEST_F(Sessions, ACommandDropsAtMostTwoClients) {
  for (uint64_t client = 1; client <= 10; ++client) Execute(Id(client, 1));
  const int before = CountRows();
  now_ms_ += 13 * kMinuteMs;
  Execute(Id(1000, 1));
  EXPECT_EQ(CountRows(), before - 2 * 3 + 3);
}

TEST_F(Sessions, AClientThatStaysDropsTheOthersInTime) {
  for (uint64_t client = 1; client <= 10; ++client) Execute(Id(client, 1));
  for (int minute = 0; minute < 20; ++minute) {
    now_ms_ += kMinuteMs;
    Execute(Id(1000, 1));
  }
  EXPECT_EQ(CountRows(), 1 + 2 + 1);
}

TEST_F(Sessions, ACommandOfAKnownClientWritesOneRow) {
  Execute(Id(1, 1));
  ASSERT_TRUE(turn_.Commit().ok());
  Execute(Id(1, 2));
  const uint64_t key_bytes = 1 + 8 + 1 + 8 + 2;
  EXPECT_EQ(turn_.SizeBytes(), key_bytes + 2 + 8 + std::string("outcome 2").size());
}

TEST_F(Sessions, RangesRememberApart) {
  Execute(Id(1, 1));
  EXPECT_EQ(Execute(Id(1, 1), kRange + 1), Memory::kNew);
}

TEST_F(Sessions, ACopyForASplitChildAnswersWhatTheParentAnswered) {
  Execute(Id(1, 1));
  ASSERT_TRUE(turn_.Commit().ok());
  Execute(Id(1, 2));  // Not committed: the copy sees the turn.
  Execute(Id(2, 5));
  const uint64_t child = 77;
  ASSERT_TRUE(CopySessions(kRange, child, &turn_).ok());
  for (bool committed : {false, true}) {
    EXPECT_EQ(Execute(Id(1, 1), child), Memory::kRepeat) << committed;
    EXPECT_EQ(Execute(Id(1, 2), child), Memory::kRepeat) << committed;
    EXPECT_EQ(Execute(Id(2, 5), child), Memory::kRepeat) << committed;
    ASSERT_TRUE(turn_.Commit().ok());
  }
  EXPECT_EQ(Execute(Id(2, 6), child), Memory::kNew);
  EXPECT_EQ(Execute(Id(2, 6)), Memory::kNew);
}

TEST_F(Sessions, ACopyIsTheSameWhereverTheTurnBegan) {
  uint64_t hashes[2];
  for (int commit_between : {0, 1}) {
    MemoryEngine engine;
    Turn turn(&engine);
    for (uint64_t n = 1; n <= 40; ++n) {
      SessionTable table(kRange, (now_ms_ << 16) + n, &turn);
      ASSERT_EQ(table.Admit(Id(n % 4 + 1, n)).value(), Admission::kAdmitted);
      table.Remember(n, Operation::kSet, "x");
      if (commit_between == 1 && n % 7 == 0) {
        ASSERT_TRUE(turn.Commit().ok());
      }
    }
    ASSERT_TRUE(CopySessions(kRange, 6, &turn).ok());
    ASSERT_TRUE(turn.Commit().ok());
    hashes[commit_between] = StateHash(engine, "", "").value();
  }
  EXPECT_EQ(hashes[0], hashes[1]);
}

TEST_F(Sessions, ADamagedRowIsDataLoss) {
  Execute(Id(1, 1));
  std::string key = RangeRowKey(kRange, kSessionClientRow);
  AppendFixed64(1, &key);
  turn_.Put(key, "?");
  SessionTable table(kRange, now_ms_ << 16, &turn_);
  EXPECT_EQ(table.Admit(Id(1, 2)).status().code(), absl::StatusCode::kDataLoss);
}

// Found by fuzzing: the first ended the process.
TEST_F(Sessions, AQueueThatDoesNotFitItsClientsIsDataLoss) {
  Execute(Id(1, 1));
  std::string client = RangeRowKey(kRange, kSessionClientRow);
  AppendFixed64(1, &client);
  turn_.Delete(client);
  now_ms_ += kIdleDropMs;
  SessionTable table(kRange, now_ms_ << 16, &turn_);
  EXPECT_EQ(table.Admit(Id(2, 1)).status().code(), absl::StatusCode::kDataLoss);

  std::string queue(1, 1);
  for (const uint64_t number : {9, 8, 0}) AppendFixed64(number, &queue);  // Front behind back.
  turn_.Put(RangeRowKey(kRange, kSessionQueueRow), queue);
  EXPECT_EQ(table.Admit(Id(3, 1)).status().code(), absl::StatusCode::kDataLoss);
}

// What a request's executions are, whatever ranges it met.
class MergedSessions : public Sessions {
 protected:
  static constexpr uint64_t kLeft = 5;
  static constexpr uint64_t kRight = 6;

  void MergeRight() {
    const uint64_t version = ++version_ + (now_ms_ << 16);
    ASSERT_TRUE(SessionTable::Merge(kRight, kLeft, version, &turn_).ok());
    DeleteRangeRows(kRight, &turn_);
  }
};

TEST_F(MergedSessions, OutcomesOfBothRangesAreRemembered) {
  const RequestId left = Id(1, 7);
  const RequestId right = Id(1, 8);
  const RequestId other = Id(2, 7);
  EXPECT_EQ(Execute(left, kLeft), Memory::kNew);
  EXPECT_EQ(Execute(right, kRight), Memory::kNew);
  EXPECT_EQ(Execute(other, kRight), Memory::kNew);
  MergeRight();
  for (const RequestId& id : {left, right, other}) EXPECT_EQ(Execute(id, kLeft), Memory::kRepeat);
  EXPECT_EQ(Execute(Id(2, 9), kLeft), Memory::kNew);
}

TEST_F(MergedSessions, TheHigherSequenceTakesThePlaceAndTheOtherIsForgotten) {
  const RequestId low = Id(1, 7);
  const RequestId high = Id(1, 7 + kSessionPlaces);
  EXPECT_EQ(Execute(low, kLeft), Memory::kNew);
  EXPECT_EQ(Execute(high, kRight), Memory::kNew);
  MergeRight();
  EXPECT_EQ(Execute(high, kLeft), Memory::kRepeat);
  EXPECT_EQ(Execute(low, kLeft), Memory::kForgotten);
}

// The counter-example at SessionTable::Merge.
TEST_F(MergedSessions, WhatTheOtherRangeHasForgottenIsNotExecutedAgain) {
  for (const bool in_right : {true, false}) {
    const uint64_t idle = in_right ? kRight : kLeft;
    const uint64_t busy = in_right ? kLeft : kRight;
    Execute(Id(1, 1), busy);
    now_ms_ += kMinuteMs;
    const RequestId once = Id(1, 2);
    ASSERT_EQ(Execute(once, idle), Memory::kNew);
    for (uint64_t minute = 0; minute < 60; ++minute) {
      now_ms_ += kMinuteMs;
      ASSERT_EQ(Execute(Id(1, 3 + minute), busy), Memory::kNew);
      Execute(Id(2, 1 + minute), idle);  // Drops client 1 there once it is idle for long enough.
    }
    MergeRight();
    EXPECT_EQ(Execute(once, kLeft), Memory::kForgotten) << in_right;
    now_ms_ += 20 * kMinuteMs;
  }
}

TEST_F(MergedSessions, ClientsOfTheRightRangeAreDroppedWhenTheyAreIdle) {
  for (uint64_t client = 10; client < 30; ++client) Execute(Id(client, 1), kRight);
  MergeRight();
  EXPECT_GT(CountRows(), 40);
  for (int minute = 0; minute < 40; ++minute) {
    now_ms_ += kMinuteMs;
    Execute(Id(100 + static_cast<uint64_t>(minute), 1), kLeft);
  }
  // Those of the last 12 minutes, with an entry in the queue and an outcome each.
  EXPECT_LE(CountRows(), 3 * 14 + 1);
}

// Random requests to ranges that split and merge: each is executed at most once, and one that is
// repeated at once is answered.
TEST_F(MergedSessions, NoRequestIsExecutedTwiceThroughSplitsAndMerges) {
  std::mt19937_64 random(20);
  struct Sent {
    RequestId id;
    bool right;  // Where its key lies.
  };
  std::vector<Sent> sent;
  std::map<std::pair<uint64_t, uint64_t>, int> executions;
  std::map<uint64_t, uint64_t> sequences;
  bool divided = false;
  int repeats = 0;
  const auto execute = [&](const Sent& request) {
    const Memory memory = Execute(request.id, divided && request.right ? kRight : kLeft);
    if (memory == Memory::kRepeat) ++repeats;
    if (memory == Memory::kNew) {
      ++executions[std::make_pair(request.id.client_id, request.id.sequence)];
    }
    return memory;
  };
  for (int step = 0; step < 30000; ++step) {
    now_ms_ += random() % (random() % 50 == 0 ? 3 * kMinuteMs : 2000);
    if (random() % 100 == 0) {
      if (divided) {
        MergeRight();
      } else {
        ASSERT_TRUE(CopySessions(kLeft, kRight, &turn_).ok());
      }
      divided = !divided;
      ASSERT_TRUE(turn_.Commit().ok());
    }
    if (sent.empty() || random() % 2 == 0) {
      const uint64_t client = random() % 6;
      sequences[client] += random() % 100 == 0 ? 1000 : 1;
      sent.push_back({Id(client, sequences[client]), random() % 2 == 0});
      execute(sent.back());
      ASSERT_NE(execute(sent.back()), Memory::kNew);
    } else {
      execute(sent[sent.size() - 1 - random() % std::min<size_t>(sent.size(), 600)]);
    }
  }
  for (const auto& [request, count] : executions) ASSERT_LE(count, 1);
  EXPECT_GT(repeats, 10000);
}

}  // namespace
}  // namespace rasputin::kv
