// Merges at the front end: the steps, whatever is lost between them, who finishes what was left
// behind, and that no request fails meanwhile. Runs over FakeCluster.

#include "server/front/range_merger.h"

#include <optional>
#include <string>

#include "client/route/full_key.h"
#include "gtest/gtest.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "server/front/fake_cluster.h"

namespace rasputin::server {
namespace {

using kv::Operation;
using range::Outcome;
using range::RangeDescriptor;
using std::chrono::milliseconds;

constexpr uint64_t kLeft = 2;

std::string Full(const std::string& key) { return client::FullKey(2, key); }

class RangeMergerTest : public ::testing::Test {
 protected:
  RangeMergerTest() {
    admin::v1::SplitRangeRequest split;
    split.set_split_key("m");
    EXPECT_TRUE(cluster_.Call(1, Method::kSplitRange, split).ok());
    right_ = cluster_.RangeOf(Full("m"))->range_id();
    // Whatever a single node drives it must bring to another one.
    cluster_.SetLeader(right_, 2);
    EXPECT_TRUE(Set(1, "a"));
    EXPECT_TRUE(Set(1, "z"));
  }

  FakeCall Merge(uint64_t store, uint64_t left = kLeft, uint64_t right = 0) {
    admin::v1::MergeRangesRequest request;
    request.set_range_id(left);
    request.set_right_range_id(right);
    return cluster_.Call(store, Method::kMergeRanges, request);
  }

  bool Set(uint64_t store, const std::string& key) {
    kv::v1::SetRequest request;
    request.set_key(key);
    request.set_value("v");
    return cluster_.Call(store, Method::kSet, request).ok();
  }

  // Two ranges that serve, and nothing that is left of a merge.
  void ExpectAsBefore() {
    EXPECT_EQ(cluster_.RangeCount(), 3u);
    EXPECT_FALSE(cluster_.RangeOf(Full("a"))->has_merge());
    EXPECT_FALSE(cluster_.RangeOf(Full("z"))->has_frozen_by());
    EXPECT_TRUE(Set(3, "a"));
    EXPECT_TRUE(Set(3, "z"));
  }

