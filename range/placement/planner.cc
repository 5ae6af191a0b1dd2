// Needs in order of urgency, a target for each, and what is left of the limits for balance; see
// planner.h. Pure.

#include "range/placement/planner.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "range/placement/model.h"
#include "range/placement/needs.h"
#include "range/placement/reasons.h"

namespace rasputin::range {
namespace {

using Range = PlacementModel::Range;
using Store = PlacementModel::Store;

// A move for balance has to lower the cost by so much; what it costs is weighed by the tolerances.
constexpr double kGainMin = 1e-9;
// Targets whose costs rise by about the same are equals.
constexpr double kRiseStep = 0.01;
// So many stores are tried as source or target of a move before the plan is called balanced.
constexpr size_t kUnevenStoresMax = 3;
// Moves that gain at least so much of what the best one gains are its equals.
constexpr double kEqualGain = 0.8;
// So many equals are compared by the sets of stores they make.
constexpr size_t kEqualsMax = 2000;

struct Candidate {
  size_t range = 0;
  uint32_t from = kNoStore;
  uint32_t to = kNoStore;
  double gain = 0;
};

class Planner {
 public:
  Planner(const PlacementSnapshot& snapshot, const PlacementRules& rules)
      : snapshot_(snapshot), model_(snapshot, rules) {}

  PlacementPlan Plan();

 private:
  void PlanNeeds();
  // False: there is no target for it.
  bool PlanNeed(const PlacementNeed& need);
  uint32_t PickTarget(const PlacementNeed& need);
  uint32_t PickLeader(const Range& range) const;
  bool MayHold(const Range& range, uint32_t from, uint32_t to) const;
  void Emit(MoveKind kind, MoveCause cause, size_t range, uint32_t from, uint32_t to);

  void BalanceLeaders();
  void BalanceReplicas();
  // The stores with a cost, the most uneven first.
  std::vector<uint32_t> UnevenStores(double (PlacementModel::*cost)(uint32_t) const) const;
  Candidate FindTransfer(uint32_t uneven) const;
  std::vector<Candidate> FindReplacements(uint32_t uneven) const;
  Candidate PickReplacement(const std::vector<Candidate>& candidates);

  void Report();

