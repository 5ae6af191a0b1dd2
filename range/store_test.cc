// Whole stores: from a request to every replica's state, through crashes and splits.

#include "range/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "range/descriptor.h"
#include "range/test_cluster.h"

namespace rasputin::range {
namespace {

std::string Key(const std::string& user) { return CollectionPrefix(kDefaultCollectionId) + user; }

Response Set(TestCluster* cluster, uint64_t range, const std::string& key,
             const std::string& value) {
  return cluster->CallLeader(range, kv::Operation::kSet, Key(key), SetBody(key, value));
}
Response Get(TestCluster* cluster, uint64_t range, const std::string& key) {
  return cluster->CallLeader(range, kv::Operation::kGet, Key(key), GetBody(key));
}
Response SplitAt(TestCluster* cluster, const std::string& key, uint64_t child) {
  return cluster->CallLeader(2, kv::Operation::kSplit, Key(key), SplitBody(Key(key), child, 2));
}

TEST(Store, OneStoreAloneServesWritesAndReads) {
  TestCluster cluster(1);
  EXPECT_EQ(Set(&cluster, 2, "a", "1").outcome, Outcome::kOk);
  EXPECT_EQ(ValueOf(Get(&cluster, 2, "a")), "1");
  EXPECT_EQ(ValueOf(Get(&cluster, 2, "b")), std::nullopt);
}

TEST(Store, ThreeStoresElectOneLeaderPerRangeAndServe) {
  TestCluster cluster(3);
  EXPECT_EQ(Set(&cluster, 2, "a", "1").outcome, Outcome::kOk);
  EXPECT_EQ(ValueOf(Get(&cluster, 2, "a")), "1");
}

TEST(Store, AFollowerNamesTheLeader) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  const int follower = leader % 3 + 1;
  Request request;
  request.range = RangeId(2);
  request.generation = Generation(1);
  request.operation = kv::Operation::kGet;
  request.first_key = request.last_key = Key("a");
  request.body = absl::Cord(GetBody("a"));
  const Response response = cluster.Call(follower, std::move(request));
  EXPECT_EQ(response.outcome, Outcome::kNotLeader);
  EXPECT_EQ(response.leader_store, StoreId(static_cast<uint64_t>(leader)));
}

TEST(Store, AcknowledgedWritesSurviveTheLossOfTheLeader) {
  TestCluster cluster(3);
  for (int i = 0; i < 20; ++i) Set(&cluster, 2, "k" + std::to_string(i), std::to_string(i));
  const int leader = cluster.Leader(2);
  cluster.Crash(leader);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(ValueOf(Get(&cluster, 2, "k" + std::to_string(i))), std::to_string(i));
  }
}

TEST(Store, AcknowledgedWritesSurviveACrashOfAllStoresAtOnce) {
  TestCluster cluster(3);
  for (int i = 0; i < 20; ++i) Set(&cluster, 2, "k" + std::to_string(i), std::to_string(i));
  for (int id = 1; id <= 3; ++id) cluster.Crash(id);
  for (int id = 1; id <= 3; ++id) cluster.Restart(id);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(ValueOf(Get(&cluster, 2, "k" + std::to_string(i))), std::to_string(i));
  }
}

TEST(Store, ALeaderIsolatedStopsServingAndAnotherServes) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  cluster.Isolate(leader, true);
  // TestCluster::Leader checks after each step that no two serve.
  EXPECT_TRUE(
      cluster.RunUntil([&] { return cluster.Leader(2) != leader && cluster.Leader(2) != 0; }));
  EXPECT_EQ(Set(&cluster, 2, "a", "2").outcome, Outcome::kOk);
  cluster.Isolate(leader, false);
  cluster.RunFor(5000);
  EXPECT_EQ(ValueOf(Get(&cluster, 2, "a")), "2");
}

TEST(Store, ASplitDividesTheKeysAndTheChildServesAtOnce) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "left");
  Set(&cluster, 2, "z", "right");
  const int leader = cluster.Leader(2);
  ASSERT_EQ(SplitAt(&cluster, "m", 10).outcome, Outcome::kOk);
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Leader(10) != 0; }, 300));
  EXPECT_EQ(cluster.Leader(10), leader);
  EXPECT_EQ(ValueOf(Get(&cluster, 2, "a")), "left");
  EXPECT_EQ(ValueOf(Get(&cluster, 10, "z")), "right");
  EXPECT_EQ(Set(&cluster, 10, "z", "new").outcome, Outcome::kOk);
  EXPECT_EQ(ValueOf(Get(&cluster, 10, "z")), "new");
}

