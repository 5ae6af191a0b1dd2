// Members that come and go, and snapshots: from a change to every replica's state, through crashes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <variant>

#include "kv/range_snapshot.h"
#include "range/descriptor.h"
#include "range/store.h"
#include "range/test_cluster.h"

namespace rasputin::range {
namespace {

std::string Key(const std::string& user) { return CollectionPrefix(kDefaultCollectionId) + user; }

Response Set(TestCluster* cluster, uint64_t range, const std::string& key,
             const std::string& value) {
  return cluster->CallLeader(range, kv::Operation::kSet, Key(key), SetBody(key, value));
}
std::string Value(TestCluster* cluster, uint64_t range, const std::string& key) {
  const Response response = cluster->CallLeader(range, kv::Operation::kGet, Key(key), GetBody(key));
  return ValueOf(response).value_or("(none)");
}

// Logs and flushes so small that members that are away for a while need a snapshot.
TestClusterOptions Small(int members, int stores) {
  TestClusterOptions options;
  options.members = members;
  options.stores = stores;
  options.store.flush_bytes = 1000;
  options.store.log_retain_bytes = 2000;
  options.store.log_retain_dead_bytes = 1000;
  options.complete_flushes = true;
  return options;
}

// Writes so much that the logs of those who take part are cut behind it.
void WriteMuch(TestCluster* cluster, uint64_t range, const std::string& prefix, int count = 60) {
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(Set(cluster, range, prefix + std::to_string(i), std::string(100, 'v')).outcome,
              Outcome::kOk);
  }
  cluster->RunFor(1500);
}

std::vector<int> VotersOf(TestCluster* cluster, uint64_t range) {
  std::vector<int> voters;
  EXPECT_TRUE(cluster->RunUntil([&] { return cluster->Leader(range) != 0; }));
  const RangeDescriptor descriptor = *cluster->Descriptor(cluster->Leader(range), range);
  for (const auto& replica : descriptor.replicas()) {
    if (replica.role() == type::v1::REPLICA_ROLE_UNSPECIFIED) {
      voters.push_back(static_cast<int>(replica.store_id()));
    }
  }
  std::sort(voters.begin(), voters.end());
  return voters;
}

bool Holds(TestCluster* cluster, int store, uint64_t range) {
  return cluster->Descriptor(store, range).has_value();
}

bool HasRows(TestCluster* cluster, int store, const RangeDescriptor& descriptor) {
  for (const kv::KeySpan& span :
       kv::SpansOf({descriptor.range_id(), descriptor.start_key(), descriptor.end_key()})) {
    const auto rows = cluster->engine(store).NewIterator(span.begin, span.end);
    rows->Seek(span.begin);
    if (rows->Valid()) return true;
  }
  return false;
}

TEST(StoreMembership, ARangeGrowsFromOneReplicaToFiveAndShrinksToThreeWhileItIsWritten) {
  TestClusterOptions options = Small(1, 5);
  TestCluster cluster(options);
  WriteMuch(&cluster, 2, "before");
  for (int store = 2; store <= 5; ++store) {
    ASSERT_TRUE(cluster.AddVoter(2, store)) << "store " << store;
    Set(&cluster, 2, "grown to " + std::to_string(store), "yes");
  }
  EXPECT_EQ(VotersOf(&cluster, 2), (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_TRUE(cluster.Converges(2));
  ASSERT_TRUE(cluster.SetVoters(2, {3, 4, 5}));
  EXPECT_EQ(VotersOf(&cluster, 2), (std::vector<int>{3, 4, 5}));
  for (int store = 2; store <= 5; ++store) {
    EXPECT_EQ(Value(&cluster, 2, "grown to " + std::to_string(store)), "yes");
  }
  EXPECT_EQ(Value(&cluster, 2, "before0"), std::string(100, 'v'));
  EXPECT_TRUE(cluster.Converges(2));
  EXPECT_TRUE(cluster.RunUntil([&] { return !Holds(&cluster, 1, 2) && !Holds(&cluster, 2, 2); }));
  EXPECT_TRUE(Holds(&cluster, 1, 1));
}

TEST(StoreMembership, ADeadStoreIsReplacedByANewOne) {
  TestCluster cluster(Small(3, 4));
  WriteMuch(&cluster, 2, "a");
  const int dead = cluster.Leader(2);
  cluster.Crash(dead);
  ASSERT_TRUE(cluster.AddLearner(2, 4));
  std::vector<int> voters;
  for (int store = 1; store <= 4; ++store) {
    if (store != dead) voters.push_back(store);
  }
  ASSERT_TRUE(cluster.SetVoters(2, voters));
  EXPECT_EQ(VotersOf(&cluster, 2), voters);
  EXPECT_EQ(Value(&cluster, 2, "a0"), std::string(100, 'v'));
  EXPECT_TRUE(cluster.Converges(2));
  EXPECT_EQ(cluster.store(4).counters().snapshots_installed, 1u);
}

// It comes back after the change, and nobody sends it anything: it asks, and is told.
TEST(StoreMembership, AStoreThatWasRemovedWhileItWasAwayRemovesItsReplica) {
  TestCluster cluster(Small(3, 4));
  WriteMuch(&cluster, 2, "a", 10);
  const int away = cluster.Leader(2) % 3 + 1;
  cluster.Isolate(away, true);
  ASSERT_TRUE(cluster.AddLearner(2, 4));
  std::vector<int> voters = {4};
  for (int store = 1; store <= 3; ++store) {
    if (store != away) voters.push_back(store);
  }
  ASSERT_TRUE(cluster.SetVoters(2, voters));
  cluster.RunFor(10000);
  const RangeDescriptor left = *cluster.Descriptor(away, 2);
  cluster.Isolate(away, false);
  EXPECT_TRUE(cluster.RunUntil([&] { return !Holds(&cluster, away, 2); }));
  EXPECT_FALSE(HasRows(&cluster, away, left));
  EXPECT_TRUE(Holds(&cluster, away, 1)) << "only what was removed";
  EXPECT_EQ(Value(&cluster, 2, "a0"), std::string(100, 'v'));
  // What is gone stays gone.
  cluster.Crash(away);
  cluster.Restart(away);
  EXPECT_FALSE(Holds(&cluster, away, 2));
  EXPECT_FALSE(HasRows(&cluster, away, left));
}

TEST(StoreMembership, AStoreThatHadAReplicaGetsANewOneUnderAnotherId) {
  TestCluster cluster(Small(3, 3));
  WriteMuch(&cluster, 2, "a", 10);
  const int store = cluster.Leader(2) % 3 + 1;
  std::vector<int> others;
  for (int id = 1; id <= 3; ++id) {
    if (id != store) others.push_back(id);
  }
  ASSERT_TRUE(cluster.SetVoters(2, others));
  ASSERT_TRUE(cluster.RunUntil([&] { return !Holds(&cluster, store, 2); }));
  ASSERT_TRUE(cluster.AddVoter(2, store));
  EXPECT_TRUE(cluster.Converges(2));
  const RangeDescriptor descriptor = *cluster.Descriptor(store, 2);
  const auto* replica = FindStore(descriptor, StoreId(static_cast<uint64_t>(store)));
  ASSERT_NE(replica, nullptr);
  EXPECT_EQ(replica->replica_id(), 4u);
}

// Re-added before it heard that it had left.
TEST(StoreMembership, AReplicaThatMissedItsRemovalGivesWayToItsSuccessorOnTheStore) {
  TestCluster cluster(Small(3, 3));
  WriteMuch(&cluster, 2, "a", 10);
  const int store = cluster.Leader(2) % 3 + 1;
  cluster.Isolate(store, true);
  std::vector<int> others;
  for (int id = 1; id <= 3; ++id) {
    if (id != store) others.push_back(id);
  }
  ASSERT_TRUE(cluster.SetVoters(2, others));
  ASSERT_TRUE(cluster.AddLearner(2, store));
  cluster.RunFor(2000);
  ASSERT_TRUE(Holds(&cluster, store, 2));
  cluster.Isolate(store, false);
  EXPECT_TRUE(cluster.SetVoters(2, {1, 2, 3}));
  EXPECT_TRUE(cluster.Converges(2));
}

// Nobody answers under the ids that it knows; their successors do.
TEST(StoreMembership, AReplicaWhoseFellowsAllCameBackUnderOtherIdsLearnsThatItHasLeft) {
  TestClusterOptions options;
  options.members = 3;
  options.stores = 5;
  TestCluster cluster(options);
  Set(&cluster, 2, "a", "1");
  const int away = cluster.Leader(2) % 3 + 1;
  const int first = away % 3 + 1;
  const int second = first % 3 + 1;
  cluster.Isolate(away, true);
  ASSERT_TRUE(cluster.AddVoter(2, 4));
  ASSERT_TRUE(cluster.SetVoters(2, {first, second, 4}));
  ASSERT_TRUE(cluster.AddVoter(2, 5));
  ASSERT_TRUE(cluster.SetVoters(2, {4, 5}));
  ASSERT_TRUE(
      cluster.RunUntil([&] { return !Holds(&cluster, first, 2) && !Holds(&cluster, second, 2); }));
  ASSERT_TRUE(cluster.AddVoter(2, first));
  ASSERT_TRUE(cluster.AddVoter(2, second));
  ASSERT_TRUE(cluster.SetVoters(2, {first, second}));
  cluster.Isolate(away, false);
  EXPECT_TRUE(cluster.RunUntil([&] { return !Holds(&cluster, away, 2); }));
}

// Range 2 on four stores, to be left by its leader.
class FourVoters : public ::testing::Test {
 protected:
  FourVoters() {
    WriteMuch(&cluster_, 2, "a", 10);
    EXPECT_TRUE(cluster_.AddVoter(2, 4));
    leader_ = cluster_.Leader(2);
    for (int id = 1; id <= 4; ++id) {
      if (id != leader_) others_.push_back(id);
    }
  }

  bool HasLeft() {
    return cluster_.RunUntil([&] { return !Holds(&cluster_, leader_, 2); });
  }

  TestCluster cluster_{Small(3, 4)};
  int leader_ = 0;
  std::vector<int> others_;
};

TEST_F(FourVoters, ALeaderMayRemoveItself) {
  ASSERT_TRUE(cluster_.SetVoters(2, others_));
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.Leader(2) != 0; }, 1500))
      << "its followers were not released";
  EXPECT_NE(cluster_.Leader(2), leader_);
  EXPECT_EQ(Set(&cluster_, 2, "a", "2").outcome, Outcome::kOk);
  EXPECT_TRUE(HasLeft());
}

