// See fair_queue.h.
//
// A deficit may go below zero: what is next leaves while it is above, whatever it costs, and what
// it cost beyond is paid in later rounds. So a request larger than a quantum needs no waiting for
// credit, and a wrong estimate is set right afterwards.
//
// Who is away with a debt is treated as start-time fair queueing does (Goyal, Vin and Cheng 1996):
// a clock shows what each collection in the round has been given, and whoever returns is taken to
// have been given as much. Once the clock has passed what a collection owes, nothing is known of
// it.

#include "server/front/fair_queue.h"

#include <glog/logging.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace rasputin::server {

using consensus::Duration;
using consensus::Instant;

namespace {

// Over how long the drain of a lane is measured.
constexpr Duration kMeasureTime = std::chrono::milliseconds(50);
constexpr Duration kAdviceUnknown = std::chrono::milliseconds(50);
// Measured with three servers and the generator on two cores: a get of 256 bytes took 15 us, a scan
// of 500 such rows 370 us, a set of one 120 us on all servers together, one of 256 KiB 2.1 ms, a
// batch of 100 sets 670 us. About half of the work of a write is its leader's.
constexpr uint64_t kReadBytesPerUnit = 6 << 10;
constexpr int64_t kWriteUnits = 2;
constexpr uint64_t kWriteBytesPerUnit = 1 << 10;

void ToBack(std::deque<uint64_t>* round) {
  round->push_back(round->front());
  round->pop_front();
}

}  // namespace

int64_t CostOfRead(uint64_t answer_bytes) {
  return 1 + static_cast<int64_t>(answer_bytes / kReadBytesPerUnit);
}

int64_t CostOfWrite(uint64_t request_bytes) {
  return kWriteUnits + static_cast<int64_t>(request_bytes / kWriteBytesPerUnit);
}

void FairQueue::Held::Add(const FairItem& item) {
  ++requests;
  bytes += item.bytes;
}

void FairQueue::Held::Remove(const FairItem& item) {
  CHECK(requests > 0 && bytes >= item.bytes);
  --requests;
  bytes -= item.bytes;
}

FairQueue::Held FairQueue::HeldByRange(const Tenant& tenant, uint64_t range) {
  Held held;
  for (auto it = tenant.lanes.lower_bound(2 * range);
       it != tenant.lanes.end() && it->first / 2 == range; ++it) {
    held.requests += it->second.held.requests;
    held.bytes += it->second.held.bytes;
  }
  return held;
}

size_t FairQueue::lanes() const {
  size_t lanes = 0;
  for (const auto& [collection, tenant] : tenants_) lanes += tenant.lanes.size();
  return lanes;
}

std::optional<FairQueue::Breach> FairQueue::BreachOf(const Held& held, const FairItem& item,
                                                     FairLimit requests, uint64_t requests_max,
                                                     FairLimit bytes, uint64_t bytes_max) {
  if (held.requests + 1 > requests_max) return Breach{requests, requests_max, false};
  // The first one passes, however large.
  if (held.requests > 0 && held.bytes + item.bytes > bytes_max) {
    return Breach{bytes, bytes_max, true};
  }
  return std::nullopt;
}

Duration FairQueue::ExpectedWait(const Lane& lane) {
  if (lane.drain_rate <= 0) return {};
  const double seconds = static_cast<double>(lane.waiting_cost) / lane.drain_rate;
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, 3600.0)));
}

// When about half of what waits will have left.
FairRefusal FairQueue::Refuse(const Breach& breach, const Lane* lane) const {
  Duration wait = lane == nullptr ? Duration{} : ExpectedWait(*lane) / 2;
  if (wait == Duration{}) wait = kAdviceUnknown;
  return {breach.limit, breach.limit_value, std::clamp(wait, kAdviceMin, kAdviceMax)};
}

std::optional<FairRefusal> FairQueue::RefuseByRange(Instant now, const FairItem& item) const {
  const auto tenant = tenants_.find(item.collection);
  if (tenant == tenants_.end()) return std::nullopt;
  const auto found = tenant->second.lanes.find(KeyOf(item));
  const Lane* lane = found == tenant->second.lanes.end() ? nullptr : &found->second;
  const std::optional<Breach> breach =
      BreachOf(HeldByRange(tenant->second, item.range), item, FairLimit::kRangeRequests,
               options_.range_requests_max, FairLimit::kRangeBytes, options_.range_bytes_max);
  if (breach.has_value()) return Refuse(*breach, lane);
  if (lane == nullptr) return std::nullopt;
  const Duration patience =
      std::min(options_.wait_max, std::max(Duration::zero(), item.deadline - now));
  if (ExpectedWait(*lane) <= patience) return std::nullopt;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
  return Refuse({FairLimit::kWait, static_cast<uint64_t>(ms.count()), false}, lane);
}

