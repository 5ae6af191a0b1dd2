// See store.h: what ranges have to do, as their leader measures it.

#include <algorithm>
#include <memory>
#include <utility>

#include "kv/range_snapshot.h"
#include "range/descriptor.h"
#include "range/load/load_book.h"
#include "range/load/middle_key.h"
#include "range/load/split_decider.h"
#include "range/store_impl.h"

namespace rasputin::range {
namespace {

using consensus::Duration;
using consensus::Instant;
using type::v1::RangeLoad;
using type::v1::SplitThresholds;

// The engine is asked for the size of a range again when so much of the threshold was written, or
// after so long.
constexpr uint64_t kSizeParts = 16;
constexpr Duration kSizeAge = std::chrono::seconds(60);
// A range that is too large takes no more data for so long after it was reviewed.
constexpr Duration kFullFor = std::chrono::seconds(10);
// Replicas that are looked at for each that may be reviewed in turn: most may be followers.
constexpr size_t kLooksPerQuiet = 8;
// Ages beyond a year are all the same.
constexpr uint64_t kAgeMaxSeconds = 365 * 86400;

// FNV-1a. Other bounds or another leadership: what was measured is of something else.
uint64_t IdentityOf(const RangeDescriptor& descriptor, consensus::Term term) {
  uint64_t hash = 14695981039346656037u;
  const auto add = [&hash](uint64_t value) { hash = (hash ^ value) * 1099511628211u; };
  const std::string* const keys[] = {&descriptor.start_key(), &descriptor.end_key()};
  for (const std::string* key : keys) {
    add(key->size());
    for (const char c : *key) add(static_cast<uint8_t>(c));
  }
  add(term.value());
  return hash == 0 ? 1 : hash;
}

uint64_t WholeSeconds(Duration duration) {
  return static_cast<uint64_t>(
      std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(duration).count()));
}

struct ByRange {
  static uint64_t Id(const RangeReview& review) { return review.descriptor.range_id(); }
  static uint64_t Id(RangeId range) { return range.value(); }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return Id(a) < Id(b);
  }
};

void SetRates(const LoadRates& rates, RangeLoad* load) {
  load->set_reads_per_second(rates.reads);
  load->set_writes_per_second(rates.writes);
  load->set_read_bytes_per_second(rates.read_bytes);
  load->set_written_bytes_per_second(rates.written_bytes);
  load->set_cpu_cores(rates.cpu_cores);
}

void SetPeaks(const LoadPeaks& peaks, RangeLoad* load) {
  load->set_peak_requests_per_second(peaks.requests);
  load->set_peak_read_bytes_per_second(peaks.read_bytes);
  load->set_peak_written_bytes_per_second(peaks.written_bytes);
  load->set_peak_cpu_cores(peaks.cpu_cores);
}

// What was measured before a merge counts for as long as it would if it were measured still. False:
// it does not count any more.
bool TakeCarried(Instant now, const CarriedLoad& carried, LoadRates* rates, LoadPeaks* peaks) {
  if (now >= carried.merged + std::chrono::seconds(LoadWindow::kPeakSeconds)) return false;
  peaks->requests = std::max(peaks->requests, carried.peaks.requests);
  peaks->read_bytes = std::max(peaks->read_bytes, carried.peaks.read_bytes);
  peaks->written_bytes = std::max(peaks->written_bytes, carried.peaks.written_bytes);
  peaks->cpu_cores = std::max(peaks->cpu_cores, carried.peaks.cpu_cores);
  if (now >= carried.merged + std::chrono::seconds(LoadWindow::kSeconds)) return true;
  rates->reads = std::max(rates->reads, carried.rates.reads);
  rates->writes = std::max(rates->writes, carried.rates.writes);
  rates->read_bytes = std::max(rates->read_bytes, carried.rates.read_bytes);
  rates->written_bytes = std::max(rates->written_bytes, carried.rates.written_bytes);
  rates->cpu_cores = std::max(rates->cpu_cores, carried.rates.cpu_cores);
  return true;
}

LoadRates RatesOf(Instant now, RangeMeter* meter, LoadPeaks* peaks) {
  LoadRates rates = meter->window.Mean(now);
  *peaks = meter->window.Peaks(now);
  std::unique_ptr<CarriedLoad>& carried = meter->carried;
  if (carried != nullptr && !TakeCarried(now, *carried, &rates, peaks)) carried.reset();
  return rates;
}

}  // namespace

