// How many bytes may leave: so many per second on average, so many at once. Pure.
//
// Time comes in as an argument; an instant before the last one counts as that one. What is taken
// may exceed what is there (chunks differ in size): then nothing may be taken until it is paid for.
// Plain value.

#ifndef RASPUTIN_RANGE_TOKEN_BUCKET_H_
#define RASPUTIN_RANGE_TOKEN_BUCKET_H_

#include <cstdint>

#include "consensus/core/types.h"

namespace rasputin::range {

class TokenBucket {
 public:
  // Full at first. `bytes_per_second` > 0 (CHECK).
  TokenBucket(uint64_t bytes_per_second, uint64_t burst_bytes, consensus::Instant now);

  bool MayTake(consensus::Instant now);
  void Take(uint64_t bytes) { tokens_ -= static_cast<double>(bytes); }
  // When MayTake is true next; `now` or earlier if it is.
  consensus::Instant NextAt() const;

 private:
  const double bytes_per_second_;
  const double burst_bytes_;
  double tokens_;
  consensus::Instant filled_at_;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_TOKEN_BUCKET_H_
