// Routing at the front end: what clients see while routes are stale, leaders change, connections
// break and stores refuse. Runs over FakeCluster in virtual time; not responsible for scans,
// batches and admin calls, which have tests of their own.

#include "server/front/front_end.h"

#include <string>

#include "client/route/full_key.h"
#include "gtest/gtest.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "server/front/fake_cluster.h"

namespace rasputin::server {
namespace {

using range::Outcome;
using rasputin::v1::ErrorReason;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kDefaultRange = 2;

kv::v1::SetRequest Set(const std::string& key, const std::string& value) {
  kv::v1::SetRequest request;
  request.set_key(key);
  request.set_value(value);
  return request;
}

kv::v1::SetRequest SetWithId(const std::string& key, const std::string& value) {
  kv::v1::SetRequest request = Set(key, value);
  request.mutable_request_id()->set_client_id(7);
  request.mutable_request_id()->set_sequence(1);
  request.mutable_request_id()->set_issued_at_ms(1000);
  return request;
}

kv::v1::GetRequest Get(const std::string& key) {
  kv::v1::GetRequest request;
  request.set_key(key);
  return request;
}

std::string Value(FakeCluster* cluster, uint64_t store, const std::string& key) {
  const FakeCall call = cluster->Call(store, Method::kGet, Get(key));
  EXPECT_TRUE(call.ok()) << call.result->message;
  const auto response = call.Body<kv::v1::GetResponse>();
  return response.found() ? response.value() : "(none)";
}

TEST(FrontEnd, EveryNodeServesAClientWhereverTheLeaderIs) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  for (uint64_t store = 1; store <= 3; ++store) {
    ASSERT_TRUE(cluster.Call(store, Method::kSet, Set("k", "v" + std::to_string(store))).ok());
    EXPECT_EQ(Value(&cluster, 4 - store, "k"), "v" + std::to_string(store));
  }
}

TEST(FrontEnd, GoesStraightToTheLeaderOnceItIsKnown) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 3);
  Value(&cluster, 1, "k");
  cluster.forwards.clear();
  Value(&cluster, 1, "k");
  EXPECT_EQ(cluster.forwards.size(), 1u);
  EXPECT_EQ((cluster.forwards[{1, 3}]), 1);
}

TEST(FrontEnd, ALeaderWhoseRangeIsFrozenIsAskedAgainAndNobodyElse) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 3);
  Value(&cluster, 1, "k");
  cluster.forwards.clear();
  int frozen = 4;
  cluster.intercept = [&frozen](StoreId store,
                                const range::Request&) -> std::optional<range::Response> {
    if (store != StoreId(3) || frozen-- <= 0) return std::nullopt;
    range::Response response;
    response.outcome = range::Outcome::kNotLeader;
    response.leader_store = store;
    response.retry_after = milliseconds(10);
    return response;
  };
  Value(&cluster, 1, "k");
  EXPECT_EQ((cluster.forwards[{1, 3}]), 5);
  EXPECT_EQ(cluster.forwards.size(), 1u) << "no follower";
}

TEST(FrontEnd, HealsARouteThatASplitHasMadeStale) {
  FakeCluster cluster;
  ASSERT_TRUE(cluster.Call(3, Method::kSet, Set("x", "1")).ok());
  cluster.SplitSilently(client::FullKey(2, "m"), 50);
  cluster.SetLeader(50, 2);
  EXPECT_EQ(Value(&cluster, 3, "x"), "1");
  EXPECT_EQ(cluster.front(3).counters().stale_routes, 1u);
  EXPECT_EQ(Value(&cluster, 3, "a"), "(none)");
}

