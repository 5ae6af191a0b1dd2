// Merges on whole stores: the steps, crashes between them, and what is left over.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "range/descriptor.h"
#include "range/merge.h"
#include "range/merge_steps.h"
#include "range/store.h"
#include "range/test_cluster.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::range {
namespace {

using kv::Operation;
using storage::v1::FreezeResult;

constexpr uint64_t kLeft = 2;
constexpr uint64_t kRight = 10;

struct Waiting : public Completion {
  void Done(Response response) override { got = std::move(response); }
  std::optional<Response> got;
};

// A cluster whose range 2 was split at "m" into 2 and 10, with a value on either side.
class Merges : public ::testing::Test {
 protected:
  void Begin(TestClusterOptions options = TestClusterOptions()) {
    cluster_ = std::make_unique<TestCluster>(options);
    steps_ = std::make_unique<MergeSteps>(cluster_.get());
    ASSERT_EQ(Set(kLeft, "a", "left").outcome, Outcome::kOk);
    ASSERT_EQ(Set(kLeft, "z", "right").outcome, Outcome::kOk);
    Divide(kLeft, "m", kRight);
  }
  // Logs and flushes so small that members that are away for a while need a snapshot.
  static TestClusterOptions Small(int stores = 0) {
    TestClusterOptions options;
    options.stores = stores;
    options.store.flush_bytes = 1000;
    options.store.log_retain_bytes = 2000;
    options.store.log_retain_dead_bytes = 1000;
    options.complete_flushes = true;
    return options;
  }

  RangeDescriptor Of(uint64_t range) { return steps_->Of(range); }
  Response Step(uint64_t range, Operation operation, const std::string& body) {
    return steps_->Step(range, operation, body);
  }
  Response Set(uint64_t range, const std::string& key, const std::string& value) {
    return steps_->Set(range, key, value);
  }
  std::string Value(uint64_t range, const std::string& key) { return steps_->Value(range, key); }
  void Divide(uint64_t range, const std::string& key, uint64_t child) {
    ASSERT_EQ(steps_->Split(range, key, child).outcome, Outcome::kOk);
    Of(child);
  }
  Response Note(uint64_t left = kLeft, uint64_t right = kRight) {
    return steps_->Note(left, right);
  }
  Response Freeze() { return steps_->Freeze(kLeft, kRight); }
  static FreezeResult Frozen(const Response& response) { return MergeSteps::Frozen(response); }
  Response Absorb(const FreezeResult& frozen) { return steps_->Absorb(kLeft, frozen); }
  void GiveUp(uint64_t left = kLeft) {
    const Response response = steps_->GiveUp(left);
    ASSERT_EQ(response.outcome, Outcome::kOk) << response.message;
  }
  void Merge(uint64_t left = kLeft, uint64_t right = kRight) {
    const Response response = steps_->Merge(left, right);
    ASSERT_EQ(response.outcome, Outcome::kOk) << response.message;
  }
  bool IsGone(int store, uint64_t range = kRight) { return steps_->IsGone(store, range); }
  bool IsGoneEverywhere(uint64_t range = kRight) {
    return cluster_->RunUntil(
        [&] { return IsGone(1, range) && IsGone(2, range) && IsGone(3, range); });
  }
  void CrashAll() {
    for (int id = 1; id <= 3; ++id) cluster_->Crash(id);
    for (int id = 1; id <= 3; ++id) cluster_->Restart(id);
  }
  void FlushAll() {
    for (int id = 1; id <= 3; ++id) {
      ASSERT_TRUE(cluster_->engine(id).StartFlush().ok());
      cluster_->engine(id).CompleteFlush();
    }
  }
  bool Lead(uint64_t range, int store) { return steps_->Lead(range, store); }
  void WriteMuch(uint64_t range, const std::string& prefix) {
    for (int i = 0; i < 60; ++i) {
      ASSERT_EQ(Set(range, prefix + std::to_string(i), std::string(100, 'v')).outcome,
                Outcome::kOk);
    }
    cluster_->RunFor(1500);
  }
  void CutOff(uint64_t range, int store) { steps_->CutOff(range, store); }
  // With its left replica there behind the merge, whose log the others have cut.
  void MergeWithoutLeftReplicaOn(int store) {
    ASSERT_TRUE(Lead(kLeft, store % 3 + 1));
    CutOff(kLeft, store);
    Merge();
    WriteMuch(kLeft, "n");
    ASSERT_FALSE(IsGone(store));
  }

