// What a core may ask of its replica's log: a read-only port over what the owner holds.
//
// Implemented by the group's log in consensus/driver over the shared log, and by a vector in tests.
// Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_CORE_LOG_VIEW_H_
#define RASPUTIN_CONSENSUS_CORE_LOG_VIEW_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "consensus/core/message.h"
#include "consensus/core/types.h"

namespace rasputin::consensus {

class LogView {
 public:
  virtual ~LogView() = default;

  // Position before the first entry that is still held; {0, 0} for a log never cut.
  virtual LogPosition Start() const = 0;
  // Position of the last entry, Start() if there is none.
  virtual LogPosition Last() const = 0;
  // Term of the entry at `index`; needs Start().index <= index <= Last().index (CHECK).
  virtual Term TermAt(Index index) const = 0;
  // Entries from `first` on, at least one if there is one, at most about `max_bytes` of payload.
  // May read the disk; an error means that the log is damaged: the replica stops [H-18].
  virtual absl::StatusOr<std::vector<Entry>> Read(Index first, Index last,
                                                  uint64_t max_bytes) const = 0;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_LOG_VIEW_H_