TEST(FrontEnd, AsksTheDirectoryForWhatNoAnswerHasTaught) {
  FakeCluster cluster;
  cluster.SplitSilently(client::FullKey(2, "m"), 50);
  cluster.TellObservers(50);
  cluster.TellObservers(kDefaultRange);
  cluster.Settle();
  EXPECT_EQ(cluster.InDirectory(client::FullKey(2, "z")).range_id(), 50u);
  cluster.RestartFront(3);
  // The store refuses without naming any range, as one does that never held the key.
  bool refused = false;
  cluster.intercept = [&](StoreId, const range::Request& request) {
    std::optional<range::Response> answer;
    if (request.operation == kv::Operation::kGet && !refused) {
      refused = true;
      answer.emplace();
      answer->outcome = Outcome::kRangeMismatch;
    }
    return answer;
  };
  EXPECT_EQ(Value(&cluster, 3, "z"), "(none)");
  EXPECT_EQ(cluster.front(3).counters().directory_reads, 1u);
}

TEST(FrontEnd, ManyCallsWithoutARouteShareOneDirectoryRead) {
  FakeCluster cluster;
  bool refuse = true;
  cluster.intercept = [&](StoreId, const range::Request& request) {
    std::optional<range::Response> answer;
    if (request.operation == kv::Operation::kGet && refuse) {
      answer.emplace();
      answer->outcome = Outcome::kRangeMismatch;
    }
    return answer;
  };
  FakeCall calls[20];
  for (auto& call : calls) cluster.Start(2, Method::kGet, Get("k").SerializeAsString(), &call);
  refuse = false;
  for (auto& call : calls) cluster.RunUntilDone(call);
  for (auto& call : calls) EXPECT_TRUE(call.ok());
  EXPECT_LE(cluster.front(2).counters().directory_reads, 2u);
}

TEST(FrontEnd, WaitsOutAnElectionWithinTheDeadline) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 0);
  FakeCall call;
  cluster.Start(2, Method::kSet, Set("k", "v").SerializeAsString(), &call);
  cluster.Advance(milliseconds(300));
  EXPECT_FALSE(call.result.has_value());
  cluster.SetLeader(kDefaultRange, 3);
  cluster.RunUntilDone(call);
  EXPECT_TRUE(call.ok()) << call.result->message;
}

TEST(FrontEnd, SaysNotExecutedWhenNobodyLedUntilTheDeadline) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 0);
  const FakeCall call = cluster.Call(2, Method::kSet, Set("k", "v"));
  EXPECT_EQ(call.result->code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(call.Detail().reason(), rasputin::v1::ERROR_REASON_NOT_LEADER);
  EXPECT_EQ(call.Detail().range().range_id(), kDefaultRange);
}

TEST(FrontEnd, AnswersBeforeTheDeadlineCutsTheCallOff) {
  for (const int timeout_ms : {10, 1000}) {
    FakeCluster cluster;
    cluster.SetLeader(kDefaultRange, 0);
    const auto deadline = cluster.now.boot + milliseconds(timeout_ms);
    FakeCall call;
    cluster.Start(1, Method::kSet, Set("k", "v").SerializeAsString(), &call,
                  milliseconds(timeout_ms));
    cluster.RunUntilDone(call);
    EXPECT_LT(cluster.now.boot, deadline);
  }
}

TEST(FrontEnd, AMutationThatWaitsForItsLeaderIsUnknownBeforeItsDeadline) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "other");
  cluster.held.insert({2, 1});
  const auto deadline = cluster.now.boot + milliseconds(1000);
  FakeCall call;
  cluster.Start(1, Method::kSet, Set("k", "v").SerializeAsString(), &call, milliseconds(1000));
  cluster.RunUntilDone(call);
  EXPECT_LT(cluster.now.boot, deadline);
  EXPECT_EQ(call.Detail().reason(), rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN);
}

TEST(FrontEnd, NeverSendsARequestOverMoreThanTwoHops) {
  FakeCluster cluster(5);
  // Each store believes that the next one leads; the last refuses without a hint.
  cluster.intercept = [&](StoreId store, const range::Request& request) {
    std::optional<range::Response> answer;
    if (request.operation == kv::Operation::kGet) {
      answer.emplace();
      answer->outcome = Outcome::kNotLeader;
      answer->leader_store = StoreId(store.value() % 5 + 1);
    }
    return answer;
  };
  FakeCall call;
  cluster.Start(1, Method::kGet, Get("k").SerializeAsString(), &call, milliseconds(200));
  cluster.RunUntilDone(call);
  EXPECT_FALSE(call.ok());
  EXPECT_EQ(cluster.hops_seen_max, 2u);
}