  const PlacementSnapshot& snapshot_;
  PlacementModel model_;
  PlacementPlan plan_;
  PlacementObstacles obstacles_;
  bool repairs_left_ = false;  // Some need is planned, or waits for a place.
};

PlacementPlan Planner::Plan() {
  PlanNeeds();
  BalanceLeaders();
  if (!repairs_left_) BalanceReplicas();
  Report();
  return std::move(plan_);
}

void Planner::PlanNeeds() {
  std::vector<std::vector<PlacementNeed>> ranges;
  for (size_t i = 0; i < model_.ranges().size(); ++i) {
    std::vector<PlacementNeed> needs = FindNeeds(model_, i, &obstacles_);
    if (!needs.empty()) ranges.push_back(std::move(needs));
  }
  // Handovers cost little and go first, but for those of an alignment: it waits for all repairs.
  const auto order = [](const std::vector<PlacementNeed>& needs) {
    const PlacementNeed& first = needs.front();
    const bool early = first.kind == MoveKind::kTransferLease && first.cause != MoveCause::kAlign;
    return std::make_pair(!early, first.cause);
  };
  std::stable_sort(ranges.begin(), ranges.end(),
                   [&order](const auto& a, const auto& b) { return order(a) < order(b); });
  for (const std::vector<PlacementNeed>& needs : ranges) {
    for (const PlacementNeed& need : needs) {
      if (PlanNeed(need)) break;
    }
  }
}

bool Planner::PlanNeed(const PlacementNeed& need) {
  const Range& range = model_.ranges()[need.range];
  const bool align = need.cause == MoveCause::kAlign;
  // The left range may have been moved since the need was found.
  if (align && (repairs_left_ || model_.ranges()[range.align_with].busy)) return false;
  if (need.kind != MoveKind::kTransferLease && !align) repairs_left_ = true;
  if (plan_.moves.size() >= kMovesListedMax) {
    ++plan_.moves_unlisted;
    return true;
  }
  uint32_t to = kNoStore;
  if (need.kind == MoveKind::kTransferLease) {
    to = PickLeader(range);
  } else if (need.kind != MoveKind::kRemove) {
    to = PickTarget(need);
  }
  if (to != kNoStore || need.kind == MoveKind::kRemove) {
    Emit(need.kind, need.cause, need.range, need.from, to);
    return true;
  }
  if (need.kind == MoveKind::kTransferLease || need.cause == MoveCause::kSpread) return false;
  if (align) return false;
  ++obstacles_.without_target;
  obstacles_.example_without_target = range.view->id;
  const bool constrained =
      range.collection != nullptr && !range.collection->required_labels.empty();
  if (constrained) ++obstacles_.constrained;
  return false;
}

bool Planner::MayHold(const Range& range, uint32_t from, uint32_t to) const {
  return !std::binary_search(range.voters.begin(), range.voters.end(), to) &&
         model_.stores()[to].TakesReplicas() && model_.Allows(range, to) &&
         KeepsMajority(model_, range, from, to);
}

uint32_t Planner::PickTarget(const PlacementNeed& need) {
  const Range& range = model_.ranges()[need.range];
  const Collisions now = model_.Spread(range, kNoStore, kNoStore);
  uint32_t best = kNoStore;
  auto key_of = [&](uint32_t to) {
    const bool begun = std::binary_search(range.learners.begin(), range.learners.end(), to);
    const bool apart = range.align_with != kNoRange && !HoldsLeft(model_, range, to);
    return std::make_tuple(!begun, apart, model_.Spread(range, need.from, to),
                           static_cast<int64_t>(model_.HoldRise(range, to) / kRiseStep),
                           !model_.HasSlot(need.kind, need.from, to),
                           model_.CopysetCost(range, need.from, to),
                           model_.Fill(model_.stores()[to]));
  };
  for (uint32_t to = 0; to < model_.stores().size(); ++to) {
    if (!MayHold(range, need.from, to)) continue;
    if (need.cause == MoveCause::kAlign && !HoldsLeft(model_, range, to)) continue;
    if (need.cause == MoveCause::kSpread && !(model_.Spread(range, need.from, to) < now)) continue;
    if (best == kNoStore || key_of(to) < key_of(best)) best = to;
  }
  return best;
}

uint32_t Planner::PickLeader(const Range& range) const {
  uint32_t best = kNoStore;
  for (const uint32_t to : range.voters) {
    if (to == range.leader || !MayLead(model_, range, to)) continue;
    const double gain = model_.LeadGain(range, range.leader, to);
    const bool allowed = model_.Allows(range, to);
    if (best == kNoStore || allowed != model_.Allows(range, best)) {
      if (best == kNoStore || allowed) best = to;
      continue;
    }
    const double best_gain = model_.LeadGain(range, range.leader, best);
    const bool idler = model_.stores()[to].leaders < model_.stores()[best].leaders;
    if (gain > best_gain + kGainMin || (gain > best_gain - kGainMin && idler)) best = to;
  }
  return best;
}

void Planner::Emit(MoveKind kind, MoveCause cause, size_t range, uint32_t from, uint32_t to) {
  PlacementMove move;
  move.kind = kind;
  move.cause = cause;
  move.range = model_.ranges()[range].view->id;
  if (from != kNoStore) move.from = model_.stores()[from].id;
  if (to != kNoStore) move.to = model_.stores()[to].id;
  move.reason = ExplainMove(model_, kind, cause, range, from, to);
  move.start = model_.HasSlot(kind, from, to);
  if (move.start) model_.TakeSlot(kind, from, to);
  model_.Apply(kind, range, from, to);
  plan_.moves.push_back(std::move(move));
}

std::vector<uint32_t> Planner::UnevenStores(double (PlacementModel::*cost)(uint32_t) const) const {
  std::vector<std::pair<double, uint32_t>> costs;
  for (uint32_t i = 0; i < model_.stores().size(); ++i) {
    const double one = model_.stores()[i].active ? (model_.*cost)(i) : 0;
    if (one > 0) costs.emplace_back(-one, i);
  }
  std::sort(costs.begin(), costs.end());
  if (costs.size() > kUnevenStoresMax) costs.resize(kUnevenStoresMax);
  std::vector<uint32_t> stores;
  for (const auto& [negative, store] : costs) stores.push_back(store);
  return stores;
}

Candidate Planner::FindTransfer(uint32_t uneven) const {
  Candidate best;
  best.gain = kGainMin;
  for (size_t i = 0; i < model_.ranges().size(); ++i) {
    const Range& range = model_.ranges()[i];
    if (range.leader == kNoStore || !model_.stores()[range.leader].active) continue;
    const bool leads = range.leader == uneven;
    if (!leads && !std::binary_search(range.voters.begin(), range.voters.end(), uneven)) continue;
    if (!MayMoveFreely(model_, range)) continue;
    for (const uint32_t to : range.voters) {
      if (to == range.leader || (!leads && to != uneven) || !model_.stores()[to].active) continue;
      if (!model_.Allows(range, to)) continue;
      const double gain = model_.LeadGain(range, range.leader, to);
      if (gain > best.gain) best = {i, range.leader, to, gain};
    }
  }
  return best;
}

void Planner::BalanceLeaders() {
  while (model_.HasSlot(MoveKind::kTransferLease, kNoStore, kNoStore) &&
         plan_.moves.size() < kMovesListedMax) {
    Candidate best;
    for (const uint32_t uneven : UnevenStores(&PlacementModel::LeadCost)) {
      best = FindTransfer(uneven);
      if (best.to != kNoStore) break;
    }
    if (best.to == kNoStore) return;
    Emit(MoveKind::kTransferLease, MoveCause::kBalance, best.range, best.from, best.to);
  }
}

std::vector<Candidate> Planner::FindReplacements(uint32_t uneven) const {
  std::vector<Candidate> found;
  auto consider = [&](size_t index, uint32_t from, uint32_t to) {
    const Range& range = model_.ranges()[index];
    if (from == range.leader && range.voters.size() > 1) return;
    if (!model_.stores()[from].active || !MayHold(range, from, to)) return;
    const double gain = model_.HoldGain(range, from, to);
    if (gain <= kGainMin) return;
    if (model_.Spread(range, kNoStore, kNoStore) < model_.Spread(range, from, to)) return;
    found.push_back({index, from, to, gain});
  };
  for (size_t i = 0; i < model_.ranges().size(); ++i) {
    const Range& range = model_.ranges()[i];
    if (!MayMoveFreely(model_, range)) continue;
    if (std::binary_search(range.voters.begin(), range.voters.end(), uneven)) {
      for (uint32_t to = 0; to < model_.stores().size(); ++to) consider(i, uneven, to);
    } else {
      for (const uint32_t from : range.voters) consider(i, from, uneven);
    }
  }
  return found;
}

Candidate Planner::PickReplacement(const std::vector<Candidate>& candidates) {
  double best_gain = 0;
  for (const Candidate& one : candidates) best_gain = std::max(best_gain, one.gain);
  std::vector<Candidate> equals;
  for (const Candidate& one : candidates) {
    if (one.gain >= kEqualGain * best_gain) equals.push_back(one);
  }
  const size_t step = equals.size() / kEqualsMax + 1;
  auto key_of = [&](const Candidate& one) {
    return std::make_tuple(
        model_.CopysetCost(model_.ranges()[one.range], one.from, one.to), -one.gain,
        model_.Fill(model_.stores()[one.to]) - model_.Fill(model_.stores()[one.from]));
  };
  Candidate best = equals.front();
  auto best_key = key_of(best);
  for (size_t i = step; i < equals.size(); i += step) {
    auto key = key_of(equals[i]);
    if (key >= best_key) continue;
    best = equals[i];
    best_key = key;
  }
  return best;
}

void Planner::BalanceReplicas() {
  while (plan_.moves.size() < kMovesListedMax) {
    std::vector<Candidate> candidates;
    for (const uint32_t uneven : UnevenStores(&PlacementModel::HoldCost)) {
      candidates = FindReplacements(uneven);
      if (!candidates.empty()) break;
    }
    if (candidates.empty()) return;
    const Candidate best = PickReplacement(candidates);
    if (!model_.HasSlot(MoveKind::kReplace, best.from, best.to)) return;
    Emit(MoveKind::kReplace, MoveCause::kBalance, best.range, best.from, best.to);
  }
}

void Planner::Report() {
  std::vector<bool> holds(model_.stores().size(), false);
  for (const PlacementRange& range : snapshot_.ranges) {
    size_t live = 0;
    for (const PlacementMember& member : range.members) {
      for (size_t i = 0; i < model_.stores().size(); ++i) {
        if (model_.stores()[i].id != member.store) continue;
        holds[i] = true;
        live += member.voter && model_.stores()[i].alive ? 1 : 0;
      }
    }
    const auto position = static_cast<size_t>(&range - snapshot_.ranges.data());
    if (live < model_.ranges()[position].factor) ++plan_.ranges_short;
  }
  for (size_t i = 0; i < model_.stores().size(); ++i) {
    const Store& store = model_.stores()[i];
    if (store.view != nullptr && store.leaving && !holds[i] && store.moves_in == 0) {
      plan_.retire.push_back(store.id);
    }
  }
  plan_.obstacles = ExplainObstacles(model_, obstacles_);
}

}  // namespace

PlacementPlan PlanPlacement(const PlacementSnapshot& snapshot, const PlacementRules& rules) {
  return Planner(snapshot, rules).Plan();
}

}  // namespace rasputin::range
