// Whether a range should be split, and where.
//
// Pure: measurements and thresholds are arguments. Not responsible for measuring (load_book.h,
// store_load.cc) nor for carrying anything out (the front end).

#ifndef RASPUTIN_RANGE_LOAD_SPLIT_DECIDER_H_
#define RASPUTIN_RANGE_LOAD_SPLIT_DECIDER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "consensus/core/types.h"
#include "range/load/key_sampler.h"
#include "range/load/load_window.h"
#include "range/load/review.h"
#include "range/load/split_rules.h"

namespace rasputin::range {

struct SplitInput {
  const RangeDescriptor* descriptor = nullptr;
  uint64_t size_bytes = 0;
  std::optional<LoadRates> sustained;                // nullopt: not measured for long enough.
  const std::vector<KeySample>* samples = nullptr;   // Null: none.
  std::optional<consensus::Duration> since_attempt;  // nullopt: there was none.
  bool must_wait = false;                            // As many splits are under way as may be.
  // Asked where the range is to be split by its size: see MiddleKey. Empty: no key divides it.
  // Null: somebody only wants to know whether a threshold is exceeded.
  std::function<std::optional<std::string>()> middle;
};

// A range below all thresholds has neither verdict nor reason. Beyond one:
//
// - by load: where the samples say that it is divided (key_sampler.h). A hot key is isolated in two
//   steps, at the key and behind it; then it is only reported. Where requests follow a tail, the
//   range is split there if what is left behind is so large that it is not merged back (a fifth of
//   the size threshold); otherwise, as after such a split, another one would only follow the tail;
// - by size, or where the load has no key that divides it though the size is exceeded: in the
//   middle of the data.
//
// `thresholds`: in force, the size included (split_rules.h).
SplitVerdict DecideSplit(const SplitInput& input, const type::v1::SplitThresholds& thresholds,
                         const SplitRules& rules);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_SPLIT_DECIDER_H_