TEST(Store, AStaleRouteIsAnsweredWithBothHalves) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  ASSERT_EQ(SplitAt(&cluster, "m", 10).outcome, Outcome::kOk);
  Request request;
  request.range = RangeId(2);
  request.generation = Generation(1);
  request.operation = kv::Operation::kGet;
  request.first_key = request.last_key = Key("z");
  request.body = absl::Cord(GetBody("z"));
  const Response response = cluster.Call(cluster.Leader(2), std::move(request));
  EXPECT_EQ(response.outcome, Outcome::kRangeMismatch);
  ASSERT_EQ(response.descriptors.size(), 2u);
  EXPECT_EQ(response.descriptors[0].range_id(), 2u);
  EXPECT_EQ(response.descriptors[1].range_id(), 10u);
}

// [S-6] The promises that the processes before gave are kept though the flag asks for less now.
TEST(Store, AShorterLeaseDoesNotShortenWhatEarlierProcessesPromised) {
  TestCluster cluster(3);
  const auto restart_all = [&](int lease_ms) {
    cluster.SetLeaseDuration(std::chrono::milliseconds(lease_ms));
    for (int id = 1; id <= 3; ++id) cluster.Crash(id);
    for (int id = 1; id <= 3; ++id) cluster.Restart(id);
  };
  restart_all(6000);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.Leader(2) != 0; }));
  for (int restarts = 0; restarts < 2; ++restarts) {
    restart_all(500);
    EXPECT_FALSE(cluster.RunUntil([&] { return cluster.Leader(2) != 0; }, 6000));
  }
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Leader(2) != 0; }));
}

TEST(Store, ASplitSurvivesACrashOfAllStores) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "left");
  ASSERT_EQ(SplitAt(&cluster, "m", 10).outcome, Outcome::kOk);
  EXPECT_EQ(Set(&cluster, 10, "z", "right").outcome, Outcome::kOk);
  for (int id = 1; id <= 3; ++id) cluster.Crash(id);
  for (int id = 1; id <= 3; ++id) cluster.Restart(id);
  EXPECT_EQ(ValueOf(Get(&cluster, 10, "z")), "right");
  EXPECT_EQ(ValueOf(Get(&cluster, 2, "a")), "left");
}

TEST(Store, LeadershipGoesToTheChosenStoreWithoutAnElectionTimeout) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  const int target = leader % 3 + 1;
  ASSERT_TRUE(cluster.store(leader)
                  .TransferLease(cluster.Now(), RangeId(2), StoreId(static_cast<uint64_t>(target)))
                  .ok());
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Leader(2) == target; }, 100));
  EXPECT_EQ(ValueOf(Get(&cluster, 2, "a")), "1");
}

class Noted : public Completion {
 public:
  void Done(Response response) override { answer = std::move(response); }
  std::optional<Response> answer;
};

Request On(uint64_t range, kv::Operation operation, const std::string& key, std::string body,
           Completion* completion) {
  Request request;
  request.range = RangeId(range);
  request.generation = Generation(1);
  request.operation = operation;
  request.first_key = request.last_key = Key(key);
  request.body = absl::Cord(std::move(body));
  request.completion = completion;
  return request;
}

TEST(Store, AHandoverToAStoreThatIsGoneIsRefusedAndTheRangeGoesOn) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  const int target = leader % 3 + 1;
  cluster.Crash(target);
  cluster.RunFor(5000);  // Beyond the lease that it gave.
  ASSERT_EQ(cluster.Leader(2), leader);
  const absl::Status refused = cluster.store(leader).TransferLease(
      cluster.Now(), RangeId(2), StoreId(static_cast<uint64_t>(target)));
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("cannot be reached"));
  for (const consensus::Event& event : cluster.events()) {
    EXPECT_NE(event.type, consensus::EventType::kTransferStarted);
  }
  Set(&cluster, 2, "a", "2");
  EXPECT_EQ(cluster.Leader(2), leader);
}

