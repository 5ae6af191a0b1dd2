// Errors as clients receive them: they must fit into the trailers of a call.

#include "server/front/call_status.h"

#include <gtest/gtest.h>

#include "client/route/router.h"

namespace rasputin::server {
namespace {

constexpr size_t kTrailerBytesMax = 8 << 10;  // What gRPC clients accept by default.

class CallStatusTest : public ::testing::Test {
 protected:
  // The answer "not leader, try store 3 in 50 ms" of range 2 with these bounds, as sent.
  rasputin::v1::ErrorDetail DetailWith(const std::string& start, const std::string& end) {
    type::v1::RangeDescriptor range;
    range.set_range_id(2);
    range.set_generation(1);
    range.set_start_key(start);
    range.set_end_key(end);
    router_.Learn(range);
    type::v1::StoreDescriptor store;
    store.set_store_id(3);
    store.set_client_address("node3:8880");
    router_.LearnStore(store);
    RangeAnswer answer;
    answer.range = consensus::RangeId(2);
    answer.response.outcome = range::Outcome::kNotLeader;
    answer.response.leader_store = consensus::StoreId(3);
    answer.response.retry_after = std::chrono::milliseconds(50);
    const CallResult result = ToCallResult(answer, router_);
    EXPECT_EQ(result.code, absl::StatusCode::kUnavailable);
    // Metadata of binary value travels as base64, beside the message.
    EXPECT_LT(result.details.size() * 4 / 3 + result.message.size(), kTrailerBytesMax / 2);
    google::rpc::Status status;
    EXPECT_TRUE(status.ParseFromString(result.details));
    rasputin::v1::ErrorDetail detail;
    EXPECT_TRUE(status.details(0).UnpackTo(&detail));
    return detail;
  }

  client::Router router_;
};

TEST_F(CallStatusTest, NamesTheRangeTheHintAndTheDelay) {
  const rasputin::v1::ErrorDetail detail = DetailWith("a", "b");
  EXPECT_EQ(detail.range().start_key(), "a");
  EXPECT_EQ(detail.hint().client_address(), "node3:8880");
  EXPECT_EQ(detail.retry_after().nanos(), 50'000'000);
}

// After a split at a key of the greatest size every error came as "received initial metadata size
// exceeds limit", and clients stopped trying.
TEST_F(CallStatusTest, ARangeWithLongBoundsIsLeftOutAsAWhole) {
  const std::string key(8 << 10, 'k');
  for (const auto& [start, end] : {std::pair(std::string("a"), key), std::pair(key, key + "l")}) {
    const rasputin::v1::ErrorDetail detail = DetailWith(start, end);
    EXPECT_FALSE(detail.has_range()) << "without its keys it would be every key";
    EXPECT_EQ(detail.reason(), rasputin::v1::ERROR_REASON_NOT_LEADER);
    EXPECT_EQ(detail.hint().client_address(), "node3:8880");
    EXPECT_EQ(detail.retry_after().nanos(), 50'000'000);
    router_.Forget(2);
  }
}

TEST_F(CallStatusTest, BoundsOfTwoKibibytesTogetherAreKept) {
  EXPECT_TRUE(DetailWith("", std::string(2048, 'k')).has_range());
  EXPECT_FALSE(DetailWith("a", std::string(2048, 'l')).has_range());
}

}  // namespace
}  // namespace rasputin::server
