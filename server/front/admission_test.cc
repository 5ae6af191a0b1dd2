// Back-pressure as clients meet it: whose limit, when to retry, what was executed. Over FakeCluster
// in virtual time; the order in which requests leave is tested with fair_queue.h.

#include "server/front/admission.h"

#include <deque>
#include <string>

#include "gtest/gtest.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "server/front/fake_cluster.h"

namespace rasputin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kDefaultRange = 2;

std::string Set(const std::string& key) {
  kv::v1::SetRequest request;
  request.set_key(key);
  request.set_value("value");
  return request.SerializeAsString();
}

FrontOptions RangeOf(uint64_t requests_max) {
  FrontOptions options;
  options.fair.range_requests_max = requests_max;
  return options;
}

class AdmissionTest : public testing::Test {
 protected:
  // A store that keeps what it gets, and has `sets` requests of its own clients.
  void Open(const FrontOptions& options, int sets) {
    cluster_.emplace(3, options);
    cluster_->SetLeader(kDefaultRange, 1);
    kv::v1::GetRequest get;
    get.set_key("k");
    for (uint64_t store = 1; store <= 3; ++store) {  // Everybody knows the way.
      ASSERT_TRUE(cluster_->Call(store, Method::kGet, get).ok());
    }
    cluster_->stores_that_hold.insert(1);
    for (int i = 0; i < sets; ++i) StartSet(1, &calls_.emplace_back());
  }
  void StartSet(uint64_t store, FakeCall* call, Duration timeout = seconds(10)) {
    cluster_->Start(store, Method::kSet, Set("k"), call, timeout);
    cluster_->Settle();
  }
  uint64_t Executed() { return cluster_->requests_executed(kv::Operation::kSet); }
  uint64_t Refused(FairLimit limit) {
    return cluster_->front(1).counters().refused[static_cast<size_t>(limit)];
  }

  std::optional<FakeCluster> cluster_;
  std::deque<FakeCall> calls_;
};

