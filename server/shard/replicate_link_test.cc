// Claims about what a link keeps, merges and drops, with a stream made of a flag.

#include "server/shard/replicate_link.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "consensus/wire/frame.h"
#include "gtest/gtest.h"
#include "server/metrics/metrics.h"

namespace rasputin::server {
namespace {

namespace wire = consensus::wire;

class FakeStream final : public OutboundStream {
 public:
  void Tick(consensus::Instant) override {}
  consensus::Instant NextDeadline() const override { return consensus::Instant::max(); }
  void Wake() override { ++wakes; }
  bool Up() const override { return up; }
  void RetrySoon() override {}
  void Stop() override {}
  bool Ended() const override { return true; }

  bool up = true;
  int wakes = 0;
};

class ReplicateLinkTest : public ::testing::Test {
 protected:
  ReplicateLinkTest()
      : dropped_{registry_.AddCounter("messages", ""), registry_.AddCounter("requests", ""),
                 registry_.AddCounter("replies", "")},
        link_(Hello(), dropped_, [this](const std::vector<uint64_t>& not_sent) {
          ++downs_;
          not_sent_ = not_sent;
        }) {
    auto stream = std::make_unique<FakeStream>();
    stream_ = stream.get();
    link_.SetStream(std::move(stream));
  }

  static wire::Hello Hello() {
    wire::Hello hello;
    hello.cluster = consensus::ClusterId(7);
    hello.store = consensus::StoreId(1);
    hello.to_store = consensus::StoreId(2);
    return hello;
  }

  static std::vector<consensus::Message> Messages(int count, size_t payload_bytes) {
    std::vector<consensus::Message> messages(count);
    for (int i = 0; i < count; ++i) {
      messages[i].range = consensus::RangeId(1);
      messages[i].from_store = consensus::StoreId(1);
      messages[i].to_store = consensus::StoreId(2);
      messages[i].term = consensus::Term(static_cast<uint64_t>(i) + 1);
      consensus::AppendRequest append;
      consensus::Entry entry;
      entry.term = consensus::Term(1);
      entry.index = consensus::Index(1);
      entry.payload = absl::Cord(std::string(payload_bytes, 'x'));
      append.entries.push_back(entry);
      messages[i].body = append;
    }
    return messages;
  }

  wire::Frame Next(bool first) {
    absl::StatusOr<wire::Frame> frame = wire::DecodeFrame(link_.NextFrame(first));
    EXPECT_TRUE(frame.ok()) << frame.status();
    return *std::move(frame);
  }

  static ForwardRequest Request(uint64_t id, size_t body_bytes) {
    ForwardRequest request;
    request.id = id;
    request.body = absl::Cord(std::string(body_bytes, 'x'));
    return request;
  }