  std::unique_ptr<TestCluster> cluster_;
  std::unique_ptr<MergeSteps> steps_;
};

TEST_F(Merges, TheLeftRangeServesAllKeysAndTheRightOneIsGone) {
  Begin();
  Set(kRight, "y", "of the right range");
  Merge();
  EXPECT_EQ(Value(kLeft, "a"), "left");
  EXPECT_EQ(Value(kLeft, "z"), "right");
  EXPECT_EQ(Value(kLeft, "y"), "of the right range");
  EXPECT_EQ(Set(kLeft, "z", "new").outcome, Outcome::kOk);
  EXPECT_TRUE(IsGoneEverywhere());
  EXPECT_TRUE(cluster_->Converges(kLeft));
  EXPECT_EQ(Of(kLeft).end_key(), "");
}

TEST_F(Merges, RangesThatAreLedByDifferentStoresMerge) {
  Begin();
  ASSERT_TRUE(Lead(kLeft, 1));
  ASSERT_TRUE(Lead(kRight, 2));
  Merge();
  EXPECT_EQ(Value(kLeft, "z"), "right");
  EXPECT_TRUE(IsGoneEverywhere());
  EXPECT_TRUE(cluster_->Converges(kLeft));
}

TEST_F(Merges, AFrozenRangeServesNothing) {
  Begin();
  Note();
  Frozen(Freeze());
  const int leader = cluster_->Leader(kRight);
  for (const Operation operation : {Operation::kGet, Operation::kSet}) {
    Request request;
    request.range = RangeId(kRight);
    request.generation = Generation(Of(kRight).generation());
    request.operation = operation;
    request.first_key = request.last_key = DefaultKey("z");
    request.body = absl::Cord(operation == Operation::kGet ? GetBody("z") : SetBody("z", "no"));
    const Response response = cluster_->Call(leader, std::move(request));
    EXPECT_EQ(response.outcome, Outcome::kNotLeader);
    EXPECT_GT(response.retry_after.count(), 0);
  }
  ReplicaChange change;
  change.store = StoreId(4);
  Waiting refused;
  for (const uint64_t range : {kLeft, kRight}) {
    const int store = cluster_->Leader(range);
    EXPECT_TRUE(absl::IsUnavailable(cluster_->store(store).ChangeReplicas(
        cluster_->NowAt(store), RangeId(range), Generation(Of(range).generation()), change,
        &refused)));
  }
  GiveUp();
  EXPECT_EQ(Value(kRight, "z"), "right");
}

TEST_F(Merges, AStaleRouteIsAnsweredWithTheMergedRange) {
  Begin();
  const RangeDescriptor right = Of(kRight);
  Merge();
  ASSERT_TRUE(IsGoneEverywhere());
  Request request;
  request.range = RangeId(kRight);
  request.generation = Generation(right.generation());
  request.operation = Operation::kGet;
  request.first_key = request.last_key = DefaultKey("z");
  request.body = absl::Cord(GetBody("z"));
  const Response response = cluster_->Call(cluster_->Leader(kLeft), std::move(request));
  EXPECT_EQ(response.outcome, Outcome::kRangeMismatch);
  ASSERT_EQ(response.descriptors.size(), 1u);
  EXPECT_EQ(response.descriptors[0].range_id(), kLeft);
  EXPECT_GT(response.descriptors[0].generation(), right.generation());
}

TEST_F(Merges, AFreezeIsAnsweredOnlyWhenAllMembersHoldIt) {
  Begin();
  Note();
  const int follower = cluster_->Leader(kRight) % 3 + 1;
  CutOff(kRight, follower);
  const Response refused = Freeze();
  EXPECT_EQ(refused.outcome, Outcome::kFailedPrecondition) << refused.message;
  EXPECT_TRUE(IsFrozen(Of(kRight)));
  cluster_->drop = nullptr;
  EXPECT_EQ(Absorb(Frozen(Freeze())).outcome, Outcome::kOk);
  EXPECT_EQ(Value(kLeft, "z"), "right");
}

TEST_F(Merges, NothingIsFrozenWhileAMemberIsAway) {
  Begin();
  Note();
  const int follower = cluster_->Leader(kRight) % 3 + 1;
  cluster_->Isolate(follower, true);
  cluster_->RunFor(5000);
  EXPECT_EQ(Freeze().outcome, Outcome::kFailedPrecondition);
  EXPECT_FALSE(IsFrozen(Of(kRight)));
}

TEST_F(Merges, AMergeThatWasAbandonedIsNotCarriedOut) {
  Begin();
  Note();
  const FreezeResult frozen = Frozen(Freeze());
  GiveUp();
  EXPECT_EQ(Absorb(frozen).outcome, Outcome::kFailedPrecondition);
  EXPECT_EQ(Set(kRight, "z", "still here").outcome, Outcome::kOk);
  EXPECT_EQ(Value(kRight, "z"), "still here");
  Divide(kLeft, "f", 11);
  EXPECT_EQ(Absorb(frozen).outcome, Outcome::kFailedPrecondition);
  Merge(11, kRight);
  EXPECT_EQ(Value(11, "z"), "still here");
}

TEST_F(Merges, ARangeThatMergesIsNotSplitNorMergedOtherwise) {
  Begin();
  Divide(kRight, "t", 11);
  Note();
  EXPECT_EQ(Step(kLeft, Operation::kSplit, SplitBody(DefaultKey("f"), 12, 2)).outcome,
            Outcome::kFailedPrecondition);
  EXPECT_EQ(Note(kRight, 11).outcome, Outcome::kOk);  // The right one's own: first come.
  EXPECT_EQ(Freeze().outcome, Outcome::kFailedPrecondition);
  GiveUp(kRight);
  GiveUp();
  Merge();
  EXPECT_EQ(Value(kLeft, "n"), "(none)");
}

TEST_F(Merges, ChainsOfSplitsAndMergesKeepAllKeys) {
  Begin();
  for (uint64_t round = 0; round < 3; ++round) {
    const uint64_t far = 20 + 100 * round;
    Divide(kRight + 100 * round, "t", far);
    ASSERT_EQ(Set(far, "u", std::to_string(round)).outcome, Outcome::kOk);
    if (round % 2 == 0) {
      Merge(kRight + 100 * round, far);
      Merge(kLeft, kRight + 100 * round);
    } else {
      Merge(kLeft, kRight + 100 * round);
      Merge(kLeft, far);
    }
    EXPECT_EQ(Value(kLeft, "a"), "left");
    EXPECT_EQ(Value(kLeft, "z"), "right");
    EXPECT_EQ(Value(kLeft, "u"), std::to_string(round));
    Divide(kLeft, "m", kRight + 100 * (round + 1));
  }
  CrashAll();
  EXPECT_EQ(Value(kLeft, "a"), "left");
  EXPECT_EQ(Value(kRight + 300, "z"), "right");
  EXPECT_TRUE(cluster_->Converges(kLeft));
}

TEST_F(Merges, ACrashOfAllStoresAfterAnyStepLosesNothing) {
  for (int steps = 1; steps <= 3; ++steps) {
    for (const bool flushed : {false, true}) {
      SCOPED_TRACE(std::to_string(steps) + (flushed ? " steps, flushed" : " steps"));
      Begin();
      Set(kRight, "z", "acknowledged");
      Note();
      FreezeResult frozen;
      if (steps >= 2) frozen = Frozen(Freeze());
      if (steps >= 3) {
        ASSERT_EQ(Absorb(frozen).outcome, Outcome::kOk);
      }
      if (flushed) FlushAll();
      CrashAll();
      if (steps < 3) {
        GiveUp();
        EXPECT_EQ(Value(kRight, "z"), "acknowledged");
        Merge();
      }
      EXPECT_EQ(Value(kLeft, "a"), "left");
      EXPECT_EQ(Value(kLeft, "z"), "acknowledged");
      EXPECT_TRUE(IsGoneEverywhere());
      EXPECT_TRUE(cluster_->Converges(kLeft));
    }
  }
}

TEST_F(Merges, ACrashOfOneStoreAfterAnyStepIsMended) {
  for (int steps = 1; steps <= 3; ++steps) {
    for (int store = 1; store <= 3; ++store) {
      SCOPED_TRACE(std::to_string(steps) + " steps, store " + std::to_string(store));
      Begin();
      Note();
      FreezeResult frozen;
      if (steps >= 2) frozen = Frozen(Freeze());
      if (steps >= 3) {
        ASSERT_EQ(Absorb(frozen).outcome, Outcome::kOk);
      }
      cluster_->Crash(store);
      if (steps == 2) {
        // The two others go on.
        EXPECT_EQ(Absorb(frozen).outcome, Outcome::kOk);
      }
      cluster_->Restart(store);
      if (steps == 1) {
        GiveUp();
        Merge();
      }
      EXPECT_EQ(Value(kLeft, "z"), "right");
      EXPECT_TRUE(IsGoneEverywhere());
      EXPECT_TRUE(cluster_->Converges(kLeft));
    }
  }
}

// Its engine has forgotten the merge, the right range and even that it was split off.
TEST_F(Merges, AReplayOfEverythingFindsTheRightRangesLog) {
  Begin();
  for (int i = 0; i < 5; ++i) Set(kRight, "z", std::to_string(i));
  Merge();
  ASSERT_TRUE(IsGoneEverywhere());
  for (int id = 1; id <= 3; ++id) {
    EXPECT_GT(cluster_->store(id).log()->Last(RangeId(kRight)).index, consensus::Index());
  }
  CrashAll();
  EXPECT_EQ(Value(kLeft, "z"), "4");
  EXPECT_TRUE(IsGoneEverywhere());
  EXPECT_TRUE(cluster_->Converges(kLeft));
}

TEST_F(Merges, TheRightRangesLogGoesWhenTheMergeIsFlushed) {
  Begin();
  Merge();
  ASSERT_TRUE(IsGoneEverywhere());
  FlushAll();
  cluster_->RunFor(2000);
  for (int id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster_->store(id).log()->Last(RangeId(kRight)).index, consensus::Index());
  }
  CrashAll();
  EXPECT_EQ(Value(kLeft, "z"), "right");
  EXPECT_TRUE(IsGone(1) && IsGone(2) && IsGone(3));
}

