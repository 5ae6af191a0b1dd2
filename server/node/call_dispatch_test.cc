// Calls of initialisation: one attempt at a time, and everybody who waits is answered.

#include "server/node/call_dispatch.h"

#include <gtest/gtest.h>

#include <optional>

namespace rasputin::server {
namespace {

class InitCall final : public ServerCall {
 public:
  InitCall() { path_ = "/rasputin.admin.v1.ClusterService/Init"; }
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
  InitCall refused;
  dispatch_.OnCall(&refused);
  ASSERT_TRUE(refused.result.has_value());
  EXPECT_EQ(refused.result->code, absl::StatusCode::kUnavailable);
  accepts_ = true;
  InitCall second;
  dispatch_.OnCall(&second);
  EXPECT_EQ(started_, 2);
  EXPECT_FALSE(second.result.has_value());
  dispatch_.FinishInit({});
  EXPECT_TRUE(second.result.has_value());
}

// Each attempt takes one of the two slow threads: callers that give up must not take both.
TEST_F(CallDispatchTest, ACallerThatLeavesDoesNotLetASecondInitStart) {
  InitCall gone;
  dispatch_.OnCall(&gone);
  dispatch_.OnGone(&gone);
  InitCall waiting;
  dispatch_.OnCall(&waiting);
  EXPECT_EQ(started_, 1);
  dispatch_.FinishInit({});
  EXPECT_TRUE(waiting.result.has_value());
  EXPECT_FALSE(gone.result.has_value());
  InitCall later;
  dispatch_.OnCall(&later);
  EXPECT_EQ(started_, 2);
}

}  // namespace
}  // namespace rasputin::server
