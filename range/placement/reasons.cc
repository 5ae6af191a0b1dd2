// See reasons.h. Pure.

#include "range/placement/reasons.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rasputin::range {
namespace {

using Range = PlacementModel::Range;
using Store = PlacementModel::Store;

int64_t Seconds(consensus::Duration d) {
  return std::chrono::duration_cast<std::chrono::seconds>(d).count();
}

std::string CauseOfStore(const Store& store, MoveCause cause) {
  const uint64_t id = store.id.value();
  if (store.view == nullptr) return absl::StrCat("store ", id, " is not on the list of stores");
  switch (cause) {
    case MoveCause::kDeadStore:
      return absl::StrCat("store ", id, " has not answered for ", Seconds(store.view->silent),
                          " s");
    case MoveCause::kConstraint:
      return absl::StrCat("store ", id, " lacks a label that the collection requires");
    case MoveCause::kDrain:
    case MoveCause::kDecommission:
      return absl::StrCat("store ", id,
                          store.leaving ? " is being decommissioned" : " is draining");
    default:
      return "";
  }
}

std::string HeldBy(const PlacementModel& model, uint32_t store) {
  const Store& one = model.stores()[store];
  return absl::StrFormat("store %d holds %.0f replicas, %.0f MiB", one.id.value(), one.replicas,
                         one.bytes / (1 << 20));
}

std::string LedBy(const PlacementModel& model, uint32_t store) {
  const Store& one = model.stores()[store];
  std::string text = absl::StrFormat("store %d leads %.0f ranges", one.id.value(), one.leaders);
  if (model.led_demand().mean() > 0) {
    absl::StrAppendFormat(&text, " with %.0f%% of the mean load",
                          100 * model.led_demand().Level(one.led_demand));
  }
  return text;
}

std::string ExplainBalance(const PlacementModel& model, MoveKind kind, uint32_t from, uint32_t to) {
  if (kind == MoveKind::kTransferLease) {
    return absl::StrCat(LedBy(model, from), ", ", LedBy(model, to));
  }
  std::string text = absl::StrCat(HeldBy(model, from), ", ", HeldBy(model, to));
  if (model.demand().mean() > 0) {
    absl::StrAppendFormat(&text, ", with %.0f%% and %.0f%% of the mean load",
                          100 * model.demand().Level(model.stores()[from].demand),
                          100 * model.demand().Level(model.stores()[to].demand));
  }
  return text;
}

uint64_t CountSilent(const PlacementModel& model) {
  return static_cast<uint64_t>(
      std::count_if(model.stores().begin(), model.stores().end(),
                    [](const Store& one) { return one.view != nullptr && !one.alive; }));
}

std::string Ranges(uint64_t count) {
  return absl::StrCat(count, count == 1 ? " range" : " ranges");
}

}  // namespace

std::string ExplainMove(const PlacementModel& model, MoveKind kind, MoveCause cause, size_t range,
                        uint32_t from, uint32_t to) {
  const Range& one = model.ranges()[range];
  std::string text;
  switch (cause) {
    case MoveCause::kDeadStore:
    case MoveCause::kConstraint:
    case MoveCause::kDrain:
    case MoveCause::kDecommission:
      text = CauseOfStore(model.stores()[from], cause);
      break;
    case MoveCause::kFactor:
      text = absl::StrCat("it has ", one.voters.size(), " voters and is to have ", one.factor);
      break;
    case MoveCause::kSpread:
      text = absl::StrCat("store ", model.stores()[from].id.value(),
                          " shares a failure domain with another of its replicas, store ",
                          model.stores()[to].id.value(), " less so");
      break;
    case MoveCause::kLeftover:
      text = absl::StrCat("the learner on store ", model.stores()[from].id.value(),
                          " was left by a change that broke off ", Seconds(one.view->learner_for),
                          " s ago");
      break;
    case MoveCause::kAlign:
      text = absl::StrCat("it is to be merged with range ", one.pair->left.value(),
                          ", which other stores hold: ", one.pair->reason);
      break;
    case MoveCause::kBalance:
      return ExplainBalance(model, kind, from, to);
  }
  if (to == kNoStore) return text;
  const bool leads = kind == MoveKind::kTransferLease;
  return absl::StrCat(text, "; ", leads ? LedBy(model, to) : HeldBy(model, to));
}

std::vector<std::string> ExplainObstacles(const PlacementModel& model,
                                          const PlacementObstacles& obstacles) {
  std::vector<std::string> texts;
  if (obstacles.without_majority > 0) {
    texts.push_back(absl::StrCat(
        Ranges(obstacles.without_majority), " (one is ", obstacles.example_without_majority.value(),
        ") have no majority of live replicas: start the stores that are missing, or recover what "
        "they held (rasputind recover)"));
  }
  if (obstacles.without_target > 0) {
    texts.push_back(absl::StrCat(
        Ranges(obstacles.without_target), " (one is ", obstacles.example_without_target.value(),
        ") should leave a store, and no other store can take a replica",
        obstacles.constrained > 0 ? " and has the labels that are required" : "",
        ": add a store, or start one that is missing"));
  }
  if (obstacles.waiting > 0) {
    texts.push_back(absl::StrCat(
        Ranges(obstacles.waiting), " (one is ", obstacles.example_waiting.value(),
        ") should leave a store, and wait until another replica of theirs, which lags behind, has "
        "caught up: rasputin range describe says which"));
  }
  if (obstacles.below_factor > 0) {
    texts.push_back(absl::StrCat(Ranges(obstacles.below_factor),
                                 " should have more replicas than there are stores for them: add "
                                 "stores, or lower the replication factor"));
  }
  for (const Store& store : model.stores()) {
    if (store.active && store.full) {
      texts.push_back(absl::StrCat("store ", store.id.value(),
                                   " gets no replicas, less than a twentieth of its disk is free"));
    }
  }
  if (const uint64_t silent = CountSilent(model); silent > 0) {
    texts.push_back(absl::StrCat(silent, silent == 1 ? " store does" : " stores do",
                                 " not answer; replicas there are made anew elsewhere after ",
                                 Seconds(model.rules().store_dead_after), " s of silence"));
  }
  return texts;
}

std::string DescribeMove(const PlacementMove& move) {
  const std::string range = absl::StrCat("range ", move.range.value(), ": ");
  switch (move.kind) {
    case MoveKind::kTransferLease:
      return absl::StrCat(range, "leadership from store ", move.from.value(), " to store ",
                          move.to.value());
    case MoveKind::kReplace:
      return absl::StrCat(range, "replica from store ", move.from.value(), " to store ",
                          move.to.value());
    case MoveKind::kAdd:
      return absl::StrCat(range, "replica more on store ", move.to.value());
    case MoveKind::kRemove:
      return absl::StrCat(range, "replica less, on store ", move.from.value());
  }
  return range;
}

}  // namespace rasputin::range
