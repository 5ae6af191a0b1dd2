// See descriptor.h.

#include "range/descriptor.h"

#include <glog/logging.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace rasputin::range {
namespace {

constexpr size_t kPrefixBytes = 8;

absl::string_view View(const std::string& s) { return absl::string_view(s.data(), s.size()); }

}  // namespace

std::string CollectionPrefix(uint64_t collection_id) {
  std::string prefix(kPrefixBytes, '\0');
  for (size_t i = 0; i < kPrefixBytes; ++i) {
    prefix[i] = static_cast<char>(collection_id >> (8 * (kPrefixBytes - 1 - i)));
  }
  return prefix;
}

absl::string_view UserKey(absl::string_view full_key) {
  CHECK_GE(full_key.size(), kPrefixBytes);
  return full_key.substr(kPrefixBytes);
}

bool Contains(const RangeDescriptor& descriptor, absl::string_view full_key) {
  return View(descriptor.start_key()) <= full_key &&
         (descriptor.end_key().empty() || full_key < View(descriptor.end_key()));
}

bool Overlaps(const RangeDescriptor& a, const RangeDescriptor& b) {
  return (b.end_key().empty() || a.start_key() < b.end_key()) &&
         (a.end_key().empty() || b.start_key() < a.end_key());
}

absl::Status ValidateSplit(const RangeDescriptor& parent, absl::string_view split_key,
                           uint64_t child_collection_id) {
  if (parent.range_id() == kMetaRangeId) {
    return absl::FailedPreconditionError("the meta range is never split");
  }
  if (split_key.size() < kPrefixBytes) {
    return absl::InvalidArgumentError("a split key begins with the collection id (8 bytes)");
  }
  if (!Contains(parent, split_key)) {
    return absl::FailedPreconditionError("the split key lies outside the range");
  }
  if (split_key == View(parent.start_key())) {
    return absl::FailedPreconditionError(
        "the split key is the start of the range: nothing to split");
  }
  const std::string prefix = CollectionPrefix(child_collection_id);
  const bool inside = split_key.substr(0, kPrefixBytes) == View(prefix);
  if (!inside) {
    return absl::InvalidArgumentError("the split key is not in the collection of the new range");
  }
  if (child_collection_id != parent.collection_id() && split_key != View(prefix)) {
    return absl::InvalidArgumentError(
        "a range of another collection begins at that collection's first key");
  }
  return absl::OkStatus();
}

SplitDescriptors Split(const RangeDescriptor& parent, absl::string_view split_key,
                       uint64_t child_range_id, uint64_t child_collection_id) {
  CHECK(ValidateSplit(parent, split_key, child_collection_id).ok());
  SplitDescriptors out;
  out.left = parent;
  out.left.set_generation(parent.generation() + 1);
  out.left.set_end_key(std::string(split_key));
  out.right = parent;
  out.right.set_range_id(child_range_id);
  out.right.set_generation(parent.generation() + 1);
  out.right.set_collection_id(child_collection_id);
  out.right.set_start_key(std::string(split_key));
  return out;
}

consensus::Configuration ToConfiguration(const RangeDescriptor& descriptor) {
  consensus::Configuration configuration;
  for (const auto& replica : descriptor.replicas()) {
    configuration.voters.push_back(
        {consensus::ReplicaId(replica.replica_id()), consensus::StoreId(replica.store_id())});
  }
  std::sort(
      configuration.voters.begin(), configuration.voters.end(),
      [](const consensus::Member& a, const consensus::Member& b) { return a.replica < b.replica; });
  return configuration;
}

}  // namespace rasputin::range