TEST(Store, AHandoverMayBeAskedForAgainWhileItIsUnderWay) {
  Noted written;
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  const int target = leader % 3 + 1;
  cluster.Isolate(target, true);  // It still supports the leader for a while, but takes nothing.
  cluster.store(leader).Submit(cluster.Now(),
                               On(2, kv::Operation::kSet, "a", SetBody("a", "2"), &written));
  cluster.RunFor(10);
  const auto transfer = [&](int store) {
    return cluster.store(leader).TransferLease(cluster.Now(), RangeId(2),
                                               StoreId(static_cast<uint64_t>(store)));
  };
  EXPECT_TRUE(transfer(target).ok());
  ASSERT_EQ(cluster.Leader(2), leader);
  EXPECT_TRUE(transfer(target).ok());
  EXPECT_THAT(std::string(transfer(target % 3 + 1).message()),
              ::testing::HasSubstr("to another store is under way already"));
}

TEST(Store, ShutdownHandsEveryLeadershipOver) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  cluster.store(leader).BeginShutdown(cluster.Now());
  EXPECT_TRUE(cluster.RunUntil([&] { return !cluster.store(leader).LeadsAny(); }, 500));
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Leader(2) != 0; }, 500));
  EXPECT_NE(cluster.Leader(2), leader);
}

// [H-10]: applied means readable, not on its way into an engine that stalls.
TEST(Store, AReadWaitsForACommittedWriteThatTheEngineDoesNotHoldYet) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  Store& store = cluster.store(leader);
  cluster.engine(leader).FailWrites(absl::ResourceExhaustedError("stalled"));
  Noted set;
  store.Submit(cluster.Now(), On(2, kv::Operation::kSet, "a", SetBody("a", "2"), &set));
  cluster.RunFor(20);  // Committed by now.
  Noted by_lease;
  Noted by_round;
  store.Submit(cluster.Now(), On(2, kv::Operation::kGet, "a", GetBody("a"), &by_lease));
  Request request = On(2, kv::Operation::kGet, "a", GetBody("a"), &by_round);
  request.read_index = true;
  store.Submit(cluster.Now(), std::move(request));
  cluster.RunFor(20);
  EXPECT_FALSE(set.answer.has_value());
  EXPECT_FALSE(by_lease.answer.has_value());
  EXPECT_FALSE(by_round.answer.has_value());
  cluster.engine(leader).FailWrites(absl::OkStatus());
  cluster.RunFor(50);
  ASSERT_TRUE(set.answer.has_value() && by_lease.answer.has_value() && by_round.answer.has_value());
  EXPECT_EQ(set.answer->outcome, Outcome::kOk);
  EXPECT_EQ(ValueOf(*by_lease.answer), "2");
  EXPECT_EQ(ValueOf(*by_round.answer), "2");
}

// Of a split that its engine does not hold yet a new leader tells neither half: the directory would
// have the left one alone for as long as the engine stalls (simulator, seed 3100787).
TEST(Store, ANewLeaderTellsOfASplitWhenItsEngineHoldsIt) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  const int next = leader % 3 + 1;
  const uint64_t before = cluster.LastReported(next, 2).generation;
  ASSERT_TRUE(cluster.Converges(1) && cluster.Converges(2));
  cluster.engine(next).FailWrites(absl::ResourceExhaustedError("stalled"));
  ASSERT_EQ(cluster
                .CallLeader(2, kv::Operation::kSplit, Key("m"),
                            SplitBody(Key("m"), 10, kDefaultCollectionId))
                .outcome,
            Outcome::kOk);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.Descriptor(next, 2)->generation() > before; }))
      << "it has not applied the split";
  const auto was_elected = [&] {
    const auto replicas = cluster.store(next).ListReplicas(cluster.NowAt(next));
    return std::any_of(replicas.begin(), replicas.end(), [](const ReplicaStatus& one) {
      return one.descriptor.range_id() == 2 && one.role == consensus::Role::kLeader;
    });
  };
  ASSERT_TRUE(cluster.RunUntil([&] {
    if (cluster.Leader(2) == leader) {
      (void)cluster.store(leader).TransferLease(cluster.NowAt(leader), RangeId(2),
                                                StoreId(static_cast<uint64_t>(next)));
    }
    return was_elected();
  }));
  EXPECT_EQ(cluster.LastReported(next, 2).generation, before);
  EXPECT_EQ(cluster.LastReported(next, 10).generation, 0u);
  cluster.engine(next).FailWrites(absl::OkStatus());
  cluster.RunFor(50);
  EXPECT_GT(cluster.LastReported(next, 2).generation, before);
  EXPECT_GT(cluster.LastReported(next, 10).generation, 0u);
  EXPECT_TRUE(cluster.LastReported(next, 2).leads);
}

