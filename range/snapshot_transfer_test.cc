// Claims about transfers of snapshots: sender and receiver over a network that loses, repeats and
// reorders, and through restarts of either side.

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "range/snapshot_receiver.h"
#include "range/snapshot_sender.h"
#include "range/snapshot_trailer.h"
#include "range/token_bucket.h"

namespace rasputin::range {
namespace {

using consensus::Instant;
using consensus::SnapshotAck;
using consensus::SnapshotChunk;
using consensus::SnapshotStatus;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{seconds(100)};

SnapshotSender::Source Pieces(int count) {
  auto left = std::make_shared<int>(count);
  return [left, count]() -> absl::StatusOr<std::string> {
    if (*left == 0) return std::string();
    const int piece = count - (*left)--;
    return std::string(1000, 'x') + std::to_string(piece);
  };
}

std::unique_ptr<SnapshotSender> NewSender(uint64_t id, int pieces, Instant now = kStart) {
  SnapshotSenderOptions options;
  options.snapshot_id = id;
  options.position = {consensus::Term(3), consensus::Index(70)};
  return std::make_unique<SnapshotSender>(options, absl::Cord("header"), Pieces(pieces), now);
}

TokenBucket Unlimited() { return TokenBucket(1 << 30, 1 << 30, kStart); }

SnapshotAck Acked(uint64_t id, uint64_t next, SnapshotStatus status = SnapshotStatus::kReceiving) {
  return {id, next, status};
}

// Both sides and what is between them.
struct Transfer {
  explicit Transfer(int count) : pieces(count), sender(NewSender(1, count)) {}

  void Deliver(const SnapshotChunk& chunk) {
    if (receiver == nullptr || receiver->snapshot_id() != chunk.snapshot_id) {
      if (chunk.sequence != 0) {
        acks.push_back(Acked(chunk.snapshot_id, 0, SnapshotStatus::kLost));
        return;
      }
      receiver = std::make_unique<SnapshotReceiver>(chunk, now);
      data.clear();
    }
    EXPECT_TRUE(receiver->Take(now, chunk, &data).ok());
    SnapshotAck ack = receiver->Ack();
    if (receiver->complete()) ack.status = SnapshotStatus::kInstalled;
    acks.push_back(ack);
  }
  // One millisecond in which each message is lost, repeated or delayed as `random` says.
  void Step(std::mt19937_64* random) {
    now += milliseconds(1);
    if (sender->state() == SnapshotSender::State::kGivenUp) sender = NewSender(++id, pieces, now);
    for (SnapshotChunk& chunk : sender->Pump(now, &bucket)) {
      chunks.push_back(chunk);
      if ((*random)() % 8 == 0) chunks.push_back(std::move(chunk));
    }
    std::shuffle(chunks.begin(), chunks.end(), *random);
    for (size_t arriving = (*random)() % (chunks.size() + 1); arriving > 0; --arriving) {
      if ((*random)() % 5 != 0) Deliver(chunks.front());
      chunks.pop_front();
    }
    std::shuffle(acks.begin(), acks.end(), *random);
    for (size_t arriving = (*random)() % (acks.size() + 1); arriving > 0; --arriving) {
      if ((*random)() % 5 != 0) sender->OnAck(now, acks.front());
      acks.pop_front();
    }
  }

  const int pieces;
  uint64_t id = 1;
  Instant now = kStart;
  TokenBucket bucket = Unlimited();
  std::unique_ptr<SnapshotSender> sender;
  std::unique_ptr<SnapshotReceiver> receiver;
  std::deque<SnapshotChunk> chunks;
  std::deque<SnapshotAck> acks;
  std::vector<absl::Cord> data;
};

void ExpectWhole(const Transfer& transfer) {
  ASSERT_EQ(transfer.data.size(), static_cast<size_t>(transfer.pieces) + 1);
  EXPECT_EQ(transfer.data[0], "header");
  for (int i = 0; i < transfer.pieces; ++i) {
    EXPECT_EQ(transfer.data[static_cast<size_t>(i) + 1],
              absl::Cord(std::string(1000, 'x') + std::to_string(i)));
  }
}

TEST(SnapshotTransfer, ArrivesWholeThroughLossRepetitionAndReordering) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    Transfer transfer(static_cast<int>(random() % 40));
    for (int i = 0; i < 100000; ++i) {
      transfer.Step(&random);
      if (transfer.sender->state() == SnapshotSender::State::kInstalled) break;
    }
    ASSERT_EQ(transfer.sender->state(), SnapshotSender::State::kInstalled) << "seed " << seed;
    ExpectWhole(transfer);
  }
}

