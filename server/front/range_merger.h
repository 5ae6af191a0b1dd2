// Merging a range with its right neighbour: the driver of the steps of range/README.md "Merge", and
// the one who finishes what another driver has left behind.
//
// Begin at the left range, freeze the right one, merge, tell the directory; whatever goes wrong,
// the left range abandons the merge first, then the right one is thawed. Every step is routed to
// whoever leads, so any node can drive. A merge that is noted at a range which this store leads,
// and at which nobody here works, is given up after a grace longer than a healthy merge takes: its
// driver has crashed, or its leadership has moved. Not responsible for deciding what to merge
// (autopilot.h), nor for the safety of the steps (range/). Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_RANGE_MERGER_H_
#define RASPUTIN_SERVER_FRONT_RANGE_MERGER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/front/directory.h"
#include "server/front/dispatcher.h"

namespace rasputin::server {

class RangeMerger {
 public:
  // `merged` is set exactly if the outcome is kOk. kFailedPrecondition: it did not happen, the
  // message says why. kOutcomeUnknown: it may happen yet, or be given up by the range's leader.
  using Done = std::function<void(const ClockReading& now, RangeAnswer answer,
                                  range::RangeDescriptor merged)>;

  RangeMerger(Directory* directory, Dispatcher* dispatcher, client::Router* router);

  struct Wanted {
    uint64_t left = 0;  // Id of the left range.
    // Its neighbour: where it is another range, that is refused; where the left range has absorbed
    // it, it is kOk. 0: whichever it is.
    uint64_t right = 0;
    // Where somebody is at the same merge, for the end of that, until the deadline.
    bool waits = false;
  };

  // Merges the left range with its right neighbour.
  void Merge(const ClockReading& now, const Wanted& wanted, Instant deadline, Done done);
  // Whether this node drives a merge of this left range, or gives one up.
  bool IsBusy(uint64_t left_range_id) const { return working_.count(left_range_id) != 0; }

  // See range::Observer; may be called within the store's turn.
  void OnDescriptor(const range::RangeDescriptor& descriptor, bool leads);
  void OnLeader(RangeId range, StoreId leader);
  void OnRemoved(RangeId range);

  // Sets the timers of merges that are to be given up; true if it did.
  bool Run(const ClockReading& now);
  bool HasWork() const { return has_news_; }

 private:
  struct Work;
  // A range of this store that notes a merge.
  struct Noted {
    range::RangeDescriptor left;
    bool leads = false;
    bool timed = false;  // A timer will look at it.
  };

  // The steps, in order.
  void TakeUp(const ClockReading& now, std::shared_ptr<Work> work);
  void FindBoth(const ClockReading& now, std::shared_ptr<Work> work);
  void OnFound(const ClockReading& now, std::shared_ptr<Work> work);
  void Begin(const ClockReading& now, std::shared_ptr<Work> work);
  void Freeze(const ClockReading& now, std::shared_ptr<Work> work);
  void Absorb(const ClockReading& now, std::shared_ptr<Work> work);
  void Publish(const ClockReading& now, std::shared_ptr<Work> work);
  // The range that was named is not the neighbour: it may have been absorbed already.
  void AskWhetherMerged(const ClockReading& now, std::shared_ptr<Work> work,
                        std::vector<StoreId> stores, bool all_answered);
  // Starts from the beginning with what is known by now, or gives the caller `answer`.
  void LookAgain(const ClockReading& now, std::shared_ptr<Work> work, RangeAnswer answer);
  // The steps back.
  void GiveUp(const ClockReading& now, std::shared_ptr<Work> work, const RangeAnswer& reason);
  void Thaw(const ClockReading& now, std::shared_ptr<Work> work);
  void End(const ClockReading& now, std::shared_ptr<Work> work);
  void Finish(const ClockReading& now, const std::shared_ptr<Work>& work, RangeAnswer answer);
  // Gives up what nobody here works at.
  void Resolve(const ClockReading& now, uint64_t left_range_id);

  Directory* const directory_;
  Dispatcher* const dispatcher_;
  client::Router* const router_;
  std::set<uint64_t> working_;       // Left ranges.
  std::map<uint64_t, Noted> noted_;  // By left range.
  bool has_news_ = false;            // Some noted range may need a timer.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_RANGE_MERGER_H_
