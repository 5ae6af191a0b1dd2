// Calls of initialisation: one attempt at a time, and everybody who waits is answered. And what a
// store that was taken off the list refuses.

#include "server/node/call_dispatch.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace rasputin::server {
namespace {

class AnyCall final : public ServerCall {
 public:
  explicit AnyCall(const std::string& method = "admin.v1.ClusterService/Init") {
    path_ = "/rasputin." + method;
  }
  bool Page(absl::Cord) override { return false; }
  void Done(CallResult answer) override { result = std::move(answer); }

  std::optional<CallResult> result;
};

class CallDispatchTest : public ::testing::Test {
 protected:
  MetricsRegistry registry_;
  EventRecorder recorder_{&registry_};
  Catalog catalog_;
  Shard shard_{&registry_, &recorder_, [](const absl::Status&) {}};
  int started_ = 0;
  bool accepts_ = true;
  CallDispatch dispatch_{&catalog_, &registry_, &shard_, [this] {
                           ++started_;
                           return accepts_;
                         }};
};

TEST_F(CallDispatchTest, AnInitThatCannotBeStartedIsAnsweredAndMayBeRepeated) {
  accepts_ = false;
  AnyCall refused;
  dispatch_.OnCall(&refused);
  ASSERT_TRUE(refused.result.has_value());
  EXPECT_EQ(refused.result->code, absl::StatusCode::kUnavailable);
  accepts_ = true;
  AnyCall second;
  dispatch_.OnCall(&second);
  EXPECT_EQ(started_, 2);
  EXPECT_FALSE(second.result.has_value());
  dispatch_.FinishInit({});
  EXPECT_TRUE(second.result.has_value());
}

// Each attempt takes one of the two slow threads: callers that give up must not take both.
TEST_F(CallDispatchTest, ACallerThatLeavesDoesNotLetASecondInitStart) {
  AnyCall gone;
  dispatch_.OnCall(&gone);
  dispatch_.OnGone(&gone);
  AnyCall waiting;
  dispatch_.OnCall(&waiting);
  EXPECT_EQ(started_, 1);
  dispatch_.FinishInit({});
  EXPECT_TRUE(waiting.result.has_value());
  EXPECT_FALSE(gone.result.has_value());
  AnyCall later;
  dispatch_.OnCall(&later);
  EXPECT_EQ(started_, 2);
}

TEST_F(CallDispatchTest, AStoreThatWasTakenOffTheListRefusesEveryCallAtOnceWithTheReason) {
  dispatch_.SetRetired("store 3 was taken off the list");
  for (const char* method : {"kv.v1.KvService/Get", "admin.v1.ClusterService/GetStatus",
                             "admin.v1.ClusterService/ListAudit"}) {
    AnyCall call(method);
    dispatch_.OnCall(&call);
    ASSERT_TRUE(call.result.has_value()) << method;
    EXPECT_EQ(call.result->code, absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(call.result->message, "store 3 was taken off the list");
  }
}

}  // namespace
}  // namespace rasputin::server