// True: the replica leads, and what it holds of its load is of this leadership and these bounds.
bool Store::Impl::FollowLeadership(const ClockReading& now, Replica* replica) {
  RangeLoadState& load = replica->load;
  if (!LeadsRange(replica->range())) {
    load = RangeLoadState();
    return false;
  }
  const uint64_t identity = IdentityOf(replica->descriptor(), replica->group().core().term());
  if (load.identity == identity) return true;
  // A meter that was begun since is kept if this leadership is looked at for the first time.
  if (load.identity != 0) load.meter.reset();
  load.identity = identity;
  load.since = now.boot;
  load.size_bytes = 0;
  return true;
}

SplitThresholds Store::Impl::CollectionThresholds(const Replica& replica) const {
  const auto found = collection_thresholds_.find(replica.descriptor().collection_id());
  return ThresholdsInForce(
      options_.split, found == collection_thresholds_.end() ? SplitThresholds() : found->second);
}

SplitThresholds Store::Impl::ThresholdsOf(const Replica& replica) const {
  SplitThresholds thresholds = CollectionThresholds(replica);
  const uint64_t user_ranges = replicas_.size() - replicas_.count(RangeId(kMetaRangeId));
  thresholds.set_size_bytes(SizeForRanges(options_.split, thresholds.size_bytes(), user_ranges));
  return thresholds;
}

void Store::Impl::MeasureSize(const ClockReading& now, const SplitThresholds& thresholds,
                              Replica* replica) {
  RangeMeter* meter = replica->load.meter.get();
  const bool known = meter != nullptr && meter->size_asked != Instant::min();
  if (known && meter->bytes_since < thresholds.size_bytes() / kSizeParts &&
      now.boot < meter->size_asked + kSizeAge) {
    return;
  }
  AskForSize(now, replica);
}

void Store::Impl::AskForSize(const ClockReading& now, Replica* replica) {
  const RangeDescriptor& descriptor = replica->descriptor();
  const std::vector<kv::KeySpan> spans =
      kv::SpansOf({descriptor.range_id(), descriptor.start_key(), descriptor.end_key()});
  replica->load.size_bytes = ports_.engine->ApproximateBytes(spans[0].begin, spans[0].end);
  RangeMeter* meter = replica->load.meter.get();
  if (meter == nullptr) return;
  meter->bytes_since = 0;
  meter->size_asked = now.boot;
}

RangeLoad Store::Impl::LoadOf(const ClockReading& now, Replica* replica) {
  RangeLoadState& state = replica->load;
  RangeLoad load;
  load.set_range_id(replica->range().value());
  load.set_size_bytes(state.size_bytes);
  const uint64_t age = state.identity == 0 ? 0 : WholeSeconds(now.boot - state.since);
  load.set_age_seconds(age);
  load.set_observed_seconds(std::min<uint64_t>(age, LoadWindow::kPeakSeconds));
  if (state.meter == nullptr) return load;
  LoadPeaks peaks;
  SetRates(RatesOf(now.boot, state.meter.get(), &peaks), &load);
  SetPeaks(peaks, &load);
  return load;
}

// The meter lasts as long without a request as a peak does.
void Store::Impl::CarryLoad(const ClockReading& now, const RangeDescriptor& merged,
                            const RangeLoad& before) {
  Replica* replica = Find(RangeId(merged.range_id()));
  if (replica == nullptr || replica->descriptor().generation() != merged.generation()) return;
  if (!FollowLeadership(now, replica)) return;
  RangeLoadState& load = replica->load;
  load.since = std::min(load.since, now.boot - std::chrono::seconds(static_cast<int64_t>(std::min(
                                                   before.age_seconds(), kAgeMaxSeconds))));
  std::unique_ptr<CarriedLoad>& carried =
      loads_.MeterOf(now.boot, replica->range(), &load)->carried;
  carried = std::make_unique<CarriedLoad>();
  carried->rates = {before.reads_per_second(), before.writes_per_second(),
                    before.read_bytes_per_second(), before.written_bytes_per_second(),
                    before.cpu_cores()};
  carried->peaks = {before.peak_requests_per_second(), before.peak_read_bytes_per_second(),
                    before.peak_written_bytes_per_second(), before.peak_cpu_cores()};
  carried->merged = now.boot;
}

