// What one range needs: the things that are wrong with where it is, the most urgent first.
//
// Looks at one range at a time and chooses no target (planner.cc). Pure; thread-safe.

#ifndef RASPUTIN_RANGE_PLACEMENT_NEEDS_H_
#define RASPUTIN_RANGE_PLACEMENT_NEEDS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "range/placement/model.h"

namespace rasputin::range {

struct PlacementNeed {
  MoveKind kind = MoveKind::kReplace;
  MoveCause cause = MoveCause::kBalance;
  size_t range = 0;  // Position in PlacementModel::ranges().
  uint32_t from = kNoStore;
};

// What stands in the way of ranges, counted.
struct PlacementObstacles {
  uint64_t without_majority = 0;
  uint64_t without_target = 0;
  uint64_t constrained = 0;  // Of those without target: for want of stores with the labels.
  uint64_t below_factor = 0;
  uint64_t waiting = 0;  // For a voter that lags, before another one may leave.
  consensus::RangeId example_waiting;
  consensus::RangeId example_without_majority;
  consensus::RangeId example_without_target;
};

// Whether more than half of the range's voters live, without `from` and with `to` in its place.
bool KeepsMajority(const PlacementModel& model, const PlacementModel::Range& range, uint32_t from,
                   uint32_t to);

// Whether the store could lead the range: it may lead something, and lacks nothing.
bool MayLead(const PlacementModel& model, const PlacementModel::Range& range, uint32_t store);

// What could be done now, the most urgent first: whatever finds no target must not keep the rest
// from being done. At most one of them is carried out.
std::vector<PlacementNeed> FindNeeds(const PlacementModel& model, size_t range,
                                     PlacementObstacles* obstacles);

// The store holds the left range of the pair of which `range` is the right one; false: it does not,
// or there is no such pair.
bool HoldsLeft(const PlacementModel& model, const PlacementModel::Range& range, uint32_t store);

// Whether the voter may be exchanged without need: everyone lives and is up to date, the range was
// not moved a moment ago, and no merge of it is waited for.
bool MayMoveFreely(const PlacementModel& model, const PlacementModel::Range& range);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_PLACEMENT_NEEDS_H_
