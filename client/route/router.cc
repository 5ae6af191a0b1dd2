// The cache of the directory; see router.h. Not thread-safe.
//
// Ranges are kept by start key; because they never overlap, that is also the order of their end
// keys, and the range that may hold a key is the last that starts at or before it.

#include "client/route/router.h"

#include <glog/logging.h>

#include <iterator>

namespace rasputin::client {
namespace {

bool EndsBeyond(const type::v1::RangeDescriptor& range, absl::string_view full_key) {
  return range.end_key().empty() || absl::string_view(range.end_key()) > full_key;
}

bool StartsBelow(const type::v1::RangeDescriptor& range, absl::string_view end) {
  return end.empty() || absl::string_view(range.start_key()) < end;
}

}  // namespace

Router::ByStart::const_iterator Router::FirstEndingBeyond(absl::string_view full_key) const {
  auto it = by_start_.upper_bound(full_key);
  if (it != by_start_.begin() && EndsBeyond(std::prev(it)->second, full_key)) return std::prev(it);
  return it;
}

const type::v1::RangeDescriptor* Router::Locate(absl::string_view full_key) const {
  const auto it = FirstEndingBeyond(full_key);
  if (it == by_start_.end() || absl::string_view(it->first) > full_key) return nullptr;
  return &it->second;
}

const type::v1::RangeDescriptor* Router::Find(uint64_t range_id) const {
  const auto it = start_of_.find(range_id);
  return it == start_of_.end() ? nullptr : &by_start_.find(it->second)->second;
}

bool Router::Learn(const RangeDescriptor& descriptor) {
  CHECK_NE(descriptor.range_id(), 0u);
  const RangeDescriptor* known = Find(descriptor.range_id());
  if (known != nullptr && known->generation() > descriptor.generation()) return false;

  std::vector<uint64_t> overlapped;
  for (auto it = FirstEndingBeyond(descriptor.start_key());
       it != by_start_.end() && StartsBelow(it->second, descriptor.end_key()); ++it) {
    if (it->second.generation() > descriptor.generation()) return false;
    if (it->second.range_id() != descriptor.range_id()) overlapped.push_back(it->second.range_id());
  }
  for (const uint64_t id : overlapped) Forget(id);
  const auto old = start_of_.find(descriptor.range_id());
  if (old != start_of_.end()) by_start_.erase(old->second);
  start_of_[descriptor.range_id()] = descriptor.start_key();
  by_start_[descriptor.start_key()] = descriptor;
  CHECK_EQ(by_start_.size(), start_of_.size());
  return true;
}

void Router::Forget(uint64_t range_id) {
  const auto it = start_of_.find(range_id);
  if (it != start_of_.end()) {
    CHECK_EQ(by_start_.erase(it->second), 1u);
    start_of_.erase(it);
  }
  leader_of_.erase(range_id);
}

uint64_t Router::Leader(uint64_t range_id) const {
  const auto it = leader_of_.find(range_id);
  return it == leader_of_.end() ? 0 : it->second;
}

void Router::LearnLeader(uint64_t range_id, uint64_t store_id) {
  CHECK_NE(range_id, 0u);
  if (store_id == 0) {
    leader_of_.erase(range_id);
  } else {
    leader_of_[range_id] = store_id;
  }
}

void Router::ForgetLeadersOn(uint64_t store_id) {
  for (auto it = leader_of_.begin(); it != leader_of_.end();) {
    it = it->second == store_id ? leader_of_.erase(it) : std::next(it);
  }
}

const type::v1::Collection* Router::FindCollection(absl::string_view name) const {
  const auto it = collections_.find(name);
  return it == collections_.end() ? nullptr : &it->second;
}

std::vector<type::v1::Collection> Router::Collections() const {
  std::vector<type::v1::Collection> collections;
  for (const auto& [name, collection] : collections_) collections.push_back(collection);
  return collections;
}

void Router::LearnCollection(const type::v1::Collection& collection) {
  CHECK(!collection.name().empty());
  collections_[collection.name()] = collection;
}

void Router::ForgetCollection(absl::string_view name) {
  const auto it = collections_.find(name);
  if (it != collections_.end()) collections_.erase(it);
}

void Router::ForgetCollectionById(uint64_t collection_id) {
  for (auto it = collections_.begin(); it != collections_.end();) {
    it = it->second.id() == collection_id ? collections_.erase(it) : std::next(it);
  }
}

void Router::ForgetCollections() { collections_.clear(); }

const type::v1::StoreDescriptor* Router::FindStore(uint64_t store_id) const {
  const auto it = stores_.find(store_id);
  return it == stores_.end() ? nullptr : &it->second;
}

void Router::LearnStore(const type::v1::StoreDescriptor& store) {
  CHECK_NE(store.store_id(), 0u);
  stores_[store.store_id()] = store;
}

void Router::ReplaceStores(const std::vector<type::v1::StoreDescriptor>& stores) {
  stores_.clear();
  for (const type::v1::StoreDescriptor& store : stores) LearnStore(store);
}

std::vector<type::v1::StoreDescriptor> Router::Stores() const {
  std::vector<type::v1::StoreDescriptor> stores;
  for (const auto& [id, store] : stores_) stores.push_back(store);
  return stores;
}

bool HasMember(const type::v1::RangeDescriptor& range, uint64_t store_id) {
  for (const auto& replica : range.replicas()) {
    if (replica.store_id() == store_id) return true;
  }
  return false;
}

uint64_t MemberToTry(const type::v1::RangeDescriptor& range, uint64_t preferred, uint32_t attempt) {
  const int members = range.replicas_size();
  if (members == 0) return 0;
  int first = 0;
  for (int i = 0; i < members; ++i) {
    if (range.replicas(i).store_id() == preferred) first = i;
  }
  return range.replicas((first + attempt % members) % members).store_id();
}

}  // namespace rasputin::client
