// What the client makes of nodes that refuse, break, hang or are not there.

#include "client/client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "client/fake_server.h"
#include "client/status.h"

namespace rasputin::client {
namespace {

constexpr std::chrono::milliseconds kLong(20000);
constexpr std::chrono::milliseconds kShort(300);
// More failures than attempts fit into a short deadline.
constexpr int kAlways = 1000;

ClientOptions Options(std::vector<std::string> endpoints,
                      std::chrono::milliseconds deadline = kLong) {
  ClientOptions options;
  options.endpoints = std::move(endpoints);
  options.deadline = deadline;
  return options;
}

kv::v1::SetRequest SetOf(const std::string& key, const std::string& value) {
  kv::v1::SetRequest request;
  request.set_key(key);
  request.set_value(value);
  return request;
}

kv::v1::GetRequest GetOf(const std::string& key) {
  kv::v1::GetRequest request;
  request.set_key(key);
  return request;
}

FakeFailure NotLeader() {
  FakeFailure failure;
  failure.reason = v1::ERROR_REASON_NOT_LEADER;
  return failure;
}

FakeFailure LostAnswer(bool executed) {
  FakeFailure failure;
  failure.executed = executed;
  return failure;
}

TEST(Client, RepeatsALostMutationWhichIsExecutedOnce) {
  FakeServer server;
  server.Put("k", "1");
  server.Fail("Cas", LostAnswer(/*executed=*/true));
  kv::v1::CasRequest request;
  request.set_key("k");
  request.set_expected_value("1");
  request.set_value("2");
  const auto response = Client(Options({server.address()})).Cas(request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(response->success());
  EXPECT_EQ(server.Calls("Cas"), 2);
}

TEST(Client, RepeatsWhatAServerThatStopsHasCutOff) {
  FakeServer server;
  server.Put("k", "v");
  FakeFailure cut_off = LostAnswer(/*executed=*/false);
  cut_off.code = 1;  // CANCELLED
  for (const char* method : {"Get", "Set"}) server.Fail(method, cut_off);
  Client client(Options({server.address()}));
  EXPECT_EQ(client.Get(GetOf("k"))->value(), "v");
  EXPECT_TRUE(client.Set(SetOf("k", "w")).ok());
  EXPECT_EQ(server.Calls("Get"), 2);
  EXPECT_EQ(server.Calls("Set"), 2);
}

TEST(Client, CallsTheOutcomeUnknownIfALostAttemptIsFollowedByRefusals) {
  FakeServer server;
  server.Fail("Set", LostAnswer(/*executed=*/true));
  server.Fail("Set", NotLeader(), kAlways);
  const auto response = Client(Options({server.address()}, kShort)).Set(SetOf("k", "v"));
  EXPECT_TRUE(OutcomeIsUnknown(response.status())) << response.status();
  EXPECT_EQ(ReasonOf(response.status()), v1::ERROR_REASON_OUTCOME_UNKNOWN);
  EXPECT_EQ(server.Value("k"), "v");
}

TEST(Client, KnowsThatRefusalsAloneChangedNothing) {
  FakeServer server;
  server.Fail("Set", NotLeader(), 3);
  // Advice beyond the deadline ends the call before gRPC does.
  FakeFailure last = NotLeader();
  last.retry_after_seconds = 3600;
  server.Fail("Set", last);
  const auto response = Client(Options({server.address()})).Set(SetOf("k", "v"));
  EXPECT_TRUE(absl::IsUnavailable(response.status())) << response.status();
  EXPECT_FALSE(OutcomeIsUnknown(response.status()));
  EXPECT_EQ(server.Calls("Set"), 4);
}

TEST(Client, KnowsThatNothingWasSentWhereNobodyListens) {
  const auto response = Client(Options({DeadAddress()}, kShort)).Set(SetOf("k", "v"));
  EXPECT_TRUE(absl::IsUnavailable(response.status())) << response.status();
  EXPECT_EQ(ReasonOf(response.status()), v1::ERROR_REASON_STORE_UNREACHABLE);
  EXPECT_FALSE(OutcomeIsUnknown(response.status()));
}

TEST(Client, EndsEarlyWithoutAnyConnectionIfToldTo) {
  ClientOptions options = Options({DeadAddress()}, std::chrono::hours(1));
  options.connect_time_max = kShort;
  EXPECT_TRUE(absl::IsUnavailable(Client(options).Get(GetOf("k")).status()));
}

TEST(Client, PassesDeadNodesOver) {
  FakeServer server;
  Client client(Options({DeadAddress(), server.address(), DeadAddress()}));
  ASSERT_TRUE(client.Set(SetOf("k", "v")).ok());
  EXPECT_EQ(client.Get(GetOf("k"))->value(), "v");
}

FakeFailure NotInitialized() {
  FakeFailure failure;
  failure.code = 9;
  failure.reason = v1::ERROR_REASON_NOT_INITIALIZED;
  return failure;
}

TEST(Client, PassesNodesWithoutAClusterOver) {
  FakeServer without;
  without.Fail("LookupRange", NotInitialized(), kAlways);
  without.Fail("Set", NotInitialized(), kAlways);
  FakeServer server;
  Client client(Options({without.address(), server.address()}));
  const absl::Status status = client.Set(SetOf("k", "v")).status();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(server.Value("k"), "v");
}

TEST(Client, SaysThatThereIsNoClusterIfEveryNodeThatIsUpSaysSo) {
  FakeServer without;
  without.Fail("LookupRange", NotInitialized(), kAlways);
  without.Fail("Set", NotInitialized(), kAlways);
  FakeServer neither;
  neither.Fail("LookupRange", NotInitialized(), kAlways);
  neither.Fail("Set", NotInitialized(), kAlways);
  Client client(Options({without.address(), DeadAddress(), neither.address()}));
  const absl::Status status = client.Set(SetOf("k", "v")).status();
  EXPECT_EQ(ReasonOf(status), v1::ERROR_REASON_NOT_INITIALIZED) << status;
  EXPECT_FALSE(OutcomeIsUnknown(status));
  EXPECT_GE(without.Calls("Set"), 1);
  EXPECT_GE(neither.Calls("Set"), 1);
}

TEST(Client, NamesTheRangeThatHasNoLeader) {
  for (const v1::ErrorReason reason :
       {v1::ERROR_REASON_NOT_LEADER, v1::ERROR_REASON_STORE_UNREACHABLE}) {
    FakeServer server;
    FakeFailure refusal;
    refusal.reason = reason;
    refusal.names_range = true;
    server.Fail("Set", refusal, 3);
    refusal.retry_after_seconds = 3600;
    server.Fail("Set", refusal);
    const absl::Status status = Client(Options({server.address()})).Set(SetOf("k", "v")).status();
    EXPECT_EQ(status.message(),
              "range 7 has no leader: it needs a majority of its stores up and connected");
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_FALSE(OutcomeIsUnknown(status));
  }
}

TEST(Client, DoesNotCallARangeLeaderlessForWhatItSaidBeforeItRefused) {
  FakeServer server;
  FakeFailure refusal = NotLeader();
  refusal.names_range = true;
  server.Fail("Set", refusal, 2);
  refusal.code = 3;
  refusal.reason = v1::ERROR_REASON_INVALID_ARGUMENT;
  server.Fail("Set", refusal);
  const absl::Status status = Client(Options({server.address()})).Set(SetOf("k", "v")).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

TEST(Client, SaysOfANodeWithoutItsMethodsThatItIsNoClientPort) {
  FakeFailure unknown;
  unknown.code = 12;
  unknown.message = "";
  FakeServer peer_port;
  peer_port.Fail("LookupRange", unknown, kAlways);
  peer_port.Fail("Set", unknown, kAlways);
  const absl::Status status = Client(Options({peer_port.address()})).Set(SetOf("k", "v")).status();
  EXPECT_EQ(status.message(),
            peer_port.address() + " is not a client port of rasputind (default 8880)");
  EXPECT_FALSE(OutcomeIsUnknown(status));
  FakeServer server;
  Client both(Options({peer_port.address(), server.address()}));
  EXPECT_TRUE(both.Set(SetOf("k", "v")).ok());
}

TEST(Client, GivesUpANodeThatHangs) {
  FakeServer server;
  FakeFailure hang;
  hang.hangs = true;
  hang.executed = true;
  server.Fail("Set", hang);
  ClientOptions options = Options({server.address()});
  options.attempt_time_max = kShort;
  const auto response = Client(options).Set(SetOf("k", "v"));
  EXPECT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(server.Calls("Set"), 2);
}

TEST(Client, GoesStraightToTheLeaderThatTheDirectoryNames) {
  FakeServer any;
  FakeServer leader;
  any.SetLeader(leader.address());
  leader.Put("k", "v");
  Client client(Options({any.address()}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.Get(GetOf("k"))->value(), "v");
  EXPECT_EQ(any.Calls("Get"), 0);
  EXPECT_EQ(any.Calls("LookupRange"), 1);
  EXPECT_EQ(leader.Calls("Get"), 3);
}

TEST(Client, FollowsTheHintOfARefusalAndRemembersIt) {
  FakeServer old_leader;
  FakeServer new_leader;
  new_leader.Put("k", "v");
  FakeFailure refusal = NotLeader();
  refusal.hint_address = new_leader.address();
  old_leader.Fail("Get", refusal);
  Client client(Options({old_leader.address()}));
  EXPECT_EQ(client.Get(GetOf("k"))->value(), "v");
  EXPECT_EQ(client.Get(GetOf("k"))->value(), "v");
  EXPECT_EQ(old_leader.Calls("Get"), 1);
}

TEST(Client, DoesNotRepeatWhatIsRefusedForGood) {
  FakeServer server;
  FakeFailure refusal;
  refusal.code = 3;
  refusal.reason = v1::ERROR_REASON_INVALID_ARGUMENT;
  server.Fail("Set", refusal, kAlways);
  const auto response = Client(Options({server.address()})).Set(SetOf("k", "v"));
  EXPECT_TRUE(absl::IsInvalidArgument(response.status()));
  EXPECT_EQ(server.Calls("Set"), 1);
}

TEST(Client, DoesNotSendWhatIsOverALimit) {
  FakeServer server;
  Client client(Options({server.address()}));
  const std::string value(30 << 20, 'v');
  const absl::Status status = client.Set(SetOf("k", value)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_FALSE(OutcomeIsUnknown(status));
  EXPECT_TRUE(absl::IsInvalidArgument(client.Get(GetOf(std::string(9 << 10, 'k'))).status()));
  EXPECT_EQ(server.Calls("Set") + server.Calls("Get") + server.Calls("LookupRange"), 0);
}

TEST(Client, KnowsThatARequestRefusedForItsSizeChangedNothing) {
  FakeServer server;
  FakeFailure refusal;
  refusal.code = 8;
  refusal.message = "Received message larger than max (31457301 vs. 20971520)";
  server.Fail("Set", refusal);
  const absl::Status status = Client(Options({server.address()})).Set(SetOf("k", "v")).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_FALSE(OutcomeIsUnknown(status)) << status;
  EXPECT_EQ(server.Calls("Set"), 1);
}

TEST(Client, ResumesABrokenScanWithoutRepeatingRows) {
  FakeServer server;
  for (const char* key : {"a", "b", "c", "d"}) server.Put(key, "v");
  server.BreakScanAfter(2);
  Client client(Options({server.address()}));
  std::string seen;
  kv::v1::ScanRequest request;
  request.set_limit(3);
  const absl::Status status = client.Scan(request, [&](const kv::v1::KeyValue& row) {
    seen += row.key();
    return true;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(seen, "abc");
  EXPECT_EQ(server.Calls("Scan"), 2);
}

TEST(Client, StopsAScanWhenNobodyWantsMore) {
  FakeServer server;
  for (const char* key : {"a", "b", "c"}) server.Put(key, "v");
  int rows = 0;
  const absl::Status status =
      Client(Options({server.address()})).Scan(kv::v1::ScanRequest(), [&](const kv::v1::KeyValue&) {
        return ++rows < 2;
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(rows, 2);
}

}  // namespace
}  // namespace rasputin::client
