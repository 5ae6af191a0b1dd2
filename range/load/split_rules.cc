// See split_rules.h.

#include "range/load/split_rules.h"

#include <algorithm>

namespace rasputin::range {

void SizeCap::Follow(uint64_t size_bytes, uint64_t threshold_bytes) {
  if (threshold_bytes_ == 0 || threshold_bytes < threshold_bytes_) found_bytes_ = size_bytes;
  threshold_bytes_ = threshold_bytes;
}

type::v1::SplitThresholds ThresholdsInForce(const SplitRules& rules,
                                            const type::v1::SplitThresholds& collection) {
  type::v1::SplitThresholds in_force = collection;
  if (in_force.size_bytes() == 0) in_force.set_size_bytes(rules.size_bytes);
  if (in_force.requests_per_second() == 0) {
    in_force.set_requests_per_second(rules.requests_per_second);
  }
  if (in_force.cpu_millicores() == 0) in_force.set_cpu_millicores(rules.cpu_millicores);
  if (in_force.read_bytes_per_second() == 0) {
    in_force.set_read_bytes_per_second(rules.read_bytes_per_second);
  }
  if (in_force.written_bytes_per_second() == 0) {
    in_force.set_written_bytes_per_second(rules.written_bytes_per_second);
  }
  return in_force;
}

uint64_t SizeForRanges(const SplitRules& rules, uint64_t size_bytes, uint64_t ranges) {
  const uint64_t small = rules.small_size_bytes;
  if (small >= size_bytes) return size_bytes;
  const uint64_t count = std::max<uint64_t>(1, ranges);
  return count > size_bytes / small ? size_bytes : std::max<uint64_t>(1, small * count);
}

}  // namespace rasputin::range
