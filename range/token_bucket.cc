// See token_bucket.h.

#include "range/token_bucket.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>

namespace rasputin::range {

using consensus::Duration;
using consensus::Instant;

TokenBucket::TokenBucket(uint64_t bytes_per_second, uint64_t burst_bytes, Instant now)
    : bytes_per_second_(static_cast<double>(bytes_per_second)),
      burst_bytes_(static_cast<double>(burst_bytes)),
      tokens_(burst_bytes_),
      filled_at_(now) {
  CHECK_GT(bytes_per_second, 0u);
}

bool TokenBucket::MayTake(Instant now) {
  if (now > filled_at_) {
    const double seconds = std::chrono::duration<double>(now - filled_at_).count();
    tokens_ = std::min(burst_bytes_, tokens_ + seconds * bytes_per_second_);
    filled_at_ = now;
  }
  return tokens_ > 0;
}

Instant TokenBucket::NextAt() const {
  if (tokens_ > 0) return filled_at_;
  // One nanosecond more than it takes to get to zero.
  return filled_at_ + Duration(static_cast<int64_t>(-tokens_ / bytes_per_second_ * 1e9) + 1);
}

}  // namespace rasputin::range
