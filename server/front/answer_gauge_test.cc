// How long an answer counts: until its bytes are let go, wherever they went, but not for ever.

#include "server/front/answer_gauge.h"

#include <optional>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

using consensus::Instant;
using std::chrono::milliseconds;

constexpr Instant kNow{std::chrono::hours(1)};

absl::Cord Answer() { return absl::Cord(std::string(100'000, 'a')); }

TEST(AnswerGauge, AnAnswerCountsUntilItsLastPieceIsLetGo) {
  AnswerGauge gauge;
  std::optional<absl::Cord> answer = gauge.Watch(kNow, 7, Answer());
  EXPECT_EQ(*answer, Answer());
  std::optional<absl::Cord> part = answer->Subcord(50'000, 40'000);
  answer.reset();
  EXPECT_TRUE(gauge.TakeOver(kNow).empty());
  part.reset();
  EXPECT_EQ(gauge.TakeOver(kNow), std::vector<uint64_t>{7});
  EXPECT_EQ(gauge.counted(), 0u);
  EXPECT_EQ(gauge.due(), Instant::max());
}

TEST(AnswerGauge, DoesNotCopy) {
  AnswerGauge gauge;
  const absl::Cord plain = Answer();
  const absl::Cord answer = gauge.Watch(kNow, 1, plain);
  EXPECT_EQ(answer.chunk_begin()->data(), plain.chunk_begin()->data());
}

TEST(AnswerGauge, WatchesAnswersInPieces) {
  AnswerGauge gauge;
  absl::Cord pieces = Answer();
  pieces.Append(Answer());
  pieces.Append("end");
  std::optional<absl::Cord> answer = gauge.Watch(kNow, 1, pieces);
  EXPECT_EQ(*answer, pieces);
  EXPECT_TRUE(gauge.TakeOver(kNow).empty());
  answer.reset();
  EXPECT_EQ(gauge.TakeOver(kNow).size(), 1u);
}

TEST(AnswerGauge, WhatNobodyReadsCountsForAWhileOnly) {
  AnswerGauge gauge;
  std::optional<absl::Cord> answer = gauge.Watch(kNow, 1, Answer());
  EXPECT_EQ(gauge.due(), kNow + AnswerGauge::kCountsMax);
  EXPECT_TRUE(gauge.TakeOver(gauge.due() - milliseconds(1)).empty());
  EXPECT_EQ(gauge.TakeOver(gauge.due()), std::vector<uint64_t>{1});
  answer.reset();
  EXPECT_TRUE(gauge.TakeOver(kNow + std::chrono::hours(1)).empty()) << "told once";
}

TEST(AnswerGauge, BytesMayBeLetGoElsewhereAndLater) {
  std::optional<absl::Cord> answer;
  {
    AnswerGauge gauge;
    answer = gauge.Watch(kNow, 1, Answer());
  }
  std::thread other([&answer] { answer.reset(); });
  other.join();
}

}  // namespace
}  // namespace rasputin::server