// None of its releases arrives for three leases, during which its store goes on to be supported.
TEST_F(FourVoters, WhoLedLeavesOnlyWhenItsReleasesHaveArrived) {
  cluster_.drop = [leader = leader_](const consensus::Message& message) {
    return std::holds_alternative<consensus::Release>(message.body) &&
           message.from_store.value() == static_cast<uint64_t>(leader);
  };
  ASSERT_TRUE(cluster_.SetVoters(2, others_));
  cluster_.RunFor(6000);
  EXPECT_EQ(cluster_.Leader(2), 0) << "whom the others are bound to is there";
  cluster_.drop = nullptr;
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.Leader(2) != 0; }))
      << "its followers were not released";
  EXPECT_TRUE(HasLeft());
}

// A member that never answers keeps nobody.
TEST_F(FourVoters, WhoLedLeavesADeadMemberUnreleased) {
  cluster_.Crash(others_.back());
  ASSERT_TRUE(cluster_.SetVoters(2, others_));
  EXPECT_TRUE(HasLeft());
}

// [H-7]: nobody else can, and they would stay bound for as long as its store is there.
TEST(StoreMembership, AStoreReleasesThoseWhoAreBoundToAReplicaThatItDoesNotHave) {
  TestCluster cluster(Small(3, 3));
  Set(&cluster, 2, "a", "1");
  cluster.RunFor(3000);
  consensus::Message query;
  query.range = RangeId(99);
  query.from = ReplicaId(2);
  query.to = ReplicaId(1);
  query.from_store = StoreId(2);
  query.to_store = StoreId(1);
  query.term = consensus::Term(5);
  query.body = consensus::ReleaseQuery{consensus::Term(5)};
  const uint64_t before = cluster.messages_sent();
  cluster.store(1).Step(cluster.Now(), {query});
  cluster.RunFor(1);
  EXPECT_EQ(cluster.messages_sent(), before + 1);
}

