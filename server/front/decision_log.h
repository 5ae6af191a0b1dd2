// What this store decided by itself lately, and why: for whoever asks, the log and the counters.
//
// Bounded: the newest decisions of the store, and of each range the last ones of each kind, the
// ranges least recently decided about being forgotten first. What is usual (too large to be merged)
// is said of most ranges all the time, and displaces nothing else. What is decided not to be done
// would be decided again every second: it is told once, and again when the reason is another or a
// minute has passed. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_DECISION_LOG_H_
#define RASPUTIN_SERVER_FRONT_DECISION_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "rasputin/type/v1/load.pb.h"

namespace rasputin::server {

class DecisionLog {
 public:
  using Decision = type::v1::Decision;

  // The newest of the store, and ranges whose last decisions are kept.
  static constexpr size_t kNewestMax = 256;
  static constexpr size_t kRangesMax = 1024;
  // Of one range.
  static constexpr size_t kOfRangeMax = 8;

  explicit DecisionLog(uint64_t store_id) : store_id_(store_id) {}

  // Sets the store. True: it is news, to be told.
  bool Add(Decision decision);
  // For one that is not taken because of what is usual (too young, too large): the last one of the
  // range is kept, beside what Add keeps, and it is never news.
  void AddUsual(Decision decision);
  // Of the range alone, and no news: it was told of another one.
  void AddQuietly(Decision decision);

  // Newest first.
  std::vector<Decision> Newest(size_t max) const;
  std::vector<Decision> OfRange(uint64_t range_id) const;
  // Into decisions of one range, newest first: instead of older ones of its kind that were not
  // taken either.
  static void PutNotTaken(const Decision& decision, std::vector<Decision>* decisions);

 private:
  struct OfOneRange {
    std::deque<Decision> decisions;  // Newest first.
    std::list<uint64_t>::iterator place;
  };
  // Of at most kRangesMax ranges.
  struct Lately {
    OfOneRange* Touch(uint64_t range_id);
    std::vector<Decision> OfRange(uint64_t range_id) const;

    absl::flat_hash_map<uint64_t, OfOneRange> ranges;  // Looked up only, never iterated.
    std::list<uint64_t> order;  // Of `ranges`: the most recently decided about first.
  };

  // Replaces a decision of the same kind that was not taken either.
  void Remember(const Decision& decision);

  const uint64_t store_id_;
  std::deque<Decision> newest_;  // Newest first.
  Lately decided_;
  Lately usual_;  // One of each range.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_DECISION_LOG_H_
