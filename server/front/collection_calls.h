// CollectionService at the front end.
//
// A creation is three steps: the name and id in the meta range, the range, the mark that it is
// there. Each is idempotent, so a creation that a crash interrupted is finished by repeating it.
// Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_COLLECTION_CALLS_H_
#define RASPUTIN_SERVER_FRONT_COLLECTION_CALLS_H_

#include "absl/strings/cord.h"
#include "server/front/call_table.h"
#include "server/front/collection_dropper.h"
#include "server/front/directory.h"
#include "server/front/dispatcher.h"
#include "server/front/range_splitter.h"

namespace rasputin::server {

class CollectionCalls {
 public:
  CollectionCalls(CallTable* calls, Directory* directory, Dispatcher* dispatcher,
                  RangeSplitter* splitter, CollectionDropper* dropper, client::Router* router);

  void Create(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void Get(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void List(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void Update(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void Drop(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);

 private:
  using Collection = type::v1::Collection;

  // Step 2 for a collection that is registered; step 3 follows.
  void CreateRange(const ClockReading& now, CallId id, const Collection& collection,
                   Instant deadline);
  void MarkReady(const ClockReading& now, CallId id, const Collection& collection,
                 Instant deadline);
  // The collection was dropped before it had a range: nobody else would drop the range.
  void DropRange(const ClockReading& now, CallId id, const Collection& collection, Instant deadline,
                 RangeAnswer refused);
  void OnRegistered(const ClockReading& now, CallId id, const Collection& wanted,
                    const Collection& registered, Instant deadline);
  void FinishCreate(CallId id, const Collection& collection);
  void FinishUpdate(CallId id, const RangeAnswer& answer, const Collection& collection);

  CallTable* const calls_;
  Directory* const directory_;
  Dispatcher* const dispatcher_;
  RangeSplitter* const splitter_;
  CollectionDropper* const dropper_;
  client::Router* const router_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_COLLECTION_CALLS_H_
