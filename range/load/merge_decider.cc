// See merge_decider.h. The cheap and lasting obstacles come before those that time removes, so that
// the reason given is the one that counts; the stores come last, since replicas are moved only for
// a merge that nothing else stands against.

#include "range/load/merge_decider.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "range/descriptor.h"
#include "range/load/figures.h"
#include "range/load/load_window.h"

namespace rasputin::range {
namespace {

using type::v1::RangeLoad;
using type::v1::SplitThresholds;

// Store to role; a voter may be written in two ways.
std::map<uint64_t, int> MembersOf(const RangeDescriptor& descriptor) {
  std::map<uint64_t, int> members;
  for (const auto& replica : descriptor.replicas()) {
    const bool unsaid = replica.role() == type::v1::REPLICA_ROLE_UNSPECIFIED;
    members[replica.store_id()] = unsaid ? type::v1::REPLICA_ROLE_VOTER : replica.role();
  }
  return members;
}

// What is under way with a range, empty: nothing.
std::string Busy(const RangeDescriptor& range) {
  if (range.has_merge()) return "another merge of it is under way";
  if (range.has_frozen_by()) return "it is frozen for another merge";
  if (ToConfiguration(range).IsJoint()) return "its members are being changed";
  return "";
}

// Why the size speaks against it; a dropped range is empty, whatever the engine still holds of it.
std::string TooLarge(const RangeDescriptor& range, const char* which, uint64_t size_bytes,
                     uint64_t limit) {
  if (range.dropped() || size_bytes < limit) return "";
  return absl::StrCat("the ", which, " range holds ", FormatBytes(size_bytes),
                      ", ranges are merged below ", FormatBytes(limit));
}

std::string TooYoung(const RangeDescriptor& range, const char* which, const RangeLoad& load,
                     const MergeRules& rules) {
  if (range.dropped()) return "";
  const consensus::Duration age = std::chrono::seconds(load.age_seconds());
  if (age < rules.age_min) {
    return absl::StrCat("the ", which, " range is ", FormatTime(age),
                        " old, ranges are merged from ", FormatTime(rules.age_min), " on");
  }
  const consensus::Duration observed = std::chrono::seconds(load.observed_seconds());
  if (observed < rules.observed_min) {
    return absl::StrCat("the leader of the ", which, " range has measured its load for ",
                        FormatTime(observed), ", it is believed from ",
                        FormatTime(rules.observed_min), " on");
  }
  return "";
}

// What a range had to do at most in the last five minutes. Not less than it has now: a range that
// was split just now has not been measured for as long as a peak is the mean of, and a leader of an
// older version names the peak of requests alone.
LoadPeaks PeaksOf(const RangeLoad& load) {
  LoadPeaks peaks;
  peaks.requests =
      std::max(load.peak_requests_per_second(), load.reads_per_second() + load.writes_per_second());
  peaks.read_bytes = std::max(load.peak_read_bytes_per_second(), load.read_bytes_per_second());
  peaks.written_bytes =
      std::max(load.peak_written_bytes_per_second(), load.written_bytes_per_second());
  peaks.cpu_cores = std::max(load.peak_cpu_cores(), load.cpu_cores());
  return peaks;
}

LoadPeaks PeaksOfBoth(const RangeLoad& left, const RangeLoad& right) {
  const LoadPeaks a = PeaksOf(left);
  const LoadPeaks b = PeaksOf(right);
  return {a.requests + b.requests, a.read_bytes + b.read_bytes, a.written_bytes + b.written_bytes,
          a.cpu_cores + b.cpu_cores};
}

std::string TooBusy(const LoadPeaks& both, const SplitThresholds& thresholds,
                    const MergeRules& rules) {
  const double part = static_cast<double>(rules.load_percent) / 100;
  const double requests_max = part * static_cast<double>(thresholds.requests_per_second());
  if (both.requests >= requests_max) {
    return absl::StrCat("together they had up to ", FormatCount(both.requests),
                        " requests/s in five minutes, ranges are merged below ",
                        FormatCount(requests_max), "/s");
  }
  const double cores_max = part * static_cast<double>(thresholds.cpu_millicores()) / 1000;
  if (both.cpu_cores >= cores_max) {
    return absl::StrCat("together they took up to ", FormatCores(both.cpu_cores),
                        " cores in five minutes, ranges are merged below ", FormatCores(cores_max));
  }
  const double read_max = part * static_cast<double>(thresholds.read_bytes_per_second());
  if (both.read_bytes >= read_max) {
    return absl::StrCat("together they returned up to ",
                        FormatBytes(static_cast<uint64_t>(both.read_bytes)),
                        "/s in five minutes, ranges are merged below ",
                        FormatBytes(static_cast<uint64_t>(read_max)), "/s");
  }
  const double written_max = part * static_cast<double>(thresholds.written_bytes_per_second());
  if (both.written_bytes >= written_max) {
    return absl::StrCat("together they were written up to ",
                        FormatBytes(static_cast<uint64_t>(both.written_bytes)),
                        "/s in five minutes, ranges are merged below ",
                        FormatBytes(static_cast<uint64_t>(written_max)), "/s");
  }
  return "";
}

}  // namespace

std::string MergeObstacle(const RangeDescriptor& left, const RangeDescriptor& right) {
  if (left.range_id() == kMetaRangeId || right.range_id() == kMetaRangeId) {
    return "the meta range is never merged";
  }
  if (left.end_key() != right.start_key() || left.end_key().empty()) {
    return absl::StrCat("range ", right.range_id(), " is not the right neighbour");
  }
  // A dropped range is empty and takes part in the order of the keyspace only.
  if (left.collection_id() != right.collection_id() && !right.dropped()) {
    return "the ranges belong to two collections";
  }
  if (left.dropped() && !right.dropped()) return "the left range is of a dropped collection";
  // Whoever drops them has emptied the right one, and need not come back to it.
  if (left.collection_id() == right.collection_id() && right.dropped() && !left.dropped()) {
    return "the collection is being dropped, and the left range is still to be emptied";
  }
  if (const std::string busy = Busy(left); !busy.empty()) {
    return absl::StrCat("the left range cannot be merged now: ", busy);
  }
  if (const std::string busy = Busy(right); !busy.empty()) {
    return absl::StrCat("the right range cannot be merged now: ", busy);
  }
  return "";
}

std::string StoresObstacle(const RangeDescriptor& left, const RangeDescriptor& right) {
  if (MembersOf(left) == MembersOf(right)) return "";
  return "different stores hold the ranges: their replicas have to be moved first";
}

MergeVerdict DecideMerge(const RangeReview& left, const RangeDescriptor& right,
                         const RangeLoad& right_load, const SplitThresholds& thresholds,
                         const MergeRules& rules) {
  const auto refuse = [](std::string reason) {
    return MergeVerdict{false, false, std::move(reason)};
  };
  if (std::string obstacle = MergeObstacle(left.descriptor, right); !obstacle.empty()) {
    return refuse(std::move(obstacle));
  }
  const uint64_t size_limit = thresholds.size_bytes() / 100 * rules.size_percent +
                              thresholds.size_bytes() % 100 * rules.size_percent / 100;
  const struct {
    const RangeDescriptor& range;
    const RangeLoad& load;
    const char* which;
  } sides[] = {{left.descriptor, left.load, "left"}, {right, right_load, "right"}};
  for (const auto& side : sides) {
    std::string large = TooLarge(side.range, side.which, side.load.size_bytes(), size_limit);
    if (!large.empty()) return refuse(std::move(large));
  }
  const LoadPeaks peaks = PeaksOfBoth(left.load, right_load);
  std::string busy = TooBusy(peaks, thresholds, rules);
  if (!busy.empty()) return refuse(std::move(busy));
  for (const auto& side : sides) {
    std::string young = TooYoung(side.range, side.which, side.load, rules);
    if (!young.empty()) return refuse(std::move(young));
  }
  std::string reason = absl::StrCat("the ranges hold ", FormatBytes(left.load.size_bytes()),
                                    " and ", FormatBytes(right_load.size_bytes()), ", each below ",
                                    FormatBytes(size_limit), ", and together had at most ",
                                    FormatCount(peaks.requests), " requests/s in five minutes");
  const bool together = StoresObstacle(left.descriptor, right).empty();
  return {together, !together, std::move(reason)};
}

RangeLoad LoadOfBoth(const RangeReview& left, const RangeDescriptor& right,
                     const RangeLoad& right_load) {
  const RangeLoad& a = left.load;
  const RangeLoad& b = right_load;
  RangeLoad both;
  both.set_range_id(left.descriptor.range_id());
  both.set_age_seconds(right.dropped() ? a.age_seconds()
                                       : std::min(a.age_seconds(), b.age_seconds()));
  both.set_reads_per_second(a.reads_per_second() + b.reads_per_second());
  both.set_writes_per_second(a.writes_per_second() + b.writes_per_second());
  both.set_read_bytes_per_second(a.read_bytes_per_second() + b.read_bytes_per_second());
  both.set_written_bytes_per_second(a.written_bytes_per_second() + b.written_bytes_per_second());
  both.set_cpu_cores(a.cpu_cores() + b.cpu_cores());
  const LoadPeaks peaks = PeaksOfBoth(a, b);
  both.set_peak_requests_per_second(peaks.requests);
  both.set_peak_read_bytes_per_second(peaks.read_bytes);
  both.set_peak_written_bytes_per_second(peaks.written_bytes);
  both.set_peak_cpu_cores(peaks.cpu_cores);
  return both;
}

}  // namespace rasputin::range
