// The log as the core sees it: the owner's LogView, continued by entries not handed out yet.
//
// Also knows up to where the log is durable on this store. Not responsible for deciding what may be
// overwritten beyond the commit index, which its caller gives (CHECK). Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_CORE_LOG_TAIL_H_
#define RASPUTIN_CONSENSUS_CORE_LOG_TAIL_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "consensus/core/log_view.h"
#include "consensus/core/message.h"
#include "consensus/core/types.h"

namespace rasputin::consensus {

class LogTail {
 public:
  // Everything that `log` shows now is durable. `log` outlives this object.
  explicit LogTail(const LogView* log);

  LogPosition Start() const { return log_->Start(); }
  LogPosition Last() const { return last_; }
  // Needs Start().index <= index <= Last().index (CHECK).
  Term TermAt(Index index) const;
  LogPosition At(Index index) const { return {TermAt(index), index}; }
  bool Holds(LogPosition position) const;
  // Entries [first, last], as many as about `max_bytes` of payload allow, at least one.
  absl::StatusOr<std::vector<Entry>> Read(Index first, Index last, uint64_t max_bytes) const;

  // The last position at or before `hint.index` whose term is at most `hint.term`: where two logs
  // that conflict may agree at best. Not below `floor` nor Start().
  LogPosition LastNotAfter(LogPosition hint, Index floor) const;

  // Continues the log from `entries.front().index` on, overwriting what was there. `entries` must
  // be contiguous, not empty, and must not reach down to `committed` (CHECK).
  void Append(std::vector<Entry> entries, Index committed);

  bool HasPending() const { return !pending_.empty(); }
  // Hands out what is to be made durable under `sequence`; LogView shows it from now on.
  std::vector<Entry> TakePending(uint64_t sequence);
  void OnPersisted(uint64_t sequence);
  // Entries up to here are durable, those that later ones overwrite not counted.
  Index Persisted() const { return persisted_; }

 private:
  struct InFlight {
    uint64_t sequence;
    Index last;
  };

  const LogView* const log_;
  LogPosition last_;
  std::vector<Entry> pending_;
  std::vector<InFlight> in_flight_;  // Handed out, not durable; in order.
  Index persisted_;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_LOG_TAIL_H_