RangeReview Store::Impl::Review(const ClockReading& now, bool must_wait, Replica* replica) {
  RangeReview review;
  review.descriptor = replica->descriptor();
  review.thresholds = ThresholdsOf(*replica);
  MeasureSize(now, review.thresholds, replica);
  review.load = LoadOf(now, replica);
  SplitInput input = InputOf(now, replica);
  input.must_wait = must_wait;
  // A search that finds nothing is an attempt, too: it is not repeated each second.
  input.middle = [this, &now, replica] {
    std::optional<std::string> key = FindMiddle(now, replica);
    RangeMeter* meter = replica->load.meter.get();
    if (!key.has_value() && meter != nullptr) meter->split_proposed = now.boot;
    return key;
  };
  review.split = DecideSplit(input, review.thresholds, options_.split);
  return review;
}

// As of a range of which nothing is wanted but to know; see SplitInput.middle.
SplitInput Store::Impl::InputOf(const ClockReading& now, Replica* replica) const {
  RangeMeter* meter = replica->load.meter.get();
  SplitInput input;
  input.descriptor = &replica->descriptor();
  input.size_bytes = replica->load.size_bytes;
  if (meter == nullptr) return input;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.split.sustained);
  input.sustained = meter->window.Sustained(
      now.boot, std::clamp<int64_t>(seconds.count(), 2, LoadWindow::kSeconds));
  input.samples = &meter->keys.samples();
  if (meter->split_proposed.has_value()) input.since_attempt = now.boot - *meter->split_proposed;
  return input;
}

std::optional<std::string> Store::Impl::FindMiddle(const ClockReading& now, Replica* replica) {
  const RangeDescriptor& descriptor = replica->descriptor();
  std::optional<std::string> key = MiddleKey(descriptor, *ports_.engine);
  if (key.has_value() && !ValidateSplit(descriptor, *key, descriptor.collection_id()).ok()) {
    key.reset();
  }
  if (RangeMeter* meter = replica->load.meter.get(); meter != nullptr) {
    meter->searched = now.boot;
    meter->indivisible = !key.has_value();
  }
  return key;
}

// For as long as somebody looks after the ranges: what is never split must be able to grow, and so
// must what cannot be (one row).
void Store::Impl::RefuseGrowth(const ClockReading& now, Replica* replica) {
  RangeMeter* meter = replica->load.meter.get();
  if (meter == nullptr || replica->range().value() == kMetaRangeId) return;
  const uint64_t size_bytes = replica->load.size_bytes;
  meter->cap.Follow(size_bytes, CollectionThresholds(*replica).size_bytes());
  meter->full_until = Instant::min();
  if (size_bytes <= meter->cap.bytes()) return;
  // What is about to be merged is not split now, which says nothing about its data.
  if (replica->descriptor().has_merge() || replica->descriptor().has_frozen_by()) return;
  const bool known =
      meter->searched.has_value() && now.boot < *meter->searched + options_.split.pause;
  if (!known) FindMiddle(now, replica);
  if (!meter->indivisible) meter->full_until = now.boot + kFullFor;
}

// Meters of ranges without load are given back, those of ranges that are led no more as well.
bool Store::Impl::HasLoad(const ClockReading& now, Replica* replica) {
  if (replica == nullptr || !FollowLeadership(now, replica)) return false;
  std::unique_ptr<RangeMeter>& meter = replica->load.meter;
  if (meter != nullptr && now.boot >= meter->last_request + LoadBook::kIdleAfter) meter.reset();
  return meter != nullptr;
}

// By id, from where the last call ended, up to the last one.
std::vector<Replica*> Store::Impl::NextWithLoad(const ClockReading& now, size_t max) {
  std::set<RangeId>& metered = loads_.metered();
  std::vector<Replica*> next;
  auto it = metered.upper_bound(reviewed_last_);
  for (; it != metered.end() && max > 0; --max) {
    reviewed_last_ = *it;
    Replica* replica = Find(*it);
    if (HasLoad(now, replica)) {
      next.push_back(replica);
      ++it;
    } else {
      it = metered.erase(it);
    }
  }
  if (it == metered.end()) reviewed_last_ = RangeId();
  return next;
}

// In turn.
std::vector<Replica*> Store::Impl::NextWithoutLoad(const ClockReading& now, size_t max) {
  std::vector<Replica*> next;
  size_t looks = std::min(replicas_.size(), max * kLooksPerQuiet);
  auto it = replicas_.upper_bound(quiet_last_);
  for (; looks > 0 && next.size() < max; --looks) {
    if (it == replicas_.end()) it = replicas_.begin();
    Replica* replica = it->second.get();
    quiet_last_ = it->first;
    ++it;
    if (FollowLeadership(now, replica)) next.push_back(replica);
  }
  return next;
}