  int downs_ = 0;
  std::vector<uint64_t> not_sent_;
  MetricsRegistry registry_;
  const ReplicateLink::Dropped dropped_;
  ReplicateLink link_;
  FakeStream* stream_;
};

TEST_F(ReplicateLinkTest, TheFirstFrameGreetsAndCarriesWhatWaits) {
  link_.Send(Messages(3, 10));
  const wire::Frame frame = Next(true);
  ASSERT_TRUE(frame.hello.has_value());
  EXPECT_EQ(frame.hello->to_store, consensus::StoreId(2));
  EXPECT_EQ(frame.messages.size(), 3u);
  EXPECT_TRUE(link_.NextFrame(false).empty());
}

TEST_F(ReplicateLinkTest, WhatCameDuringAWriteLeavesInOneFrame) {
  link_.Send(Messages(1, 10));
  ForwardRequest request;
  request.id = 9;
  EXPECT_TRUE(link_.Send(request));
  ForwardReply reply;
  reply.id = 8;
  link_.Send(reply);
  const wire::Frame frame = Next(false);
  EXPECT_EQ(frame.messages.size(), 1u);
  EXPECT_EQ(frame.requests.at(0).id, 9u);
  EXPECT_EQ(frame.replies.at(0).id, 8u);
}

TEST_F(ReplicateLinkTest, ManyBytesAreSpreadOverFrames) {
  link_.Send(Messages(10, 1 << 20));
  EXPECT_LT(Next(false).messages.size(), 10u);
  EXPECT_FALSE(link_.NextFrame(false).empty());
}

TEST_F(ReplicateLinkTest, BeyondTheLimitTheOldestMessagesAreDropped) {
  for (int i = 0; i < 80; ++i) link_.Send(Messages(1, 1 << 20));
  EXPECT_GT(dropped_.messages->value(), 10u);
  EXPECT_LT(dropped_.messages->value(), 30u);
}

TEST_F(ReplicateLinkTest, BeyondTheLimitRequestsAreRefusedUntilSomeHaveLeft) {
  uint64_t taken = 0;
  while (taken < 80 && link_.Send(Request(taken + 1, 1 << 20))) ++taken;
  EXPECT_GT(taken, 50u);
  EXPECT_LT(taken, 64u);
  EXPECT_EQ(dropped_.requests->value(), 1u);
  const size_t left = Next(false).requests.size();
  EXPECT_GT(left, 0u);
  for (size_t i = 0; i < left; ++i) EXPECT_TRUE(link_.Send(Request(100 + i, 1 << 20)));
  EXPECT_FALSE(link_.Send(Request(200, 1 << 20)));
}

TEST_F(ReplicateLinkTest, ARequestBeyondTheLimitIsTakenIfItIsAlone) {
  EXPECT_TRUE(link_.Send(Request(1, ReplicateLink::kQueuedBytesMax + 1)));
  EXPECT_FALSE(link_.Send(Request(2, 1)));
  EXPECT_GT(link_.NextFrame(false).size(), ReplicateLink::kQueuedBytesMax);
  EXPECT_TRUE(link_.Send(Request(2, 1)));
}

TEST_F(ReplicateLinkTest, BeyondTheLimitTheOldestRepliesAreDropped) {
  for (uint64_t id = 1; id <= 80; ++id) {
    ForwardReply reply;
    reply.id = id;
    reply.response.body = absl::Cord(std::string(1 << 20, 'x'));
    link_.Send(reply);
  }
  EXPECT_GT(dropped_.replies->value(), 10u);
  EXPECT_EQ(Next(false).replies.at(0).id, dropped_.replies->value() + 1);
}

TEST_F(ReplicateLinkTest, RequestsThatNeverLeftAreNamedWhenTheStreamEnds) {
  link_.OnUp();
  EXPECT_TRUE(link_.Send(Request(1, 10)));
  EXPECT_EQ(Next(false).requests.size(), 1u);
  EXPECT_TRUE(link_.Send(Request(2, 10)));
  EXPECT_TRUE(link_.Send(Request(3, 10)));
  link_.OnDown("reset");
  EXPECT_EQ(not_sent_, (std::vector<uint64_t>{2, 3}));
}

TEST_F(ReplicateLinkTest, ARequestIsNotTakenWhileTheStreamIsDown) {
  stream_->up = false;
  EXPECT_FALSE(link_.Send(ForwardRequest()));
  EXPECT_TRUE(link_.NextFrame(false).empty());
}

TEST_F(ReplicateLinkTest, AReplyWaitsForTheFirstStreamThatComesUp) {
  stream_->up = false;
  ForwardReply reply;
  reply.id = 8;
  link_.Send(reply);
  link_.OnDown("refused");
  const wire::Frame frame = Next(true);
  ASSERT_EQ(frame.replies.size(), 1u);
  EXPECT_EQ(frame.replies[0].id, 8u);
}

TEST_F(ReplicateLinkTest, TheEndOfAStreamThatWasUpIsReportedOnce) {
  link_.OnDown("refused");
  EXPECT_EQ(downs_, 0);
  link_.OnUp();
  link_.Send(Messages(1, 10));
  link_.OnDown("reset");
  link_.OnDown("refused");
  EXPECT_EQ(downs_, 1);
  EXPECT_TRUE(link_.NextFrame(false).empty());
}

}  // namespace
}  // namespace rasputin::server
