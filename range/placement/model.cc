// Sums, slots and moves in thought; see model.h. Not thread-safe.

#include "range/placement/model.h"

#include <glog/logging.h>

#include <algorithm>

namespace rasputin::range {
namespace {

// Tolerances: a store within them is as good as even. Bytes and loads fluctuate, counts do not.
constexpr double kReplicasShare = 0.05;
constexpr double kCountLeast = 0.5;  // Of few, one more or less than the others.
constexpr double kBytesShare = 0.10;
constexpr double kBytesLeast = 64.0 * (1 << 20);
constexpr double kDemandShare = 0.20;
constexpr double kLeadersShare = 0.10;
constexpr double kLedDemandShare = 0.15;
// Leaderships follow the load before their number.
constexpr double kLeadersWeight = 0.5;
// Below this the cluster has nothing to do that would be worth a move.
constexpr double kRequestsMin = 200;
constexpr double kCoresMin = 0.1;
constexpr double kFullShare = 0.05;

void Erase(StoreSet* set, uint32_t store) {
  const auto at = std::lower_bound(set->begin(), set->end(), store);
  if (at != set->end() && *at == store) set->erase(at);
}

void Insert(StoreSet* set, uint32_t store) {
  const auto at = std::lower_bound(set->begin(), set->end(), store);
  if (at == set->end() || *at != store) set->insert(at, store);
}

bool Holds(const StoreSet& set, uint32_t store) {
  return std::binary_search(set.begin(), set.end(), store);
}

}  // namespace

PlacementModel::PlacementModel(const PlacementSnapshot& snapshot, const PlacementRules& rules)
    : rules_(rules) {
  AddStores(snapshot);
  AddRanges(snapshot);
  std::map<consensus::RangeId, size_t> by_id;
  for (size_t i = 0; i < ranges_.size(); ++i) by_id.emplace(ranges_[i].view->id, i);
  AddUnderWay(snapshot, by_id);
  AddPairs(snapshot, by_id);
  Sum();
}

uint32_t PlacementModel::StoreOf(consensus::StoreId id) {
  const auto [at, added] = positions_.emplace(id, static_cast<uint32_t>(stores_.size()));
  if (added) {
    Store unlisted;
    unlisted.id = id;
    unlisted.dead = true;
    stores_.push_back(unlisted);
  }
  return at->second;
}

void PlacementModel::AddStores(const PlacementSnapshot& snapshot) {
  for (const PlacementStore& view : snapshot.stores) {
    Store& store = stores_[StoreOf(view.id)];
    store.view = &view;
    store.dead = view.silent >= rules_.store_dead_after;
    store.alive = !store.dead && view.silent < rules_.store_suspect_after;
    store.leaving = view.state == type::v1::STORE_STATE_DECOMMISSIONING;
    store.draining = store.leaving || view.state == type::v1::STORE_STATE_DRAINING;
    store.active = store.alive && !store.draining;
    store.full =
        view.capacity_bytes > 0 && static_cast<double>(view.available_bytes) <
                                       kFullShare * static_cast<double>(view.capacity_bytes);
    store.domains = domain_table_.Number(view.labels);
  }
}

void PlacementModel::AddRanges(const PlacementSnapshot& snapshot) {
  std::map<uint64_t, const PlacementCollection*> collections;
  for (const PlacementCollection& one : snapshot.collections) collections[one.id] = &one;
  double requests = 0;
  double cores = 0;
  for (const PlacementRange& view : snapshot.ranges) {
    requests += view.requests_per_second;
    cores += view.cpu_cores;
  }
  const bool counts = requests >= kRequestsMin || cores >= kCoresMin;
  const bool both = requests >= kRequestsMin && cores >= kCoresMin;
  const double size = static_cast<double>(stores_.size()) * (both ? 0.5 : 1.0);
  ranges_.reserve(snapshot.ranges.size());
  for (const PlacementRange& view : snapshot.ranges) {
    Range range;
    range.view = &view;
    const auto collection = collections.find(view.collection_id);
    if (collection != collections.end()) range.collection = collection->second;
    range.factor = range.collection != nullptr && range.collection->replication_factor != 0
                       ? range.collection->replication_factor
                       : rules_.replication_factor;
    for (const PlacementMember& member : view.members) {
      Insert(member.voter ? &range.voters : &range.learners, StoreOf(member.store));
    }
    for (const consensus::StoreId id : view.lagging) {
      const auto store = positions_.find(id);
      if (store == positions_.end()) continue;
      const bool member =
          Holds(range.voters, store->second) || Holds(range.learners, store->second);
      if (member) Insert(&range.lagging, store->second);
    }
    if (view.leader.IsSet()) range.leader = StoreOf(view.leader);
    if (counts && requests >= kRequestsMin)
      range.demand += size * view.requests_per_second / requests;
    if (counts && cores >= kCoresMin) range.demand += size * view.cpu_cores / cores;
    ranges_.push_back(std::move(range));
  }
}

void PlacementModel::AddUnderWay(const PlacementSnapshot& snapshot,
                                 const std::map<consensus::RangeId, size_t>& by_id) {
  for (const PlacementMove& move : snapshot.under_way) {
    const uint32_t from = move.from.IsSet() ? StoreOf(move.from) : kNoStore;
    const uint32_t to = move.to.IsSet() ? StoreOf(move.to) : kNoStore;
    TakeSlot(move.kind, from, to);
    const auto at = by_id.find(move.range);
    if (at == by_id.end()) continue;
    Range& range = ranges_[at->second];
    range.busy = true;
    if (move.kind == MoveKind::kTransferLease) {
      range.leader = to;
      continue;
    }
    if (from != kNoStore) {
      Erase(&range.voters, from);
      Erase(&range.learners, from);
    }
    if (to != kNoStore) {
      Insert(&range.voters, to);
      Erase(&range.learners, to);
    }
  }
}

void PlacementModel::AddPairs(const PlacementSnapshot& snapshot,
                              const std::map<consensus::RangeId, size_t>& by_id) {
  uint32_t count = 0;
  for (const PlacementPair& pair : snapshot.pairs) {
    if (count == rules_.pairs_max) return;
    const auto left_at = by_id.find(pair.left);
    const auto right_at = by_id.find(pair.right);
    if (left_at == by_id.end() || right_at == by_id.end() || left_at == right_at) continue;
    Range& left = ranges_[left_at->second];
    Range& right = ranges_[right_at->second];
    if (left.paired || right.paired) continue;
    ++count;
    left.paired = right.paired = true;
    right.align_with = left_at->second;
    right.pair = &pair;
    right.collection = left.collection;
    right.factor = left.factor;
  }
}

void PlacementModel::Sum() {
  for (const Range& range : ranges_) {
    for (const uint32_t store : range.voters) Hold(range, store, 1);
    for (const uint32_t store : range.learners) Hold(range, store, 1);
    if (range.leader == kNoStore) continue;
    stores_[range.leader].leaders += 1;
    stores_[range.leader].led_demand += range.demand;
  }
  size_t count = 0;
  Store sum;
  for (const Store& store : stores_) {
    if (!store.active) continue;
    ++count;
    sum.replicas += store.replicas;
    sum.bytes += store.bytes;
    sum.demand += store.demand;
    sum.leaders += store.leaders;
    sum.led_demand += store.led_demand;
  }
  replicas_ = Balance(sum.replicas, count, kReplicasShare, kCountLeast, 0, 1);
  bytes_ = Balance(sum.bytes, count, kBytesShare, kBytesLeast, kBytesLeast, 1);
  demand_ = Balance(sum.demand, count, kDemandShare, 0, 0, 1);
  leaders_ = Balance(sum.leaders, count, kLeadersShare, kCountLeast, 0, kLeadersWeight);
  led_demand_ = Balance(sum.led_demand, count, kLedDemandShare, 0, 0, 1);
}

void PlacementModel::Hold(const Range& range, uint32_t store, double sign) {
  stores_[store].replicas += sign;
  stores_[store].bytes += sign * static_cast<double>(range.view->size_bytes);
  stores_[store].demand += sign * range.demand / std::max<uint32_t>(range.factor, 1);
}

bool PlacementModel::Allows(const Range& range, uint32_t store) const {
  if (range.collection == nullptr) return true;
  const PlacementStore* view = stores_[store].view;
  if (view == nullptr) return false;
  return std::all_of(range.collection->required_labels.begin(),
                     range.collection->required_labels.end(), [view](const auto& label) {
                       const auto at = view->labels.find(label.first);
                       return at != view->labels.end() && at->second == label.second;
                     });
}

Collisions PlacementModel::Spread(const Range& range, uint32_t from, uint32_t to) const {
  std::vector<Domains> domains;
  domains.reserve(range.voters.size() + 1);
  for (const uint32_t store : range.voters) {
    if (store != from && store != to) domains.push_back(stores_[store].domains);
  }
  if (to != kNoStore) domains.push_back(stores_[to].domains);
  return CountCollisions(domains);
}

uint32_t PlacementModel::CopysetCost(const Range& range, uint32_t from, uint32_t to) {
  if (sets_in_use_.empty()) {
    for (const Range& one : ranges_) ++sets_in_use_[one.voters];
  }
  auto family = copysets_.find(range.factor);
  if (family == copysets_.end()) {
    StoreSet able;
    std::vector<Domains> domains;
    for (uint32_t i = 0; i < stores_.size(); ++i) {
      if (stores_[i].view == nullptr || stores_[i].dead || stores_[i].leaving) continue;
      able.push_back(i);
      domains.push_back(stores_[i].domains);
    }
    family = copysets_.emplace(range.factor, Copysets(able, domains, range.factor)).first;
  }
  StoreSet set = range.voters;
  Erase(&set, from);
  Insert(&set, to);
  StoreSet key = set;
  key.push_back(to);
  const auto [cost, added] = copyset_costs_.emplace(std::move(key), 0);
  if (added) {
    const bool in_use = sets_in_use_.count(set) != 0;
    cost->second = 2 * family->second.Distance(set, to) + (in_use ? 0 : 1);
  }
  return cost->second;
}

uint32_t PlacementModel::CountAllowed(const Range& range) const {
  uint32_t count = 0;
  for (uint32_t i = 0; i < stores_.size(); ++i) {
    const bool stays = stores_[i].alive && !stores_[i].leaving && Holds(range.voters, i);
    if ((stays || stores_[i].TakesReplicas()) && Allows(range, i)) ++count;
  }
  return count;
}

double PlacementModel::Fill(const Store& store) const {
  return replicas_.Level(store.replicas) + bytes_.Level(store.bytes) + demand_.Level(store.demand);
}

double PlacementModel::HoldCost(uint32_t store) const {
  const Store& s = stores_[store];
  return replicas_.Cost(s.replicas) + bytes_.Cost(s.bytes) + demand_.Cost(s.demand);
}

double PlacementModel::LeadCost(uint32_t store) const {
  return leaders_.Cost(stores_[store].leaders) + led_demand_.Cost(stores_[store].led_demand);
}

double PlacementModel::HoldGain(const Range& range, uint32_t from, uint32_t to) const {
  const Store& a = stores_[from];
  const Store& b = stores_[to];
  return replicas_.Gain(a.replicas, b.replicas, 1) +
         bytes_.Gain(a.bytes, b.bytes, static_cast<double>(range.view->size_bytes)) +
         demand_.Gain(a.demand, b.demand, range.demand / std::max<uint32_t>(range.factor, 1));
}

double PlacementModel::LeadGain(const Range& range, uint32_t from, uint32_t to) const {
  const Store& a = stores_[from];
  const Store& b = stores_[to];
  return leaders_.Gain(a.leaders, b.leaders, 1) +
         led_demand_.Gain(a.led_demand, b.led_demand, range.demand);
}

double PlacementModel::HoldRise(const Range& range, uint32_t to) const {
  const Store& b = stores_[to];
  return replicas_.Rise(b.replicas, 1) +
         bytes_.Rise(b.bytes, static_cast<double>(range.view->size_bytes)) +
         demand_.Rise(b.demand, range.demand / std::max<uint32_t>(range.factor, 1));
}

bool PlacementModel::HasSlot(MoveKind kind, uint32_t from, uint32_t to) const {
  if (kind == MoveKind::kTransferLease) return transfers_ < rules_.transfers_max;
  if (moves_ >= rules_.moves_max) return false;
  if (from != kNoStore && !stores_[from].dead && stores_[from].moves_out >= rules_.moves_out_max) {
    return false;
  }
  return to == kNoStore || stores_[to].moves_in < rules_.moves_in_max;
}

void PlacementModel::TakeSlot(MoveKind kind, uint32_t from, uint32_t to) {
  if (kind == MoveKind::kTransferLease) {
    ++transfers_;
    return;
  }
  ++moves_;
  if (from != kNoStore) ++stores_[from].moves_out;
  if (to != kNoStore) ++stores_[to].moves_in;
}

void PlacementModel::Apply(MoveKind kind, size_t range_index, uint32_t from, uint32_t to) {
  Range& range = ranges_[range_index];
  CHECK(!range.busy) << "two moves of one range";
  range.busy = true;
  if (kind == MoveKind::kTransferLease) {
    stores_[from].leaders -= 1;
    stores_[from].led_demand -= range.demand;
    stores_[to].leaders += 1;
    stores_[to].led_demand += range.demand;
    range.leader = to;
    return;
  }
  if (from != kNoStore) {
    Hold(range, from, -1);
    Erase(&range.voters, from);
    Erase(&range.learners, from);
  }
  if (to == kNoStore) return;
  if (!Holds(range.learners, to)) Hold(range, to, 1);
  Erase(&range.learners, to);
  Insert(&range.voters, to);
  if (sets_in_use_.empty()) return;
  ++sets_in_use_[range.voters];
  copyset_costs_.clear();
}

}  // namespace rasputin::range