// The list of stores lies in a range as well: whoever is a member here is heard without it, or two
// members that have not read of each other can never elect a leader.
TEST(StoreMembership, KnowsTheStoresOfItsFellowMembers) {
  TestCluster cluster(Small(3, 5));
  const auto shares = [&](int store, uint64_t with) {
    return cluster.store(store).SharesRangeWith(StoreId(with));
  };
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Leader(2) != 0; }));
  EXPECT_TRUE(shares(1, 2));
  EXPECT_FALSE(shares(1, 1)) << "itself";
  EXPECT_FALSE(shares(1, 4));
  EXPECT_FALSE(shares(4, 1)) << "holds nothing";
  ASSERT_TRUE(cluster.AddLearner(2, 4));
  ASSERT_TRUE(cluster.AddLearner(2, 5));
  EXPECT_TRUE(cluster.RunUntil([&] { return shares(1, 4) && shares(4, 5) && shares(5, 4); }));
  ASSERT_TRUE(cluster.RemoveLearner(2, 5));
  EXPECT_TRUE(cluster.RunUntil([&] { return !shares(1, 5) && !shares(4, 5); }));
}

TEST(StoreMembership, ALearnerReceivesEverythingAndLeavesAgain) {
  TestCluster cluster(Small(3, 4));
  ASSERT_TRUE(cluster.AddLearner(2, 4));
  WriteMuch(&cluster, 2, "a", 20);
  EXPECT_TRUE(cluster.Converges(2));
  const int leader = cluster.Leader(2);
  for (const ReplicaStatus& status : cluster.store(leader).ListReplicas(cluster.Now())) {
    EXPECT_EQ(status.members.size(), status.descriptor.range_id() == 2 ? 3u : 2u)
        << "range " << status.descriptor.range_id();
  }
  ASSERT_TRUE(cluster.RemoveLearner(2, 4));
  EXPECT_TRUE(cluster.RunUntil([&] { return !Holds(&cluster, 4, 2); }));
}

