// What the leader of a range knows about it when somebody decides whether it should be split or
// merged.
//
// Plain values. Made by Store::ReviewRanges, read by the front end, which carries out what was
// decided.

#ifndef RASPUTIN_RANGE_LOAD_REVIEW_H_
#define RASPUTIN_RANGE_LOAD_REVIEW_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rasputin/type/v1/collection.pb.h"
#include "rasputin/type/v1/load.pb.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::range {

using RangeDescriptor = type::v1::RangeDescriptor;

// Whether, where and why a range should be split, as its leader sees it.
struct SplitVerdict {
  bool split = false;
  std::string split_key;  // Full key, legal for the range's collection; set iff `split`.
  // One sentence with figures, without keys. Also set where the range is not split though a
  // threshold is exceeded (hot key, no key that divides the load, the last attempt is too recent).
  std::string reason;
};

struct RangeReview {
  RangeDescriptor descriptor;
  type::v1::RangeLoad load;
  // In force: the collection's, else those of the flags; the size is that of a small database, if
  // it is one (split_rules.h).
  type::v1::SplitThresholds thresholds;
  SplitVerdict split;
  // Since the leader began to measure; only where one range was asked for (Store::DescribeLoad).
  std::vector<type::v1::OperationLoad> operations;
};

struct ReviewOptions {
  // What collections set, by id; those that set nothing may be missing. Remembered by the store
  // until the next review that begins at the first range.
  std::map<uint64_t, type::v1::SplitThresholds> thresholds;
  // At most so many of those that had something to do are looked at, from where the last review
  // ended.
  size_t ranges_max = SIZE_MAX;
  // At the end of them, so many of the ranges that had nothing to do are reviewed as well, in turn.
  size_t quiet_max = 32;
  // Verdicts to split that the caller carries out now. Beyond them a range is told to wait, which
  // counts as no attempt; a key is searched only where it is beyond its cap.
  size_t splits_max = SIZE_MAX;
  // False: nobody splits ranges by itself. Then nobody is refused data because of their size.
  bool refuse_growth = true;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_REVIEW_H_
