// When ranges split: the numbers that flags and collections set, and those that are in force.
//
// Plain values; pure functions. Not responsible for the decision (split_decider.h,
// merge_decider.h).

#ifndef RASPUTIN_RANGE_LOAD_SPLIT_RULES_H_
#define RASPUTIN_RANGE_LOAD_SPLIT_RULES_H_

#include <algorithm>
#include <cstdint>

#include "consensus/core/types.h"
#include "rasputin/type/v1/collection.pb.h"

namespace rasputin::range {

// The defaults are those of the flags of rasputind.
struct SplitRules {
  // Data of a range, in bytes, and its load; a collection may set its own (SplitThresholds).
  uint64_t size_bytes = 256 << 20;
  uint64_t requests_per_second = 2500;
  uint64_t cpu_millicores = 500;
  uint64_t read_bytes_per_second = 30 << 20;
  uint64_t written_bytes_per_second = 8 << 20;
  // A range of a small database splits at so many bytes for each range that there is, so that what
  // little there is can spread. At or above `size_bytes`: small databases are as others.
  uint64_t small_size_bytes = 16 << 20;
  // For how long the load must be above a threshold; whole seconds from 2 to 10.
  consensus::Duration sustained = std::chrono::seconds(10);
  // From one attempt to split a range to the next.
  consensus::Duration pause = std::chrono::seconds(60);
};

// How large a range may grow before it takes no more data: to so many times its size threshold, or
// what it held when its leader first looked or the threshold was lowered, whichever is more. So a
// threshold that is lowered refuses nobody; what outgrows its splits is held up from there on.
class SizeCap {
 public:
  static constexpr uint64_t kFactor = 2;

  // The range holds `size_bytes`, its threshold is `threshold_bytes`.
  void Follow(uint64_t size_bytes, uint64_t threshold_bytes);
  uint64_t bytes() const { return kFactor * std::max(threshold_bytes_, found_bytes_); }
  // It comes from what the range held.
  bool is_of_size() const { return found_bytes_ > threshold_bytes_; }

 private:
  uint64_t threshold_bytes_ = 0;  // 0: nobody has looked.
  uint64_t found_bytes_ = 0;
};

// What counts for a range: what its collection sets, and where that is 0 the rules. All of it set;
// the size is not yet that of a small database.
type::v1::SplitThresholds ThresholdsInForce(const SplitRules& rules,
                                            const type::v1::SplitThresholds& collection);

// Of a store that holds `ranges` ranges of users: the size at which one of them splits. So a split
// follows at 16 MiB from one range, at 32 MiB from two, and from 16 ranges on at 256 MiB. At most
// `size_bytes`. A range that was merged (merge_decider.h) is below it: each half had less than a
// fifth, and with one range fewer at least half of the size is left.
uint64_t SizeForRanges(const SplitRules& rules, uint64_t size_bytes, uint64_t ranges);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_SPLIT_RULES_H_