// The log does not yet have the empty entry of the new term: it is appended at the end of the turn.
TEST(Store, AWriteThatComesInTheTurnOfTheElectionIsExecuted) {
  TestCluster cluster(1);
  Noted set;
  bool submitted = false;
  cluster.before_turn = [&](int id) {
    Store& store = cluster.store(id);
    for (const ReplicaStatus& status : store.ListReplicas(cluster.Now())) {
      const bool leads = status.role == consensus::Role::kLeader;
      if (submitted || !leads || status.descriptor.range_id() != 2) continue;
      submitted = true;
      EXPECT_GT(status.last, store.log()->Last(RangeId(2)).index) << "the turn came too late";
      store.Submit(cluster.Now(), On(2, kv::Operation::kSet, "a", SetBody("a", "1"), &set));
    }
  };
  EXPECT_TRUE(cluster.RunUntil([&] { return set.answer.has_value(); }));
  EXPECT_EQ(set.answer->outcome, Outcome::kOk);
  EXPECT_EQ(ValueOf(Get(&cluster, 2, "a")), "1");
}

// [H-18]: with an error that says so, not with a CHECK. The turn of the election, for a new leader
// reads what it has not applied yet when the first write comes.
TEST(Store, AStoreWhoseLogCannotBeReadStops) {
  TestCluster cluster(1);
  Set(&cluster, 2, "a", "1");
  cluster.Crash(1);
  cluster.Restart(1);
  Noted set;
  cluster.before_turn = [&](int id) {
    for (const ReplicaStatus& status : cluster.store(id).ListReplicas(cluster.Now())) {
      const bool leads = status.role == consensus::Role::kLeader;
      if (!leads || status.descriptor.range_id() != 2) continue;
      EXPECT_LT(status.applied, status.last);
      cluster.directory(id).SetHook(
          [](consensus::log::DiskOperation operation, const std::string&) {
            return operation == consensus::log::DiskOperation::kRead ? absl::InternalError("EIO")
                                                                     : absl::OkStatus();
          });
      cluster.store(id).Submit(cluster.Now(),
                               On(2, kv::Operation::kSet, "a", SetBody("a", "2"), &set));
    }
  };
  absl::Status stopped;
  cluster.on_failure = [&](int, const absl::Status& status) { stopped = status; };
  EXPECT_TRUE(cluster.RunUntil([&] { return !stopped.ok(); }));
  EXPECT_NE(stopped.message().find("EIO"), absl::string_view::npos) << stopped;
  EXPECT_FALSE(set.answer.has_value());
}

// Leases end by either clock, and after a suspend the raw one lies behind the boot clock for ever.
TEST(Store, NothingIsDueAtOnceInAnIdleStoreAfterASuspend) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  cluster.Suspend(60'000);
  EXPECT_EQ(Set(&cluster, 2, "a", "2").outcome, Outcome::kOk);
  cluster.RunFor(5000);
  for (int i = 0; i < 1000; ++i) {
    cluster.RunFor(1);
    for (int id = 1; id <= 3; ++id) {
      ASSERT_GT(cluster.store(id).NextDeadline(), cluster.Now().boot) << "store " << id;
    }
  }
}

// ---- Clocks and request ids.

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kHourMs = 60 * kMinuteMs;
constexpr int64_t kTenYearsMs = 10 * 365 * 24 * kHourMs;

// A write to the leader, issued at the right time plus `issued_after_ms`.
Response SetWithId(TestCluster* cluster, uint64_t sequence, int64_t issued_after_ms,
                   uint64_t client = 7) {
  Response response;
  for (int attempt = 0; attempt < 50; ++attempt) {
    cluster->RunUntil([&] { return cluster->Leader(2) != 0; });
    Request request;
    request.range = RangeId(2);
    request.generation = Generation(1);
    request.operation = kv::Operation::kSet;
    request.first_key = request.last_key = Key("a");
    request.body = absl::Cord(SetBody("a", "1"));
    const int64_t issued_ms = cluster->Now().wall_us / 1000 + issued_after_ms;
    request.id = kv::RequestId{client, sequence, sequence, static_cast<uint64_t>(issued_ms)};
    response = cluster->Call(cluster->Leader(2), std::move(request));
    if (response.outcome != Outcome::kNotLeader) break;
  }
  return response;
}

