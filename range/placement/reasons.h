// The planner's reasons and obstacles in words: one sentence each, with the figures that count.
//
// Pure; no keys, no values. Thread-safe.

#ifndef RASPUTIN_RANGE_PLACEMENT_REASONS_H_
#define RASPUTIN_RANGE_PLACEMENT_REASONS_H_

#include <string>
#include <vector>

#include "range/placement/model.h"
#include "range/placement/needs.h"

namespace rasputin::range {

// Before the move is applied to the model.
std::string ExplainMove(const PlacementModel& model, MoveKind kind, MoveCause cause, size_t range,
                        uint32_t from, uint32_t to);

std::vector<std::string> ExplainObstacles(const PlacementModel& model,
                                          const PlacementObstacles& obstacles);

// What the move does: "range 7: replica from store 3 to store 4".
std::string DescribeMove(const PlacementMove& move);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_PLACEMENT_REASONS_H_