TEST(SnapshotTransfer, EndsThroughRestartsOfEitherSide) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    Transfer transfer(30);
    for (int i = 0; i < 200000; ++i) {
      transfer.Step(&random);
      if (transfer.sender->state() == SnapshotSender::State::kInstalled) break;
      if (i < 5000 && random() % 500 == 0) transfer.receiver.reset();
      if (i < 5000 && random() % 500 == 0) {
        transfer.sender = NewSender(++transfer.id, transfer.pieces, transfer.now);
      }
    }
    ASSERT_EQ(transfer.sender->state(), SnapshotSender::State::kInstalled) << "seed " << seed;
    ExpectWhole(transfer);
  }
}

TEST(SnapshotSender, SendsTheHeaderAloneAndThenAWindow) {
  auto sender = NewSender(1, 20);
  TokenBucket bucket = Unlimited();
  std::vector<SnapshotChunk> chunks = sender->Pump(kStart, &bucket);
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].sequence, 0u);
  EXPECT_EQ(chunks[0].data, "header");
  EXPECT_TRUE(sender->Pump(kStart, &bucket).empty());
  sender->OnAck(kStart, Acked(1, 1));
  chunks = sender->Pump(kStart, &bucket);
  ASSERT_EQ(chunks.size(), kSnapshotWindowChunks);
  EXPECT_EQ(chunks[3].sequence, 4u);
  EXPECT_TRUE(sender->Pump(kStart, &bucket).empty());
  sender->OnAck(kStart, Acked(1, 3));
  EXPECT_EQ(sender->Pump(kStart, &bucket).size(), 2u);
}

TEST(SnapshotSender, RepeatsWhatWasNotAcknowledgedAfterAWhileOnly) {
  auto sender = NewSender(1, 20);
  TokenBucket bucket = Unlimited();
  sender->Pump(kStart, &bucket);
  sender->OnAck(kStart, Acked(1, 1));
  sender->Pump(kStart, &bucket);
  EXPECT_TRUE(sender->Pump(kStart + milliseconds(499), &bucket).empty());
  EXPECT_EQ(sender->NextDeadline(bucket), kStart + milliseconds(500));
  const std::vector<SnapshotChunk> again = sender->Pump(kStart + milliseconds(500), &bucket);
  ASSERT_EQ(again.size(), kSnapshotWindowChunks);
  EXPECT_EQ(again[0].sequence, 1u);
}

TEST(SnapshotSender, RepeatsTheLastChunkUntilItIsInstalled) {
  auto sender = NewSender(1, 0);
  TokenBucket bucket = Unlimited();
  sender->Pump(kStart, &bucket);
  sender->OnAck(kStart, Acked(1, 1));
  ASSERT_TRUE(sender->Pump(kStart, &bucket).at(0).last);
  for (int i = 1; i <= 100; ++i) {  // For longer than its patience.
    const Instant now = kStart + i * seconds(1);
    sender->OnAck(now, Acked(1, 2));
    ASSERT_EQ(sender->Pump(now, &bucket).size(), 1u);
  }
  sender->OnAck(kStart + seconds(101), Acked(1, 2, SnapshotStatus::kInstalled));
  EXPECT_EQ(sender->state(), SnapshotSender::State::kInstalled);
  EXPECT_EQ(sender->NextDeadline(bucket), Instant::max());
}

