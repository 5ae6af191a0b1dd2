// Steps of merges and the steps back; see merge_driver.h.

#include "tests/sim/merge_driver.h"

#include <glog/logging.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "client/route/full_key.h"
#include "range/merge.h"

namespace rasputin::sim {
namespace {

constexpr RealTime kInterval = 300 * kMillisecond;
// Looks at a note before it counts as one that nobody drives.
constexpr int kLooks = 5;
constexpr double kDies = 0.1;

std::set<uint64_t> StoresOf(const range::RangeDescriptor& range) {
  std::set<uint64_t> stores;
  for (const auto& replica : range.replicas()) stores.insert(replica.store_id());
  return stores;
}

template <typename Body>
std::string Noted(const range::RangeDescriptor& left) {
  Body body;
  body.set_right_range_id(left.merge().right_range_id());
  body.set_right_generation(left.merge().right_generation());
  return body.SerializeAsString();
}

}  // namespace

MergeDriver::MergeDriver(Cluster* cluster, int endpoint, const Random& random)
    : cluster_(cluster), random_(random), caller_(cluster, endpoint, random.Fork(1)) {
  cluster_->AddDescriptorListener([this](int, const RangeDescriptor& range, bool) {
    starts_[range::RangeId(range.range_id())] = range.start_key();
  });
}

void MergeDriver::Start() { Settle(); }

bool MergeDriver::Settled() {
  const auto known = cluster_->KnownRanges();
  return std::none_of(known.begin(), known.end(), [](const auto& range) {
    return range.second.has_merge() || range.second.has_frozen_by();
  });
}

// Some pair of neighbours; now and then one that cannot be merged.
bool MergeDriver::Choose() {
  std::vector<RangeDescriptor> ranges;
  for (auto& [id, range] : cluster_->KnownRanges()) {
    if (id.value() != client::kMetaRangeId) ranges.push_back(std::move(range));
  }
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) {
    return std::make_pair(a.start_key(), a.generation()) <
           std::make_pair(b.start_key(), b.generation());
  });
  if (ranges.size() < 2) return false;
  const size_t i = random_.Below(ranges.size() - 1);
  left_ = ranges[i];
  right_ = ranges[i + 1];
  const bool fits = left_.end_key() == right_.start_key() && StoresOf(left_) == StoresOf(right_);
  return fits || random_.Chance(0.1);
}

void MergeDriver::MergeSome() {
  if (driving_ || caller_.busy() || !Choose()) return;
  driving_ = true;
  ++counters_.begun;
  storage::v1::MergeBegin begin;
  *begin.mutable_right() = right_;
  Send(kv::Operation::kMergeBegin, begin.SerializeAsString(), left_, true,
       [this](const CallResult& result) {
         if (result.outcome == CallOutcome::kNotExecuted) {
           driving_ = false;
           return;
         }
         if (result.outcome != CallOutcome::kAnswered || random_.Chance(kDies)) return Leave();
         CHECK(left_.ParseFromString(std::string(result.response.body)));
         Freeze();
       });
}

void MergeDriver::Freeze() {
  storage::v1::FreezeRange freeze;
  freeze.set_left_range_id(left_.range_id());
  for (const uint64_t store : StoresOf(left_)) freeze.add_store_ids(store);
  Send(kv::Operation::kFreeze, freeze.SerializeAsString(), right_, true,
       [this](const CallResult& result) {
         if (result.outcome != CallOutcome::kAnswered || random_.Chance(kDies)) return Leave();
         CHECK(frozen_.ParseFromString(std::string(result.response.body)));
         Absorb();
       });
}

// Now and then after it was given up, by a driver that was away in between.
void MergeDriver::Absorb() {
  storage::v1::MergeRanges merge;
  *merge.mutable_frozen() = frozen_;
  const std::string body = merge.SerializeAsString();
  const bool late = random_.Chance(0.15);
  const RealTime wait = late                  ? random_.Between(0, 4 * kSecond)
                        : random_.Chance(0.4) ? random_.Between(0, kSecond)
                                              : 0;
  driving_ = !late;
  cluster_->scheduler().After(wait, "merge", 0, [this, body, left = left_] {
    driving_ = false;
    if (caller_.busy()) return;  // It is being given up.
    driving_ = true;
    Send(kv::Operation::kMerge, body, left, true, [this](const CallResult& result) {
      if (result.outcome != CallOutcome::kAnswered) return Leave();
      ++counters_.done;
      driving_ = false;
    });
  });
}

void MergeDriver::Leave() {
  driving_ = false;
  if (random_.Chance(0.5) && left_.has_merge()) GiveUp(left_);
}

void MergeDriver::GiveUp(const RangeDescriptor& left) {
  ++counters_.given_up;
  Send(kv::Operation::kMergeAbandon, Noted<storage::v1::MergeAbandon>(left), left, false,
       [this, left](const CallResult& result) {
         if (result.outcome == CallOutcome::kAnswered) Thaw(left);
       });
}

void MergeDriver::Thaw(const RangeDescriptor& left) {
  storage::v1::ThawRange thaw;
  thaw.set_left_range_id(left.range_id());
  thaw.set_right_generation(left.merge().right_generation());
  // To whatever holds its keys: where that is another range, the right one was absorbed by it, and
  // is not frozen.
  RangeDescriptor right;
  right.set_start_key(starts_[range::RangeId(left.merge().right_range_id())]);
  Send(kv::Operation::kThaw, thaw.SerializeAsString(), right, false,
       [this, left](const CallResult& result) {
         if (result.outcome == CallOutcome::kAnswered) End(left);
       });
}

void MergeDriver::End(const RangeDescriptor& left) {
  Send(kv::Operation::kMergeEnd, Noted<storage::v1::MergeEnd>(left), left, false,
       [](const CallResult&) {});
}

void MergeDriver::Send(kv::Operation operation, std::string body, const RangeDescriptor& range,
                       bool pinned, Answered answered) {
  if (caller_.busy()) return;
  Call call;
  call.operation = operation;
  call.body = absl::Cord(std::move(body));
  call.first_key = call.last_key = range.start_key();
  call.repeatable = true;
  if (pinned) call.pinned = range;
  caller_.Start(std::move(call), std::move(answered));
}

void MergeDriver::Settle() {
  cluster_->scheduler().After(kInterval, "settle", 0, [this] { Settle(); });
  if (driving_ || caller_.busy()) return;
  std::map<range::RangeId, int> seen;
  for (const auto& [id, range] : cluster_->KnownRanges()) {
    if (!range.has_merge()) continue;
    seen[id] = seen_[id] + 1;
    if (seen[id] < kLooks || caller_.busy()) continue;
    GiveUp(range);
    seen[id] = 0;
  }
  seen_ = std::move(seen);
}

}  // namespace rasputin::sim
