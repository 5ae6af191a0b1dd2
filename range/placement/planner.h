// Where replicas and leaderships are to go: a pure function of a snapshot.
//
// Repairs come first, in the order of MoveCause; replicas are moved for balance only if no repair
// is left to do; leaderships are balanced at any time. Alignment for a merge comes between the two,
// and balance leaves its pairs alone. The same snapshot gives the same plan, so a
// new controller goes on where the last one ended. Never planned: two replicas of a range on one
// store; a change of a range whose voters change, that is being merged, whose leader does not
// answer, or that has no majority of live voters; a change after which it would have none; the
// removal of a live replica for another reason than a dead store while another voter lags.
// Tolerances and costs: balance.h, copysets.h. Thread-safe.

#ifndef RASPUTIN_RANGE_PLACEMENT_PLANNER_H_
#define RASPUTIN_RANGE_PLACEMENT_PLANNER_H_

#include "range/placement/snapshot.h"

namespace rasputin::range {

PlacementPlan PlanPlacement(const PlacementSnapshot& snapshot, const PlacementRules& rules);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_PLACEMENT_PLANNER_H_
