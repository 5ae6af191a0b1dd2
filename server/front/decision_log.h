// What this store decided by itself lately, and why: for whoever asks, the log and the counters.
//
// Bounded: the newest decisions of the store, and of each range the last ones of each kind, the
// ranges least recently decided about being forgotten first. What is decided not to be done would
// be decided again every second: it is told once, and again when the reason is another or a minute
// has passed. Not thread-safe.

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
  // The same for one that is not taken because of what is usual (too young, too large): it is kept
  // of the range alone, and is never news.
  void AddUsual(Decision decision);

  // Newest first.
  std::vector<Decision> Newest(size_t max) const;
  std::vector<Decision> OfRange(uint64_t range_id) const;

 private:
  struct OfOneRange {
    std::deque<Decision> decisions;  // Newest first.
    std::list<uint64_t>::iterator place;
  };

  OfOneRange* Touch(uint64_t range_id);
  // Replaces a decision of the same kind that was not taken either.
  void Remember(const Decision& decision);

  const uint64_t store_id_;
  std::deque<Decision> newest_;                       // Newest first.
  absl::flat_hash_map<uint64_t, OfOneRange> ranges_;  // Looked up only, never iterated.
  std::list<uint64_t> order_;  // Of `ranges_`: the most recently decided about first.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_DECISION_LOG_H_
