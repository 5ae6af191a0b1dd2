// See load_text.h.

#include "server/metrics/load_text.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "range/load/operation_histograms.h"

namespace rasputin::server {
namespace {

using type::v1::OperationLoad;
using type::v1::RangeLoad;

void Head(const char* name, const char* type, const char* help, std::string* out) {
  absl::StrAppend(out, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
}

void Line(const char* name, const std::string& labels, double value, std::string* out) {
  absl::StrAppendFormat(out, "%s%s %.17g\n", name, labels, value);
}

std::string Label(const char* name, const std::string& value) {
  return absl::StrCat("{", name, "=\"", value, "\"}");
}

void RenderTotal(const RangeLoad& total, std::string* out) {
  constexpr char kRequests[] = "rasputin_led_requests_per_second";
  Head(kRequests, "gauge",
       "Requests a second to ranges that this store leads, over 10 seconds; of a batch each "
       "operation.",
       out);
  Line(kRequests, Label("kind", "read"), total.reads_per_second(), out);
  Line(kRequests, Label("kind", "write"), total.writes_per_second(), out);
  constexpr char kBytes[] = "rasputin_led_bytes_per_second";
  Head(kBytes, "gauge", "Bytes a second that reads return and writes bring, over 10 seconds.", out);
  Line(kBytes, Label("kind", "read"), total.read_bytes_per_second(), out);
  Line(kBytes, Label("kind", "write"), total.written_bytes_per_second(), out);
  constexpr char kCpu[] = "rasputin_shard_cpu_cores";
  Head(kCpu, "gauge", "Processor time of the shard's turns, in cores, over 10 seconds.", out);
  Line(kCpu, "", total.cpu_cores(), out);
}

void RenderRanges(const std::vector<RangeLoad>& ranges, std::string* out) {
  const struct {
    const char* name;
    const char* help;
    double (*value)(const RangeLoad&);
  } families[] = {
      {"rasputin_range_requests_per_second",
       "Requests a second of the 20 busiest ranges that this store leads.",
       [](const RangeLoad& load) { return load.reads_per_second() + load.writes_per_second(); }},
      {"rasputin_range_bytes_per_second", "Bytes a second, read and written, of the same ranges.",
       [](const RangeLoad& load) {
         return load.read_bytes_per_second() + load.written_bytes_per_second();
       }},
      {"rasputin_range_cpu_cores", "Processor time of the same ranges, in cores.",
       [](const RangeLoad& load) { return load.cpu_cores(); }},
      {"rasputin_range_size_bytes", "Approximate size of the same ranges.",
       [](const RangeLoad& load) { return static_cast<double>(load.size_bytes()); }},
  };
  const size_t shown = std::min(ranges.size(), kRangesShown);
  for (const auto& family : families) {
    if (shown == 0) return;
    Head(family.name, "gauge", family.help, out);
    for (size_t i = 0; i < shown; ++i) {
      Line(family.name, Label("range", absl::StrCat(ranges[i].range_id())), family.value(ranges[i]),
           out);
    }
  }
}

// Bounds double from `first` on, `count` of them; values are divided by `unit`.
struct Scale {
  double first;
  int count;
  double unit;
};

void RenderHistogram(const char* name, const std::string& operation,
                     const type::v1::Histogram& histogram, const Scale& scale, std::string* out) {
  const std::string label = absl::StrCat("operation=\"", operation, "\"");
  uint64_t total = 0;
  double sum = 0;
  int next = 0;
  double bound = scale.first;
  for (int i = 0; i < scale.count; ++i, bound *= 2) {
    for (; next < histogram.buckets_size(); ++next) {
      const double value = range::ValueOfBucket(histogram.buckets(next).bucket());
      if (value > bound) break;
      total += histogram.buckets(next).count();
      sum += value * static_cast<double>(histogram.buckets(next).count());
    }
    absl::StrAppendFormat(out, "%s_bucket{%s,le=\"%.6g\"} %d\n", name, label, bound / scale.unit,
                          total);
  }
  for (; next < histogram.buckets_size(); ++next) {
    total += histogram.buckets(next).count();
    sum += range::ValueOfBucket(histogram.buckets(next).bucket()) *
           static_cast<double>(histogram.buckets(next).count());
  }
  absl::StrAppendFormat(out, "%s_bucket{%s,le=\"+Inf\"} %d\n", name, label, total);
  absl::StrAppendFormat(out, "%s_sum{%s} %.9g\n", name, label, sum / scale.unit);
  absl::StrAppendFormat(out, "%s_count{%s} %d\n", name, label, total);
}

}  // namespace

std::string RenderActivity(const StoreActivity& activity) {
  std::string out;
  RenderTotal(activity.total, &out);
  RenderRanges(activity.ranges, &out);
  if (activity.operations.empty()) return out;
  constexpr char kSeconds[] = "rasputin_led_request_seconds";
  Head(kSeconds, "histogram",
       "Time from the arrival of a request at its range's leader to the answer.", &out);
  for (const OperationLoad& load : activity.operations) {
    RenderHistogram(kSeconds, load.operation(), load.latency_us(), {1, 27, 1e6}, &out);
  }
  constexpr char kBytes[] = "rasputin_led_request_bytes";
  Head(kBytes, "histogram", "Size of request and answer together.", &out);
  for (const OperationLoad& load : activity.operations) {
    RenderHistogram(kBytes, load.operation(), load.size_bytes(), {64, 20, 1}, &out);
  }
  return out;
}

}  // namespace rasputin::server
