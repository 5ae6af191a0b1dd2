// One transfer of a snapshot, the receiving side: puts chunks in order and checks them. Pure.
//
// Chunks may come twice, late, or in any order within the window; one whose checksum is wrong
// counts as lost. Not responsible for what the data means nor for installing it
// (store_snapshot.cc). Not thread-safe.

#ifndef RASPUTIN_RANGE_SNAPSHOT_RECEIVER_H_
#define RASPUTIN_RANGE_SNAPSHOT_RECEIVER_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "consensus/core/message.h"

namespace rasputin::range {

class SnapshotReceiver {
 public:
  // Of the transfer that `first` belongs to, which is chunk 0 (CHECK) and still to be taken.
  SnapshotReceiver(const consensus::SnapshotChunk& first, consensus::Instant now);

  // Adds to `data` what has become complete: the header first, then the pieces of the state in
  // order; the trailer is checked and kept. DATA_LOSS: the whole is not what was sent; it has to be
  // begun anew.
  absl::Status Take(consensus::Instant now, const consensus::SnapshotChunk& chunk,
                    std::vector<absl::Cord>* data);
  // Everything was taken and is what was sent.
  bool complete() const { return complete_; }
  // What to tell the sender while the snapshot is not installed.
  consensus::SnapshotAck Ack() const;

  uint64_t snapshot_id() const { return snapshot_id_; }
  const consensus::LogPosition& position() const { return position_; }
  consensus::Instant heard_at() const { return heard_at_; }

 private:
  absl::Status TakeNext(const consensus::SnapshotChunk& chunk, std::vector<absl::Cord>* data);

  const uint64_t snapshot_id_;
  const consensus::LogPosition position_;
  uint64_t next_ = 0;
  uint32_t crc_ = 0;
  bool complete_ = false;
  consensus::Instant heard_at_;
  std::map<uint64_t, consensus::SnapshotChunk> ahead_;  // By sequence; of the window.
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_SNAPSHOT_RECEIVER_H_
