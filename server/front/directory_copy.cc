// See directory_copy.h.

#include "server/front/directory_copy.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "rasputin/admin/v1/admin.pb.h"

namespace rasputin::server {

using admin::v1::FollowRangesResponse;
using type::v1::RangeDescriptor;

namespace {

constexpr int kRangesPerPage = 500;
// A snapshot that is further behind is made anew for the next follower.
constexpr uint64_t kSnapshotLagMax = 64;

absl::Cord Encode(const FollowRangesResponse& page) { return absl::Cord(page.SerializeAsString()); }

}  // namespace

DirectoryCopy::DirectoryCopy(std::function<uint64_t(uint64_t range_id)> leader_of)
    : leader_of_(std::move(leader_of)) {}

void DirectoryCopy::Apply(const storage::v1::MetaQueryResult& changes) {
  FollowRangesResponse page;
  for (const uint64_t id : changes.gone_range_ids()) {
    if (ranges_.erase(id) > 0) page.add_gone_range_ids(id);
  }
  for (const RangeDescriptor& range : changes.ranges()) {
    std::string encoded = range.SerializeAsString();
    std::string& known = ranges_[range.range_id()];
    if (known == encoded) continue;
    known = std::move(encoded);
    auto* route = page.add_routes();
    *route->mutable_range() = range;
    route->set_leader_store_id(leader_of_(range.range_id()));
  }
  for (const uint64_t id : changes.gone_store_ids()) {
    if (stores_.erase(id) > 0) page.add_gone_store_ids(id);
  }
  for (const auto& store : changes.stores()) {
    stores_[store.store_id()] = store;
    *page.add_stores() = store;
  }
  if (page.ByteSizeLong() > 0) AddDelta(Encode(page));
}

void DirectoryCopy::Replace(const Ranges& ranges,
                            const std::vector<type::v1::StoreDescriptor>& stores) {
  storage::v1::MetaQueryResult changes;
  for (const auto& [id, encoded] : ranges_) {
    if (ranges.count(id) == 0) changes.add_gone_range_ids(id);
  }
  for (const auto& [id, known] : stores_) {
    const bool there = std::any_of(stores.begin(), stores.end(),
                                   [id = id](const auto& store) { return store.store_id() == id; });
    if (!there) changes.add_gone_store_ids(id);
  }
  for (const auto& store : stores) *changes.add_stores() = store;
  for (const auto& [id, range] : ranges) {
    *changes.add_ranges() = range;
    if (changes.ranges_size() == kRangesPerPage) {
      Apply(changes);
      changes.Clear();
    }
  }
  Apply(changes);
  loaded_ = true;
}

void DirectoryCopy::AddDelta(absl::Cord page) {
  ++version_;
  delta_bytes_ += page.size();
  deltas_.push_back(std::move(page));
  while (deltas_.size() > kDeltasMax || (delta_bytes_ > kDeltaBytesMax && deltas_.size() > 1)) {
    delta_bytes_ -= deltas_.front().size();
    deltas_.pop_front();
  }
}

const absl::Cord* DirectoryCopy::PageAfter(uint64_t version) const {
  CHECK_LT(version, version_);
  const uint64_t behind = version_ - version;
  return behind > deltas_.size() ? nullptr : &deltas_[deltas_.size() - behind];
}

std::shared_ptr<const DirectoryCopy::Snapshot> DirectoryCopy::TakeSnapshot() {
  CHECK(loaded_);
  const bool fresh = snapshot_ != nullptr && version_ - snapshot_->version <= kSnapshotLagMax &&
                     version_ - snapshot_->version <= deltas_.size();
  if (fresh) return snapshot_;
  auto made = std::make_shared<Snapshot>();
  made->version = version_;
  FollowRangesResponse page;
  for (const auto& [id, store] : stores_) *page.add_stores() = store;
  for (const auto& [id, encoded] : ranges_) {
    auto* route = page.add_routes();
    CHECK(route->mutable_range()->ParseFromString(encoded)) << "it was encoded here";
    route->set_leader_store_id(leader_of_(id));
    if (page.routes_size() == kRangesPerPage) {
      made->pages.push_back(Encode(page));
      page.Clear();
    }
  }
  page.set_complete(true);
  made->pages.push_back(Encode(page));
  snapshot_ = std::move(made);
  return snapshot_;
}

}  // namespace rasputin::server
