// See histogram.h. Values are grouped by their highest bit, each group into 64 equal buckets.

#include "client/bench/histogram.h"

#include <algorithm>
#include <cmath>

namespace rasputin::client {
namespace {

constexpr int kSubBits = 6;
constexpr uint64_t kSub = uint64_t{1} << kSubBits;

}  // namespace

Histogram::Histogram() : buckets_((64 - kSubBits + 1) * kSub) {}

size_t Histogram::BucketOf(uint64_t nanoseconds) {
  if (nanoseconds < 2 * kSub) return nanoseconds;
  const int shift = 63 - __builtin_clzll(nanoseconds) - kSubBits;
  return (static_cast<size_t>(shift) << kSubBits) + (nanoseconds >> shift);
}

uint64_t Histogram::UpperOf(size_t bucket) {
  if (bucket < 2 * kSub) return bucket;
  const size_t shift = (bucket >> kSubBits) - 1;
  const uint64_t lower = (bucket - (shift << kSubBits)) << shift;
  return lower + ((uint64_t{1} << shift) - 1);
}

void Histogram::Record(uint64_t nanoseconds) {
  ++buckets_[BucketOf(nanoseconds)];
  ++count_;
  max_ = std::max(max_, nanoseconds);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

uint64_t Histogram::Percentile(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(share * static_cast<double>(count_));
  const uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min(UpperOf(i), max_);
  }
  return max_;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace rasputin::client