class Noted : public Completion {
 public:
  void Done(Response response) override { answer = std::move(response); }
  std::optional<Response> answer;
};

// The member that was away applies both in one turn; the cluster checks the order of reports.
TEST(StoreMembership, AChangeAndASplitThatAreAppliedTogetherAreReportedInTheirOrder) {
  TestClusterOptions options;
  options.members = 3;
  options.stores = 4;
  TestCluster cluster(options);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.Leader(2) != 0; }));
  const int away = cluster.Leader(2) == 1 ? 2 : 1;
  cluster.Isolate(away, true);
  ASSERT_TRUE(cluster.AddLearner(2, 4));
  ASSERT_EQ(cluster
                .CallLeader(2, kv::Operation::kSplit, Key("m"),
                            SplitBody(Key("m"), 10, kDefaultCollectionId))
                .outcome,
            Outcome::kOk);
  cluster.Isolate(away, false);
  EXPECT_TRUE(cluster.RunUntil([&] { return Holds(&cluster, away, 10); }));
  EXPECT_TRUE(cluster.Converges(2));
}

// One of the four cannot be reached, another cannot apply the split and is removed from the parent
// before it could: the child's two replicas cannot elect a leader who would send it to the others.
TEST(StoreMembership, AChildIsElectedThoughAMemberLeftTheParentBeforeItHadAppliedTheSplit) {
  TestCluster cluster(4);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  const int keeps = leader % 4 + 1;
  const int away = keeps % 4 + 1;
  const int stalls = away % 4 + 1;
  cluster.Isolate(away, true);
  cluster.engine(stalls).FailWrites(absl::ResourceExhaustedError("stalls"));
  ASSERT_EQ(cluster
                .CallLeader(2, kv::Operation::kSplit, Key("m"),
                            SplitBody(Key("m"), 10, kDefaultCollectionId))
                .outcome,
            Outcome::kOk);
  cluster.Crash(leader);
  cluster.Restart(leader);
  ASSERT_TRUE(cluster.SetVoters(2, {leader, keeps, stalls}));
  ASSERT_TRUE(cluster.SetVoters(2, {leader, keeps}));
  cluster.Crash(stalls);
  cluster.engine(stalls).FailWrites(absl::OkStatus());
  cluster.Restart(stalls);
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Leader(10) != 0; }));
  EXPECT_TRUE(Holds(&cluster, stalls, 10));
  EXPECT_EQ(Set(&cluster, 10, "z", "1").outcome, Outcome::kOk);
}

