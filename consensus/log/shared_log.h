// The one log of a store: records of all its ranges and of its store leases, group-committed.
//
// Append() only queues; one writer takes everything queued as one job (TakeWrite), executes it
// (one write, one sync), and reports it (FinishWrite): never two syncs in flight. Formats, recovery
// and torn tail against corruption: consensus/log/README.md. It knows entries, hard states and log
// starts of ranges by position, not their meaning.
//
// Thread-safe: one internal mutex, never held during I/O of a write job. Reads may do I/O.

#ifndef RASPUTIN_CONSENSUS_LOG_SHARED_LOG_H_
#define RASPUTIN_CONSENSUS_LOG_SHARED_LOG_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "consensus/core/message.h"
#include "consensus/core/mutants.h"
#include "consensus/core/ready.h"
#include "consensus/core/types.h"
#include "consensus/lease/store_leases.h"
#include "consensus/log/segment_file.h"

namespace rasputin::consensus::log {

// Position in the order of appends of this process, not a place on disk; 0: nothing.
using Lsn = StrongId<struct LsnTag>;

struct LogOptions {
  StoreId store;
  uint64_t segment_bytes = 64 << 20;
  uint64_t reserve_bytes = 64 << 20;  // Kept for hard state and lease records when the disk fills.
  uint64_t cache_bytes = 64 << 20;    // Recent entries held in memory, over all ranges.
  uint64_t write_bytes_max = 8 << 20; // Of one write job.
  Mutants mutants;
};

// What one range appends in one turn; becomes records in one frame, in this order.
struct RangeAppend {
  RangeId range;
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;  // Overwrite what the log holds at or after the first one's index.
  std::optional<LogPosition> log_start;  // New range or cut log: entries begin after this position.
  bool removed = false;  // The replica is gone: everything of this range may be reclaimed.
};

// What is known of a range after recovery.
struct RecoveredRange {
  HardState hard_state;
  LogPosition start;
  LogPosition last;
};
struct Recovered {
  std::map<RangeId, RecoveredRange> ranges;
  lease::DurableLeases leases;
  uint64_t torn_tail_bytes = 0;  // Discarded behind the last whole frame; 0: clean.
};

class WriteJob;  // Opaque: bytes and where they go. Movable.

class SharedLog {
 public:
  // Opens or creates the log in `directory` (outlives it). DATA_LOSS: corruption below the synced
  // part, with file and offset; FAILED_PRECONDITION: another store's or a newer format.
  static absl::StatusOr<std::unique_ptr<SharedLog>> Open(const LogOptions& options,
                                                         SegmentDirectory* directory,
                                                         Recovered* recovered);
  ~SharedLog();

  // Queues one turn's appends, of any number of ranges, in order. Entries become readable at once.
  Lsn Append(std::vector<RangeAppend> appends);
  // Queues changed lease pairs and the epoch counter; uses the reserve when the disk is full.
  Lsn AppendLeases(const std::vector<lease::PairState>& pairs, Epoch counter);
  // Queues an empty record so that the disk proves that it works [S-7].
  Lsn AppendDiskProbe();

  bool HasPending() const;
  // Everything queued, up to write_bytes_max; nothing if a job is under way or nothing is queued.
  std::unique_ptr<WriteJob> TakeWrite();
  // Writes and syncs. Called without locks, by the log writer.
  absl::Status Execute(WriteJob* job);
  // Reports a job as durable, and returns the LSN up to which everything is durable now. A failed
  // Execute must not be reported: the process stops [H-18] (but see out_of_space below).
  Lsn FinishWrite(std::unique_ptr<WriteJob> job);
  Lsn durable() const;

  // True while free space is below the reserve: proposals must be refused; hard state and leases
  // are still taken. Re-evaluated with each job.
  bool OutOfSpace() const;

  // Entries of a range in [first, last], at least one, at most about max_bytes of payload.
  absl::StatusOr<std::vector<Entry>> ReadEntries(RangeId range, Index first, Index last,
                                                 uint64_t max_bytes) const;
  // Term of an entry that is held (CHECK) and the ends of the range's log.
  Term TermAt(RangeId range, Index index) const;
  LogPosition Start(RangeId range) const;
  LogPosition Last(RangeId range) const;

  // Entries of `range` up to `index` are applied, flushed and held by all members: space may be
  // reclaimed (the start moves to `index`, recorded with the next write).
  void Cut(RangeId range, Index index);

  struct Stats {
    uint64_t segments = 0;
    uint64_t bytes_live = 0;
    uint64_t bytes_written = 0;
    uint64_t syncs = 0;
    uint64_t records = 0;
  };
  Stats stats() const;

 private:
  class Impl;
  explicit SharedLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_SHARED_LOG_H_
