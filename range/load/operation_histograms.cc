// See operation_histograms.h: an open-addressing table, probed one by one.

#include "range/load/operation_histograms.h"

#include <glog/logging.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace rasputin::range {
namespace {

constexpr uint32_t kBucketBits = 12;
constexpr uint32_t kBucketMax = (1 << kBucketBits) - 1;
constexpr std::array<const char*, 6> kNames = {"get", "scan", "set", "cas", "delete", "batch"};
constexpr uint32_t kMeasures = 2;  // Latency, size.
constexpr uint32_t kUnnamed = kNames.size();

uint32_t IndexOf(kv::Operation operation) {
  switch (operation) {
    case kv::Operation::kGet:
      return 0;
    case kv::Operation::kScan:
      return 1;
    case kv::Operation::kSet:
      return 2;
    case kv::Operation::kCas:
      return 3;
    case kv::Operation::kDelete:
      return 4;
    case kv::Operation::kBatch:
      return 5;
    default:
      return kUnnamed;
  }
}

uint32_t SaturatedSum(uint32_t a, uint32_t b) { return a + b < a ? ~uint32_t{0} : a + b; }

}  // namespace

uint32_t BucketOf(uint64_t value) {
  const double bucket = std::round(100 * std::log1p(static_cast<double>(value)));
  return std::min(static_cast<uint32_t>(bucket), kBucketMax);
}

double ValueOfBucket(uint32_t bucket) { return std::expm1(static_cast<double>(bucket) / 100); }

double Quantile(const type::v1::Histogram& histogram, double share) {
  uint64_t total = 0;
  for (const auto& bucket : histogram.buckets()) total += bucket.count();
  const double wanted = share * static_cast<double>(total);
  uint64_t below = 0;
  for (const auto& bucket : histogram.buckets()) {
    below += bucket.count();
    if (static_cast<double>(below) >= wanted) return ValueOfBucket(bucket.bucket());
  }
  return 0;
}

void AddHistogram(const type::v1::Histogram& from, type::v1::Histogram* to) {
  type::v1::Histogram sum;
  int a = 0;
  int b = 0;
  while (a < from.buckets_size() || b < to->buckets_size()) {
    const uint32_t next_a = a < from.buckets_size() ? from.buckets(a).bucket() : ~uint32_t{0};
    const uint32_t next_b = b < to->buckets_size() ? to->buckets(b).bucket() : ~uint32_t{0};
    type::v1::HistogramBucket* bucket = sum.add_buckets();
    bucket->set_bucket(std::min(next_a, next_b));
    if (next_a <= next_b) bucket->set_count(from.buckets(a++).count());
    if (next_b <= next_a) bucket->set_count(bucket->count() + to->buckets(b++).count());
  }
  *to = std::move(sum);
}

OperationHistograms::OperationHistograms(size_t slots) : keys_(slots), counts_(slots) {
  CHECK(slots >= kSlotsOfRange && (slots & (slots - 1)) == 0) << slots;
}

size_t OperationHistograms::SlotOf(uint16_t key) const {
  const size_t mask = keys_.size() - 1;
  // Neighbouring buckets are likely: spread them.
  size_t slot = (key * size_t{40503} >> 4) & mask;
  while (keys_[slot] != 0 && keys_[slot] != key) slot = (slot + 1) & mask;
  return slot;
}

void OperationHistograms::AddBucket(uint32_t histogram, uint32_t finest) {
  const uint32_t bucket = finest >> shift_;
  const auto key = static_cast<uint16_t>((histogram << kBucketBits | bucket) + 1);
  const size_t slot = SlotOf(key);
  if (keys_[slot] == 0) {
    if ((used_ + 1) * 4 > keys_.size() * 3) {
      Coarsen();
      return AddBucket(histogram, finest);
    }
    keys_[slot] = key;
    ++used_;
  }
  counts_[slot] = SaturatedSum(counts_[slot], 1);
}

// Twelve histograms of 4,096 >> shift buckets fit into 192 slots at a shift of 8 at the latest.
void OperationHistograms::Coarsen() {
  std::vector<uint16_t> keys(keys_.size());
  std::vector<uint32_t> counts(counts_.size());
  keys.swap(keys_);
  counts.swap(counts_);
  used_ = 0;
  ++shift_;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == 0) continue;
    const uint32_t old = keys[i] - 1u;
    const uint32_t coarser = (old >> kBucketBits << kBucketBits) | (old & kBucketMax) >> 1;
    const auto key = static_cast<uint16_t>(coarser + 1);
    const size_t slot = SlotOf(key);
    if (keys_[slot] == 0) ++used_;
    keys_[slot] = key;
    counts_[slot] = SaturatedSum(counts_[slot], counts[i]);
  }
}

void OperationHistograms::AddBuckets(kv::Operation operation, uint32_t latency_bucket,
                                     uint32_t size_bucket) {
  const uint32_t index = IndexOf(operation);
  if (index == kUnnamed) return;
  AddBucket(index * kMeasures, latency_bucket);
  AddBucket(index * kMeasures + 1, size_bucket);
}

std::vector<type::v1::OperationLoad> OperationHistograms::Export() const {
  std::vector<std::pair<uint32_t, uint32_t>> entries;
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] != 0) entries.emplace_back(keys_[i] - 1u, counts_[i]);
  }
  std::sort(entries.begin(), entries.end());
  std::vector<type::v1::OperationLoad> operations;
  uint32_t last = kUnnamed;
  for (const auto& [key, count] : entries) {
    const uint32_t histogram = key >> kBucketBits;
    const uint32_t operation = histogram / kMeasures;
    if (operation != last) operations.emplace_back().set_operation(kNames[operation]);
    last = operation;
    type::v1::HistogramBucket* bucket =
        (histogram % kMeasures == 0 ? operations.back().mutable_latency_us()
                                    : operations.back().mutable_size_bytes())
            ->add_buckets();
    bucket->set_bucket(((key & kBucketMax) << shift_) + (uint32_t{1} << shift_ >> 1));
    bucket->set_count(count);
  }
  return operations;
}

}  // namespace rasputin::range