Heaviest::Entry FairQueue::HeaviestRange(Tenant* tenant, bool of_bytes) {
  Heaviest& ranges = of_bytes ? tenant->by_bytes : tenant->by_requests;
  const auto holds = [&](uint64_t range) {
    const Held held = HeldByRange(*tenant, range);
    return of_bytes ? held.bytes : held.requests;
  };
  if (!ranges.built()) {
    std::vector<Heaviest::Entry> all;
    for (const auto& [key, lane] : tenant->lanes) {
      const uint64_t range = key / 2;
      if (!all.empty() && all.back().id == range) continue;
      if (const uint64_t much = holds(range); much > 0) all.push_back({much, range});
    }
    ranges.Build(std::move(all));
  }
  return ranges.Top(holds);
}

FairQueue::Tenant* FairQueue::HeaviestTenant(bool of_bytes) {
  Heaviest& tenants = of_bytes ? by_bytes_ : by_requests_;
  const auto holds = [&](uint64_t collection) {
    const auto found = tenants_.find(collection);
    if (found == tenants_.end()) return uint64_t{0};
    return of_bytes ? found->second.held.bytes : found->second.held.requests;
  };
  if (!tenants.built()) {
    std::vector<Heaviest::Entry> all;
    for (const auto& [collection, tenant] : tenants_) {
      if (const uint64_t much = holds(collection); much > 0) all.push_back({much, collection});
    }
    tenants.Build(std::move(all));
  }
  const Heaviest::Entry top = tenants.Top(holds);
  return top.holds == 0 ? nullptr : &tenants_.at(top.id);
}

void FairQueue::Raise(const FairItem& item, Tenant* tenant) {
  if (tenant->by_requests.built() || tenant->by_bytes.built()) {
    const Held held = HeldByRange(*tenant, item.range);
    tenant->by_requests.Raise(item.range, held.requests);
    tenant->by_bytes.Raise(item.range, held.bytes);
    if (tenant->held.requests < options_.collection_requests_max / 2 &&
        tenant->held.bytes < options_.collection_bytes_max / 2) {
      tenant->by_requests.Clear();
      tenant->by_bytes.Clear();
    }
  }
  by_requests_.Raise(item.collection, tenant->held.requests);
  by_bytes_.Raise(item.collection, tenant->held.bytes);
  if (held_.requests < options_.node_requests_max / 2 &&
      held_.bytes < options_.node_bytes_max / 2) {
    by_requests_.Clear();
    by_bytes_.Clear();
  }
}

bool FairQueue::EvictFrom(Tenant* tenant, uint64_t newcomer, const Breach& breach,
                          std::vector<Evicted>* evicted) {
  const auto [most, range] = HeaviestRange(tenant, breach.of_bytes);
  const Held own = HeldByRange(*tenant, newcomer);
  if (range == newcomer || (breach.of_bytes ? own.bytes : own.requests) >= most) return false;
  LaneKey fullest = 2 * range;
  const auto waiting_of = [&](LaneKey key) {
    const auto lane = tenant->lanes.find(key);
    return lane == tenant->lanes.end() ? size_t{0} : lane->second.waiting.size();
  };
  if (waiting_of(fullest + 1) > waiting_of(fullest)) ++fullest;
  if (waiting_of(fullest) == 0) return false;
  Lane& lane = tenant->lanes.at(fullest);
  const FairItem item = lane.waiting.back();
  evicted->push_back({item.id, Refuse(breach, &lane)});
  lane.waiting.pop_back();
  lane.waiting_cost -= item.cost;
  --waiting_;
  lane.held.Remove(item);
  tenant->held.Remove(item);
  held_.Remove(item);
  // An empty lane leaves the round when its turn comes.
  return true;
}

