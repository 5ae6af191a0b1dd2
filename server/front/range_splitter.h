// Splitting a range at a key by hand, from the id of the child to the directory's entry.
//
// Idempotent: a key at which a range begins already is success, so a split whose outcome was
// unknown, or that a crash interrupted, is finished by repeating it. What passes by itself (a merge
// of the range, a change of its members) is waited for until the deadline. Not responsible for
// deciding where to split. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_RANGE_SPLITTER_H_
#define RASPUTIN_SERVER_FRONT_RANGE_SPLITTER_H_

#include <functional>
#include <string>

#include "server/front/directory.h"
#include "server/front/dispatcher.h"

namespace rasputin::server {

// `left` has id 0 if the range began at the key already.
struct SplitRanges {
  range::RangeDescriptor left;
  range::RangeDescriptor right;
};

class RangeSplitter {
 public:
  using Done = std::function<void(const ClockReading& now, RangeAnswer answer, SplitRanges ranges)>;

  RangeSplitter(Directory* directory, Dispatcher* dispatcher, client::Router* router);

  // Makes a range of `collection_id` begin at `full_key`, and the directory say so.
  // FAILED_PRECONDITION or INVALID_ARGUMENT: the range refuses, with its reason.
  void Split(const ClockReading& now, const std::string& full_key, uint64_t collection_id,
             Instant deadline, Done done);

 private:
  struct Work;

  // Asks for an id for the child, and splits.
  void Begin(const ClockReading& now, std::shared_ptr<Work> work);
  void SendSplit(const ClockReading& now, std::shared_ptr<Work> work);
  void OnRefused(const ClockReading& now, std::shared_ptr<Work> work, RangeAnswer answer);
  // Writes the ranges to the directory, then answers.
  void Publish(const ClockReading& now, std::shared_ptr<Work> work);

  Directory* const directory_;
  Dispatcher* const dispatcher_;
  client::Router* const router_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_RANGE_SPLITTER_H_