void MakeLeader(TestCluster* cluster, int id) {
  ASSERT_TRUE(cluster->RunUntil([&] {
    const int leader = cluster->Leader(2);
    if (leader != 0 && leader != id) {
      (void)cluster->store(leader).TransferLease(cluster->NowAt(leader), RangeId(2),
                                                 StoreId(static_cast<uint64_t>(id)));
    }
    return leader == id;
  }));
}

uint64_t ClockEvents(const TestCluster& cluster) {
  uint64_t count = 0;
  for (const consensus::Event& event : cluster.events()) {
    if (event.type == consensus::EventType::kClockSuspect) ++count;
  }
  return count;
}

// Years ahead when its process starts: had it given one version by that clock, every later write
// with a request id would be refused until the real time is there.
TEST(StoreClock, ALeaderWithAWrongClockNeitherRefusesWritesNorSpoilsThemForTheNext) {
  for (const int64_t error_ms : {kTenYearsMs, -2 * kHourMs}) {
    TestCluster cluster(3);
    cluster.Crash(1);
    cluster.SetWallError(1, error_ms);
    cluster.Restart(1);
    MakeLeader(&cluster, 1);
    EXPECT_EQ(SetWithId(&cluster, 1, 0).outcome, Outcome::kOk);
    EXPECT_GE(ClockEvents(cluster), 1u);
    MakeLeader(&cluster, 2);
    EXPECT_EQ(SetWithId(&cluster, 2, 0).outcome, Outcome::kOk);
  }
}

TEST(StoreClock, AClockThatIsSetAfterTheStartIsFollowed) {
  TestCluster cluster(3);
  for (int id = 1; id <= 3; ++id) {
    cluster.Crash(id);
    cluster.SetWallError(id, -2 * kHourMs);
  }
  for (int id = 1; id <= 3; ++id) cluster.Restart(id);
  EXPECT_EQ(SetWithId(&cluster, 1, 0).outcome, Outcome::kFailedPrecondition);
  for (int id = 1; id <= 3; ++id) cluster.SetWallError(id, 0);
  cluster.RunFor(3000);
  EXPECT_EQ(SetWithId(&cluster, 2, 0).outcome, Outcome::kOk);
}

TEST(StoreClock, ARefusedRequestIdIsNotLoggedAndTheAnswerNamesBothClocks) {
  TestCluster cluster(1);
  ASSERT_EQ(SetWithId(&cluster, 1, 0).outcome, Outcome::kOk);
  cluster.Suspend(30 * kMinuteMs);
  cluster.RunFor(3000);
  const consensus::LogPosition last = cluster.store(1).log()->Last(RangeId(2));
  const Response ahead = SetWithId(&cluster, 2, kMinuteMs + 1000);
  EXPECT_EQ(ahead.outcome, Outcome::kFailedPrecondition);
  const Response expired = SetWithId(&cluster, 3, -40 * kMinuteMs, /*client=*/8);
  for (const Response& response : {ahead, expired}) {
    EXPECT_NE(response.message.find("the client's clock"), std::string::npos);
    EXPECT_NE(response.message.find("store 1 and its peers"), std::string::npos);
  }
  EXPECT_TRUE(cluster.store(1).log()->Last(RangeId(2)) == last);
  EXPECT_EQ(SetWithId(&cluster, 4, 0).outcome, Outcome::kOk);
}

// A store without peers has nothing to do while nobody comes: its last turn may be hours ago.
TEST(StoreClock, AWriteAfterALongIdleIsNotJudgedByTheClockOfTheLastTurn) {
  TestCluster cluster(1);
  ASSERT_EQ(SetWithId(&cluster, 1, 0).outcome, Outcome::kOk);
  cluster.Suspend(5 * kMinuteMs);
  EXPECT_EQ(SetWithId(&cluster, 2, 0).outcome, Outcome::kOk);
}

