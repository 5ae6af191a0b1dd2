// Keeping and converting; see placement_view.h. Not thread-safe.
//
// Of two stores that both say that they lead a range, the one heard last is believed: a handover
// lies between their reports.

#include "server/front/placement_view.h"

#include <algorithm>

#include "range/descriptor.h"

namespace rasputin::server {

using range::PlacementRange;
using range::PlacementSnapshot;
using range::PlacementStore;
using range::RangeDescriptor;
using type::v1::ReplicaDescriptor;

namespace {

// What a store wanted before it went silent counts for so long.
constexpr Duration kWishSilenceMax = std::chrono::seconds(30);

bool HasLearner(const RangeDescriptor& range) {
  return std::any_of(range.replicas().begin(), range.replicas().end(), range::IsLearner);
}

bool IsBlocked(const RangeDescriptor& range) {
  return range::IsJoint(range) || range.has_merge() || range.has_frozen_by();
}

}  // namespace

void PlacementView::PutRange(const ClockReading& now, const RangeDescriptor& range) {
  RangeDescriptor& known = ranges_[range.range_id()];
  if (known.range_id() != 0 && known.generation() >= range.generation()) return;
  known = range;
  news_ = true;
  if (HasLearner(range)) {
    learner_since_[range.range_id()] = now.boot;
  } else {
    learner_since_.erase(range.range_id());
  }
}

void PlacementView::OnChanges(const ClockReading& now,
                              const storage::v1::MetaQueryResult& changes) {
  if (changes.everything()) ranges_.clear();
  for (const auto& range : changes.ranges()) PutRange(now, range);
  news_ |= changes.stores_size() + changes.collections_size() + changes.gone_range_ids_size() > 0;
  for (const uint64_t gone : changes.gone_range_ids()) {
    ranges_.erase(gone);
    leaders_.erase(gone);
    bytes_.erase(gone);
    range_loads_.erase(gone);
    learner_since_.erase(gone);
    moved_at_.erase(gone);
    lagging_.erase(gone);
    rests_until_.erase(gone);
  }
}

void PlacementView::OnRanges(const ClockReading& now, const storage::v1::MetaQueryResult& page) {
  for (const auto& range : page.ranges()) PutRange(now, range);
}

void PlacementView::OnStores(const ClockReading& now,
                             const std::vector<type::v1::StoreDescriptor>& stores) {
  stores_.clear();
  for (const auto& store : stores) {
    stores_[store.store_id()] = store;
    heard_at_.emplace(store.store_id(), now.boot);
  }
  for (auto it = loads_.begin(); it != loads_.end();) {
    it = stores_.count(it->first) != 0 ? std::next(it) : loads_.erase(it);
  }
}

void PlacementView::OnCollections(const std::vector<type::v1::Collection>& collections) {
  collections_.clear();
  for (const auto& collection : collections) collections_[collection.id()] = collection;
}

void PlacementView::OnLoad(const ClockReading& now, const type::v1::StoreLoad& load) {
  const StoreId store(load.store_id());
  heard_at_[store.value()] = now.boot;
  const auto before = loads_.find(store.value());
  news_ |=
      before == loads_.end() || load.ranges_size() > 0 || load.merge_wishes_size() > 0 ||
      before->second.merge_wishes_size() > 0 || before->second.ranges_size() > 0 ||
      !std::equal(load.led_range_ids().begin(), load.led_range_ids().end(),
                  before->second.led_range_ids().begin(), before->second.led_range_ids().end()) ||
      load.lagging_range_ids_size() > 0 || before->second.lagging_range_ids_size() > 0;
  if (before != loads_.end()) {
    for (const uint64_t range : before->second.led_range_ids()) {
      const auto leader = leaders_.find(range);
      if (leader == leaders_.end() || leader->second != store) continue;
      leaders_.erase(leader);
      range_loads_.erase(range);
      lagging_.erase(range);  // Whoever leads it by now has told, or will.
    }
  }
  for (int i = 0; i < load.led_range_ids_size(); ++i) {
    leaders_[load.led_range_ids(i)] = store;
    if (i < load.led_bytes_size()) bytes_[load.led_range_ids(i)] = load.led_bytes(i);
    range_loads_.erase(load.led_range_ids(i));
    if (!lagging_.empty()) lagging_.erase(load.led_range_ids(i));
  }
  for (const auto& range : load.ranges()) range_loads_[range.range_id()] = range;
  for (int i = 0; i < std::min(load.lagging_range_ids_size(), load.lagging_store_ids_size()); ++i) {
    lagging_[load.lagging_range_ids(i)].emplace_back(load.lagging_store_ids(i));
  }
  for (const uint64_t other : load.supporting_store_ids()) {
    if (stores_.count(other) != 0) heard_at_[other] = now.boot;
  }
  loads_[store.value()] = load;
}

size_t PlacementView::CountVoters(RangeId range) const {
  const auto at = ranges_.find(range.value());
  return at == ranges_.end() ? 0 : range::CountFutureVoters(at->second);
}

bool PlacementView::IsVoter(RangeId range, StoreId store) const {
  const auto at = ranges_.find(range.value());
  if (at == ranges_.end()) return false;
  const ReplicaDescriptor* replica = range::FindStore(at->second, store);
  return replica != nullptr && range::WillVote(*replica);
}

Duration PlacementView::Silent(const ClockReading& now, uint64_t store) const {
  const auto heard = heard_at_.find(store);
  return heard == heard_at_.end() ? Duration::zero() : now.boot - heard->second;
}

StoreId PlacementView::Leader(RangeId range) const {
  const auto leader = leaders_.find(range.value());
  return leader == leaders_.end() ? StoreId() : leader->second;
}

PlacementSnapshot PlacementView::Snapshot(const ClockReading& now) const {
  PlacementSnapshot snapshot;
  for (const auto& [id, descriptor] : stores_) {
    PlacementStore store;
    store.id = StoreId(id);
    store.labels.insert(descriptor.locality().begin(), descriptor.locality().end());
    store.state = descriptor.state();
    store.silent = Silent(now, id);
    if (const auto load = loads_.find(id); load != loads_.end()) {
      store.capacity_bytes = load->second.capacity_bytes();
      store.available_bytes = load->second.available_bytes();
    }
    snapshot.stores.push_back(std::move(store));
  }
  for (const auto& [id, collection] : collections_) {
    range::PlacementCollection one;
    one.id = id;
    one.replication_factor = collection.options().replication_factor();
    const auto& labels = collection.options().placement().required_labels();
    one.required_labels.insert(labels.begin(), labels.end());
    snapshot.collections.push_back(std::move(one));
  }
  snapshot.ranges.reserve(ranges_.size());
  for (const auto& [id, descriptor] : ranges_) {
    PlacementRange range;
    range.id = RangeId(id);
    range.collection_id = descriptor.collection_id();
    for (const auto& replica : descriptor.replicas()) {
      range.members.push_back({StoreId(replica.store_id()), range::IsVoter(replica)});
    }
    range.blocked = IsBlocked(descriptor);
    if (const auto it = leaders_.find(id); it != leaders_.end()) range.leader = it->second;
    if (const auto it = bytes_.find(id); it != bytes_.end()) range.size_bytes = it->second;
    if (const auto it = range_loads_.find(id); it != range_loads_.end()) {
      range.requests_per_second = it->second.reads_per_second() + it->second.writes_per_second();
      range.cpu_cores = it->second.cpu_cores();
      range.size_bytes = std::max(range.size_bytes, it->second.size_bytes());
    }
    if (const auto it = lagging_.find(id); it != lagging_.end()) range.lagging = it->second;
    if (const auto it = moved_at_.find(id); it != moved_at_.end()) {
      range.since_move = now.boot - it->second;
    }
    if (const auto it = learner_since_.find(id); it != learner_since_.end()) {
      range.learner_for = now.boot - it->second;
    }
    const auto rests = rests_until_.find(id);
    if (rests != rests_until_.end() && now.boot < rests->second) range.blocked = true;
    snapshot.ranges.push_back(std::move(range));
  }
  snapshot.pairs = Pairs(now);
  return snapshot;
}

std::vector<range::PlacementPair> PlacementView::Pairs(const ClockReading& now) const {
  std::vector<std::pair<Instant, range::PlacementPair>> found;
  for (const auto& [store, load] : loads_) {
    if (Silent(now, store) >= kWishSilenceMax) continue;
    for (const auto& wish : load.merge_wishes()) {
      const auto left = ranges_.find(wish.left_range_id());
      const auto right = ranges_.find(wish.right_range_id());
      const auto leader = leaders_.find(wish.left_range_id());
      if (left == ranges_.end() || right == ranges_.end() || leader == leaders_.end()) continue;
      if (leader->second.value() != store) continue;
      if (left->second.end_key() != right->second.start_key()) continue;
      const Instant since = heard_at_.at(store) - std::chrono::milliseconds(wish.standing_ms());
      found.push_back(
          {since, {RangeId(wish.left_range_id()), RangeId(wish.right_range_id()), wish.reason()}});
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::make_pair(a.first, a.second.left) < std::make_pair(b.first, b.second.left);
  });
  std::vector<range::PlacementPair> pairs;
  for (auto& [since, pair] : found) pairs.push_back(std::move(pair));
  return pairs;
}

std::vector<admin::v1::StoreStatus> PlacementView::Statuses(const ClockReading& now,
                                                            Duration suspect_after) const {
  std::map<uint64_t, uint64_t> ranges_on;
  for (const auto& [id, range] : ranges_) {
    for (const auto& replica : range.replicas()) ++ranges_on[replica.store_id()];
  }
  std::vector<admin::v1::StoreStatus> statuses;
  for (const auto& [id, descriptor] : stores_) {
    admin::v1::StoreStatus status;
    *status.mutable_store() = descriptor;
    status.set_reachable(Silent(now, id) < suspect_after);
    status.set_ranges(ranges_on[id]);
    if (const auto load = loads_.find(id); load != loads_.end()) {
      status.set_replicas(ranges_on[id]);
      status.set_leaders(load->second.leaders());
      *status.mutable_load() = load->second;
      status.mutable_load()->clear_ranges();
      status.mutable_load()->clear_led_range_ids();
      status.mutable_load()->clear_led_bytes();
      status.mutable_load()->clear_lagging_range_ids();
      status.mutable_load()->clear_lagging_store_ids();
      status.mutable_load()->clear_supporting_store_ids();
      status.mutable_load()->clear_merge_wishes();
    }
    statuses.push_back(std::move(status));
  }
  return statuses;
}

}  // namespace rasputin::server