TEST(StoreMembership, ChangesThatDoNotFitAreRefusedAndSayWhy) {
  TestCluster cluster(Small(3, 4));
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  Noted noted;
  const auto ask = [&](int store, uint64_t generation, const ReplicaChange& change) {
    return cluster.store(store)
        .ChangeReplicas(cluster.Now(), RangeId(2), Generation(generation), change, &noted)
        .code();
  };
  ReplicaChange add;
  add.store = StoreId(4);
  EXPECT_EQ(ask(leader % 3 + 1, 1, add), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ask(leader, 7, add), absl::StatusCode::kAborted);
  ReplicaChange voters;
  voters.kind = ReplicaChange::Kind::kSetVoters;
  EXPECT_EQ(ask(leader, 1, voters), absl::StatusCode::kInvalidArgument);
  voters.voters = {StoreId(1), StoreId(1)};
  EXPECT_EQ(ask(leader, 1, voters), absl::StatusCode::kInvalidArgument);
  voters.voters = {StoreId(1), StoreId(4)};
  EXPECT_EQ(ask(leader, 1, voters), absl::StatusCode::kFailedPrecondition);
  ReplicaChange remove;
  remove.kind = ReplicaChange::Kind::kRemoveLearner;
  remove.store = StoreId(2);
  EXPECT_EQ(ask(leader, 1, remove), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(noted.answer.has_value());
  // Made already.
  voters.voters = {StoreId(3), StoreId(2), StoreId(1)};
  EXPECT_EQ(ask(leader, 1, voters), absl::StatusCode::kOk);
  cluster.RunFor(1);
  ASSERT_TRUE(noted.answer.has_value());
  EXPECT_EQ(noted.answer->outcome, Outcome::kOk);
  noted.answer.reset();
  EXPECT_EQ(ask(leader, 1, add), absl::StatusCode::kOk);
  EXPECT_EQ(ask(leader, 1, add), absl::StatusCode::kUnavailable) << "one is under way";
  cluster.RunFor(1000);
  EXPECT_TRUE(noted.answer.has_value());
}

// ---- Snapshots.

TEST(StoreSnapshot, AReplicaBehindTheCutLogCatchesUp) {
  TestCluster cluster(Small(3, 3));
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  const int away = leader % 3 + 1;
  cluster.Isolate(away, true);
  WriteMuch(&cluster, 2, "b");
  cluster.RunFor(12000);
  WriteMuch(&cluster, 2, "c");
  ASSERT_GT(cluster.store(leader).log()->Start(RangeId(2)).index,
            cluster.store(away).log()->Last(RangeId(2)).index);
  cluster.Isolate(away, false);
  EXPECT_TRUE(cluster.Converges(2));
  EXPECT_EQ(cluster.store(away).counters().snapshots_installed, 1u);
  EXPECT_EQ(cluster.Leader(2), leader);
  Set(&cluster, 2, "d", "1");
  EXPECT_TRUE(cluster.Converges(2));
  EXPECT_EQ(cluster.store(away).counters().snapshots_installed, 1u) << "the log goes on";
}

// Wherever the power fails: before, while and after a snapshot is put in place.
TEST(StoreSnapshot, ACrashOfTheReceiverAtAnyMomentOfAnInstallIsHealed) {
  for (const bool is_new : {false, true}) {
    for (int crash_after = 0; crash_after < 12; ++crash_after) {
      TestCluster cluster(Small(3, 4));
      WriteMuch(&cluster, 2, "a", 5);
      const int leader = cluster.Leader(2);
      const int receiver = is_new ? 4 : leader % 3 + 1;
      if (!is_new) cluster.Isolate(receiver, true);
      WriteMuch(&cluster, 2, "b");
      if (is_new) {
        ASSERT_TRUE(cluster.AddLearner(2, receiver));
      } else {
        cluster.RunFor(12000);
        WriteMuch(&cluster, 2, "c");
        cluster.Isolate(receiver, false);
      }
      ASSERT_TRUE(
          cluster.RunUntil([&] { return cluster.store(leader).counters().snapshots_begun > 0; }));
      cluster.RunFor(crash_after);
      cluster.Crash(receiver);
      cluster.RunFor(100);
      cluster.Restart(receiver);
      ASSERT_TRUE(cluster.Converges(2)) << "crash after " << crash_after << " ms, new " << is_new;
    }
  }
}

TEST(StoreSnapshot, ACrashOfTheSenderOnlyDelays) {
  TestClusterOptions options = Small(3, 4);
  options.store.snapshot_bytes_per_second = 20000;
  TestCluster cluster(options);
  WriteMuch(&cluster, 2, "a", 200);
  const int leader = cluster.Leader(2);
  ASSERT_TRUE(cluster.AddLearner(2, 4));
  ASSERT_TRUE(cluster.RunUntil(
      [&] { return cluster.store(leader).counters().snapshot_bytes_sent > 1000; }));
  cluster.Crash(leader);
  EXPECT_TRUE(cluster.RunUntil([&] { return Holds(&cluster, 4, 2); }));
  cluster.Restart(leader);
  EXPECT_TRUE(cluster.Converges(2));
}

// What may be sent is shared in turn, in chunks of which each is soon sent: neither is silent for
// as long as the patience of its receiver, and the small one is not kept until the large one is
// through, which may be all that its range needs to have a leader again (simulator, seed 3052075).
TEST(StoreSnapshot, ASmallOneArrivesWhileALargeOneIsOnItsWay) {
  TestClusterOptions options = Small(3, 4);
  options.store.snapshot_bytes_per_second = 20000;
  TestCluster cluster(options);
  ASSERT_NO_FATAL_FAILURE(WriteMuch(&cluster, 2, "a"));
  ASSERT_NO_FATAL_FAILURE(WriteMuch(&cluster, 2, "n"));
  const int leader = cluster.Leader(2);
  ASSERT_EQ(cluster
                .CallLeader(2, kv::Operation::kSplit, Key("m"),
                            SplitBody(Key("m"), 10, kDefaultCollectionId))
                .outcome,
            Outcome::kOk);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.Leader(10) == leader; }));
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(Set(&cluster, 2, "b" + std::to_string(i), std::string(50'000, 'v')).outcome,
              Outcome::kOk);
  }
  ASSERT_NO_FATAL_FAILURE(WriteMuch(&cluster, 10, "z"));
  ASSERT_TRUE(cluster.AddLearner(2, 4));
  ASSERT_TRUE(cluster.RunUntil(
      [&] { return cluster.store(leader).counters().snapshot_bytes_sent > 100'000; }));
  ASSERT_TRUE(cluster.AddLearner(10, 4));
  ASSERT_TRUE(cluster.RunUntil([&] { return Holds(&cluster, 4, 10); }));
  EXPECT_FALSE(Holds(&cluster, 4, 2));
  ASSERT_TRUE(cluster.RunUntil([&] { return Holds(&cluster, 4, 2); }));
  EXPECT_EQ(cluster.store(leader).counters().snapshots_begun, 2u) << "one was given up";
}

// The follower's engine stalls before it has applied the split; the child's leader offers it the
// child meanwhile.
TEST(StoreSnapshot, AChildIsNotTakenBeforeTheSplitOfItsParentIsApplied) {
  TestCluster cluster(Small(3, 3));
  Set(&cluster, 2, "a", "1");
  Set(&cluster, 2, "z", "1");
  const int leader = cluster.Leader(2);
  const int follower = leader % 3 + 1;
  cluster.engine(follower).FailWrites(absl::ResourceExhaustedError("stalled"));
  ASSERT_EQ(cluster
                .CallLeader(2, kv::Operation::kSplit, Key("m"),
                            SplitBody(Key("m"), 10, kDefaultCollectionId))
                .outcome,
            Outcome::kOk);
  WriteMuch(&cluster, 10, "n");
  ASSERT_TRUE(
      cluster.RunUntil([&] { return cluster.store(leader).counters().snapshots_begun > 0; }));
  cluster.RunFor(1000);
  EXPECT_FALSE(Holds(&cluster, follower, 10));
  cluster.engine(follower).FailWrites(absl::OkStatus());
  EXPECT_TRUE(cluster.Converges(2));
  EXPECT_TRUE(cluster.Converges(10));
}

// A restart has its engine forget the split, and it is told that it has left the parent long before
// it has applied the split again: it leaves only then. The child is its own, and not sent by
// others, who may have lost it in the same way (simulator, seed 35434).
TEST(StoreMembership, WhoLeavesAppliesAgainTheSplitsOfChildrenThatTheLogRemembers) {
  TestClusterOptions options;
  options.members = 3;
  options.stores = 4;
  options.store.apply_entries_max = 1;
  TestCluster cluster(options);
  for (int i = 0; i < 100; ++i) Set(&cluster, 2, "a" + std::to_string(i), "1");
  const int leader = cluster.Leader(2);
  const int away = leader % 3 + 1;
  const int stays = 6 - leader - away;
  ASSERT_EQ(cluster
                .CallLeader(2, kv::Operation::kSplit, Key("m"),
                            SplitBody(Key("m"), 10, kDefaultCollectionId))
                .outcome,
            Outcome::kOk);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.Leader(10) == leader; }));
  ASSERT_EQ(Set(&cluster, 10, "n", "1").outcome, Outcome::kOk);
  ASSERT_TRUE(cluster.Converges(10));
  ASSERT_TRUE(cluster.AddVoter(2, 4));
  cluster.Crash(away);
  ASSERT_TRUE(cluster.SetVoters(2, {leader, stays, 4}));
  cluster.Restart(away);
  EXPECT_TRUE(cluster.RunUntil([&] { return !Holds(&cluster, away, 2); }));
  EXPECT_TRUE(Holds(&cluster, away, 10));
  EXPECT_TRUE(cluster.Converges(10));
  EXPECT_EQ(cluster.store(away).counters().snapshots_installed, 0u);
}

