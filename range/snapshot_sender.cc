// See snapshot_sender.h.

#include "range/snapshot_sender.h"

#include <algorithm>
#include <utility>

#include "range/snapshot_trailer.h"

namespace rasputin::range {

using consensus::Instant;
using consensus::SnapshotAck;
using consensus::SnapshotChunk;
using consensus::SnapshotStatus;

SnapshotSender::SnapshotSender(const SnapshotSenderOptions& options, absl::Cord header,
                               Source source, Instant now)
    : options_(options),
      source_(std::move(source)),
      header_(std::move(header)),
      waits_since_(now),
      retry_at_(now) {}

bool SnapshotSender::MakeChunk() {
  SnapshotChunk chunk;
  chunk.snapshot_id = options_.snapshot_id;
  chunk.sequence = made_;
  chunk.position = options_.position;
  if (made_ == 0) {
    chunk.data = std::move(header_);
  } else {
    absl::StatusOr<std::string> piece = source_();
    if (!piece.ok()) {
      failure_ = piece.status();
      state_ = State::kFailed;
      return false;
    }
    chunk.last = piece->empty();
    chunk.data = chunk.last ? EncodeTrailer({crc_, made_}) : absl::Cord(*std::move(piece));
  }
  all_made_ = chunk.last;
  crc_ = ChecksumOf(chunk.data, crc_);
  chunk.crc32c = ChecksumOf(chunk.data);
  bytes_sent_ += chunk.data.size();
  ++made_;
  unacked_.push_back(std::move(chunk));
  return true;
}

std::vector<SnapshotChunk> SnapshotSender::Pump(Instant now, TokenBucket* bucket) {
  std::vector<SnapshotChunk> out;
  if (state_ != State::kSending) return out;
  if (!unacked_.empty() && now >= waits_since_ + options_.patience) {
    state_ = State::kGivenUp;
    return out;
  }
  const auto send = [&](const SnapshotChunk& chunk) {
    bucket->Take(chunk.data.size());
    out.push_back(chunk);
  };
  if (now >= retry_at_) {
    for (const SnapshotChunk& chunk : unacked_) {
      if (!bucket->MayTake(now)) break;
      send(chunk);
    }
    retry_at_ = now + options_.retry_interval;
  }
  while (MayMake() && bucket->MayTake(now)) {
    if (unacked_.empty()) waits_since_ = now;
    if (!MakeChunk()) return {};
    send(unacked_.back());
    retry_at_ = now + options_.retry_interval;
  }
  return out;
}

void SnapshotSender::OnAck(Instant now, const SnapshotAck& ack) {
  if (state_ != State::kSending || ack.snapshot_id != options_.snapshot_id) return;
  waits_since_ = now;
  switch (ack.status) {
    case SnapshotStatus::kReceiving:
      break;
    case SnapshotStatus::kInstalled:
    case SnapshotStatus::kRefused:
      state_ = State::kInstalled;
      return;
    case SnapshotStatus::kBusy:
    case SnapshotStatus::kLost:
      state_ = State::kGivenUp;
      return;
  }
  while (acked_ < ack.next_sequence && !unacked_.empty() && !unacked_.front().last) {
    unacked_.pop_front();
    ++acked_;
    retry_at_ = now + options_.retry_interval;
  }
}

Instant SnapshotSender::NextDeadline(const TokenBucket& bucket) const {
  if (state_ != State::kSending) return Instant::max();
  Instant at = Instant::max();
  if (!unacked_.empty()) {
    at = std::min(waits_since_ + options_.patience, std::max(retry_at_, bucket.NextAt()));
  }
  if (MayMake()) at = std::min(at, bucket.NextAt());
  return at;
}

}  // namespace rasputin::range
