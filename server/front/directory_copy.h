// A node's copy of the whole directory, as pages that any number of followers share.
//
// Every change has a number of this copy's own (`version`). Whoever has seen a version is given the
// pages after it as long as those are kept, else all pages of a snapshot: so nothing is queued for
// a slow follower, and ten thousand followers cost ten thousand positions. Bounded by the number of
// ranges and kDeltaBytesMax. Pure; not thread-safe.
//
// A range that went while a follower was too slow is not told to it again: in the snapshot the
// range that absorbed it holds its keys at a higher generation.

#ifndef RASPUTIN_SERVER_FRONT_DIRECTORY_COPY_H_
#define RASPUTIN_SERVER_FRONT_DIRECTORY_COPY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::server {

class DirectoryCopy {
 public:
  using Ranges = std::map<uint64_t, type::v1::RangeDescriptor>;
  // All that was known at a version: encoded FollowRangesResponses. Never changes.
  struct Snapshot {
    uint64_t version = 0;
    std::vector<absl::Cord> pages;
  };

  // Of the pages after which followers can go on; older ones are forgotten.
  static constexpr size_t kDeltaBytesMax = size_t{4} << 20;
  static constexpr size_t kDeltasMax = 256;

  // `leader_of`: the store believed to lead a range, 0 if unknown; asked when a page is made.
  explicit DirectoryCopy(std::function<uint64_t(uint64_t range_id)> leader_of);

  // An answer to MetaQuery.changes_after that is not everything.
  void Apply(const storage::v1::MetaQueryResult& changes);
  // Everything, read afresh. Ranges and stores that are not among them have gone.
  void Replace(const Ranges& ranges, const std::vector<type::v1::StoreDescriptor>& stores);

  // False until the first Replace: there is nothing to follow yet.
  bool loaded() const { return loaded_; }
  uint64_t version() const { return version_; }
  size_t RangeCount() const { return ranges_.size(); }

  // The page that leads from this version to the next; null: forgotten. `version` is below
  // version(). Valid until the next change.
  const absl::Cord* PageAfter(uint64_t version) const;
  // From its version on, pages are kept: shared, made anew only if those are forgotten or many.
  std::shared_ptr<const Snapshot> TakeSnapshot();
  // Nobody follows: the memory of the snapshot is given back once its readers are done.
  void ForgetSnapshot() { snapshot_.reset(); }

 private:
  void AddDelta(absl::Cord page);

  const std::function<uint64_t(uint64_t)> leader_of_;
  bool loaded_ = false;
  uint64_t version_ = 0;
  std::map<uint64_t, std::string> ranges_;  // Id to encoded descriptor.
  std::map<uint64_t, type::v1::StoreDescriptor> stores_;
  std::deque<absl::Cord> deltas_;  // The last one leads to version_.
  size_t delta_bytes_ = 0;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_DIRECTORY_COPY_H_
