// See load_book.h.

#include "range/load/load_book.h"

#include <algorithm>

namespace rasputin::range {
namespace {

// The directory is served like any other range.
bool IsLoad(kv::Operation operation) {
  return kv::IsOfClients(operation) || operation == kv::Operation::kMeta ||
         operation == kv::Operation::kMetaRead;
}

}  // namespace

RangeMeter* LoadBook::MeterOf(consensus::Instant now, consensus::RangeId range,
                              RangeLoadState* load) {
  if (load->meter == nullptr) {
    load->meter = std::make_unique<RangeMeter>(now, seed_ * 1000003 + range.value());
    metered_.insert(range);
  }
  return load->meter.get();
}

void LoadBook::OnRequest(consensus::Instant now, consensus::RangeId range, const RequestWork& work,
                         RangeLoadState* load) {
  if (!IsLoad(work.operation)) return;
  const bool writes = work.writes;
  LoadCounts counts;
  (writes ? counts.writes : counts.reads) = work.operations;
  (writes ? counts.written_bytes : counts.read_bytes) = work.bytes;
  total_.Add(now, counts);
  RangeMeter* meter = MeterOf(now, range, load);
  meter->window.Add(now, counts);
  meter->last_request = std::max(meter->last_request, now);
  meter->active = true;
  if (writes) meter->bytes_since += work.bytes;
  if (!work.first_key.empty() && meter->keys.Wants(now)) {
    meter->keys.Observe(work.first_key, work.last_key);
  }
  // What never hears of processor time must not grow without bound.
  constexpr uint64_t kCostMax = uint64_t{1} << 32;
  const uint64_t cost = work.operations * (writes ? 2 : 1) + work.bytes / kCostBytes;
  if (cost == 0 || turn_cost_ + cost > kCostMax) return;
  if (meter->turn_cost == 0) turn_.push_back(range);
  meter->turn_cost += cost;
  turn_cost_ += cost;
}

void LoadBook::OnAnswer(kv::Operation operation, consensus::Duration latency, uint64_t bytes,
                        RangeLoadState* load) {
  const auto latency_us = static_cast<uint64_t>(
      std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(latency).count()));
  const uint32_t latency_bucket = BucketOf(latency_us);
  const uint32_t size_bucket = BucketOf(bytes);
  histograms_.AddBuckets(operation, latency_bucket, size_bucket);
  // Null: the range was idle for long, or the leadership ended, while the request waited.
  if (load->meter == nullptr) return;
  load->meter->histograms.AddBuckets(operation, latency_bucket, size_bucket);
}

}  // namespace rasputin::range
