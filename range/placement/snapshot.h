// What the placement planner is given and what it answers: stores, ranges, collections and moves as
// plain values.
//
// A snapshot is taken from the directory and the load reports of the stores by whoever leads the
// meta range; it may be a little behind, which costs a move that is refused, never safety: each
// step of a move is checked again by the range's own leader [H-14]. Values; no thread-safety
// needed.

#ifndef RASPUTIN_RANGE_PLACEMENT_SNAPSHOT_H_
#define RASPUTIN_RANGE_PLACEMENT_SNAPSHOT_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "consensus/core/types.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::range {

struct PlacementStore {
  consensus::StoreId id;
  std::map<std::string, std::string> labels;
  type::v1::StoreState state = type::v1::STORE_STATE_ACTIVE;
  // Since it was heard last, by the controller or by a store that it hears; zero: it answers.
  consensus::Duration silent{};
  uint64_t capacity_bytes = 0;  // Of its disk; 0: not known.
  uint64_t available_bytes = 0;
};

struct PlacementMember {
  consensus::StoreId store;
  bool voter = true;  // Otherwise a learner.
};

struct PlacementRange {
  consensus::RangeId id;
  uint64_t collection_id = 0;
  std::vector<PlacementMember> members;
  consensus::StoreId leader;  // 0: not known.
  // Its voters are changing, or it is being merged: nothing about it is changed now.
  bool blocked = false;
  // Stores whose replica of it lacks what only a snapshot can bring.
  std::vector<consensus::StoreId> lagging;
  // As its leader measured them; 0: nothing, or not known.
  uint64_t size_bytes = 0;
  double requests_per_second = 0;
  double cpu_cores = 0;
  // Since the last move of it ended; max(): none is known.
  consensus::Duration since_move = consensus::Duration::max();
  // For how long its members have been the same while a learner is among them.
  consensus::Duration learner_for{};
};

struct PlacementCollection {
  uint64_t id = 0;
  uint32_t replication_factor = 0;  // 0: PlacementRules::replication_factor.
  std::map<std::string, std::string> required_labels;
};

enum class MoveKind : uint8_t {
  kTransferLease = 1,  // From the store that leads to another voter.
  kReplace = 2,        // A learner is added at `to`, then takes the place of the replica at `from`.
  kAdd = 3,            // A voter more at `to`.
  kRemove = 4,         // A replica less, at `from`.
};

// Why something is moved; the lower the more urgent.
enum class MoveCause : uint8_t {
  kDeadStore = 1,     // The store was silent for too long, or is not on the list any more.
  kConstraint = 2,    // The store lacks a label that the collection requires.
  kDrain = 3,         // A leadership leaves a store that drains or is decommissioned.
  kDecommission = 4,  // A replica leaves a store that is decommissioned.
  kFactor = 5,        // The collection wants more or fewer replicas.
  kSpread = 6,        // Another store is in a failure domain that the range does not have yet.
  kLeftover = 7,      // A learner that nobody promotes.
  kAlign = 8,  // The range is to be merged with its left neighbour, on whose stores it belongs.
  kBalance = 9,
};

struct PlacementMove {
  MoveKind kind = MoveKind::kReplace;
  MoveCause cause = MoveCause::kBalance;
  consensus::RangeId range;
  consensus::StoreId from;  // 0 for kAdd.
  consensus::StoreId to;    // 0 for kRemove.
  std::string reason;       // One sentence with figures.
  bool start = false;       // The limits allow it to begin now.
};

// A range that is to be merged with its right neighbour once the same stores hold both.
struct PlacementPair {
  consensus::RangeId left;
  consensus::RangeId right;
  std::string reason;  // Why the merge is wanted.
};

// Flags of the same names, where there are; see server/README.md.
struct PlacementRules {
  uint32_t replication_factor = 3;
  // A store silent for so long is asked for nothing new...
  consensus::Duration store_suspect_after = std::chrono::seconds(15);
  // ...and for so long is given up: its replicas are made anew elsewhere.
  consensus::Duration store_dead_after = std::chrono::minutes(5);
  // Changes of members at once: in the cluster, towards a store, away from a store.
  uint32_t moves_max = 8;
  uint32_t moves_in_max = 2;
  uint32_t moves_out_max = 2;
  // Handovers of leadership at once.
  uint32_t transfers_max = 16;
  // A range is not moved again for the sake of balance so soon after a move.
  consensus::Duration move_pause = std::chrono::minutes(1);
  // A learner that stayed one for so long is taken away; it was left by a change that broke off.
  consensus::Duration leftover_after = std::chrono::minutes(1);
  // Pairs that are aligned, and left alone by balance, at once.
  uint32_t pairs_max = 8;
};

struct PlacementSnapshot {
  std::vector<PlacementStore> stores;            // By id.
  std::vector<PlacementRange> ranges;            // By id.
  std::vector<PlacementCollection> collections;  // Those not named have the defaults.
  std::vector<PlacementMove> under_way;
  // The first go first; a range takes part in one pair at a time.
  std::vector<PlacementPair> pairs;
};

struct PlacementPlan {
  // In order of urgency; at most kMovesListedMax. Those to begin now say so.
  std::vector<PlacementMove> moves;
  uint64_t moves_unlisted = 0;
  // Stores that are decommissioned and hold nothing any more.
  std::vector<consensus::StoreId> retire;
  // What stands in the way, a sentence each.
  std::vector<std::string> obstacles;
  // Ranges with fewer live voters than they should have.
  uint64_t ranges_short = 0;
};

inline constexpr size_t kMovesListedMax = 100;

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_PLACEMENT_SNAPSHOT_H_