TEST(FrontEnd, ARelayBringsTheRequestToTheLeaderOnTheSecondHop) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "k");
  cluster.SetLeader(kDefaultRange, 3);
  cluster.forwards.clear();
  EXPECT_TRUE(cluster.Call(1, Method::kSet, Set("k", "v")).ok());
  EXPECT_EQ((cluster.forwards[{1, 2}]), 1);
  EXPECT_EQ((cluster.forwards[{2, 3}]), 1);
  Value(&cluster, 1, "k");
  EXPECT_EQ((cluster.forwards[{1, 3}]), 1) << "the answer teaches the origin the leader";
}

// A request from node 1 to the leader at 2 that is executed there, whose answer is lost.
class LostAnswer : public ::testing::Test {
 protected:
  void Run(const kv::v1::SetRequest& request) {
    cluster_.SetLeader(kDefaultRange, 2);
    Value(&cluster_, 1, "other");
    cluster_.held.insert({2, 1});
    cluster_.Start(1, Method::kSet, request.SerializeAsString(), &call_);
    cluster_.Settle();
    cluster_.held.clear();
    cluster_.BreakConnectionsOf(2);
    cluster_.RunUntilDone(call_);
  }

  FakeCluster cluster_;
  FakeCall call_;
};

TEST_F(LostAnswer, IsReportedAsUnknownAndNotRepeatedWithoutRequestId) {
  Run(Set("k", "v"));
  EXPECT_EQ(call_.result->code, absl::StatusCode::kUnknown);
  EXPECT_EQ(call_.Detail().reason(), rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN);
  EXPECT_EQ(cluster_.requests_executed(kv::Operation::kSet), 1u);
}

TEST_F(LostAnswer, IsAskedForAgainWithRequestId) {
  Run(SetWithId("k", "v"));
  EXPECT_TRUE(call_.ok());
  EXPECT_EQ(cluster_.requests_executed(kv::Operation::kSet), 2u);
}

TEST(FrontEnd, ARequestThatWasNeverWrittenIsSentElsewhereWithoutRequestId) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "other");
  cluster.disconnected = {{1, 2}, {3, 2}};
  FakeCall call;
  cluster.Start(1, Method::kSet, Set("k", "v").SerializeAsString(), &call);
  cluster.Advance(milliseconds(50));
  EXPECT_FALSE(call.result.has_value());
  cluster.SetLeader(kDefaultRange, 3);
  cluster.RunUntilDone(call);
  EXPECT_TRUE(call.ok());
  EXPECT_EQ(cluster.requests_executed(kv::Operation::kSet), 1u);
}

TEST(FrontEnd, ARequestThatWaitedWhenItsConnectionBrokeIsSentElsewhereWithoutRequestId) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "other");
  cluster.held.insert({1, 2});
  FakeCall call;
  cluster.Start(1, Method::kSet, Set("k", "v").SerializeAsString(), &call);
  cluster.Settle();
  cluster.SetLeader(kDefaultRange, 3);
  cluster.BreakConnectionsOf(2, /*not_sent=*/true);
  cluster.held.clear();
  cluster.RunUntilDone(call);
  EXPECT_TRUE(call.ok());
  EXPECT_EQ(cluster.requests_executed(kv::Operation::kSet), 1u);
}

TEST(FrontEnd, AReadIsSentElsewhereWhenItsConnectionBreaks) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "other");
  cluster.held.insert({1, 2});
  FakeCall call;
  cluster.Start(1, Method::kGet, Get("k").SerializeAsString(), &call);
  cluster.Settle();
  cluster.SetLeader(kDefaultRange, 3);
  cluster.held.clear();
  cluster.BreakConnectionsOf(2);
  cluster.RunUntilDone(call);
  EXPECT_TRUE(call.ok());
}

