// Merges that only the stores of the two ranges stand against, as the left range's leader wants
// them; reported to the placement controller, which moves the right range's replicas.
//
// A wish stands while it is confirmed again and again and both ranges keep their bounds, but not
// for ever: balance leaves the two ranges alone meanwhile. While it stands it also vouches for the
// past: the alignment may hand the right range to another leader, which has measured nothing yet.
// Decides nothing (range/load/merge_decider.h). Deterministic; not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_MERGE_WISHES_H_
#define RASPUTIN_SERVER_FRONT_MERGE_WISHES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "consensus/core/types.h"
#include "rasputin/type/v1/load.pb.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::server {

class MergeWishes {
 public:
  using Instant = consensus::Instant;
  using RangeDescriptor = type::v1::RangeDescriptor;

  static constexpr size_t kMax = 8;
  // Without a confirmation a wish ends; longer than the first pauses after merges that failed.
  static constexpr consensus::Duration kUnconfirmedMax = std::chrono::minutes(2);
  // Somebody should look so often whether it is still wanted.
  static constexpr consensus::Duration kLookEach = std::chrono::seconds(5);
  // A wish that was not fulfilled in this time ends, and the left range rests.
  static constexpr consensus::Duration kStandMax = std::chrono::minutes(10);
  static constexpr consensus::Duration kRest = std::chrono::minutes(30);

  // The merge is wanted now. Begins a wish if none of these two stands and there is a place for it;
  // true if it did.
  bool Confirm(Instant now, const RangeDescriptor& left, const RangeDescriptor& right,
               const std::string& reason);
  // It is not wanted any more, or has happened.
  void Drop(uint64_t left_range_id) { wishes_.erase(left_range_id); }

  // A wish of exactly these two, with these bounds, stands.
  bool Stands(Instant now, const RangeDescriptor& left, const RangeDescriptor& right) const;
  // Whether Confirm would find a wish of the left range, or a place for one.
  bool HasPlace(Instant now, uint64_t left_range_id) const;

  // Left ranges to be looked at again; each is named once in kLookEach. Ends what has stood or gone
  // unconfirmed for too long.
  std::vector<uint64_t> TakeDue(Instant now);
  std::vector<type::v1::MergeWish> List(Instant now) const;

 private:
  void End(Instant now);

  struct Wish {
    uint64_t right_range_id = 0;
    std::string middle_key;  // Where the left one ends.
    std::string end_key;
    Instant since;
    Instant confirmed;
    Instant looked_at;
    std::string reason;

    bool HasEnded(Instant now) const {
      return now >= since + kStandMax || now >= confirmed + kUnconfirmedMax;
    }
  };

  std::map<uint64_t, Wish> wishes_;          // By left range.
  std::map<uint64_t, Instant> rests_until_;  // Left ranges.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_MERGE_WISHES_H_
