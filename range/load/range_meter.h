// What the leader of a range measures of it while it has something to do.
//
// Exists only while there is load: a replica of an idle range holds a null pointer. At most 4 KiB,
// and 128 bytes for each of 20 sampled keys. Not thread-safe; not replicated: a new leader measures
// anew.

#ifndef RASPUTIN_RANGE_LOAD_RANGE_METER_H_
#define RASPUTIN_RANGE_LOAD_RANGE_METER_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "consensus/core/types.h"
#include "range/load/key_sampler.h"
#include "range/load/load_window.h"
#include "range/load/operation_histograms.h"
#include "range/load/split_rules.h"

namespace rasputin::range {

// What two ranges had to do together before they became one.
struct CarriedLoad {
  LoadRates rates;
  LoadPeaks peaks;
  consensus::Instant merged;
};

struct RangeMeter {
  // `seed`: of the draw of keys.
  RangeMeter(consensus::Instant start, uint64_t seed)
      : window(start), keys(seed), last_request(start) {}

  LoadWindow window;
  KeySampler keys;
  OperationHistograms histograms;
  consensus::Instant last_request;
  bool active = true;        // Since the last review.
  uint64_t turn_cost = 0;    // In the turn that is under way; see LoadBook.
  uint64_t bytes_since = 0;  // Written since the engine was asked for the size.
  consensus::Instant size_asked = consensus::Instant::min();  // min(): ask at the next occasion.
  std::optional<consensus::Instant> split_proposed;  // When a verdict to split was given last.
  // When a key that divides the data was searched for last, and whether there was none.
  std::optional<consensus::Instant> searched;
  bool indivisible = false;
  SizeCap cap;
  // Until then the range takes no more data: it held more than `cap` allows when it was last
  // reviewed. min(): it does. So that where nobody reviews, nobody is refused for long.
  consensus::Instant full_until = consensus::Instant::min();
  // Of a range that came from a merge; null, or not older than a peak lasts.
  std::unique_ptr<CarriedLoad> carried;
};

// What a replica holds of its range's load.
struct RangeLoadState {
  std::unique_ptr<RangeMeter> meter;  // Null: nothing to do lately, or does not lead.
  // Of the leadership and the bounds that the rest belongs to; 0: none yet.
  uint64_t identity = 0;
  consensus::Instant since;  // When this identity was seen first.
  uint64_t size_bytes = 0;   // As the engine said last; 0: it was not asked.
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_RANGE_METER_H_
