// What the placement controller knows of the cluster: the directory, what the stores report, and
// when each was heard last.
//
// Turns it into the planner's snapshot. Not responsible for asking (placement_controller.h) nor for
// deciding (range/placement). Deterministic. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_PLACEMENT_VIEW_H_
#define RASPUTIN_SERVER_FRONT_PLACEMENT_VIEW_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "range/placement/snapshot.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "rasputin/type/v1/load.pb.h"
#include "server/front/ports.h"

namespace rasputin::server {

class PlacementView {
 public:
  // ---- The directory.
  // An answer to MetaQuery.changes_after; if it is the beginning of everything, the ranges that are
  // known are forgotten first.
  void OnChanges(const ClockReading& now, const storage::v1::MetaQueryResult& changes);
  // More of everything, from MetaQuery.ranges_from.
  void OnRanges(const ClockReading& now, const storage::v1::MetaQueryResult& page);
  void OnStores(const ClockReading& now, const std::vector<type::v1::StoreDescriptor>& stores);
  void OnCollections(const std::vector<type::v1::Collection>& collections);

  // ---- The stores.
  void OnLoad(const ClockReading& now, const type::v1::StoreLoad& load);
  // A handover that was asked for has happened: the next report will say so too.
  void OnTransferred(RangeId range, StoreId leader) { leaders_[range.value()] = leader; }
  // The range was moved, or could not be and rests until `until`.
  void OnMoved(const ClockReading& now, RangeId range) { moved_at_[range.value()] = now.boot; }
  void OnFailed(RangeId range, Instant until) { rests_until_[range.value()] = until; }

  range::PlacementSnapshot Snapshot(const ClockReading& now) const;
  // Whether something that a plan could depend on, but for the passing of time, is other than at
  // the last call.
  bool TakeNews() { return std::exchange(news_, false); }

  const std::map<uint64_t, type::v1::StoreDescriptor>& stores() const { return stores_; }
  // As the directory has the range; of a change under way, as it is to be.
  size_t CountVoters(RangeId range) const;
  bool IsVoter(RangeId range, StoreId store) const;
  size_t range_count() const { return ranges_.size(); }
  // Whether it answered since it is known here, and how long ago it was heard last, here or by a
  // store that answered: one that this store alone does not hear is not silent.
  bool Answered(uint64_t store) const { return loads_.count(store) != 0; }
  Duration Silent(const ClockReading& now, uint64_t store) const;
  // The store that said last that it leads the range; not set: none did.
  StoreId Leader(RangeId range) const;
  // All stores with their reports, ranges by the directory.
  std::vector<admin::v1::StoreStatus> Statuses(const ClockReading& now,
                                               Duration suspect_after) const;

 private:
  void PutRange(const ClockReading& now, const range::RangeDescriptor& range);
  // Of neighbours, as those who lead the left ones want them, the oldest wish first.
  std::vector<range::PlacementPair> Pairs(const ClockReading& now) const;

  std::map<uint64_t, range::RangeDescriptor> ranges_;
  std::map<uint64_t, type::v1::Collection> collections_;
  std::map<uint64_t, type::v1::StoreDescriptor> stores_;
  // By store: when it answered, or another that answered said that it is supported by it; since it
  // is known here if neither ever happened.
  std::map<uint64_t, Instant> heard_at_;
  std::map<uint64_t, type::v1::StoreLoad> loads_;
  std::map<uint64_t, StoreId> leaders_;  // By range.
  std::map<uint64_t, uint64_t> bytes_;   // By range.
  std::map<uint64_t, type::v1::RangeLoad> range_loads_;
  std::map<uint64_t, std::vector<StoreId>> lagging_;  // By range.
  std::map<uint64_t, Instant> learner_since_;         // Ranges with a learner, at this generation.
  std::map<uint64_t, Instant> moved_at_;
  std::map<uint64_t, Instant> rests_until_;
  bool news_ = true;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_PLACEMENT_VIEW_H_