std::optional<FairRefusal> FairQueue::MakeRoom(const FairItem& item,
                                               std::vector<Evicted>* evicted) {
  Tenant& own = tenants_[item.collection];
  const auto found = own.lanes.find(KeyOf(item));
  const Lane* lane = found == own.lanes.end() ? nullptr : &found->second;
  while (true) {
    const std::optional<Breach> breach =
        BreachOf(own.held, item, FairLimit::kCollectionRequests, options_.collection_requests_max,
                 FairLimit::kCollectionBytes, options_.collection_bytes_max);
    if (!breach.has_value()) break;
    if (!EvictFrom(&own, item.range, *breach, evicted)) return Refuse(*breach, lane);
  }
  while (true) {
    const std::optional<Breach> breach =
        BreachOf(held_, item, FairLimit::kNodeRequests, options_.node_requests_max,
                 FairLimit::kNodeBytes, options_.node_bytes_max);
    if (!breach.has_value()) return std::nullopt;
    Tenant* heaviest = HeaviestTenant(breach->of_bytes);
    const bool own_is =
        heaviest == nullptr || (breach->of_bytes ? own.held.bytes >= heaviest->held.bytes
                                                 : own.held.requests >= heaviest->held.requests);
    if (own_is || !EvictFrom(heaviest, 0, *breach, evicted)) return Refuse(*breach, lane);
  }
}

std::optional<FairRefusal> FairQueue::Push(Instant now, const FairItem& item,
                                           std::vector<Evicted>* evicted) {
  CHECK_GE(item.cost, 1);
  if (std::optional<FairRefusal> refusal = RefuseByRange(now, item); refusal.has_value()) {
    return refusal;
  }
  std::optional<FairRefusal> refusal = MakeRoom(item, evicted);
  Tenant& tenant = tenants_[item.collection];
  if (refusal.has_value()) {
    ForgetTenantIfIdle(item.collection, &tenant);
    return refusal;
  }
  debtors_.erase({PaidAt(tenant), item.collection});
  Lane& lane = tenant.lanes[KeyOf(item)];
  if (lane.waiting.empty()) {
    lane.measured_from.reset();
    lane.drained = 0;
    lane.first_rate = lane.drain_rate = 0;
  }
  lane.waiting.push_back(item);
  lane.waiting_cost += item.cost;
  ++waiting_;
  lane.held.Add(item);
  tenant.held.Add(item);
  held_.Add(item);
  Raise(item, &tenant);
  if (!lane.active && MayLeave(lane)) Activate(item.collection, &tenant, KeyOf(item), &lane);
  return std::nullopt;
}

bool FairQueue::MayLeave(const Lane& lane) const {
  return !lane.waiting.empty() && (lane.under_way < options_.lane_requests_min ||
                                   lane.cost_under_way < options_.lane_cost_max);
}

void FairQueue::Activate(uint64_t collection, Tenant* tenant, LaneKey key, Lane* lane) {
  lane->active = true;
  tenant->round.push_back(key);
  if (tenant->active) return;
  Age(tenant);
  tenant->active = true;
  active_.push_back(collection);
}

// A stall says nothing of what follows it: what comes in the 50 ms behind one of 300 ms would be
// refused, though the lane flows again. So the first measurement is believed together with the
// second only, and a later one takes at most half of what was known.
void FairQueue::Measure(Instant now, int64_t cost, Lane* lane) {
  if (!lane->measured_from.has_value()) {
    lane->measured_from = now;
    return;
  }
  lane->drained += cost;
  const Duration time = now - *lane->measured_from;
  if (time < kMeasureTime) return;
  const double rate =
      static_cast<double>(lane->drained) / std::chrono::duration<double>(time).count();
  if (lane->drain_rate > 0) {
    lane->drain_rate = std::max(rate, lane->drain_rate / 2);
  } else if (lane->first_rate > 0) {
    lane->drain_rate = std::max(rate, lane->first_rate);
  } else {
    lane->first_rate = rate;
  }
  lane->measured_from = now;
  lane->drained = 0;
}

FairQueue::Popped FairQueue::Take(Instant now, uint64_t collection, Tenant* tenant) {
  const LaneKey key = tenant->round.front();
  Lane& lane = tenant->lanes.at(key);
  Popped popped;
  popped.item = lane.waiting.front();
  popped.expired = popped.item.deadline <= now;
  const FairItem& item = popped.item;
  lane.waiting.pop_front();
  lane.waiting_cost -= item.cost;
  --waiting_;
  if (popped.expired) {
    lane.held.Remove(item);
    tenant->held.Remove(item);
    held_.Remove(item);
    ForgetIfIdle(collection, tenant, key);
    return popped;
  }
  ++lane.under_way;
  lane.cost_under_way += item.cost;
  lane.deficit -= item.cost;
  tenant->deficit -= item.cost;
  turn_left_ -= item.cost;
  Measure(now, item.cost, &lane);
  lane.visited = lane.deficit > 0;
  if (!lane.visited) ToBack(&tenant->round);
  tenant->visited = tenant->deficit > 0;
  if (!tenant->visited) {
    EndVisit(0);
    ToBack(&active_);
  }
  return popped;
}

