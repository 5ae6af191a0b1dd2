// Finds the frames of one segment file, and tells a torn tail from corruption.
//
// A pure function of the file's bytes; what the records mean is the caller's affair. The argument
// why the verdicts are right: README.md, "Torn tail or corruption".

#ifndef RASPUTIN_CONSENSUS_LOG_SEGMENT_SCAN_H_
#define RASPUTIN_CONSENSUS_LOG_SEGMENT_SCAN_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "consensus/core/mutants.h"
#include "consensus/core/types.h"
#include "consensus/log/frame.h"

namespace rasputin::consensus::log {

struct SegmentScan {
  bool started = false;        // It has a whole header of this very segment.
  SegmentHeader header;        // If started.
  uint64_t end = 0;            // Behind the last whole frame; where the next one is to be written.
  uint32_t chain = 0;          // Header crc of the last whole frame, or of the segment header.
  uint64_t next_sequence = 0;  // Of the last whole frame; 0: there is none.
  uint64_t frames = 0;
  // Size of a frame at `end` whose header is whole while its body is not; 0: there is none.
  uint64_t torn_bytes = 0;
  // A whole frame header behind `end` that says that `end` had been synced: corruption.
  std::optional<uint64_t> witness;
  // The byte of the last frame, or of the segment's header, of which a bit is flipped: corruption.
  std::optional<uint64_t> flipped;
  // The file is shorter than it was when the segment was begun: corruption.
  bool cut_short = false;
};

// Called with each record of each whole frame and the record's offset in the file.
using RecordSink = absl::FunctionRef<absl::Status(const RecordView& record, uint64_t offset)>;

// `bytes`: the whole file, named as segment `sequence` of `store`. `stated_end`: where the next
// segment says that this one ends; frames behind it are void. FAILED_PRECONDITION: of another store
// or a newer format. DATA_LOSS: a frame with whole checksums holds what is no record.
absl::StatusOr<SegmentScan> ScanSegment(absl::string_view bytes, StoreId store, uint64_t sequence,
                                        std::optional<uint64_t> stated_end, const Mutants& mutants,
                                        RecordSink sink);

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_SEGMENT_SCAN_H_
