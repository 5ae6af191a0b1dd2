// Sparse logarithmic histograms of the latency and size of requests, by operation, in a bounded
// table.
//
// Bucket b counts the values v with round(100 ln(1 + v)) = b, so a value is known to within half a
// per cent. At the bound the table gets coarser instead of larger: buckets are joined two by two
// (then four, eight...), in all its histograms alike, and named by the middle of what they hold;
// the counts stay whole. A count stops at 2^32 - 1. Deterministic; not thread-safe.

#ifndef RASPUTIN_RANGE_LOAD_OPERATION_HISTOGRAMS_H_
#define RASPUTIN_RANGE_LOAD_OPERATION_HISTOGRAMS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "kv/command.h"
#include "rasputin/type/v1/load.pb.h"

namespace rasputin::range {

// 0 to 4,095; 4,095 is e^40.95, 19,000 years in microseconds, and whatever is more.
uint32_t BucketOf(uint64_t value);
// The value in the middle of the bucket: e^(b/100) - 1.
double ValueOfBucket(uint32_t bucket);
// A value that the given share (0 to 1) of the values does not exceed, to within a bucket; 0 where
// there are none.
double Quantile(const type::v1::Histogram& histogram, double share);
// Adds the counts of `from`; buckets ascend in both.
void AddHistogram(const type::v1::Histogram& from, type::v1::Histogram* to);

class OperationHistograms {
 public:
  // Room for the histograms of one range: 1,536 bytes.
  static constexpr size_t kSlotsOfRange = 256;

  // `slots`: a power of two, at least 256 (CHECK); 6 bytes each, three of four are used.
  explicit OperationHistograms(size_t slots = kSlotsOfRange);

  // Of other operations than get, scan, set, cas, delete and batch nothing is kept.
  void Add(kv::Operation operation, uint64_t latency_us, uint64_t size_bytes) {
    AddBuckets(operation, BucketOf(latency_us), BucketOf(size_bytes));
  }
  // The same, for who adds to several: a bucket costs a logarithm.
  void AddBuckets(kv::Operation operation, uint32_t latency_bucket, uint32_t size_bucket);

  // Of the operations that there were, in the order above.
  std::vector<type::v1::OperationLoad> Export() const;
  bool empty() const { return used_ == 0; }
  // One bucket here is 2^coarseness of the finest.
  uint32_t coarseness() const { return shift_; }

 private:
  // `finest`: as of BucketOf.
  void AddBucket(uint32_t histogram, uint32_t finest);
  // A free slot, or the one of the key.
  size_t SlotOf(uint16_t key) const;
  void Coarsen();

  // Key: histogram (operation and measure) and bucket, + 1; 0: free.
  std::vector<uint16_t> keys_;
  std::vector<uint32_t> counts_;
  uint32_t used_ = 0;
  uint32_t shift_ = 0;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_OPERATION_HISTOGRAMS_H_