std::vector<RangeReview> Store::Impl::ReviewRanges(const ClockReading& now,
                                                   const ReviewOptions& options, bool* more) {
  if (!reviewed_last_.IsSet()) collection_thresholds_ = options.thresholds;
  std::vector<RangeReview> reviews;
  size_t splits = 0;
  const auto review_replica = [&](Replica* replica) {
    RangeReview review = Review(now, splits >= options.splits_max, replica);
    if (review.split.split) {
      ++splits;
      loads_.MeterOf(now.boot, replica->range(), &replica->load)->split_proposed = now.boot;
    }
    if (options.refuse_growth) RefuseGrowth(now, replica);
    if (replica->load.meter != nullptr) replica->load.meter->active = false;
    return review;
  };
  for (Replica* replica : NextWithLoad(now, options.ranges_max)) {
    const bool was_active = replica->load.meter->active;
    RangeReview review = review_replica(replica);
    if (was_active || !review.split.reason.empty()) reviews.push_back(std::move(review));
  }
  if (more != nullptr) *more = reviewed_last_.IsSet();
  if (reviewed_last_.IsSet()) return reviews;
  const size_t busy = reviews.size();  // By range id.
  for (Replica* replica : NextWithoutLoad(now, options.quiet_max)) {
    const bool reviewed =
        std::binary_search(reviews.begin(), reviews.begin() + static_cast<ptrdiff_t>(busy),
                           replica->range(), ByRange());
    if (!reviewed) reviews.push_back(review_replica(replica));
  }
  std::sort(reviews.begin(), reviews.end(), ByRange());
  return reviews;
}

std::optional<RangeReview> Store::Impl::DescribeLoad(const ClockReading& now, RangeId range,
                                                     bool briefly) {
  Replica* replica = Find(range);
  if (replica == nullptr || !FollowLeadership(now, replica)) return std::nullopt;
  if (!briefly || replica->load.size_bytes == 0) AskForSize(now, replica);
  RangeReview review;
  review.descriptor = replica->descriptor();
  review.thresholds = ThresholdsOf(*replica);
  review.load = LoadOf(now, replica);
  review.split = DecideSplit(InputOf(now, replica), review.thresholds, options_.split);
  const RangeMeter* meter = replica->load.meter.get();
  if (!briefly && meter != nullptr) review.operations = meter->histograms.Export();
  return review;
}

std::vector<RangeLoad> Store::Impl::ListLoads(const ClockReading& now, size_t max) {
  struct Busy {
    double requests;
    Replica* replica;
    bool operator<(const Busy& other) const {
      if (requests != other.requests) return requests > other.requests;
      return replica->range() < other.replica->range();
    }
  };
  std::vector<Busy> busy;
  for (const RangeId range : loads_.metered()) {
    Replica* replica = Find(range);
    if (!HasLoad(now, replica)) continue;  // The next review removes it.
    LoadPeaks peaks;
    busy.push_back({RatesOf(now.boot, replica->load.meter.get(), &peaks).requests(), replica});
  }
  if (busy.size() > max) {
    std::nth_element(busy.begin(), busy.begin() + static_cast<ptrdiff_t>(max), busy.end());
    busy.resize(max);
  }
  std::sort(busy.begin(), busy.end());
  std::vector<RangeLoad> loads;
  for (const Busy& one : busy) loads.push_back(LoadOf(now, one.replica));
  return loads;
}

RangeLoad Store::Impl::TotalLoad(const ClockReading& now) {
  RangeLoad load;
  LoadWindow& total = loads_.total();
  SetRates(total.Mean(now.boot), &load);
  SetPeaks(total.Peaks(now.boot), &load);
  load.set_observed_seconds(static_cast<uint64_t>(total.ObservedSeconds(now.boot)));
  load.set_size_bytes(ports_.engine->ApproximateBytes("", "") +
                      log_->stats().segments * options_.log_segment_bytes);
  return load;
}

void Store::Impl::OnTurnCpu(const ClockReading& now, Duration cpu) {
  loads_.OnTurnCpu(now.boot, cpu, [this](RangeId range) {
    Replica* replica = Find(range);
    return replica == nullptr ? nullptr : &replica->load;
  });
}

}  // namespace rasputin::range