TEST_F(AdmissionTest, ARefusalNamesTheLimitTheRangeAndWhenToRetry) {
  FrontOptions options = RangeOf(2);
  options.retry.overloaded_max = 1;  // The first refusal is told.
  // Wherever the client comes in: at the leader, or at a node that forwards.
  for (const uint64_t store : {1, 3}) {
    calls_.clear();
    Open(options, 2);
    FakeCall refused;
    StartSet(store, &refused);
    ASSERT_TRUE(refused.result.has_value()) << "at once";
    EXPECT_EQ(refused.result->code, absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(refused.Detail().reason(), rasputin::v1::ERROR_REASON_OVERLOADED);
    EXPECT_EQ(refused.Detail().range().range_id(), kDefaultRange);
    EXPECT_GT(refused.Detail().retry_after().nanos(), 0);
    EXPECT_NE(refused.result->message.find("range 2 has 2 requests"), std::string::npos)
        << refused.result->message;
    EXPECT_NE(refused.result->message.find("store 1"), std::string::npos);
    EXPECT_NE(refused.result->message.find("--range-requests-max"), std::string::npos);
    EXPECT_EQ(Refused(FairLimit::kRangeRequests), 1u);
    cluster_->Release(1);
    cluster_->Settle();
    for (const FakeCall& call : calls_) EXPECT_TRUE(call.ok());
    EXPECT_EQ(Executed(), 2u) << "the refused one was not";
  }
}

TEST_F(AdmissionTest, ARefusedRequestIsTriedAgainWhileTheClientWaits) {
  Open(RangeOf(2), 2);
  FakeCall later;
  StartSet(2, &later);
  EXPECT_FALSE(later.result.has_value());
  EXPECT_EQ(Refused(FairLimit::kRangeRequests), 1u);
  cluster_->Release(1);
  cluster_->RunUntilDone(later);
  EXPECT_TRUE(later.ok()) << later.result->message;
  EXPECT_EQ(Executed(), 3u);
}

TEST_F(AdmissionTest, OnlySoManyRefusedOnesOfACollectionWaitToBeTriedAgain) {
  FrontOptions options = RangeOf(1);
  options.parked_requests_max = 2;
  Open(options, 1);
  std::deque<FakeCall> parked(2);
  for (FakeCall& call : parked) StartSet(1, &call);
  for (const FakeCall& call : parked) EXPECT_FALSE(call.result.has_value());
  FakeCall told;
  StartSet(1, &told);
  ASSERT_TRUE(told.result.has_value());
  EXPECT_EQ(told.Detail().reason(), rasputin::v1::ERROR_REASON_OVERLOADED);
  cluster_->Release(1);
  for (const FakeCall& call : parked) {
    cluster_->RunUntilDone(call);
    EXPECT_TRUE(call.ok());
  }
  EXPECT_EQ(Executed(), 3u);
  // Their places are free again.
  cluster_->stores_that_hold.insert(1);
  FakeCall held, parked_again;
  StartSet(1, &held);
  StartSet(1, &parked_again);
  EXPECT_FALSE(parked_again.result.has_value());
}

TEST_F(AdmissionTest, WhatExpiresWhileItWaitsIsNotExecutedAndTheClientIsToldSo) {
  FrontOptions options;
  options.fair.lane_cost_max = options.fair.lane_requests_min = 1;  // One of a range at a time.
  Open(options, 1);
  FakeCall waits;
  StartSet(1, &waits, milliseconds(100));
  cluster_->Advance(milliseconds(200));
  ASSERT_TRUE(waits.result.has_value());
  EXPECT_EQ(waits.result->code, absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(waits.Detail().reason(), rasputin::v1::ERROR_REASON_DEADLINE_EXCEEDED)
      << "definitely not executed";
  cluster_->Release(1);
  cluster_->Settle();
  EXPECT_TRUE(calls_[0].ok());
  EXPECT_EQ(Executed(), 1u);
  EXPECT_EQ(cluster_->front(1).counters().expired, 1u);
  EXPECT_EQ(cluster_->front(1).load().held_requests, 0u);
}

TEST_F(AdmissionTest, WhatTheStoreHasMayBeExecutedAfterTheDeadline) {
  Open({}, 0);
  FakeCall call;
  StartSet(1, &call, milliseconds(100));
  cluster_->Advance(milliseconds(200));
  ASSERT_TRUE(call.result.has_value());
  EXPECT_EQ(call.Detail().reason(), rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN);
}

// Two gets of a large value, of which a range may have one under way.
TEST_F(AdmissionTest, AReadIsUnderWayUntilTheNetworkHasTakenItsLargeAnswer) {
  FrontOptions options;
  options.fair.lane_cost_max = options.fair.lane_requests_min = 1;
  Open(options, 0);
  cluster_->stores_that_hold.clear();
  kv::v1::SetRequest set;
  set.set_key("k");
  set.set_value(std::string(32 << 10, 'v'));
  ASSERT_TRUE(cluster_->Call(1, Method::kSet, set).ok());
  kv::v1::GetRequest get;
  get.set_key("k");
  FakeCall first, second, third;
  for (FakeCall* call : {&first, &second, &third}) {
    cluster_->Start(1, Method::kGet, get.SerializeAsString(), call, seconds(10));
    cluster_->Settle();
  }
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first.Body<kv::v1::GetResponse>().value().size(), 32u << 10);
  EXPECT_FALSE(second.result.has_value()) << "the first answer is not written yet";
  first.result->body.Clear();
  cluster_->Advance(milliseconds(1));
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(third.result.has_value());
  // A client that does not read holds up the others for a while only.
  cluster_->Advance(milliseconds(101));
  EXPECT_TRUE(third.ok());
  second.result->body.Clear();
  third.result->body.Clear();
  cluster_->Advance(milliseconds(1));
  EXPECT_EQ(cluster_->front(1).load().held_requests, 0u);
}

// A range that is full stops neither the directory nor another range.
TEST_F(AdmissionTest, WhatKeepsTheClusterGoingIsNeverRefused) {
  FrontOptions options = RangeOf(1);
  options.fair.node_requests_max = 1;
  Open(options, 1);
  cluster_->SetLeader(1, 2);
  FakeCall list;
  cluster_->Start(2, Method::kListCollections, "", &list);
  cluster_->RunUntilDone(list);
  EXPECT_TRUE(list.ok()) << list.result->message;
}

TEST(DescribeRefusal, SaysForEachLimitWhichFlagSetsIt) {
  const struct {
    FairLimit limit;
    const char* whose;
    const char* flag;
  } kCases[] = {
      {FairLimit::kRangeRequests, "range 7", "--range-requests-max"},
      {FairLimit::kRangeBytes, "range 7", "--range-request-bytes-max"},
      {FairLimit::kCollectionRequests, "collection 5", "--collection-requests-max"},
      {FairLimit::kCollectionBytes, "collection 5", "--collection-request-bytes-max"},
      {FairLimit::kNodeRequests, "store 3", "--node-requests-max"},
      {FairLimit::kNodeBytes, "store 3", "--node-request-bytes-max"},
      {FairLimit::kWait, "range 7", "--queue-wait-ms-max"},
  };
  FairItem item;
  item.collection = 5;
  item.range = 7;
  for (const auto& one : kCases) {
    FairRefusal refusal;
    refusal.limit = one.limit;
    refusal.limit_value = 1234;
    const std::string text = DescribeRefusal(refusal, item, StoreId(3));
    for (const char* part : {one.whose, one.flag, "1234", "store 3", "not executed"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
    }
  }
}

}  // namespace
}  // namespace rasputin::server