// A snapshot of the parent from behind the split: the child cannot come by the split any more.
TEST(StoreSnapshot, AReplicaThatMissedASplitGetsBothHalves) {
  TestCluster cluster(Small(3, 3));
  Set(&cluster, 2, "a", "1");
  Set(&cluster, 2, "z", "1");
  const int leader = cluster.Leader(2);
  const int away = leader % 3 + 1;
  cluster.Isolate(away, true);
  ASSERT_EQ(cluster
                .CallLeader(2, kv::Operation::kSplit, Key("m"),
                            SplitBody(Key("m"), 10, kDefaultCollectionId))
                .outcome,
            Outcome::kOk);
  WriteMuch(&cluster, 2, "b");
  WriteMuch(&cluster, 10, "n");
  cluster.RunFor(12000);
  WriteMuch(&cluster, 2, "c");
  cluster.Isolate(away, false);
  EXPECT_TRUE(cluster.Converges(2));
  EXPECT_TRUE(cluster.Converges(10));
  EXPECT_EQ(cluster.store(away).counters().snapshots_installed, 2u);
}

// The log remembers the child, the engine has forgotten the split, and nobody has the parent's log
// up to there any more: what was acknowledged for the child must not be lost with it.
TEST(StoreSnapshot, AChildThatTheEngineForgotIsMadeAgainBeforeItsParentTakesASnapshot) {
  TestCluster cluster(Small(3, 3));
  Set(&cluster, 2, "a", "1");
  const int away = cluster.Leader(2) % 3 + 1;
  cluster.HoldFlushes(away, true);
  Set(&cluster, 2, "z", "1");
  ASSERT_EQ(cluster
                .CallLeader(2, kv::Operation::kSplit, Key("m"),
                            SplitBody(Key("m"), 10, kDefaultCollectionId))
                .outcome,
            Outcome::kOk);
  Set(&cluster, 10, "n", "1");
  ASSERT_TRUE(cluster.RunUntil([&] { return Holds(&cluster, away, 10); }));
  cluster.RunFor(500);
  cluster.Crash(away);
  WriteMuch(&cluster, 2, "b");
  cluster.RunFor(12000);
  WriteMuch(&cluster, 2, "c");
  cluster.HoldFlushes(away, false);
  cluster.Restart(away);
  cluster.RunFor(3);
  EXPECT_TRUE(Holds(&cluster, away, 10));
  EXPECT_EQ(cluster.store(away).counters().snapshots_installed, 0u);
  EXPECT_TRUE(cluster.Converges(2));
  EXPECT_TRUE(cluster.Converges(10));
  EXPECT_EQ(cluster.store(away).counters().snapshots_installed, 1u) << "of the parent alone";
}

