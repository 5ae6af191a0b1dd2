// Copies what is still current out of the oldest segment, so that it can be given back.
//
// Walks the segment's frames a piece at a time and appends current records verbatim (with their
// sequences) to the buffer of the job under way. Not responsible for choosing the segment nor for
// the index. Used by the log writer alone.

#ifndef RASPUTIN_CONSENSUS_LOG_CLEANER_H_
#define RASPUTIN_CONSENSUS_LOG_CLEANER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "consensus/log/log_index.h"
#include "consensus/log/segment_file.h"

namespace rasputin::consensus::log {

// A record that was copied: `key` with its offset in the new buffer, and where it was.
struct CopiedRecord {
  RecordKey key;
  Place from;
};

class Cleaner {
 public:
  struct Limits {
    uint64_t scan_bytes = 0;    // Of the segment, per step; a whole frame is always read.
    uint64_t buffer_bytes = 0;  // Size that `buffer` must not exceed.
  };
  // True iff the record is current and at this place. Called in order of offsets.
  using IsCurrent = absl::FunctionRef<bool(const RecordKey& key, const Place& place)>;

  // One step through `segment`; a segment other than the last call's begins from its first frame.
  // DATA_LOSS: a frame is damaged, or the segment was walked to its end before and is asked for
  // again (something current in it was not found).
  absl::Status Step(uint32_t segment, const SegmentFile& file, const Limits& limits,
                    IsCurrent is_current, std::string* buffer, std::vector<CopiedRecord>* copied);

  uint64_t bytes_scanned() const { return bytes_scanned_; }  // Since the beginning.

 private:
  // Copies from the frame at offset_; false: the buffer is full, go on with the same frame.
  absl::Status CopyFrame(absl::string_view body, const Limits& limits, IsCurrent is_current,
                         std::string* buffer, std::vector<CopiedRecord>* copied, bool* finished);

  uint32_t segment_ = 0;
  uint64_t offset_ = 0;        // Of the next frame.
  uint64_t body_skipped_ = 0;  // Bytes of its body that were dealt with already.
  bool at_end_ = false;
  uint64_t bytes_scanned_ = 0;
};

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_CLEANER_H_
