// The rules about one range; see needs.h. Pure.

#include "range/placement/needs.h"

#include <algorithm>
#include <optional>
#include <tuple>

namespace rasputin::range {
namespace {

using Range = PlacementModel::Range;
using Store = PlacementModel::Store;

uint32_t CountLive(const PlacementModel& model, const Range& range) {
  return static_cast<uint32_t>(
      std::count_if(range.voters.begin(), range.voters.end(),
                    [&model](uint32_t store) { return model.stores()[store].alive; }));
}

struct Misplaced {
  uint32_t store = kNoStore;
  MoveCause cause = MoveCause::kBalance;
};

// The voter that is most urgently in the wrong place.
Misplaced FindMisplaced(const PlacementModel& model, const Range& range) {
  Misplaced found;
  for (const uint32_t store : range.voters) {
    const Store& state = model.stores()[store];
    const MoveCause cause = state.dead                    ? MoveCause::kDeadStore
                            : !model.Allows(range, store) ? MoveCause::kConstraint
                            : state.leaving               ? MoveCause::kDecommission
                                                          : MoveCause::kBalance;
    if (cause < found.cause) found = {store, cause};
  }
  return found;
}

// A live voter does not leave while another one lags: until that has its snapshot, the loss of one
// more store would be the loss of a majority. The one that lags may leave itself.
bool OthersLag(const Range& range, uint32_t store) {
  return std::any_of(range.lagging.begin(), range.lagging.end(), [&](uint32_t lagging) {
    return lagging != store &&
           std::binary_search(range.voters.begin(), range.voters.end(), lagging);
  });
}

std::optional<PlacementNeed> Wait(const Range& range, PlacementObstacles* obstacles) {
  ++obstacles->waiting;
  obstacles->example_waiting = range.view->id;
  return std::nullopt;
}

// The voter that the range can spare: one that a merge does not want where it is, then one whose
// absence leaves the fewest collisions, of equals the one on the fullest store; never the leader.
uint32_t FindSpare(const PlacementModel& model, const Range& range) {
  uint32_t best = kNoStore;
  const auto key_of = [&](uint32_t store) {
    return std::make_tuple(HoldsLeft(model, range, store), model.Spread(range, store, kNoStore),
                           -model.Fill(model.stores()[store]));
  };
  for (const uint32_t store : range.voters) {
    if (store == range.leader || OthersLag(range, store)) continue;
    if (!KeepsMajority(model, range, store, kNoStore)) continue;
    if (best == kNoStore || key_of(store) < key_of(best)) best = store;
  }
  return best;
}

// Whether the leadership could go somewhere else, and would not have to leave again at once.
bool HasOtherLeader(const PlacementModel& model, const Range& range, bool allowed_only) {
  return std::any_of(range.voters.begin(), range.voters.end(), [&](uint32_t store) {
    return store != range.leader && MayLead(model, range, store) &&
           (!allowed_only || model.Allows(range, store));
  });
}

std::optional<PlacementNeed> NeedOfMisplaced(const PlacementModel& model, size_t index,
                                             const Misplaced& misplaced,
                                             PlacementObstacles* obstacles) {
  const Range& range = model.ranges()[index];
  PlacementNeed need{MoveKind::kReplace, misplaced.cause, index, misplaced.store};
  const bool dead = model.stores()[misplaced.store].dead;
  if (!dead && misplaced.store == range.leader && HasOtherLeader(model, range, true)) {
    need.kind = MoveKind::kTransferLease;
    return need;
  }
  if (!dead && OthersLag(range, misplaced.store)) return Wait(range, obstacles);
  const bool spare = range.voters.size() > range.factor;
  if (spare && KeepsMajority(model, range, misplaced.store, kNoStore)) {
    need.kind = MoveKind::kRemove;
  }
  return need;
}

std::optional<PlacementNeed> NeedOfFactor(const PlacementModel& model, size_t index,
                                          PlacementObstacles* obstacles) {
  const Range& range = model.ranges()[index];
  const auto voters = static_cast<uint32_t>(range.voters.size());
  if (voters > range.factor) {
    const uint32_t spare = FindSpare(model, range);
    if (spare == kNoStore) {
      return range.lagging.empty() ? std::nullopt : Wait(range, obstacles);
    }
    return PlacementNeed{MoveKind::kRemove, MoveCause::kFactor, index, spare};
  }
  if (voters >= range.factor) return std::nullopt;
  // An even number of voters costs a copy and survives no more losses.
  const uint32_t able = std::min(range.factor, model.CountAllowed(range));
  const uint32_t reachable = able % 2 == 1 ? able : able - std::min<uint32_t>(able, 1);
  if (reachable < range.factor) ++obstacles->below_factor;
  if (voters >= reachable) return std::nullopt;
  return PlacementNeed{MoveKind::kAdd, MoveCause::kFactor, index, kNoStore};
}

// The voter whose replacement by some store lowers the collisions, if there is one.
uint32_t FindBadlySpread(const PlacementModel& model, const Range& range) {
  const Collisions now = model.Spread(range, kNoStore, kNoStore);
  if (std::all_of(now.begin(), now.end(), [](uint32_t pairs) { return pairs == 0; })) {
    return kNoStore;
  }
  uint32_t found = kNoStore;
  Collisions best = now;
  for (const uint32_t from : range.voters) {
    if (from == range.leader && range.voters.size() > 1) continue;
    for (uint32_t to = 0; to < model.stores().size(); ++to) {
      const bool member = std::binary_search(range.voters.begin(), range.voters.end(), to);
      if (member || !model.stores()[to].TakesReplicas() || !model.Allows(range, to)) continue;
      const Collisions after = model.Spread(range, from, to);
      if (after < best) {
        best = after;
        found = from;
      }
    }
  }
  return found;
}

// The voter of the right range of a pair that goes to a store of the left one; the leader last, and
// not before it has handed over if there is somebody else. Nothing is moved towards a place that is
// about to change, or that cannot be reached in full.
std::optional<PlacementNeed> NeedOfPair(const PlacementModel& model, size_t index) {
  const Range& range = model.ranges()[index];
  const Range& left = model.ranges()[range.align_with];
  const bool settled = !left.busy && !left.view->blocked && left.learners.empty() &&
                       range.lagging.empty() && CountLive(model, range) == range.voters.size();
  if (!settled || left.voters.size() != range.voters.size()) return std::nullopt;
  const bool able = std::all_of(left.voters.begin(), left.voters.end(), [&](uint32_t store) {
    return std::binary_search(range.voters.begin(), range.voters.end(), store) ||
           (model.stores()[store].TakesReplicas() && model.Allows(range, store));
  });
  if (!able) return std::nullopt;
  uint32_t from = kNoStore;
  for (const uint32_t store : range.voters) {
    if (HoldsLeft(model, range, store)) continue;
    if (from == kNoStore || from == range.leader) from = store;
  }
  if (from == kNoStore) return std::nullopt;
  PlacementNeed need{MoveKind::kReplace, MoveCause::kAlign, index, from};
  if (from == range.leader && HasOtherLeader(model, range, true)) {
    need.kind = MoveKind::kTransferLease;
  }
  return need;
}

}  // namespace

bool HoldsLeft(const PlacementModel& model, const Range& range, uint32_t store) {
  if (range.align_with == kNoRange) return false;
  const StoreSet& left = model.ranges()[range.align_with].voters;
  return std::binary_search(left.begin(), left.end(), store);
}

bool KeepsMajority(const PlacementModel& model, const Range& range, uint32_t from, uint32_t to) {
  size_t voters = to == kNoStore ? 0 : 1;
  size_t live = voters;
  for (const uint32_t store : range.voters) {
    if (store == from) continue;
    ++voters;
    live += model.stores()[store].alive ? 1 : 0;
  }
  return voters > 0 && live * 2 > voters;
}

bool MayLead(const PlacementModel& model, const Range& range, uint32_t store) {
  return model.stores()[store].active &&
         !std::binary_search(range.lagging.begin(), range.lagging.end(), store);
}

bool MayMoveFreely(const PlacementModel& model, const Range& range) {
  return !range.busy && !range.paired && !range.view->blocked && range.lagging.empty() &&
         range.learners.empty() && range.view->since_move >= model.rules().move_pause &&
         CountLive(model, range) == range.voters.size();
}

std::vector<PlacementNeed> FindNeeds(const PlacementModel& model, size_t index,
                                     PlacementObstacles* obstacles) {
  const Range& range = model.ranges()[index];
  std::vector<PlacementNeed> needs;
  if (range.busy) return needs;
  if (CountLive(model, range) * 2 <= range.voters.size()) {
    ++obstacles->without_majority;
    obstacles->example_without_majority = range.view->id;
    return needs;
  }
  if (range.view->blocked) return needs;
  // The leader carries every change out. Whoever leads next will have said so by then.
  if (range.leader != kNoStore && !model.stores()[range.leader].alive) return needs;
  const auto add = [&needs](const std::optional<PlacementNeed>& need) {
    if (need.has_value()) needs.push_back(*need);
  };
  const Misplaced misplaced = FindMisplaced(model, range);
  const bool dead = misplaced.cause == MoveCause::kDeadStore;
  const bool leads_where_not = range.leader != kNoStore && model.stores()[range.leader].alive &&
                               model.stores()[range.leader].draining;
  if (dead) add(NeedOfMisplaced(model, index, misplaced, obstacles));
  if (leads_where_not && HasOtherLeader(model, range, false)) {
    needs.push_back({MoveKind::kTransferLease, MoveCause::kDrain, index, range.leader});
  }
  if (misplaced.store != kNoStore && !dead)
    add(NeedOfMisplaced(model, index, misplaced, obstacles));
  if (misplaced.store == kNoStore) add(NeedOfFactor(model, index, obstacles));
  if (!range.learners.empty() && range.view->learner_for >= model.rules().leftover_after) {
    needs.push_back({MoveKind::kRemove, MoveCause::kLeftover, index, range.learners.front()});
  }
  if (range.align_with != kNoRange) {
    const bool settled = needs.empty() && misplaced.store == kNoStore && range.learners.empty();
    if (settled) add(NeedOfPair(model, index));
    return needs;
  }
  if (!needs.empty() || misplaced.store != kNoStore || !MayMoveFreely(model, range)) return needs;
  const uint32_t from = FindBadlySpread(model, range);
  if (from != kNoStore) needs.push_back({MoveKind::kReplace, MoveCause::kSpread, index, from});
  return needs;
}

}  // namespace rasputin::range
