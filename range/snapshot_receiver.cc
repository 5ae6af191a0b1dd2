// See snapshot_receiver.h.

#include "range/snapshot_receiver.h"

#include <glog/logging.h>

#include <optional>

#include "range/snapshot_sender.h"
#include "range/snapshot_trailer.h"

namespace rasputin::range {

using consensus::SnapshotChunk;

SnapshotReceiver::SnapshotReceiver(const SnapshotChunk& first, consensus::Instant now)
    : snapshot_id_(first.snapshot_id), position_(first.position), heard_at_(now) {
  CHECK_EQ(first.sequence, 0u);
}

absl::Status SnapshotReceiver::Take(consensus::Instant now, const SnapshotChunk& chunk,
                                    std::vector<absl::Cord>* data) {
  CHECK_EQ(chunk.snapshot_id, snapshot_id_);
  if (!(chunk.position == position_)) {
    return absl::DataLossError("chunks of one snapshot name different positions");
  }
  heard_at_ = now;
  if (chunk.sequence < next_ || chunk.sequence >= next_ + kSnapshotWindowChunks || complete_) {
    return absl::OkStatus();
  }
  if (ChecksumOf(chunk.data) != chunk.crc32c) return absl::OkStatus();  // It will come again.
  ahead_.emplace(chunk.sequence, chunk);
  for (auto it = ahead_.begin(); it != ahead_.end() && it->first == next_; it = ahead_.erase(it)) {
    if (absl::Status status = TakeNext(it->second, data); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::TakeNext(const SnapshotChunk& chunk, std::vector<absl::Cord>* data) {
  if (!chunk.last) {
    crc_ = ChecksumOf(chunk.data, crc_);
    data->push_back(chunk.data);
    ++next_;
    return absl::OkStatus();
  }
  const std::optional<SnapshotTrailer> trailer = DecodeTrailer(chunk.data);
  if (next_ == 0 || !trailer.has_value() || !(*trailer == SnapshotTrailer{crc_, next_})) {
    return absl::DataLossError("a snapshot is not what its sender vouches for");
  }
  ++next_;
  complete_ = true;
  return absl::OkStatus();
}

consensus::SnapshotAck SnapshotReceiver::Ack() const {
  return {snapshot_id_, next_, consensus::SnapshotStatus::kReceiving};
}

}  // namespace rasputin::range
