// The segment files of the log as its writer sees them: the active one, spares, and the reserve.
//
// Writes one frame at a time behind the last one, changes to the next segment when the frame does
// not fit, and reuses segments that were given back. Of the spares, `reserve_segments` are kept for
// a full disk. Not responsible for what frames hold, nor for which segments may be given back. Used
// by one thread at a time, the log writer; only out_of_space() may be called by any.

#ifndef RASPUTIN_CONSENSUS_LOG_SEGMENT_SET_H_
#define RASPUTIN_CONSENSUS_LOG_SEGMENT_SET_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "consensus/core/types.h"
#include "consensus/log/frame.h"
#include "consensus/log/segment_file.h"

namespace rasputin::consensus::log {

// segment-<sequence> and spare-<number>, 16 hexadecimal digits. Other names are not the log's.
std::string SegmentName(uint64_t sequence);
std::string SpareName(uint64_t number);
bool ParseSegmentName(absl::string_view name, uint64_t* sequence);
bool ParseSpareName(absl::string_view name, uint64_t* number);

// Room to be left before the records in a buffer handed to WriteFrame.
inline constexpr uint32_t kBufferHeadBytes = kSegmentHeaderBytes + kFrameHeaderBytes;

class SegmentSet {
 public:
  struct Options {
    StoreId store;
    uint64_t segment_bytes = 0;
    uint64_t reserve_segments = 0;
  };
  // Where the log goes on, as found by recovery.
  struct Tail {
    std::shared_ptr<SegmentFile> file;  // Of the active segment; null: there is none yet.
    uint64_t sequence = 0;              // Of the active segment; 0: none yet.
    uint64_t end = 0;
    uint32_t chain = 0;
    // The file of segment `sequence` + 1, if it is there and holds nothing yet.
    std::shared_ptr<SegmentFile> next;
    std::vector<std::string> spares;
    uint64_t next_spare = 1;  // Above the number of every spare.
  };

  SegmentSet(const Options& options, SegmentDirectory* directory, Tail tail);

  struct Written {
    uint64_t segment = 0;
    uint64_t body_offset = 0;             // Of the first record, in the file.
    std::shared_ptr<SegmentFile> opened;  // Set if a new segment was begun.
  };
  // Writes the records in `buffer` behind kBufferHeadBytes as one frame and syncs (unless told not
  // to: mutant 29). Fills in the head and pads the buffer. A frame larger than a segment makes its
  // segment grow. RESOURCE_EXHAUSTED: nothing was
  // promised, the same call may be made again later. Any other error: every later call fails
  // [H-18].
  absl::Status WriteFrame(std::string* buffer, uint32_t records, uint64_t next_sequence, bool sync,
                          Written* written);

  // Gives back a segment in which nothing is current any more; the oldest one first, always.
  absl::Status Recycle(uint64_t sequence);

  // Keeps the reserve filled and the number of spares bounded. Running out of space is no error.
  absl::Status Maintain();

  // The reserve is not whole because the disk is full.
  bool out_of_space() const { return out_of_space_.load(std::memory_order_relaxed); }

  uint64_t active_segment() const { return tail_.sequence; }
  uint64_t end() const { return tail_.end; }
  size_t spares() const { return tail_.spares.size(); }
  uint64_t syncs() const { return syncs_; }
  uint64_t bytes_written() const { return bytes_written_; }
  // Largest sum of record bytes that fits one frame of one segment of the usual size.
  uint64_t BodyBytesMax() const { return options_.segment_bytes - kBufferHeadBytes - 8; }

 private:
  absl::Status Fail(const absl::Status& status);
  absl::Status EnsureNext();  // Makes tail_.next a file.
  absl::Status TakeSpare();
  absl::Status AddSpare();
  absl::Status WriteActive(std::string* buffer, FrameHeader frame, bool sync);
  absl::Status WriteNext(std::string* buffer, FrameHeader frame, bool sync);

  const Options options_;
  SegmentDirectory* const directory_;
  Tail tail_;
  absl::Status failed_;
  std::atomic<bool> out_of_space_{false};
  uint64_t syncs_ = 0;
  uint64_t bytes_written_ = 0;
};

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_SEGMENT_SET_H_
