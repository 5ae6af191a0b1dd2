// Snapshots and plans of placement as short texts, so that a test case reads as a picture.
//
//   store 4 zone=b silent=400 state=draining free=3       (silent: seconds; free: % of the disk)
//   range 7 1* 2 3 learner=4 mib=64 rps=500 cores=0.2 lagging=2 blocked moved=5   (*: leads)
//   collection 2 factor=5 require=disk:ssd                (ranges are of collection 2)
//   moving replace 7 3 4                                  (under way; 0: none)
//   pair 7 8                                              (to be merged)
//
// A line of a plan: "replace 7 3->4 dead-store", and " later" behind it if the limits make it wait.
// For tests. Not thread-safe.

#ifndef RASPUTIN_RANGE_PLACEMENT_TEXT_CASE_H_
#define RASPUTIN_RANGE_PLACEMENT_TEXT_CASE_H_

#include <string>

#include "range/placement/snapshot.h"

namespace rasputin::range {

// Ends the test program at a line that it does not understand.
PlacementSnapshot ParseSnapshot(const std::string& text);

// The moves, then "retire 3" for stores that may go.
std::string PrintPlan(const PlacementPlan& plan);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_PLACEMENT_TEXT_CASE_H_
