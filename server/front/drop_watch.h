// Goes on with drops of collections that nobody finishes, while this store leads the meta range.
//
// Whoever was asked to drop a collection may have crashed, or its call have ended, with ranges left
// to be emptied: the collection stays marked in the meta range. Reads the list every 10 s, and goes
// on with what has been on it for 80 s. Two of them at once, for the time of a change of leaders,
// cost repeated steps. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_DROP_WATCH_H_
#define RASPUTIN_SERVER_FRONT_DROP_WATCH_H_

#include <cstdint>
#include <map>
#include <vector>

#include "server/front/collection_dropper.h"
#include "server/front/directory.h"
#include "server/front/dispatcher.h"

namespace rasputin::server {

class DropWatch {
 public:
  DropWatch(Directory* directory, Dispatcher* dispatcher, CollectionDropper* dropper);

  // See range::Observer; may be called within the store's turn.
  void OnLeader(RangeId range, StoreId leader);

  // Begins or ends; true if it did.
  bool Run(const ClockReading& now);
  bool HasWork() const { return leads_ != in_charge_; }

 private:
  void LookLater(const ClockReading& now);
  void Look(const ClockReading& now);
  // With those that were on the list for long enough.
  void GoOn(const ClockReading& now, const std::vector<type::v1::Collection>& collections);

  Directory* const directory_;
  Dispatcher* const dispatcher_;
  CollectionDropper* const dropper_;
  bool leads_ = false;               // By the last word of the store.
  bool in_charge_ = false;           // Follows leads_ at the next Run.
  uint64_t term_ = 0;                // Of being in charge: what an earlier one has begun ends.
  std::map<uint64_t, Instant> due_;  // When to go on with each, unless it is gone by then.
  bool goes_on_ = false;             // With one of them: one at a time.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_DROP_WATCH_H_
