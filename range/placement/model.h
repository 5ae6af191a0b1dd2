// The cluster as the planner changes it in thought: what each store holds and leads, and what it
// would after the moves planned so far.
//
// Built from a snapshot with the moves under way already carried out, so that what is begun is
// neither begun again nor forgotten in the balance. Stores are positions in stores(). Decides
// nothing (planner.h). Not thread-safe.

#ifndef RASPUTIN_RANGE_PLACEMENT_MODEL_H_
#define RASPUTIN_RANGE_PLACEMENT_MODEL_H_

#include <cstdint>
#include <map>
#include <vector>

#include "range/placement/balance.h"
#include "range/placement/copysets.h"
#include "range/placement/snapshot.h"
#include "range/placement/spread.h"

namespace rasputin::range {

inline constexpr uint32_t kNoStore = UINT32_MAX;
inline constexpr size_t kNoRange = SIZE_MAX;

class PlacementModel {
 public:
  struct Store {
    consensus::StoreId id;
    const PlacementStore* view = nullptr;  // Null: not on the list of stores.
    bool alive = false;                    // Heard lately.
    bool dead = false;                     // Given up.
    bool full = false;                     // Less than a twentieth of its disk is free.
    bool active = false;                   // Alive, and nothing else is wanted of it.
    bool leaving = false;                  // Decommissioned.
    bool draining = false;                 // Decommissioned or drained.
    uint32_t moves_in = 0;
    uint32_t moves_out = 0;
    double replicas = 0;
    double bytes = 0;
    // Its part of what the ranges have to do: of those it holds divided by their voters, and of
    // those it leads. The sum over all is the number of stores.
    double demand = 0;
    double leaders = 0;
    double led_demand = 0;
    Domains domains{};

    bool TakesReplicas() const { return active && !full; }
  };

  struct Range {
    const PlacementRange* view = nullptr;
    const PlacementCollection* collection = nullptr;  // Null: defaults.
    StoreSet voters;
    StoreSet learners;
    StoreSet lagging;  // Of both: those that wait for a snapshot.
    uint32_t leader = kNoStore;
    uint32_t factor = 0;
    double demand = 0;
    bool busy = false;    // A move of it is under way or planned.
    bool paired = false;  // One of a pair: balance leaves it alone.
    // The right one of a pair: the position of the left one, whose collection and factor count for
    // it as well.
    size_t align_with = kNoRange;
    const PlacementPair* pair = nullptr;
  };

  // Both must outlive the model.
  PlacementModel(const PlacementSnapshot& snapshot, const PlacementRules& rules);

  const std::vector<Store>& stores() const { return stores_; }
  const std::vector<Range>& ranges() const { return ranges_; }
  const PlacementRules& rules() const { return rules_; }
  const Balance& replicas() const { return replicas_; }
  const Balance& bytes() const { return bytes_; }
  const Balance& demand() const { return demand_; }
  const Balance& leaders() const { return leaders_; }
  const Balance& led_demand() const { return led_demand_; }

  // Whether the store has the labels that the range's collection requires.
  bool Allows(const Range& range, uint32_t store) const;
  // Spread of the range's voters with `from` (if any) replaced by `to` (if any).
  Collisions Spread(const Range& range, uint32_t from, uint32_t to) const;
  // How unwelcome the set of stores is; the less the better. See copysets.h.
  uint32_t CopysetCost(const Range& range, uint32_t from, uint32_t to);
  // Stores that could hold a replica of the range.
  uint32_t CountAllowed(const Range& range) const;
  // How full a store is in all respects together, for the choice among equals.
  double Fill(const Store& store) const;

  // What a store's unevenness costs as a holder, or as a leader.
  double HoldCost(uint32_t store) const;
  double LeadCost(uint32_t store) const;
  // What a move lowers the cost by.
  double HoldGain(const Range& range, uint32_t from, uint32_t to) const;
  double LeadGain(const Range& range, uint32_t from, uint32_t to) const;
  double HoldRise(const Range& range, uint32_t to) const;

  // Whether the limits allow one more move.
  bool HasSlot(MoveKind kind, uint32_t from, uint32_t to) const;
  void TakeSlot(MoveKind kind, uint32_t from, uint32_t to);
  // Carries the move out in thought; the range is busy from here on.
  void Apply(MoveKind kind, size_t range, uint32_t from, uint32_t to);

 private:
  uint32_t StoreOf(consensus::StoreId id);
  void AddStores(const PlacementSnapshot& snapshot);
  void AddRanges(const PlacementSnapshot& snapshot);
  // `by_id`: positions in ranges().
  void AddUnderWay(const PlacementSnapshot& snapshot,
                   const std::map<consensus::RangeId, size_t>& by_id);
  void AddPairs(const PlacementSnapshot& snapshot,
                const std::map<consensus::RangeId, size_t>& by_id);
  void Sum();
  void Hold(const Range& range, uint32_t store, double sign);

  const PlacementRules& rules_;
  std::vector<Store> stores_;
  std::vector<Range> ranges_;
  std::map<consensus::StoreId, uint32_t> positions_;
  DomainTable domain_table_;
  std::map<uint32_t, Copysets> copysets_;       // By replication factor.
  std::map<StoreSet, uint32_t> sets_in_use_;    // Number of ranges; filled when first needed.
  std::map<StoreSet, uint32_t> copyset_costs_;  // Of set + target; until a set comes into use.
  Balance replicas_;
  Balance bytes_;
  Balance demand_;
  Balance leaders_;
  Balance led_demand_;
  uint32_t moves_ = 0;
  uint32_t transfers_ = 0;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_PLACEMENT_MODEL_H_
