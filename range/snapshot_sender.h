// One transfer of a snapshot, the sending side: which chunks leave when. Pure.
//
// Chunk 0 is the header and travels alone, so that a receiver that does not want the snapshot has
// been sent no more; then up to `window_chunks` are under way, acknowledged by sequence and
// repeated on a timer; the last one holds the number and the checksum of all others and is repeated
// until it is known to be installed. A connection that breaks only delays. Not responsible for the
// rows (kv/range_snapshot.h) nor for what an end means (store_snapshot.cc). Not thread-safe.

#ifndef RASPUTIN_RANGE_SNAPSHOT_SENDER_H_
#define RASPUTIN_RANGE_SNAPSHOT_SENDER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "consensus/core/message.h"
#include "range/token_bucket.h"

namespace rasputin::range {

inline constexpr size_t kSnapshotWindowChunks = 4;

struct SnapshotSenderOptions {
  uint64_t snapshot_id = 0;
  consensus::LogPosition position;
  consensus::Duration retry_interval = std::chrono::milliseconds(500);
  // Given up when the receiver has left a chunk unanswered for so long. A time in which the bucket
  // let nothing leave does not count: nobody was asked.
  consensus::Duration patience = std::chrono::seconds(30);
};

class SnapshotSender {
 public:
  // The next piece of the state; empty: there is none.
  using Source = std::function<absl::StatusOr<std::string>()>;

  enum class State : uint8_t {
    kSending = 1,
    kInstalled = 2,  // The receiver holds this state, or a newer one.
    kGivenUp = 3,    // To be begun anew later, if it is still wanted.
    kFailed = 4,     // The source failed: failure().
  };

  SnapshotSender(const SnapshotSenderOptions& options, absl::Cord header, Source source,
                 consensus::Instant now);

  // Chunks that are to leave now, as far as the bucket allows.
  std::vector<consensus::SnapshotChunk> Pump(consensus::Instant now, TokenBucket* bucket);
  void OnAck(consensus::Instant now, const consensus::SnapshotAck& ack);

  State state() const { return state_; }
  const absl::Status& failure() const { return failure_; }
  // The receiver wants it: it has taken the header.
  bool wanted() const { return acked_ > 0; }
  void GiveUp() { state_ = State::kGivenUp; }
  uint64_t snapshot_id() const { return options_.snapshot_id; }
  const consensus::LogPosition& position() const { return options_.position; }
  // Of chunks that left for the first time.
  uint64_t bytes_sent() const { return bytes_sent_; }
  // When Pump has something to do without further input.
  consensus::Instant NextDeadline(const TokenBucket& bucket) const;

 private:
  size_t Window() const { return acked_ == 0 ? 1 : kSnapshotWindowChunks; }
  bool MayMake() const { return !all_made_ && unacked_.size() < Window(); }
  // False: the source failed.
  bool MakeChunk();

  const SnapshotSenderOptions options_;
  Source source_;
  State state_ = State::kSending;
  absl::Status failure_;
  uint64_t acked_ = 0;  // All chunks below have arrived.
  uint64_t made_ = 0;   // Chunks so far.
  bool all_made_ = false;
  std::deque<consensus::SnapshotChunk> unacked_;  // From sequence acked_ on.
  absl::Cord header_;
  uint32_t crc_ = 0;  // Of the data of all chunks so far.
  uint64_t bytes_sent_ = 0;
  consensus::Instant waits_since_;  // For an answer; of no meaning while unacked_ is empty.
  consensus::Instant retry_at_;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_SNAPSHOT_SENDER_H_
