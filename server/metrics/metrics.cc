// Storage and rendering of metrics; see the header.

#include "server/metrics/metrics.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rasputin::server {
namespace {

std::string Braces(const std::string& labels) {
  return labels.empty() ? "" : absl::StrCat("{", labels, "}");
}

void RenderHistogram(const std::string& name, const std::string& labels, const Histogram& histogram,
                     std::string* out) {
  const std::string prefix = labels.empty() ? "" : labels + ",";
  uint64_t total = 0;
  for (int bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    total += histogram.Count(bucket);
    absl::StrAppendFormat(out, "%s_bucket{%sle=\"%.6f\"} %d\n", name, prefix,
                          static_cast<double>(uint64_t{1} << bucket) / 1e6, total);
  }
  total += histogram.Count(Histogram::kBuckets);
  absl::StrAppendFormat(out, "%s_bucket{%sle=\"+Inf\"} %d\n", name, prefix, total);
  absl::StrAppendFormat(out, "%s_sum%s %.9f\n", name, Braces(labels),
                        static_cast<double>(histogram.SumNanoseconds()) / 1e9);
  absl::StrAppendFormat(out, "%s_count%s %d\n", name, Braces(labels), total);
}

}  // namespace

void Histogram::Record(consensus::Duration duration) {
  const int64_t nanoseconds = std::max<int64_t>(0, duration.count());
  const uint64_t microseconds = (static_cast<uint64_t>(nanoseconds) + 999) / 1000;
  int bucket = 0;
  while (bucket < kBuckets && (uint64_t{1} << bucket) < microseconds) ++bucket;
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(static_cast<uint64_t>(nanoseconds), std::memory_order_relaxed);
}

MetricsRegistry::Family* MetricsRegistry::FamilyOf(const std::string& name, const std::string& help,
                                                   const char* type) {
  Family* family = &families_[name];
  if (family->type.empty()) {
    family->help = help;
    family->type = type;
  }
  return family;
}

Counter* MetricsRegistry::AddCounter(const std::string& name, const std::string& help,
                                     const std::string& labels) {
  std::lock_guard<std::mutex> lock(mutex_);
  Counter*& counter = FamilyOf(name, help, "counter")->counters[labels];
  if (counter == nullptr) counter = &counters_.emplace_back();
  return counter;
}

Histogram* MetricsRegistry::AddHistogram(const std::string& name, const std::string& help,
                                         const std::string& labels) {
  std::lock_guard<std::mutex> lock(mutex_);
  Histogram*& histogram = FamilyOf(name, help, "histogram")->histograms[labels];
  if (histogram == nullptr) histogram = &histograms_.emplace_back();
  return histogram;
}

void MetricsRegistry::AddGauge(const std::string& name, const std::string& help,
                               std::function<double()> read, const std::string& labels) {
  std::lock_guard<std::mutex> lock(mutex_);
  FamilyOf(name, help, "gauge")->sources[labels] = std::move(read);
}

void MetricsRegistry::AddCounterSource(const std::string& name, const std::string& help,
                                       std::function<double()> read) {
  std::lock_guard<std::mutex> lock(mutex_);
  FamilyOf(name, help, "counter")->sources[""] = std::move(read);
}

std::string MetricsRegistry::Render() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    absl::StrAppend(&out, "# HELP ", name, " ", family.help, "\n");
    absl::StrAppend(&out, "# TYPE ", name, " ", family.type, "\n");
    for (const auto& [labels, counter] : family.counters) {
      absl::StrAppend(&out, name, Braces(labels), " ", counter->value(), "\n");
    }
    for (const auto& [labels, read] : family.sources) {
      absl::StrAppendFormat(&out, "%s%s %.17g\n", name, Braces(labels), read());
    }
    for (const auto& [labels, histogram] : family.histograms) {
      RenderHistogram(name, labels, *histogram, &out);
    }
  }
  return out;
}

}  // namespace rasputin::server
