// Latencies in buckets whose width is at most 1/64 of their value.
//
// Exact below 128 ns; above, a percentile is too high by less than 1.6%. A fixed 30 KiB, whatever
// is recorded. Not thread-safe: one per thread, merged afterwards.

#ifndef RASPUTIN_CLIENT_BENCH_HISTOGRAM_H_
#define RASPUTIN_CLIENT_BENCH_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rasputin::client {

class Histogram {
 public:
  Histogram();

  void Record(uint64_t nanoseconds);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  // The least recorded latency that at least this share (0 to 1) of all do not exceed, up to the
  // width of its bucket; 0 if nothing was recorded.
  uint64_t Percentile(double share) const;

 private:
  static size_t BucketOf(uint64_t nanoseconds);
  // The highest value of the bucket.
  static uint64_t UpperOf(size_t bucket);

  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

// The middle of the values, or the mean of the two in the middle; 0 of none.
double Median(std::vector<double> values);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_BENCH_HISTOGRAM_H_