TEST(FrontEnd, AReadLeavesASilentPeerAfterAWhile) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "other");
  cluster.held.insert({1, 2});
  FakeCall call;
  cluster.Start(1, Method::kGet, Get("k").SerializeAsString(), &call);
  cluster.Settle();
  cluster.SetLeader(kDefaultRange, 3);
  cluster.RunUntilDone(call);
  EXPECT_TRUE(call.ok());
}

TEST(FrontEnd, ALeaderThatDoesNotAnswerThisNodeIsReachedThroughAnother) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "k");
  cluster.held = {{1, 2}, {2, 1}};
  EXPECT_TRUE(cluster.Call(1, Method::kSet, SetWithId("k", "v")).ok());
  const Instant known = cluster.now.boot;
  EXPECT_EQ(Value(&cluster, 1, "k"), "v");
  EXPECT_TRUE(cluster.Call(1, Method::kSet, Set("k", "w")).ok());
  EXPECT_LT(cluster.now.boot - known, milliseconds(20)) << "only the first request may wait";
}

TEST(FrontEnd, ALeaderWithoutAConnectionIsReachedThroughAnother) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "k");
  cluster.disconnected = {{1, 2}, {2, 1}};
  EXPECT_TRUE(cluster.Call(1, Method::kSet, Set("k", "v")).ok());
  cluster.forwards.clear();
  EXPECT_EQ(Value(&cluster, 1, "k"), "v");
  EXPECT_EQ((cluster.forwards[{1, 3}]), 1);
}

TEST(FrontEnd, ARelayThatCannotReachTheLeaderEitherIsLeftForAnother) {
  FakeCluster cluster(5);
  cluster.SetLeader(kDefaultRange, 2);
  for (uint64_t store : {1, 3, 4}) Value(&cluster, store, "k");
  cluster.disconnected = {{1, 2}, {3, 2}, {4, 2}};
  EXPECT_TRUE(cluster.Call(1, Method::kSet, Set("k", "v")).ok());
  cluster.forwards.clear();
  EXPECT_EQ(Value(&cluster, 1, "k"), "v");
  EXPECT_EQ((cluster.forwards[{1, 5}]), 1);
}

TEST(FrontEnd, ARelayThatDoesNotAnswerEitherIsNotWaitedFor) {
  FakeCluster cluster(5);
  cluster.SetLeader(kDefaultRange, 2);
  for (uint64_t store : {1, 5}) Value(&cluster, store, "k");
  for (uint64_t store : {2, 3, 4}) cluster.held.insert({1, store});
  const Instant begin = cluster.now.boot;
  EXPECT_EQ(Value(&cluster, 1, "k"), "(none)");
  EXPECT_LT(cluster.now.boot - begin, milliseconds(1500)) << "only the leader may be waited for";
}

TEST(FrontEnd, ALeaderThatAnswersAgainIsAskedDirectlyAgain) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "k");
  cluster.held = {{1, 2}, {2, 1}};
  EXPECT_TRUE(cluster.Call(1, Method::kSet, SetWithId("k", "v")).ok());
  cluster.held.clear();
  cluster.Advance(seconds(1));
  Value(&cluster, 1, "k");
  cluster.forwards.clear();
  Value(&cluster, 1, "k");
  EXPECT_EQ((cluster.forwards[{1, 2}]), 1);
  EXPECT_EQ((cluster.forwards[{1, 3}]), 0);
}

TEST(FrontEnd, AMutationAtASilentPeerHasAnUnknownOutcomeAtItsDeadline) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "other");
  cluster.held.insert({1, 2});
  const FakeCall call = cluster.Call(1, Method::kSet, Set("k", "v"));
  EXPECT_EQ(call.result->code, absl::StatusCode::kUnknown);
  EXPECT_EQ(call.Detail().reason(), rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN);
}

TEST(FrontEnd, OnceMaybeExecutedIsNeverReportedAsNotExecuted) {
  FakeCluster cluster;
  int attempts = 0;
  cluster.intercept = [&](StoreId, const range::Request& request) {
    std::optional<range::Response> answer;
    if (request.operation != kv::Operation::kSet) return answer;
    answer.emplace();
    answer->outcome = ++attempts == 1 ? Outcome::kOutcomeUnknown : Outcome::kOverloaded;
    return answer;
  };
  const FakeCall call = cluster.Call(1, Method::kSet, SetWithId("k", "v"));
  EXPECT_GT(attempts, 1);
  EXPECT_EQ(call.Detail().reason(), rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN);
}