TEST(SnapshotSender, GivesUpWhenItHearsNothingOrIsToldTo) {
  TokenBucket bucket = Unlimited();
  auto unheard = NewSender(1, 5);
  unheard->Pump(kStart, &bucket);
  EXPECT_FALSE(unheard->Pump(kStart + seconds(29), &bucket).empty());
  EXPECT_TRUE(unheard->Pump(kStart + seconds(30), &bucket).empty());
  EXPECT_EQ(unheard->state(), SnapshotSender::State::kGivenUp);
  for (const SnapshotStatus status : {SnapshotStatus::kBusy, SnapshotStatus::kLost}) {
    auto told = NewSender(1, 5);
    told->Pump(kStart, &bucket);
    told->OnAck(kStart, Acked(2, 0, status));
    EXPECT_EQ(told->state(), SnapshotSender::State::kSending) << "meant for another transfer";
    told->OnAck(kStart, Acked(1, 0, status));
    EXPECT_EQ(told->state(), SnapshotSender::State::kGivenUp);
  }
}

TEST(SnapshotSender, ATimeInWhichNothingMayLeaveIsNoSilenceOfTheReceiver) {
  auto sender = NewSender(1, 5);
  TokenBucket bucket(1000, 100, kStart);
  ASSERT_EQ(sender->Pump(kStart, &bucket).size(), 1u);
  sender->OnAck(kStart, Acked(1, 1));
  bucket.Take(100'000);  // By another transfer.
  EXPECT_TRUE(sender->Pump(kStart + seconds(90), &bucket).empty());
  EXPECT_EQ(sender->NextDeadline(bucket), bucket.NextAt());
  const Instant paid = bucket.NextAt();
  ASSERT_EQ(sender->Pump(paid, &bucket).size(), 1u);
  EXPECT_EQ(sender->state(), SnapshotSender::State::kSending);
  sender->Pump(paid + seconds(30), &bucket);
  EXPECT_EQ(sender->state(), SnapshotSender::State::kGivenUp);
}

TEST(SnapshotSender, KeepsToTheRateOfItsBucket) {
  auto sender = NewSender(1, 1000);
  TokenBucket bucket(10'000, 2'000, kStart);
  uint64_t bytes = 0;
  Instant now = kStart;
  int pumps = 0;
  while (now < kStart + seconds(10)) {
    for (const SnapshotChunk& chunk : sender->Pump(now, &bucket)) {
      bytes += chunk.data.size();
      sender->OnAck(now, Acked(1, chunk.sequence + 1));
    }
    ++pumps;
    now = std::max(now + milliseconds(1), sender->NextDeadline(bucket));
  }
  EXPECT_LE(bytes, 10u * 10'000 + 2'000 + 1'100);
  EXPECT_GE(bytes, 10u * 10'000 - 1'100);
  EXPECT_LE(pumps, 500) << "it was woken for nothing";
}

TEST(SnapshotSender, AFailureOfTheSourceEndsIt) {
  SnapshotSender sender(
      SnapshotSenderOptions(), absl::Cord("header"),
      []() -> absl::StatusOr<std::string> { return absl::DataLossError("damaged"); }, kStart);
  TokenBucket bucket = Unlimited();
  sender.Pump(kStart, &bucket);
  sender.OnAck(kStart, Acked(0, 1));
  EXPECT_TRUE(sender.Pump(kStart, &bucket).empty());
  EXPECT_EQ(sender.state(), SnapshotSender::State::kFailed);
  EXPECT_TRUE(absl::IsDataLoss(sender.failure()));
}

std::vector<SnapshotChunk> AllChunks(int pieces) {
  auto sender = NewSender(1, pieces);
  TokenBucket bucket = Unlimited();
  std::vector<SnapshotChunk> all;
  for (Instant now = kStart; all.empty() || !all.back().last; now += milliseconds(1)) {
    for (SnapshotChunk& chunk : sender->Pump(now, &bucket)) {
      sender->OnAck(now, Acked(1, chunk.sequence + 1));
      all.push_back(std::move(chunk));
    }
  }
  return all;
}

TEST(SnapshotReceiver, TakesADamagedChunkForLost) {
  std::vector<SnapshotChunk> chunks = AllChunks(3);
  SnapshotReceiver receiver(chunks[0], kStart);
  std::vector<absl::Cord> data;
  ASSERT_TRUE(receiver.Take(kStart, chunks[0], &data).ok());
  SnapshotChunk damaged = chunks[1];
  damaged.data.Append("x");
  ASSERT_TRUE(receiver.Take(kStart, damaged, &data).ok());
  EXPECT_EQ(receiver.Ack().next_sequence, 1u);
  ASSERT_TRUE(receiver.Take(kStart, chunks[1], &data).ok());
  EXPECT_EQ(receiver.Ack().next_sequence, 2u);
  EXPECT_EQ(data.size(), 2u);
}

// Each chunk is whole, but not all are of the same snapshot.
TEST(SnapshotReceiver, RefusesAWholeThatIsNotWhatWasSent) {
  for (const int wrong : {0, 2}) {
    std::vector<SnapshotChunk> chunks = AllChunks(3);
    chunks[static_cast<size_t>(wrong)].data = absl::Cord("other");
    chunks[static_cast<size_t>(wrong)].crc32c = ChecksumOf(absl::Cord("other"));
    SnapshotReceiver receiver(chunks[0], kStart);
    std::vector<absl::Cord> data;
    for (size_t i = 0; i + 1 < chunks.size(); ++i) {
      ASSERT_TRUE(receiver.Take(kStart, chunks[i], &data).ok());
    }
    EXPECT_TRUE(absl::IsDataLoss(receiver.Take(kStart, chunks.back(), &data)));
    EXPECT_FALSE(receiver.complete());
  }
}

TEST(SnapshotReceiver, RefusesAnEndThatComesTooEarlyAndOtherPositions) {
  std::vector<SnapshotChunk> chunks = AllChunks(3);
  SnapshotReceiver receiver(chunks[0], kStart);
  std::vector<absl::Cord> data;
  ASSERT_TRUE(receiver.Take(kStart, chunks[0], &data).ok());
  SnapshotChunk moved = chunks[1];
  moved.position.index = consensus::Index(71);
  EXPECT_TRUE(absl::IsDataLoss(receiver.Take(kStart, moved, &data)));
  SnapshotChunk early = chunks.back();
  early.sequence = 1;
  EXPECT_TRUE(absl::IsDataLoss(receiver.Take(kStart, early, &data)));
}

TEST(SnapshotReceiver, KeepsNoMoreThanAWindowOfChunksThatCameTooEarly) {
  std::vector<SnapshotChunk> chunks = AllChunks(20);
  SnapshotReceiver receiver(chunks[0], kStart);
  std::vector<absl::Cord> data;
  for (size_t i = chunks.size() - 1; i > 0; --i) {
    ASSERT_TRUE(receiver.Take(kStart, chunks[i], &data).ok());
  }
  ASSERT_TRUE(receiver.Take(kStart, chunks[0], &data).ok());
  EXPECT_EQ(receiver.Ack().next_sequence, kSnapshotWindowChunks);
}

TEST(SnapshotTrailer, RefusesWhatIsNoTrailer) {
  const absl::Cord good = EncodeTrailer({0x01020304, 5});
  EXPECT_EQ(std::string(good), std::string("\x01\x01\x02\x03\x04\0\0\0\0\0\0\0\x05", 13));
  ASSERT_TRUE(DecodeTrailer(good).has_value());
  EXPECT_TRUE(*DecodeTrailer(good) == (SnapshotTrailer{0x01020304, 5}));
  EXPECT_FALSE(DecodeTrailer(absl::Cord("x")).has_value());
  std::string newer(good);
  newer[0] = 2;
  EXPECT_FALSE(DecodeTrailer(absl::Cord(newer)).has_value());
}

TEST(TokenBucket, PaysLaterForWhatWasMoreThanThere) {
  TokenBucket bucket(1000, 100, kStart);
  ASSERT_TRUE(bucket.MayTake(kStart));
  bucket.Take(1100);
  EXPECT_FALSE(bucket.MayTake(kStart + milliseconds(999)));
  EXPECT_GT(bucket.NextAt(), kStart + milliseconds(999));
  EXPECT_LE(bucket.NextAt(), kStart + milliseconds(1001));
  EXPECT_TRUE(bucket.MayTake(kStart + milliseconds(1001)));
  ASSERT_TRUE(bucket.MayTake(kStart + seconds(1000)));
  bucket.Take(101);
  EXPECT_FALSE(bucket.MayTake(kStart + seconds(1000))) << "more than the burst was saved";
}

}  // namespace
}  // namespace rasputin::range