TEST_F(Merges, ASnapshotOfTheMergedRangeTakesTheLeftOverWithIt) {
  Begin(Small());
  MergeWithoutLeftReplicaOn(3);
  cluster_->drop = nullptr;
  EXPECT_TRUE(cluster_->RunUntil([&] { return IsGone(3); }));
  EXPECT_TRUE(cluster_->Converges(kLeft));
  EXPECT_EQ(cluster_->store(3).counters().snapshots_installed, 1u);
  CrashAll();
  EXPECT_EQ(Value(kLeft, "z"), "right");
  EXPECT_TRUE(IsGone(1) && IsGone(2) && IsGone(3));
}

TEST_F(Merges, ALeftOverStaysWhileTheLeftReplicaBesideItHasTheMergeToCome) {
  Begin();
  ASSERT_TRUE(Lead(kLeft, 1));
  CutOff(kLeft, 3);
  Merge();
  cluster_->RunFor(20000);  // It asks, and is told.
  EXPECT_FALSE(IsGone(3));
  cluster_->drop = nullptr;
  EXPECT_TRUE(cluster_->RunUntil([&] { return IsGone(3); }));
  EXPECT_TRUE(cluster_->Converges(kLeft));
}

TEST_F(Merges, ALeftOverOnAStoreThatLeftIsRemoved) {
  Begin(Small(4));
  MergeWithoutLeftReplicaOn(3);
  ASSERT_TRUE(cluster_->AddVoter(kLeft, 4));
  ASSERT_TRUE(cluster_->SetVoters(kLeft, {1, 2, 4}));
  cluster_->RunFor(5000);
  EXPECT_FALSE(IsGone(3));
  cluster_->drop = nullptr;
  EXPECT_TRUE(cluster_->RunUntil([&] { return IsGone(3, kLeft) && IsGone(3); }, 60000));
  cluster_->Crash(3);
  cluster_->Restart(3);
  cluster_->RunFor(2000);
  EXPECT_TRUE(IsGone(3, kLeft) && IsGone(3));
  EXPECT_EQ(Value(kLeft, "z"), "right");
}