TEST(FrontEnd, ARelayThatLosesTheLeaderReportsAnUnknownOutcome) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "other");
  cluster.SetLeader(kDefaultRange, 3);
  cluster.held.insert({3, 2});
  FakeCall call;
  cluster.Start(1, Method::kSet, Set("k", "v").SerializeAsString(), &call);
  cluster.Settle();
  cluster.held.clear();
  cluster.BreakConnectionsOf(3);
  cluster.RunUntilDone(call);
  EXPECT_EQ(call.Detail().reason(), rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN);
  EXPECT_EQ(cluster.requests_executed(kv::Operation::kSet), 1u);
}

TEST(FrontEnd, ARelayWhoseRequestNeverLeftLetsItsOriginTryAgain) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  Value(&cluster, 1, "other");
  cluster.SetLeader(kDefaultRange, 3);
  cluster.held.insert({2, 3});
  FakeCall call;
  cluster.Start(1, Method::kSet, Set("k", "v").SerializeAsString(), &call);
  cluster.Settle();
  cluster.SetLeader(kDefaultRange, 2);
  cluster.BreakConnectionsOf(3, /*not_sent=*/true);
  cluster.held.clear();
  cluster.RunUntilDone(call);
  EXPECT_TRUE(call.ok());
  EXPECT_EQ(cluster.requests_executed(kv::Operation::kSet), 1u);
}

TEST(FrontEnd, MapsEveryOutcomeToItsCodeAndReason) {
  const struct {
    Outcome outcome;
    absl::StatusCode code;
    ErrorReason reason;
  } kCases[] = {
      {Outcome::kNotLeader, absl::StatusCode::kUnavailable, rasputin::v1::ERROR_REASON_NOT_LEADER},
      {Outcome::kRangeMismatch, absl::StatusCode::kUnavailable,
       rasputin::v1::ERROR_REASON_RANGE_MISMATCH},
      {Outcome::kOverloaded, absl::StatusCode::kResourceExhausted,
       rasputin::v1::ERROR_REASON_OVERLOADED},
      {Outcome::kOutcomeUnknown, absl::StatusCode::kUnknown,
       rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN},
      {Outcome::kInvalidArgument, absl::StatusCode::kInvalidArgument,
       rasputin::v1::ERROR_REASON_INVALID_ARGUMENT},
      {Outcome::kNotFound, absl::StatusCode::kNotFound, rasputin::v1::ERROR_REASON_NOT_FOUND},
      {Outcome::kAlreadyExists, absl::StatusCode::kAlreadyExists,
       rasputin::v1::ERROR_REASON_ALREADY_EXISTS},
      {Outcome::kFailedPrecondition, absl::StatusCode::kFailedPrecondition,
       rasputin::v1::ERROR_REASON_FAILED_PRECONDITION},
      {Outcome::kSessionExpired, absl::StatusCode::kUnknown,
       rasputin::v1::ERROR_REASON_SESSION_EXPIRED},
      {Outcome::kDeadlineExceeded, absl::StatusCode::kDeadlineExceeded,
       rasputin::v1::ERROR_REASON_DEADLINE_EXCEEDED},
      {Outcome::kDataLoss, absl::StatusCode::kDataLoss, rasputin::v1::ERROR_REASON_DATA_LOSS},
  };
  for (const auto& c : kCases) {
    FakeCluster cluster;
    cluster.intercept = [&](StoreId, const range::Request& request) {
      std::optional<range::Response> answer;
      if (request.operation != kv::Operation::kSet) return answer;
      answer.emplace();
      answer->outcome = c.outcome;
      return answer;
    };
    const FakeCall call = cluster.Call(1, Method::kSet, Set("k", "v"));
    EXPECT_EQ(call.result->code, c.code) << static_cast<int>(c.outcome);
    EXPECT_EQ(call.Detail().reason(), c.reason) << static_cast<int>(c.outcome);
    EXPECT_FALSE(call.result->message.empty());
    EXPECT_EQ(call.result->message.find('k' + std::string("\"")), std::string::npos);
  }
}

