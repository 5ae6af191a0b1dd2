// The steps of DropCollection: marked in the meta range, its ranges emptied, eight at a time,
// removed.
//
// Nothing is kept between the steps and each may be repeated, so any node finishes what another has
// begun. Not responsible for the empty ranges, which their left neighbours absorb by and by. Not
// thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_COLLECTION_DROPPER_H_
#define RASPUTIN_SERVER_FRONT_COLLECTION_DROPPER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/front/directory.h"
#include "server/front/dispatcher.h"

namespace rasputin::server {

// Empties the range that holds `key` of a collection that is being dropped; its descriptor comes
// with the answer.
RangeCall EmptyRangeCall(uint64_t collection_id, std::string key, Instant deadline);

class CollectionDropper {
 public:
  // kOk: it is gone. `ranges_emptied`: by this call.
  using Done =
      std::function<void(const ClockReading& now, RangeAnswer answer, uint64_t ranges_emptied)>;

  CollectionDropper(Directory* directory, Dispatcher* dispatcher, client::Router* router);

  // NOT_FOUND: no collection of this name. FAILED_PRECONDITION: `default` stays.
  void Drop(const ClockReading& now, const std::string& name, Instant deadline, Done done);
  // Goes on with one that is being dropped, whose name may be another's by now. NOT_FOUND: it is
  // gone already.
  void GoOnWith(const ClockReading& now, uint64_t collection_id, Instant deadline, Done done);

 private:
  struct Work;
  struct Part;

  void Mark(const ClockReading& now, std::shared_ptr<Work> work);
  // Begins with what waits, range by range, as far as there may be more at once.
  void Look(const ClockReading& now, const std::shared_ptr<Work>& work);
  void OnFound(const ClockReading& now, const std::shared_ptr<Work>& work,
               const RangeAnswer& answer, const range::RangeDescriptor& range);
  // Empties the range that holds the part's cursor.
  void Empty(const ClockReading& now, const std::shared_ptr<Work>& work, const Part& part);
  // A range of another collection at the cursor: asks itself whether it still is.
  void Confirm(const ClockReading& now, const std::shared_ptr<Work>& work, const Part& part);
  // The range at the cursor is done with: moves the cursor to its end.
  void Advance(const ClockReading& now, const std::shared_ptr<Work>& work, Part part,
               const RangeAnswer& answer);
  // What is left of the part waits again.
  void Leave(const ClockReading& now, const std::shared_ptr<Work>& work, Part part);
  void Remove(const ClockReading& now, const std::shared_ptr<Work>& work);

  Directory* const directory_;
  Dispatcher* const dispatcher_;
  client::Router* const router_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_COLLECTION_DROPPER_H_
