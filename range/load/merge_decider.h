// Whether two neighbours should become one range again.
//
// Pure: what both leaders measured is an argument. Not responsible for the splitting
// (split_decider.h) nor for carrying anything out.

#ifndef RASPUTIN_RANGE_LOAD_MERGE_DECIDER_H_
#define RASPUTIN_RANGE_LOAD_MERGE_DECIDER_H_

#include <cstdint>
#include <string>

#include "consensus/core/types.h"
#include "range/load/review.h"

namespace rasputin::range {

// The fractions are small against the thresholds at which a range splits, so that what was merged
// does not split again at once, and what was split does not merge.
struct MergeRules {
  // Both have been known to their leaders for so long without a split (RangeLoad.age_seconds).
  consensus::Duration age_min = std::chrono::minutes(10);
  // Each is below this part of the size threshold, in hundredths.
  uint64_t size_percent = 20;
  // The peaks of five minutes of both together stay below this part of each load threshold, in
  // hundredths.
  uint64_t load_percent = 50;
  // So long must the leaders have measured before a peak is believed; 0 to 300 s.
  consensus::Duration observed_min = std::chrono::minutes(5);
};

struct MergeVerdict {
  bool merge = false;
  // Only the stores stand against it: the right range's replicas belong where the left one's are.
  bool align = false;
  // One sentence with figures, without keys: why, or what stands against it.
  std::string reason;
};

// `right` and `right_load` are what the leader of the right neighbour says; `thresholds` are in
// force for the left range (RangeReview.thresholds).
MergeVerdict DecideMerge(const RangeReview& left, const RangeDescriptor& right,
                         const type::v1::RangeLoad& right_load,
                         const type::v1::SplitThresholds& thresholds, const MergeRules& rules);

// What the two, which were decided to be merged, count for once they are one: the age of the
// younger, the load of both. So that a chain of quiet ranges need not wait at every merge as if the
// range had split, while what they had to do together is not forgotten. A dropped range has no age.
type::v1::RangeLoad LoadOfBoth(const RangeReview& left, const RangeDescriptor& right,
                               const type::v1::RangeLoad& right_load);

// Why these two can never be merged as they are, whatever they have to do and wherever they are:
// they are no neighbours, of two collections, the meta range, or something is under way with one of
// them. Empty: they can. DecideMerge asks this first; cheap enough to be asked before the right
// neighbour's leader is.
std::string MergeObstacle(const RangeDescriptor& left, const RangeDescriptor& right);

// That they are held by different stores, or in different roles; empty: by the same. DecideMerge
// asks this last.
std::string StoresObstacle(const RangeDescriptor& left, const RangeDescriptor& right);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_MERGE_DECIDER_H_