TEST(FrontEnd, RefusesBadRequestsWithTheLimitAndTheActualSize) {
  FakeCluster cluster;
  const struct {
    kv::v1::SetRequest request;
    const char* limit;
    const char* actual;
  } kCases[] = {
      {Set("", "v"), "key", "empty"},
      {Set(std::string(9000, 'k'), "v"), "8192", "9000"},
      {Set("k", std::string(5 << 20, 'v')), "4194304", "5242880"},
  };
  for (const auto& c : kCases) {
    const FakeCall call = cluster.Call(1, Method::kSet, c.request);
    EXPECT_EQ(call.result->code, absl::StatusCode::kInvalidArgument);
    EXPECT_NE(call.result->message.find(c.limit), std::string::npos) << call.result->message;
    EXPECT_NE(call.result->message.find(c.actual), std::string::npos) << call.result->message;
  }
  FakeCall garbage;
  cluster.Start(1, Method::kSet, "\xff\xff\xff garbage", &garbage);
  EXPECT_FALSE(garbage.result.has_value()) << "no completion is called from within Start";
  cluster.RunUntilDone(garbage);
  EXPECT_EQ(garbage.result->code, absl::StatusCode::kInvalidArgument);
}

TEST(FrontEnd, AnUnknownCollectionIsNotFound) {
  FakeCluster cluster;
  kv::v1::GetRequest request = Get("k");
  request.set_collection("nowhere");
  const FakeCall call = cluster.Call(2, Method::kGet, request);
  EXPECT_EQ(call.result->code, absl::StatusCode::kNotFound);
}

// A peer answers a store, whatever process that has by then.
TEST(FrontEnd, AReplyToTheProcessBeforeIsNoAnswerToARequestOfThisOne) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 2);
  ASSERT_TRUE(cluster.Call(2, Method::kSet, Set("a", "of a")).ok());
  ASSERT_TRUE(cluster.Call(2, Method::kSet, Set("b", "of b")).ok());
  cluster.RestartFront(1);
  cluster.held.insert({2, 1});
  FakeCall before;
  cluster.Start(1, Method::kGet, Get("a").SerializeAsString(), &before);
  cluster.Settle();
  cluster.RestartFront(1);
  cluster.held = {{1, 2}};
  FakeCall after;
  cluster.Start(1, Method::kGet, Get("b").SerializeAsString(), &after);
  cluster.Settle();
  EXPECT_EQ((cluster.forwards[{1, 2}]), 2);
  EXPECT_FALSE(after.result.has_value());
  cluster.held.clear();
  cluster.RunUntilDone(after);
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after.Body<kv::v1::GetResponse>().value(), "of b");
}

TEST(FrontEnd, ACancelledCallIsNeverAnswered) {
  FakeCluster cluster;
  cluster.SetLeader(kDefaultRange, 0);
  FakeCall call;
  cluster.Start(1, Method::kGet, Get("k").SerializeAsString(), &call);
  cluster.front(1).Cancel(call.id);
  cluster.SetLeader(kDefaultRange, 1);
  for (int i = 0; i < 20; ++i) cluster.Advance(seconds(1));
  EXPECT_FALSE(call.result.has_value());
}

TEST(FrontEnd, GivesTheAddressOfTheLeaderAsAHint) {
  FakeCluster cluster;
  cluster.intercept = [&](StoreId store, const range::Request& request) {
    std::optional<range::Response> answer;
    if (request.operation != kv::Operation::kSet) return answer;
    answer.emplace();
    answer->outcome = Outcome::kNotLeader;
    answer->leader_store = StoreId(store.value() == 3 ? 2 : 3);
    return answer;
  };
  const FakeCall call = cluster.Call(1, Method::kSet, Set("k", "v"));
  EXPECT_NE(call.Detail().hint().client_address(), "");
}

}  // namespace
}  // namespace rasputin::server
