// Forwarded requests and replies through a real peer frame and back. Not responsible for the
// encoding itself, which consensus/wire tests.

#include "server/front/forward_frame.h"

#include <string>

#include "consensus/wire/frame.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

namespace wire = consensus::wire;

ForwardRequest FullRequest() {
  ForwardRequest request;
  request.id = 11;
  request.hops = 2;
  request.kind = ForwardKind::kRange;
  request.range = RangeId(5);
  request.generation = consensus::Generation(6);
  request.operation = kv::Operation::kCas;
  request.body = absl::Cord(std::string(5000, 'b'));
  request.request_id = kv::RequestId{1, 2, 3, 4};
  request.first_key = std::string("\0first", 6);
  request.last_key = "last";
  request.read_index = true;
  request.target = StoreId(9);
  request.time_left = std::chrono::milliseconds(1500);
  return request;
}

TEST(ForwardFrame, ARequestArrivesAsItWasSent) {
  const ForwardRequest sent = FullRequest();
  const wire::ForwardRequest outgoing[] = {ToFrame(sent)};
  const auto frame = wire::DecodeFrame(wire::EncodeFrame({}, outgoing));
  ASSERT_TRUE(frame.ok()) << frame.status();
  const auto got = FromFrame(frame->requests.at(0));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->id, sent.id);
  EXPECT_EQ(got->hops, sent.hops);
  EXPECT_EQ(got->kind, sent.kind);
  EXPECT_EQ(got->range, sent.range);
  EXPECT_EQ(got->generation, sent.generation);
  EXPECT_EQ(got->operation, sent.operation);
  EXPECT_EQ(got->body, sent.body);
  EXPECT_EQ(got->request_id->client_id, 1u);
  EXPECT_EQ(got->request_id->sequence, 2u);
  EXPECT_EQ(got->request_id->acked_below, 3u);
  EXPECT_EQ(got->request_id->issued_at_ms, 4u);
  EXPECT_EQ(got->first_key, sent.first_key);
  EXPECT_EQ(got->last_key, sent.last_key);
  EXPECT_EQ(got->read_index, sent.read_index);
  EXPECT_EQ(got->target, sent.target);
  EXPECT_EQ(got->time_left, sent.time_left);
}

TEST(ForwardFrame, AReplyArrivesAsItWasSent) {
  ForwardReply sent;
  sent.id = 12;
  sent.response.outcome = range::Outcome::kRangeMismatch;
  sent.response.message = "why";
  sent.response.descriptors.emplace_back().set_range_id(77);
  sent.response.leader_store = StoreId(3);
  sent.response.retry_after = std::chrono::milliseconds(20);
  const wire::ForwardReply outgoing[] = {ToFrame(sent)};
  const auto frame = wire::DecodeFrame(wire::EncodeFrame({}, {}, outgoing));
  ASSERT_TRUE(frame.ok()) << frame.status();
  const ForwardReply got = FromFrame(frame->replies.at(0));
  EXPECT_EQ(got.id, sent.id);
  EXPECT_EQ(got.response.outcome, sent.response.outcome);
  EXPECT_EQ(got.response.message, sent.response.message);
  ASSERT_EQ(got.response.descriptors.size(), 1u);
  EXPECT_EQ(got.response.descriptors[0].range_id(), 77u);
  EXPECT_EQ(got.response.leader_store, StoreId(3));
  EXPECT_EQ(got.response.retry_after, sent.response.retry_after);
}

TEST(ForwardFrame, AnOperationOrKindOfANewerVersionIsRefused) {
  for (const uint32_t operation : {0u, 4u, 99u, 257u}) {
    wire::ForwardRequest frame = ToFrame(FullRequest());
    frame.operation = operation;
    EXPECT_FALSE(FromFrame(frame).ok()) << operation;
  }
  wire::ForwardRequest frame = ToFrame(FullRequest());
  frame.kind = static_cast<wire::ForwardKind>(9);
  EXPECT_FALSE(FromFrame(frame).ok());
}

TEST(ForwardFrame, EveryKindOfThisVersionIsKnown) {
  for (const ForwardKind kind :
       {ForwardKind::kRange, ForwardKind::kDescribeRange, ForwardKind::kTransferLease,
        ForwardKind::kStoreStatus, ForwardKind::kChangeReplicas, ForwardKind::kStoreLoad}) {
    ForwardRequest request = FullRequest();
    request.kind = kind;
    EXPECT_TRUE(FromFrame(ToFrame(request)).ok()) << static_cast<int>(kind);
  }
}

TEST(ForwardFrame, AnOutcomeOfANewerVersionCountsAsUnknown) {
  wire::ForwardReply frame;
  frame.outcome = 99;
  EXPECT_EQ(FromFrame(frame).response.outcome, range::Outcome::kOutcomeUnknown);
}

}  // namespace
}  // namespace rasputin::server