// The right one of two waits for the left one, whose log has their merge to come, and not the left
// one for the right one as well (simulator, seed 772075).
TEST_F(Merges, LeftOversOfAChainOfMergesDoNotWaitForEachOther) {
  constexpr uint64_t kRightmost = 11;
  TestClusterOptions options;
  options.stores = 4;
  Begin(options);
  Divide(kRight, "t", kRightmost);
  ASSERT_TRUE(cluster_->Converges(kRight) && cluster_->Converges(kRightmost));
  FlushAll();
  Merge(kRight, kRightmost);
  Merge(kLeft, kRight);
  ASSERT_TRUE(IsGoneEverywhere(kRight) && IsGoneEverywhere(kRightmost));
  ASSERT_TRUE(cluster_->AddVoter(kLeft, 4));
  cluster_->Crash(3);  // Its engine forgets the merges.
  ASSERT_TRUE(cluster_->SetVoters(kLeft, {1, 2, 4}));
  cluster_->Restart(3);
  EXPECT_TRUE(cluster_->RunUntil(
      [&] { return IsGone(3, kLeft) && IsGone(3, kRight) && IsGone(3, kRightmost); }, 60000));
  EXPECT_EQ(Value(kLeft, "z"), "right");
}

// The right range's group has a quorum without the store that absorbed it, and a leader.
TEST_F(Merges, LeftOversWithAQuorumServeNothingAndGo) {
  Begin();
  ASSERT_TRUE(Lead(kLeft, 1));
  ASSERT_TRUE(Lead(kRight, 2));
  Note();
  const FreezeResult frozen = Frozen(Freeze());
  cluster_->drop = [](const consensus::Message& message) {
    // The others hold the merge and do not learn that it is committed.
    const auto* append = std::get_if<consensus::AppendRequest>(&message.body);
    return message.range == RangeId(kLeft) && append != nullptr && append->entries.empty();
  };
  EXPECT_EQ(Absorb(frozen).outcome, Outcome::kOk);
  cluster_->RunFor(1000);
  EXPECT_TRUE(IsGone(1));
  EXPECT_EQ(Value(kLeft, "z"), "right");
  EXPECT_TRUE(IsFrozen(cluster_->Descriptor(2, kRight).value()));
  cluster_->drop = nullptr;
  EXPECT_TRUE(IsGoneEverywhere());
  EXPECT_TRUE(cluster_->Converges(kLeft));
}