TEST(StoreSnapshot, AFullDiskDelaysTheInstallAndChangesNothing) {
  TestCluster cluster(Small(3, 3));
  Set(&cluster, 2, "a", "1");
  const int away = cluster.Leader(2) % 3 + 1;
  cluster.Isolate(away, true);
  WriteMuch(&cluster, 2, "b");
  cluster.RunFor(12000);
  WriteMuch(&cluster, 2, "c");
  cluster.engine(away).SetOutOfSpace(true);
  cluster.Isolate(away, false);
  cluster.RunFor(5000);
  EXPECT_EQ(cluster.store(away).counters().snapshots_installed, 0u);
  cluster.engine(away).SetOutOfSpace(false);
  EXPECT_TRUE(cluster.Converges(2));
}

// Milliseconds of the next `milliseconds` after whose turn another one was due at once.
int TurnsDueAtOnce(TestCluster* cluster, int store, int milliseconds) {
  int due = 0;
  for (int i = 0; i < milliseconds; ++i) {
    cluster->RunFor(1);
    if (cluster->store(store).NextDeadline() <= cluster->Now().boot) ++due;
  }
  return due;
}

// Until the hard state is durable a new replica is not made: nothing can be done but wait.
TEST(StoreSnapshot, AStoreWhoseLogStallsUnderANewReplicaHasNothingToDo) {
  TestCluster cluster(Small(3, 4));
  WriteMuch(&cluster, 2, "a", 20);
  cluster.drop = [&cluster](const consensus::Message& message) {
    if (std::holds_alternative<consensus::SnapshotChunk>(message.body)) cluster.StallLog(4, true);
    return false;
  };
  ASSERT_TRUE(cluster.AddLearner(2, 4));
  EXPECT_LT(TurnsDueAtOnce(&cluster, 4, 40000), 400);
  EXPECT_EQ(cluster.store(4).counters().snapshots_installed, 0u);
  cluster.drop = nullptr;
  cluster.StallLog(4, false);
  EXPECT_TRUE(cluster.Converges(2));
}

TEST(StoreSnapshot, MembersThatAreAliveAndSlowDoNotLoseTheirPlaceInTheLog) {
  TestClusterOptions options = Small(3, 3);
  options.store.log_retain_bytes = 1 << 20;
  TestCluster cluster(options);
  Set(&cluster, 2, "a", "1");
  const int slow = cluster.Leader(2) % 3 + 1;
  cluster.Isolate(slow, true);
  WriteMuch(&cluster, 2, "b");
  cluster.Isolate(slow, false);
  EXPECT_TRUE(cluster.Converges(2));
  EXPECT_EQ(cluster.store(slow).counters().snapshots_installed, 0u);
}

}  // namespace
}  // namespace rasputin::range