  FakeCluster cluster_;
  uint64_t right_ = 0;
};

TEST_F(RangeMergerTest, AbsorbsTheRightNeighbourFromAnyNode) {
  const FakeCall call = Merge(3);
  ASSERT_TRUE(call.ok()) << call.result->message;
  const RangeDescriptor merged = call.Body<admin::v1::MergeRangesResponse>().range();
  EXPECT_EQ(merged.SerializeAsString(), cluster_.RangeOf(Full("z"))->SerializeAsString());
  EXPECT_EQ(merged.range_id(), kLeft);
  EXPECT_EQ(cluster_.RangeCount(), 2u);
  EXPECT_EQ(cluster_.InDirectory(Full("z")).range_id(), kLeft);
  for (uint64_t store = 1; store <= 3; ++store) EXPECT_TRUE(Set(store, "z"));
}

TEST_F(RangeMergerTest, RefusesWhatCannotBeMergedAndSaysWhy) {
  const FakeCall last = Merge(1, right_);
  EXPECT_EQ(last.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(last.result->message.find("no right neighbour"), std::string::npos);
  const FakeCall meta = Merge(1, 1);
  EXPECT_EQ(meta.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(meta.result->message.find("meta range"), std::string::npos);
  EXPECT_EQ(Merge(1, 4711).result->code, absl::StatusCode::kNotFound);
  EXPECT_EQ(cluster_.requests_executed(Operation::kMergeBegin), 0u);
}

TEST_F(RangeMergerTest, AMemberThatDoesNotHoldTheFreezeMeansThatTheRightRangeServesAgain) {
  cluster_.members_hold_freezes = false;
  const FakeCall call = Merge(1);
  EXPECT_EQ(call.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(call.result->message, "the merge was given up: store 3 does not hold the freeze");
  ExpectAsBefore();
  cluster_.members_hold_freezes = true;
  EXPECT_TRUE(Merge(1).ok());
}

TEST_F(RangeMergerTest, ARightRangeThatChangedMeanwhileIsNotFrozen) {
  bool changed = false;
  cluster_.intercept = [&](StoreId,
                           const range::Request& request) -> std::optional<range::Response> {
    if (request.operation == Operation::kFreeze && !changed) {
      changed = true;
      cluster_.SplitSilently(Full("t"), 77);
    }
    return std::nullopt;
  };
  EXPECT_EQ(Merge(1).result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(changed);
  EXPECT_EQ(cluster_.requests_executed(Operation::kFreeze), 0u);
  EXPECT_FALSE(cluster_.RangeOf(Full("a"))->has_merge());
  EXPECT_TRUE(Set(2, "n"));
}

// The answer to a step is lost once: it was executed all the same.
class LostAnswer : public RangeMergerTest, public ::testing::WithParamInterface<Operation> {};

TEST_P(LostAnswer, ChangesNothing) {
  bool lost = false;
  bool executing = false;
  cluster_.intercept = [&](StoreId store,
                           const range::Request& request) -> std::optional<range::Response> {
    if (request.operation != GetParam() || lost || executing) return std::nullopt;
    executing = true;
    range::Response response = cluster_.Execute(store, request);
    executing = false;
    if (response.outcome != Outcome::kOk) return response;
    lost = true;
    response = {};
    response.outcome = Outcome::kOutcomeUnknown;
    return response;
  };
  const FakeCall call = Merge(3);
  EXPECT_TRUE(lost);
  if (GetParam() == Operation::kMergeBegin) {
    // Nobody can tell whose it was; it is given up.
    EXPECT_EQ(call.result->code, absl::StatusCode::kFailedPrecondition);
    return ExpectAsBefore();
  }
  ASSERT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(cluster_.RangeCount(), 2u);
  EXPECT_TRUE(Set(2, "z"));
}

INSTANTIATE_TEST_SUITE_P(OfEachStep, LostAnswer,
                         ::testing::Values(Operation::kMergeBegin, Operation::kFreeze,
                                           Operation::kMerge));

// The node that drives the merge crashes after the n-th step.
class DriverCrash : public RangeMergerTest, public ::testing::WithParamInterface<Operation> {};

TEST_P(DriverCrash, IsSettledByTheLeaderOfTheLeftRangeWithinSeconds) {
  FakeCall lost;
  bool crashed = false;
  cluster_.intercept = [&](StoreId,
                           const range::Request& request) -> std::optional<range::Response> {
    if (request.operation == GetParam() && !crashed) {
      crashed = true;
      cluster_.held = {{1, 3}, {2, 3}};  // No answer reaches it any more.
    }
    return std::nullopt;
  };
  admin::v1::MergeRangesRequest request;
  request.set_range_id(kLeft);
  cluster_.Start(3, Method::kMergeRanges, request.SerializeAsString(), &lost);
  cluster_.Settle();
  ASSERT_TRUE(crashed);
  cluster_.BreakConnectionsOf(3);
  cluster_.RestartFront(3);
  cluster_.held.clear();
  cluster_.intercept = nullptr;
  for (int i = 0; i < 30; ++i) cluster_.Advance(milliseconds(100));
  if (GetParam() == Operation::kMerge) {
    EXPECT_EQ(cluster_.RangeCount(), 2u);
    EXPECT_TRUE(Set(3, "z"));
  } else {
    ExpectAsBefore();
  }
}

INSTANTIATE_TEST_SUITE_P(AfterEachStep, DriverCrash,
                         ::testing::Values(Operation::kMergeBegin, Operation::kFreeze,
                                           Operation::kMerge));

TEST_F(RangeMergerTest, ANewLeaderOfTheLeftRangeGivesUpWhatItFindsNoted) {
  FakeCall lost;
  cluster_.intercept = [&](StoreId,
                           const range::Request& request) -> std::optional<range::Response> {
    if (request.operation == Operation::kFreeze) {
      cluster_.held = {{1, 3}, {2, 3}, {1, 2}, {2, 1}};
      cluster_.SetLeader(kLeft, 2);
    }
    return std::nullopt;
  };
  admin::v1::MergeRangesRequest request;
  request.set_range_id(kLeft);
  cluster_.Start(3, Method::kMergeRanges, request.SerializeAsString(), &lost);
  cluster_.Settle();
  cluster_.BreakConnectionsOf(3);
  cluster_.RestartFront(3);
  cluster_.intercept = nullptr;
  cluster_.held.clear();
  cluster_.front(2).OnLeader(RangeId(kLeft), StoreId(2));
  for (int i = 0; i < 30; ++i) cluster_.Advance(milliseconds(100));
  ExpectAsBefore();
}

TEST_F(RangeMergerTest, ARequestThatMeetsAFrozenRangeWaitsAndIsServedByWhatAbsorbsIt) {
  FakeCall set;
  kv::v1::SetRequest write;
  write.set_key("z");
  write.set_value("w");
  cluster_.intercept = [&](StoreId,
                           const range::Request& request) -> std::optional<range::Response> {
    if (request.operation != Operation::kMerge || set.id != 0) return std::nullopt;
    cluster_.Start(1, Method::kSet, write.SerializeAsString(), &set);
    range::Response response;  // As if the range had no leader for a moment.
    response.outcome = Outcome::kNotLeader;
    response.retry_after = milliseconds(300);
    return response;
  };
  ASSERT_TRUE(Merge(3).ok());
  cluster_.RunUntilDone(set);
  EXPECT_TRUE(set.ok()) << set.result->message;
  EXPECT_LE(cluster_.front(1).counters().retries, 40u);
}

TEST_F(RangeMergerTest, TwoMergesOfOneRangeAtOnceAreOneMerge) {
  FakeCall calls[2];
  admin::v1::MergeRangesRequest request;
  request.set_range_id(kLeft);
  for (uint64_t i = 0; i < 2; ++i) {
    cluster_.Start(i + 1, Method::kMergeRanges, request.SerializeAsString(), &calls[i]);
  }
  for (auto& call : calls) cluster_.RunUntilDone(call);
  EXPECT_EQ(calls[0].ok() + calls[1].ok(), 1);
  EXPECT_EQ(cluster_.RangeCount(), 2u);
  EXPECT_TRUE(Set(3, "z"));
}

TEST_F(RangeMergerTest, ANeighbourThatIsNamedIsAbsorbedOnce) {
  admin::v1::SplitRangeRequest split;
  split.set_split_key("t");
  ASSERT_TRUE(cluster_.Call(1, Method::kSplitRange, split).ok());
  const uint64_t next = cluster_.RangeOf(Full("t"))->range_id();
  EXPECT_TRUE(Merge(3, kLeft, right_).ok());
  const FakeCall again = Merge(2, kLeft, right_);
  ASSERT_TRUE(again.ok()) << again.result->message;
  const RangeDescriptor merged = again.Body<admin::v1::MergeRangesResponse>().range();
  EXPECT_EQ(merged.range_id(), kLeft);
  EXPECT_EQ(merged.end_key(), Full("t"));
  EXPECT_EQ(cluster_.RangeCount(), 3u);
  EXPECT_EQ(cluster_.requests_executed(Operation::kMerge), 1u);
  EXPECT_TRUE(Merge(1, kLeft, next).ok());
  EXPECT_TRUE(Merge(1, kLeft, right_).ok()) << "the last range remembers, too";
  EXPECT_EQ(cluster_.RangeCount(), 2u);
}

TEST_F(RangeMergerTest, AnotherRangeThanTheNeighbourIsRefused) {
  admin::v1::SplitRangeRequest split;
  split.set_split_key("t");
  ASSERT_TRUE(cluster_.Call(1, Method::kSplitRange, split).ok());
  const uint64_t last = cluster_.RangeOf(Full("t"))->range_id();
  const struct {
    uint64_t left;
    uint64_t right;
    std::string text;
  } cases[] = {
      {kLeft, last, "; that is range " + std::to_string(right_)},
      {kLeft, 4711, "; that is range " + std::to_string(right_)},
      {last, right_, ", which has none"},
  };
  for (const auto& c : cases) {
    const FakeCall call = Merge(3, c.left, c.right);
    EXPECT_EQ(call.result->code, absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(call.result->message, "range " + std::to_string(c.right) +
                                        " is not the right neighbour of range " +
                                        std::to_string(c.left) + c.text);
  }
  EXPECT_TRUE(Merge(1, right_, last).ok());
  const FakeCall elsewhere = Merge(1, kLeft, last);
  EXPECT_EQ(elsewhere.result->message,
            "range " + std::to_string(last) + " was absorbed by range " + std::to_string(right_));
}

TEST_F(RangeMergerTest, TwoMergesThatNameTheSameNeighbourBothSucceed) {
  FakeCall calls[3];
  admin::v1::MergeRangesRequest request;
  request.set_range_id(kLeft);
  request.set_right_range_id(right_);
  for (uint64_t i = 0; i < 3; ++i) {
    cluster_.Start(i / 2 + 1, Method::kMergeRanges, request.SerializeAsString(), &calls[i]);
  }
  for (auto& call : calls) {
    cluster_.RunUntilDone(call);
    EXPECT_TRUE(call.ok()) << call.result->message;
  }
  EXPECT_EQ(cluster_.RangeCount(), 2u);
  EXPECT_EQ(cluster_.requests_executed(Operation::kMerge), 1u);
}

TEST_F(RangeMergerTest, ARepetitionAfterItsDriverHasCrashedSucceeds) {
  FakeCall lost;
  cluster_.intercept = [&](StoreId,
                           const range::Request& request) -> std::optional<range::Response> {
    if (request.operation == Operation::kFreeze) cluster_.held = {{1, 3}, {2, 3}};
    return std::nullopt;
  };
  admin::v1::MergeRangesRequest request;
  request.set_range_id(kLeft);
  request.set_right_range_id(right_);
  cluster_.Start(3, Method::kMergeRanges, request.SerializeAsString(), &lost);
  cluster_.Settle();
  cluster_.BreakConnectionsOf(3);
  cluster_.RestartFront(3);
  cluster_.held.clear();
  cluster_.intercept = nullptr;
  // At the leader of the left range, which has to give up what the crashed node has left.
  const FakeCall again = Merge(1, kLeft, right_);
  EXPECT_TRUE(again.ok()) << again.result->message;
  EXPECT_EQ(cluster_.RangeCount(), 2u);
}

}  // namespace
}  // namespace rasputin::server
