// Keeps the directory up to date for the ranges that this store leads.
//
// Whoever leads a range writes its descriptor to the meta range: when it changes, and once after
// gaining the leadership, because the previous leader may have crashed in between. Writes are
// idempotent (the higher generation wins) and are repeated until the meta range has them. Not
// thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_UPKEEP_H_
#define RASPUTIN_SERVER_FRONT_UPKEEP_H_

#include <cstdint>
#include <map>
#include <set>

#include "server/front/directory.h"
#include "server/front/dispatcher.h"
#include "server/front/ports.h"

namespace rasputin::server {

class Upkeep {
 public:
  // `store` knows the ranges as they are now: there is no copy of them here.
  Upkeep(StorePort* store, Directory* directory, Dispatcher* dispatcher);

  // See range::Observer; may be called within the store's turn.
  void OnDescriptor(const range::RangeDescriptor& descriptor, bool leads);
  void OnLeader(RangeId range, StoreId leader);
  void OnRemoved(RangeId range);

  // Begins to write what is pending, unless a write is under way; true if it did.
  bool Run(const ClockReading& now);
  bool HasWork() const { return !pending_.empty() && !busy_; }
  size_t PendingCount() const { return pending_.size(); }

 private:
  void OnWritten(const ClockReading& now, const std::map<uint64_t, uint64_t>& generations,
                 bool succeeded);

  // Generations.
  struct Known {
    uint64_t here = 0;
    uint64_t written = 0;  // That the directory has from here; 0: none.
  };

  StorePort* const store_;
  Directory* const directory_;
  Dispatcher* const dispatcher_;
  std::map<uint64_t, Known> local_;  // All ranges of this store, by id.
  std::set<uint64_t> pending_;       // Range ids to be written.
  bool busy_ = false;                // A write or the wait after a failed one is under way.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_UPKEEP_H_