std::optional<FairQueue::Popped> FairQueue::Pop(Instant now) {
  while (Ready()) {
    const uint64_t collection = active_.front();
    Tenant& tenant = tenants_.at(collection);
    const auto found =
        tenant.round.empty() ? tenant.lanes.end() : tenant.lanes.find(tenant.round.front());
    if (found == tenant.lanes.end() || !MayLeave(found->second)) {
      // It is empty, or full of what is under way: Push or Done let it in again.
      if (!tenant.round.empty()) tenant.round.pop_front();
      if (found != tenant.lanes.end()) {
        found->second.active = found->second.visited = false;
        found->second.deficit = std::min<int64_t>(found->second.deficit, 0);
        ForgetIfIdle(collection, &tenant, found->first);
      }
      if (!tenant.round.empty()) continue;
      const int64_t unspent = std::max<int64_t>(tenant.deficit, 0);
      EndVisit(unspent);
      active_.pop_front();
      tenant.active = tenant.visited = false;
      tenant.deficit -= unspent;
      tenant.as_of = virtual_time_;
      ForgetTenantIfIdle(collection, &tenant);
      continue;
    }
    Lane& lane = found->second;
    // Alone, it owes nobody anything.
    if (active_.size() == 1 && tenant.deficit <= 0) {
      Credit(options_.quantum - tenant.deficit, &tenant);
    }
    if (tenant.round.size() == 1 && lane.deficit <= 0) lane.deficit = options_.quantum;
    if (!tenant.visited) Credit(options_.quantum, &tenant);
    tenant.visited = tenant.deficit > 0;
    if (!tenant.visited) {
      EndVisit(0);
      ToBack(&active_);
      continue;
    }
    if (!lane.visited) lane.deficit += options_.quantum;
    lane.visited = lane.deficit > 0;
    if (lane.visited) return Take(now, collection, &tenant);
    ToBack(&tenant.round);
  }
  return std::nullopt;
}

void FairQueue::Done(const FairItem& item, int64_t cost) {
  const auto tenant = tenants_.find(item.collection);
  CHECK(tenant != tenants_.end());
  Lane& lane = tenant->second.lanes.at(KeyOf(item));
  CHECK_GT(lane.under_way, 0u);
  --lane.under_way;
  lane.cost_under_way -= item.cost;
  lane.deficit -= cost - item.cost;
  if (!tenant->second.active) Age(&tenant->second);
  tenant->second.deficit -= cost - item.cost;
  lane.held.Remove(item);
  tenant->second.held.Remove(item);
  held_.Remove(item);
  if (!lane.active && MayLeave(lane)) {
    Activate(item.collection, &tenant->second, KeyOf(item), &lane);
  }
  ForgetIfIdle(item.collection, &tenant->second, KeyOf(item));
}

void FairQueue::Credit(int64_t cost, Tenant* tenant) {
  tenant->deficit += cost;
  credited_ += cost;
}

void FairQueue::EndVisit(int64_t unspent) {
  const auto visited = static_cast<int64_t>(active_.size());
  spent_ += std::max<int64_t>(std::exchange(credited_, 0) - unspent, 0);
  virtual_time_ += spent_ / visited;
  spent_ %= visited;
  while (!debtors_.empty() && debtors_.begin()->first <= virtual_time_) {
    tenants_.erase(debtors_.begin()->second);
    debtors_.erase(debtors_.begin());
  }
}

void FairQueue::Age(Tenant* tenant) const {
  CHECK(!tenant->active);
  if (tenant->deficit < 0) {
    tenant->deficit = std::min<int64_t>(tenant->deficit + virtual_time_ - tenant->as_of, 0);
  }
  tenant->as_of = virtual_time_;
}

// A lane in the round is forgotten when its turn comes.
void FairQueue::ForgetIfIdle(uint64_t collection, Tenant* tenant, LaneKey key) {
  const auto lane = tenant->lanes.find(key);
  if (lane != tenant->lanes.end() && lane->second.held.requests == 0 && !lane->second.active) {
    tenant->lanes.erase(lane);
  }
  ForgetTenantIfIdle(collection, tenant);
}

void FairQueue::ForgetTenantIfIdle(uint64_t collection, Tenant* tenant) {
  if (tenant->lanes.empty() && !tenant->active) {
    if (tenant->deficit < 0 && held_.requests > 0) {
      debtors_.insert({PaidAt(*tenant), collection});
    } else {
      tenants_.erase(collection);
    }
  }
  if (held_.requests > 0) return;
  for (const auto& [paid_at, debtor] : std::exchange(debtors_, {})) tenants_.erase(debtor);
}

}  // namespace rasputin::server
