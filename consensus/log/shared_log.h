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
  // Of each segment file, at most 1 GiB; an entry that is larger makes its segment grow. A store
  // occupies at least one segment and the reserve.
  uint64_t segment_bytes = 16 << 20;
  // Kept for hard state and lease records when the disk fills: spare files, at least two unless 0.
  uint64_t reserve_bytes = 64 << 20;
  uint64_t cache_bytes = 64 << 20;     // Recent entries held in memory, over all ranges.
  uint64_t write_bytes_max = 8 << 20;  // Of one write job; at most half a segment.
  Mutants mutants;
};

// What one range appends in one turn. Takes effect in the order hard state, log start, entries, and
// a crash may keep any prefix of that order. `removed` stands alone (CHECK).
struct RangeAppend {
  RangeId range;
  std::optional<HardState> hard_state;
  // Overwrite what the log holds at or after the first one's index. Indexes without gaps, behind
  // the start and at most one behind the last held (CHECK).
  std::vector<Entry> entries;
  // New range or installed snapshot: entries begin after this position. Never moves back (CHECK).
  // Entries held behind it stay iff the entry at it is held with its term.
  std::optional<LogPosition> log_start;
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
  uint64_t torn_tail_bytes = 0;  // Of a frame that was begun and never synced; 0: clean.
  // There was no log, it was created now. For a store that had one before, that is DATA_LOSS.
  bool created = false;
};

// Bytes and where they go; opaque. Made by TakeWrite; must go back through FinishWrite.
class WriteJob {
 public:
  ~WriteJob();
  // Of the records that were queued, encoded.
  uint64_t size_bytes() const;

 private:
  friend class SharedLog;
  struct Body;
  explicit WriteJob(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

class SharedLog {
 public:
  // Opens or creates the log in `directory` (outlives it). Everything in `recovered` is durable
  // then, and one write has proved that the disk works. DATA_LOSS: corruption below the synced
  // part, with file and offset; FAILED_PRECONDITION: another store's or a newer format;
  // RESOURCE_EXHAUSTED: no space to begin a log.
  static absl::StatusOr<std::unique_ptr<SharedLog>> Open(const LogOptions& options,
                                                         SegmentDirectory* directory,
                                                         Recovered* recovered);
  ~SharedLog();

  // Queues one turn's appends, of any number of ranges, in order. Entries become readable at once.
  // With nothing to append, returns the LSN of the last append before.
  Lsn Append(std::vector<RangeAppend> appends);
  // Queues changed lease pairs and the epoch counter (0: unchanged); uses the reserve when the disk
  // is full.
  Lsn AppendLeases(const std::vector<lease::PairState>& pairs, Epoch counter);
  // Queues an empty record so that the disk proves that it works [S-7].
  Lsn AppendDiskProbe();

  // Something is queued that wants to be written (a mere Cut does not).
  bool HasPending() const;
  // Everything queued, up to write_bytes_max; nothing if a job is under way or nothing is queued.
  std::unique_ptr<WriteJob> TakeWrite();
  // Writes and syncs. Called without locks, by the log writer. RESOURCE_EXHAUSTED: the disk is full
  // and so is the reserve; nothing is lost, call it again with the same job later (meanwhile the
  // store leases end by themselves [S-7]). DATA_LOSS: damage was met. Any other error: fail-stop
  // [H-18].
  absl::Status Execute(WriteJob* job);
  // Reports a job as durable, and returns the LSN up to which everything is durable now. A failed
  // Execute must not be reported (CHECK).
  Lsn FinishWrite(std::unique_ptr<WriteJob> job);
  Lsn durable() const;

  // True while the disk is full and the reserve is not whole: proposals must be refused and entries
  // of other leaders not be accepted; hard state, leases and what was accepted before are still
  // written, into the reserve. Re-evaluated with each job, and by CheckSpace.
  bool OutOfSpace() const;
  // Makes the reserve whole again if there is space. In the thread of Execute, between two jobs:
  // while proposals are refused there may be none. Errors: fail-stop [H-18].
  absl::Status CheckSpace();

  // Entries of a range in [first, last], at least one, at most about max_bytes of payload; `last`
  // may be beyond what is held. OUT_OF_RANGE: `first` is not held (cut, or never written).
  // DATA_LOSS: what is on the disk is damaged [H-18].
  absl::StatusOr<std::vector<Entry>> ReadEntries(RangeId range, Index first, Index last,
                                                 uint64_t max_bytes) const;
  // What the first ReadEntries that could not read the disk said; OK: all could.
  absl::Status read_failure() const;
  // Term of an entry that is held or of the start (CHECK) and the ends of the range's log; {0, 0}
  // for a range that is not known.
  Term TermAt(RangeId range, Index index) const;
  LogPosition Start(RangeId range) const;
  LogPosition Last(RangeId range) const;

  // The lowest index, not below the start, behind which the entries up to `last` (held, or the
  // start: CHECK) have at most `bytes`, some for each entry itself. Costs a look at each of them.
  Index KeepingBytes(RangeId range, Index last, uint64_t bytes) const;

  // Entries of `range` up to `index` are applied, flushed and held by all members: space may be
  // reclaimed (the start moves to `index`, recorded with the next write). `index` is held (CHECK)
  // or at or before the start (then nothing happens).
  void Cut(RangeId range, Index index);

  struct Stats {
    uint64_t segments = 0;       // In use, spares not counted.
    uint64_t bytes_live = 0;     // Of written records that are current.
    uint64_t bytes_written = 0;  // All below: since the start of the process.
    uint64_t syncs = 0;
    uint64_t records = 0;       // Appended.
    uint64_t bytes_copied = 0;  // Of records rewritten to reclaim their segment.
    uint64_t segments_recycled = 0;
    uint64_t cache_bytes = 0;  // At the moment.
  };
  Stats stats() const;

 private:
  class Impl;
  explicit SharedLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_SHARED_LOG_H_