TEST_F(Merges, ARequestIsExecutedOnceThroughSplitAndMerge) {
  Begin();
  const auto send = [&](uint64_t range, const std::string& key, uint64_t sequence) {
    const int leader = cluster_->Leader(range);
    Request request;
    request.range = RangeId(range);
    request.generation = Generation(Of(range).generation());
    request.operation = Operation::kSet;
    request.first_key = request.last_key = DefaultKey(key);
    request.body = absl::Cord(SetBody(key, "once"));
    request.id =
        kv::RequestId{77, sequence, 0, static_cast<uint64_t>(cluster_->Now().wall_us / 1000)};
    return std::string(cluster_->Call(leader, std::move(request)).body);
  };
  const std::string first = send(kRight, "z", 1);
  const std::string second = send(kLeft, "a", 2);
  ASSERT_FALSE(first.empty());
  Merge();
  EXPECT_EQ(send(kLeft, "z", 1), first);
  EXPECT_EQ(send(kLeft, "a", 2), second);
  Divide(kLeft, "m", 12);
  EXPECT_EQ(send(12, "z", 1), first);
  Merge(kLeft, 12);
  CrashAll();
  Of(kLeft);
  EXPECT_EQ(send(kLeft, "z", 1), first);
}

TEST_F(Merges, VersionsGoOnAboveThoseOfTheRightRange) {
  Begin();
  ASSERT_TRUE(Lead(kLeft, 1));
  ASSERT_TRUE(Lead(kRight, 2));
  cluster_->RunFor(3000);
  const auto version = [](const Response& response) {
    ::rasputin::kv::v1::SetResponse set;
    EXPECT_TRUE(set.ParseFromString(std::string(response.body)));
    return set.version();
  };
  cluster_->SetWallError(2, 40'000);
  const uint64_t right = version(Set(kRight, "z", "1"));
  Merge();
  const uint64_t merged = version(Set(kLeft, "z", "2"));
  EXPECT_GT(merged, right);
  for (const int id : {1, 2, 3}) cluster_->SetWallError(id, 0);
  CrashAll();
  EXPECT_GT(version(Set(kLeft, "z", "3")), merged);
}

TEST_F(Merges, ReadsAndWritesInFlightAreAnsweredWithoutBeingExecutedTwice) {
  Begin();
  ASSERT_TRUE(Lead(kLeft, 1));
  ASSERT_TRUE(Lead(kRight, 2));
  std::vector<std::unique_ptr<Waiting>> waiting;
  const uint64_t generation = Of(kRight).generation();
  int written = 0;
  cluster_->before_turn = [&](int id) {
    if (id != 2 || IsGone(2)) return;
    for (const Operation operation : {Operation::kGet, Operation::kSet}) {
      Request request;
      request.range = RangeId(kRight);
      request.generation = Generation(generation);
      request.operation = operation;
      request.first_key = request.last_key = DefaultKey("z");
      request.body = absl::Cord(
          operation == Operation::kGet ? GetBody("z") : SetBody("z", std::to_string(++written)));
      waiting.push_back(std::make_unique<Waiting>());
      request.completion = waiting.back().get();
      cluster_->store(2).Submit(cluster_->NowAt(2), std::move(request));
    }
  };
  Merge();
  ASSERT_TRUE(IsGoneEverywhere());
  cluster_->RunFor(100);
  int executed = 0;
  for (const auto& one : waiting) {
    ASSERT_TRUE(one->got.has_value());
    if (one->got->outcome == Outcome::kOk) {
      ++executed;
    } else {
      EXPECT_TRUE(one->got->outcome == Outcome::kRangeMismatch ||
                  one->got->outcome == Outcome::kNotLeader)
          << one->got->message;
    }
  }
  EXPECT_GT(executed, 0);
  EXPECT_LT(executed, static_cast<int>(waiting.size()));
}

// Whoever asked for the split may not have heard that it was carried out.
TEST_F(Merges, ASplitThatIsRepeatedAfterTheMergeIsRefused) {
  Begin();
  Divide(kRight, "t", 11);
  Merge(kRight, 11);
  Merge();
  for (const uint64_t id : {kRight, uint64_t{11}}) {
    EXPECT_EQ(steps_->Split(kLeft, "m", id).outcome, Outcome::kFailedPrecondition);
  }
  Divide(kLeft, "m", 12);
  EXPECT_EQ(steps_->Split(12, "t", 11).outcome, Outcome::kFailedPrecondition);
  EXPECT_EQ(Value(12, "z"), "right");
}

TEST_F(Merges, ADroppedRangeIsEmptyServesNothingAndIsAbsorbed) {
  Begin();
  ASSERT_EQ(Step(kLeft, Operation::kSplit, SplitBody(DefaultKey("f"), 12, 2)).outcome,
            Outcome::kOk);
  for (int repeat = 0; repeat < 2; ++repeat) {
    EXPECT_EQ(Step(kRight, Operation::kDropRange, "").outcome, Outcome::kOk);
  }
  EXPECT_EQ(Value(kRight, "z"), "(the collection was dropped)");
  EXPECT_EQ(Set(kRight, "z", "no").outcome, Outcome::kNotFound);
  const auto rows =
      cluster_->engine(1).NewIterator("d" + DefaultKey("m"), "d" + DefaultKey("\xff"));
  rows->Seek("d" + DefaultKey("m"));
  EXPECT_FALSE(rows->Valid());
  EXPECT_EQ(Step(kRight, Operation::kSplit, SplitBody(DefaultKey("t"), 13, 2)).outcome,
            Outcome::kFailedPrecondition);
  Merge(12, kRight);
  EXPECT_EQ(Value(12, "z"), "(none)");
  EXPECT_EQ(Set(12, "z", "again").outcome, Outcome::kOk);
  EXPECT_TRUE(cluster_->Converges(12));
}

TEST_F(Merges, KeysOfADroppedCollectionAreServedByNobodyAfterItsRangeWasAbsorbed) {
  Begin();
  const std::string doomed = CollectionPrefix(3) + "k";
  const auto set = [this](uint64_t range, const std::string& full_key) {
    return cluster_->CallLeader(range, Operation::kSet, full_key, SetBody("k", "v")).outcome;
  };
  ASSERT_EQ(Step(kRight, Operation::kSplit, SplitBody(CollectionPrefix(3), 13, 3)).outcome,
            Outcome::kOk);
  EXPECT_EQ(set(13, doomed), Outcome::kOk);
  ASSERT_EQ(Step(13, Operation::kDropRange, "").outcome, Outcome::kOk);
  // It reaches to the end of the keyspace, where the next collection begins.
  ASSERT_EQ(Step(13, Operation::kSplit, SplitBody(CollectionPrefix(4), 14, 4)).outcome,
            Outcome::kOk);
  EXPECT_EQ(set(14, CollectionPrefix(4) + "k"), Outcome::kOk);
  Merge(kRight, 13);
  EXPECT_EQ(set(kRight, doomed), Outcome::kNotFound);
  EXPECT_EQ(cluster_->CallLeader(kRight, Operation::kGet, doomed, GetBody("k")).outcome,
            Outcome::kNotFound);
  EXPECT_EQ(Value(kRight, "z"), "right");
  EXPECT_EQ(Of(kRight).end_key(), CollectionPrefix(4));
}

}  // namespace
}  // namespace rasputin::range