TEST(StoreClock, AnOldRequestOfAClientThatIsRememberedIsStillAnswered) {
  TestCluster cluster(1);
  ASSERT_EQ(SetWithId(&cluster, 1, 0).outcome, Outcome::kOk);
  cluster.Suspend(11 * kMinuteMs);
  EXPECT_EQ(SetWithId(&cluster, 1, -11 * kMinuteMs).outcome, Outcome::kOk);
}

TEST(Store, AnIdleClusterKeepsItsLeadersAndItsLog) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  const uint64_t records = cluster.store(leader).log()->stats().records;
  cluster.RunFor(30000);
  EXPECT_EQ(cluster.Leader(2), leader);
  // Nothing but the disk probes of [S-7], at most one in D/4, however many ranges there are.
  EXPECT_LE(cluster.store(leader).log()->stats().records, records + 30000 / 500);
}

// Followers learn from the leader how far the slowest member is: without that their logs only grow.
TEST(Store, EveryStoreCutsItsLogBehindWhatIsFlushed) {
  TestCluster cluster(3);
  for (int i = 0; i < 30; ++i) Set(&cluster, 2, "k" + std::to_string(i), "v");
  cluster.RunFor(100);
  for (int id = 1; id <= 3; ++id) {
    ASSERT_TRUE(cluster.engine(id).StartFlush().ok());
    cluster.engine(id).CompleteFlush();
  }
  cluster.RunFor(2000);
  for (int id = 1; id <= 3; ++id) {
    consensus::log::SharedLog* log = cluster.store(id).log();
    EXPECT_GE(log->Start(RangeId(2)).index.value() + 3, log->Last(RangeId(2)).index.value())
        << "store " << id;
    EXPECT_GE(log->Start(RangeId(2)).index.value(), 30u) << "store " << id;
  }
}

// The reserve is for votes, bindings and a leader's first entry, not for others' commands.
TEST(Store, AFollowerOnAFullDiskTakesNoCommandsAndCatchesUpWhenThereIsSpace) {
  TestCluster cluster(3);
  Set(&cluster, 2, "a", "1");
  const int leader = cluster.Leader(2);
  const int follower = leader % 3 + 1;
  const std::string value(100'000, 'v');
  cluster.directory(follower).SetCapacity(1);
  // Three times what the follower has in reserve.
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(Set(&cluster, 2, "k" + std::to_string(i), value).outcome, Outcome::kOk);
  }
  EXPECT_TRUE(cluster.store(follower).log()->OutOfSpace());
  const uint64_t writes = cluster.directory(follower).stats().bytes_written;
  const uint64_t sent = cluster.messages_sent();
  cluster.RunFor(2000);
  EXPECT_EQ(cluster.Leader(2), leader);
  EXPECT_LE(cluster.messages_sent(), sent + 200) << "the rest is offered without a pause";
  EXPECT_LE(cluster.directory(follower).stats().bytes_written, writes + 100'000);
  EXPECT_LT(cluster.store(follower).log()->Last(RangeId(2)).index,
            cluster.store(leader).log()->Last(RangeId(2)).index);

  cluster.directory(follower).SetCapacity(1 << 30);
  EXPECT_TRUE(cluster.RunUntil([&] {
    return cluster.store(follower).log()->Last(RangeId(2)).index ==
           cluster.store(leader).log()->Last(RangeId(2)).index;
  }));
}

TEST(Store, AStoreWhoseLogIsGoneDoesNotStart) {
  TestCluster cluster(3);
  for (int i = 0; i < 5; ++i) Set(&cluster, 2, "k" + std::to_string(i), "v");
  ASSERT_TRUE(cluster.engine(1).StartFlush().ok());
  cluster.engine(1).CompleteFlush();
  cluster.RunFor(100);
  cluster.Crash(1);
  const auto names = cluster.directory(1).List();
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    if (name.rfind("segment-", 0) != 0) continue;
    ASSERT_TRUE(cluster.directory(1).Remove(name).ok());
  }
  const absl::Status opened = cluster.TryRestart(1);
  EXPECT_TRUE(absl::IsDataLoss(opened)) << opened;
  EXPECT_THAT(std::string(opened.message()),
              ::testing::HasSubstr("segments of the log are missing"));
}

}  // namespace
}  // namespace rasputin::range
