// See split_decider.h.

#include "range/load/split_decider.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "range/descriptor.h"
#include "range/load/figures.h"

namespace rasputin::range {
namespace {

using type::v1::SplitThresholds;

// What is left behind at a tail must have this part of the size threshold, in hundredths: as much
// as keeps it from being merged (MergeRules::size_percent).
constexpr uint64_t kTailSizePercent = 20;

std::string SizeCause(uint64_t size_bytes, const SplitThresholds& thresholds) {
  if (size_bytes < thresholds.size_bytes()) return "";
  return absl::StrCat("it holds ", FormatBytes(size_bytes), ", the threshold is ",
                      FormatBytes(thresholds.size_bytes()));
}

// The first load threshold that is exceeded, in words; empty: none.
std::string LoadCause(const std::optional<LoadRates>& rates, const SplitThresholds& thresholds,
                      consensus::Duration sustained) {
  if (!rates.has_value()) return "";
  // Of most ranges nothing is to be said.
  const auto lasted = [sustained] {
    return absl::StrCat(" for ", FormatTime(sustained), ", the threshold is ");
  };
  const auto exceeds = [](double rate, uint64_t threshold) {
    return rate > static_cast<double>(threshold);
  };
  if (exceeds(rates->requests(), thresholds.requests_per_second())) {
    return absl::StrCat("it serves ", FormatCount(rates->requests()), " requests/s", lasted(),
                        FormatCount(static_cast<double>(thresholds.requests_per_second())), "/s");
  }
  if (exceeds(rates->cpu_cores * 1000, thresholds.cpu_millicores())) {
    return absl::StrCat("it takes ", FormatCores(rates->cpu_cores), " cores", lasted(),
                        FormatCores(static_cast<double>(thresholds.cpu_millicores()) / 1000));
  }
  if (exceeds(rates->read_bytes, thresholds.read_bytes_per_second())) {
    return absl::StrCat("it returns ", FormatBytes(static_cast<uint64_t>(rates->read_bytes)), "/s",
                        lasted(), FormatBytes(thresholds.read_bytes_per_second()), "/s");
  }
  if (exceeds(rates->written_bytes, thresholds.written_bytes_per_second())) {
    return absl::StrCat("it is written ", FormatBytes(static_cast<uint64_t>(rates->written_bytes)),
                        "/s", lasted(), FormatBytes(thresholds.written_bytes_per_second()), "/s");
  }
  return "";
}

// Why it cannot be split as it is now; empty: it can.
std::string Obstacle(const RangeDescriptor& range) {
  if (range.dropped()) return "its collection was dropped";
  if (range.has_merge()) return "a merge with its right neighbour is under way";
  if (range.has_frozen_by()) return "it is frozen for a merge with its left neighbour";
  if (ToConfiguration(range).IsJoint()) return "its members are being changed";
  return "";
}

// Where to split by load, or an empty key, and what to say about it.
struct Place {
  std::string key;
  std::string text;
};

bool Legal(const RangeDescriptor& range, const std::string& key) {
  return ValidateSplit(range, key, range.collection_id()).ok();
}

Place IsolateHotKey(const RangeDescriptor& range, const LoadDivision& division) {
  const std::string share = FormatShare(division.same);
  if (Legal(range, division.key)) {
    return {division.key,
            absl::StrCat(share,
                         " of the requests are for one key: what lies before it goes on "
                         "without it")};
  }
  const std::string behind = division.key + '\0';
  if (range.start_key() == division.key && Legal(range, behind)) {
    return {behind, absl::StrCat(share,
                                 " of the requests are for one key: what lies behind it goes on "
                                 "without it")};
  }
  return {"",
          "it is a hot key, alone in its range: no split spreads its load, spread its requests "
          "over more keys, or read it less often"};
}

Place FollowTail(const RangeDescriptor& range, const LoadDivision& division, uint64_t size_bytes,
                 const SplitThresholds& thresholds) {
  const bool tail = division.kind == LoadDivision::Kind::kTail;
  const std::string moves =
      absl::StrCat(FormatShare(tail ? division.right : division.left), " of the requests move on ",
                   tail ? "beyond the highest keys" : "below the lowest keys");
  const uint64_t enough = thresholds.size_bytes() / 100 * kTailSizePercent +
                          thresholds.size_bytes() % 100 * kTailSizePercent / 100;
  if (size_bytes < enough) {
    return {"", absl::StrCat(moves, ": a split would follow them with ", FormatBytes(size_bytes),
                             " left behind, less than ", FormatBytes(enough),
                             "; keys that do not grow in order would spread them")};
  }
  if (!Legal(range, division.key)) {
    return {"", absl::StrCat(moves, ", and no key lies before them")};
  }
  return {division.key, absl::StrCat(moves,
                                     ": the range is split there; keys that do not grow in "
                                     "order would spread them")};
}

Place PlaceByLoad(const SplitInput& input, const SplitThresholds& thresholds) {
  const RangeDescriptor& range = *input.descriptor;
  const LoadDivision division =
      input.samples == nullptr ? LoadDivision() : DivideLoad(*input.samples);
  switch (division.kind) {
    case LoadDivision::Kind::kUnknown:
      return {"", absl::StrCat("no sampled key has seen ", kObservationsMin, " requests yet")};
    case LoadDivision::Kind::kBalanced:
      if (!Legal(range, division.key)) return {"", "the key that divides the load is its first"};
      return {division.key,
              absl::StrCat(FormatShare(division.left), " of the requests lie left of the split, ",
                           FormatShare(division.right), " right of it, ",
                           FormatShare(division.across), " across")};
    case LoadDivision::Kind::kHotKey:
      return IsolateHotKey(range, division);
    case LoadDivision::Kind::kTail:
    case LoadDivision::Kind::kHead:
      return FollowTail(range, division, input.size_bytes, thresholds);
    case LoadDivision::Kind::kCrossed:
      return {"", absl::StrCat("scans and batches cross the sampled keys, half of them with ",
                               FormatShare(division.across), " of the requests or more")};
    case LoadDivision::Kind::kUneven:
      return {"", absl::StrCat("no sampled key divides the load, the best leaves ",
                               FormatShare(division.left), " left and ",
                               FormatShare(division.right), " right")};
  }
  return {};
}

}  // namespace

SplitVerdict DecideSplit(const SplitInput& input, const SplitThresholds& thresholds,
                         const SplitRules& rules) {
  const RangeDescriptor& range = *input.descriptor;
  if (range.range_id() == kMetaRangeId) return {};
  const std::string by_load = LoadCause(input.sustained, thresholds, rules.sustained);
  const std::string by_size = SizeCause(input.size_bytes, thresholds);
  if (by_load.empty() && by_size.empty()) return {};
  const std::string& cause = by_load.empty() ? by_size : by_load;
  const auto refuse = [&cause](const std::string& why) {
    return SplitVerdict{false, "", absl::StrCat(cause, ", but ", why)};
  };
  if (const std::string obstacle = Obstacle(range); !obstacle.empty()) return refuse(obstacle);
  if (input.since_attempt.has_value() && *input.since_attempt < rules.pause) {
    return refuse(absl::StrCat("the last attempt was ", FormatTime(*input.since_attempt),
                               " ago, the next one comes after ", FormatTime(rules.pause)));
  }
  if (input.must_wait) {
    return refuse("it waits: as many splits are under way on this store as may be at a time");
  }
  Place place;
  if (!by_load.empty()) {
    place = PlaceByLoad(input, thresholds);
    if (!place.key.empty()) {
      return {true, std::move(place.key), absl::StrCat(cause, ": ", place.text)};
    }
  }
  if (by_size.empty()) return refuse(place.text);
  if (input.middle == nullptr) return {false, "", by_size};
  std::optional<std::string> middle = input.middle();
  if (!middle.has_value() || !Legal(range, *middle)) {
    return {false, "", absl::StrCat(by_size, ", but no key divides its data")};
  }
  return {true, *std::move(middle), absl::StrCat(by_size, ": split in the middle of its data")};
}

}  // namespace rasputin::range
