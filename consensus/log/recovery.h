// Reads the segment files of a directory into an index: what a store knows after a restart.
//
// Decides what is the torn tail and what is corruption (README.md), cuts the tail durably, and
// makes everything that it reports durable before it returns. Not responsible for writing on: see
// Tail.

#ifndef RASPUTIN_CONSENSUS_LOG_RECOVERY_H_
#define RASPUTIN_CONSENSUS_LOG_RECOVERY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "consensus/core/mutants.h"
#include "consensus/core/ready.h"
#include "consensus/core/types.h"
#include "consensus/lease/store_leases.h"
#include "consensus/log/log_index.h"
#include "consensus/log/segment_file.h"
#include "consensus/log/segment_set.h"

namespace rasputin::consensus::log {

struct RecoveryOptions {
  StoreId store;
  uint64_t segment_bytes = 0;  // Spares of another size are removed.
  Mutants mutants;
};

struct RecoveryResult {
  struct Range {
    HardState hard_state;
    LogPosition start;
    LogPosition last;
  };
  SegmentSet::Tail tail;
  // Files of the segments in use, the active one included, by sequence.
  std::map<uint32_t, std::shared_ptr<SegmentFile>> files;
  std::map<RangeId, Range> ranges;
  lease::DurableLeases leases;
  uint64_t next_sequence = 1;  // Above the sequence of every record.
  uint64_t torn_tail_bytes = 0;
};

// Fills `index` (empty). DATA_LOSS: corruption, with file and offset. FAILED_PRECONDITION: another
// store's log or a newer format. Other errors: of the directory.
absl::StatusOr<RecoveryResult> Recover(const RecoveryOptions& options, SegmentDirectory* directory,
                                       LogIndex* index);

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_RECOVERY_H_
