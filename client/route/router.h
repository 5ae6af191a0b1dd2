// What a client knows of the directory: ranges by key, leaders, stores, collections by name.
//
// A cache that may be wrong at any time: the range itself is the truth and refuses what was routed
// by an old descriptor. Not responsible for asking anybody (the caller looks up what is
// missing) nor for retries (retry_policy.h). Bounded by the number of ranges of the cluster. Not
// thread-safe.
//
// Invariant: no two cached ranges overlap.

#ifndef RASPUTIN_CLIENT_ROUTE_ROUTER_H_
#define RASPUTIN_CLIENT_ROUTE_ROUTER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rasputin/type/v1/collection.pb.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::client {

class Router {
 public:
  using RangeDescriptor = type::v1::RangeDescriptor;

  // The cached range that holds `full_key`, or null. Valid until the next Learn or Forget.
  const RangeDescriptor* Locate(absl::string_view full_key) const;
  // The cached range of this id, or null. Valid until the next Learn or Forget.
  const RangeDescriptor* Find(uint64_t range_id) const;

  // Takes a descriptor over unless a cached one that it overlaps, or that has the same id, has a
  // higher generation; what it overlaps is evicted. Generations only grow along a line of splits
  // and merges, so of two ranges that overlap the higher generation is the younger. True if the
  // cache now holds exactly this descriptor.
  bool Learn(const RangeDescriptor& descriptor);
  // Drops the range; its leader hint too.
  void Forget(uint64_t range_id);

  // The store believed to lead the range; 0: unknown.
  uint64_t Leader(uint64_t range_id) const;
  // Replaces the hint; 0 drops it.
  void LearnLeader(uint64_t range_id, uint64_t store_id);
  // Drops every hint that names this store: it has become unreachable.
  void ForgetLeadersOn(uint64_t store_id);

  // Null: not cached. Valid until the next LearnCollection or ForgetCollection.
  const type::v1::Collection* FindCollection(absl::string_view name) const;
  // By name.
  std::vector<type::v1::Collection> Collections() const;
  void LearnCollection(const type::v1::Collection& collection);
  void ForgetCollection(absl::string_view name);
  void ForgetCollectionById(uint64_t collection_id);
  void ForgetCollections();

  // Null: not cached. Valid until the next LearnStore.
  const type::v1::StoreDescriptor* FindStore(uint64_t store_id) const;
  void LearnStore(const type::v1::StoreDescriptor& store);
  // These are all stores there are: others are dropped.
  void ReplaceStores(const std::vector<type::v1::StoreDescriptor>& stores);
  // By id.
  std::vector<type::v1::StoreDescriptor> Stores() const;

  size_t RangeCount() const { return by_start_.size(); }

 private:
  using ByStart = std::map<std::string, RangeDescriptor, std::less<>>;

  // The first cached range that ends beyond `full_key`.
  ByStart::const_iterator FirstEndingBeyond(absl::string_view full_key) const;

  ByStart by_start_;
  std::map<uint64_t, std::string> start_of_;  // Range id to its key in `by_start_`.
  std::map<uint64_t, uint64_t> leader_of_;    // Never holds a 0.
  std::map<std::string, type::v1::Collection, std::less<>> collections_;
  std::map<uint64_t, type::v1::StoreDescriptor> stores_;
};

// The member store to try when no leader is known: the members in turn, beginning with `preferred`
// if it is one. 0 if the range has no members.
uint64_t MemberToTry(const type::v1::RangeDescriptor& range, uint64_t preferred, uint32_t attempt);
bool HasMember(const type::v1::RangeDescriptor& range, uint64_t store_id);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_ROUTE_ROUTER_H_
