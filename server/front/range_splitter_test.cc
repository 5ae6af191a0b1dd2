// Splits that meet a merge: what passes is waited for, an id that a merge has used up is replaced.
// Runs over FakeCluster.

#include "server/front/range_splitter.h"

#include <optional>
#include <string>

#include "client/route/full_key.h"
#include "gtest/gtest.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/fake_cluster.h"

namespace rasputin::server {
namespace {

using kv::Operation;
using range::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::string Full(const std::string& key) { return client::FullKey(2, key); }

std::string SplitAt(const std::string& key) {
  admin::v1::SplitRangeRequest split;
  split.set_split_key(key);
  return split.SerializeAsString();
}

class RangeSplitterTest : public ::testing::Test {
 protected:
  // A merge of range 2 with its right neighbour is noted, and goes on when `freezes` is true.
  void BeginMerge() {
    Start(Method::kSplitRange, SplitAt("m"), &split_);
    cluster_.RunUntilDone(split_);
    ASSERT_TRUE(split_.ok()) << split_.result->message;
    cluster_.intercept = [this](StoreId,
                                const range::Request& request) -> std::optional<range::Response> {
      if (request.operation != Operation::kFreeze || freezes_) return std::nullopt;
      range::Response response;
      response.outcome = Outcome::kNotLeader;
      response.retry_after = milliseconds(50);
      return response;
    };
    admin::v1::MergeRangesRequest merge;
    merge.set_range_id(2);
    Start(Method::kMergeRanges, merge.SerializeAsString(), &merge_);
    cluster_.Settle();
    ASSERT_TRUE(cluster_.RangeOf(Full("a"))->has_merge());
  }

  void Start(Method method, const std::string& request, FakeCall* call,
             Duration timeout = seconds(10)) {
    cluster_.Start(1, method, request, call, timeout);
  }

  FakeCluster cluster_;
  bool freezes_ = false;
  FakeCall split_;
  FakeCall merge_;
};

TEST_F(RangeSplitterTest, WaitsForTheEndOfAMerge) {
  BeginMerge();
  FakeCall split;
  Start(Method::kSplitRange, SplitAt("c"), &split);
  cluster_.Advance(milliseconds(300));
  EXPECT_FALSE(split.result.has_value());
  freezes_ = true;
  cluster_.RunUntilDone(split);
  cluster_.RunUntilDone(merge_);
  EXPECT_TRUE(merge_.ok()) << merge_.result->message;
  EXPECT_TRUE(split.ok()) << split.result->message;
  EXPECT_EQ(cluster_.RangeOf(Full("c"))->start_key(), Full("c"));
}

TEST_F(RangeSplitterTest, DoesNotWaitBeyondItsDeadline) {
  BeginMerge();
  FakeCall split;
  Start(Method::kSplitRange, SplitAt("c"), &split, milliseconds(500));
  cluster_.Advance(milliseconds(500));
  ASSERT_TRUE(split.result.has_value());
  EXPECT_EQ(split.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(split.result->message.find("being merged"), std::string::npos);
}

TEST_F(RangeSplitterTest, ACollectionIsCreatedThoughTheRangeOfItsKeysIsBeingMerged) {
  BeginMerge();
  // Where the keys of the new collection are to lie, a merge is noted and goes on a while later.
  int refusals = 3;
  auto merging = cluster_.intercept;
  cluster_.intercept = [&, this](StoreId store, const range::Request& request) {
    if (request.operation != Operation::kSplit || refusals == 0) return merging(store, request);
    --refusals;
    freezes_ = refusals == 0;
    range::Response response;
    response.outcome = Outcome::kFailedPrecondition;
    response.message = "the id of the new range is older than a merge of this one";
    return std::optional(response);
  };
  admin::v1::CreateCollectionRequest create;
  create.set_name("orders");
  create.set_type(type::v1::COLLECTION_TYPE_KV);
  FakeCall call;
  Start(Method::kCreateCollection, create.SerializeAsString(), &call);
  cluster_.RunUntilDone(call);
  EXPECT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(refusals, 0);
}

// The answer to a split is lost, the child is absorbed again, and the split is repeated.
TEST_F(RangeSplitterTest, TakesAnotherIdIfTheChildWasAbsorbedAgain) {
  bool lost = false;
  uint64_t first_child = 0;
  cluster_.intercept = [&](StoreId store,
                           const range::Request& request) -> std::optional<range::Response> {
    if (request.operation != Operation::kSplit || lost) return std::nullopt;
    lost = true;
    EXPECT_EQ(cluster_.Execute(store, request).outcome, Outcome::kOk);
    first_child = cluster_.RangeOf(Full("m"))->range_id();
    cluster_.MergeSilently(2);
    range::Response response;
    response.outcome = Outcome::kNotLeader;
    return response;
  };
  FakeCall split;
  Start(Method::kSplitRange, SplitAt("m"), &split);
  cluster_.RunUntilDone(split);
  ASSERT_TRUE(split.ok()) << split.result->message;
  const auto* right = cluster_.RangeOf(Full("m"));
  EXPECT_EQ(right->start_key(), Full("m"));
  EXPECT_GT(right->range_id(), first_child);
  EXPECT_EQ(cluster_.InDirectory(Full("m")).range_id(), right->range_id());
}

TEST_F(RangeSplitterTest, WhatStaysIsRefusedAtOnce) {
  FakeCall split;
  Start(Method::kSplitRange, SplitAt("m"), &split);
  cluster_.RunUntilDone(split);
  ASSERT_TRUE(split.ok());
  cluster_.intercept = [](StoreId,
                          const range::Request& request) -> std::optional<range::Response> {
    if (request.operation != Operation::kSplit) return std::nullopt;
    range::Response response;
    response.outcome = Outcome::kInvalidArgument;
    response.message = "the split request does not parse";
    return response;
  };
  FakeCall refused;
  Start(Method::kSplitRange, SplitAt("t"), &refused);
  cluster_.Advance(milliseconds(1));
  ASSERT_TRUE(refused.result.has_value());
  EXPECT_EQ(refused.result->code, absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rasputin::server
