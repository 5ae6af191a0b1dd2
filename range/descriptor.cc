// See descriptor.h.

#include "range/descriptor.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rasputin::range {

using consensus::Member;
using type::v1::ReplicaDescriptor;

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
  if (parent.has_frozen_by() || (parent.has_merge() && !parent.merge().abandoned())) {
    return absl::FailedPreconditionError(
        "the range is being merged with a neighbour: retry the split when that is done");
  }
  if (parent.dropped() && child_collection_id == parent.collection_id()) {
    return absl::FailedPreconditionError("the collection was dropped: its ranges are not split");
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
  out.right.clear_merge();
  // The range behind all collections may be of one that was dropped: the next one begins there.
  if (child_collection_id != parent.collection_id()) out.right.clear_dropped();
  return out;
}

consensus::Configuration ToConfiguration(const RangeDescriptor& descriptor) {
  consensus::Configuration configuration;
  std::vector<Member> outgoing;
  bool joint = false;
  for (const ReplicaDescriptor& replica : descriptor.replicas()) {
    const Member member{consensus::ReplicaId(replica.replica_id()),
                        consensus::StoreId(replica.store_id())};
    switch (replica.role()) {
      case type::v1::REPLICA_ROLE_INCOMING:
        joint = true;
        configuration.voters.push_back(member);
        break;
      case type::v1::REPLICA_ROLE_OUTGOING:
        joint = true;
        outgoing.push_back(member);
        break;
      case type::v1::REPLICA_ROLE_DEMOTING:
        joint = true;
        outgoing.push_back(member);
        configuration.learners.push_back(member);
        break;
      case type::v1::REPLICA_ROLE_LEARNER:
        configuration.learners.push_back(member);
        break;
      default:
        configuration.voters.push_back(member);
        outgoing.push_back(member);
    }
  }
  if (joint) configuration.outgoing = std::move(outgoing);
  for (auto* list : {&configuration.voters, &configuration.outgoing, &configuration.learners}) {
    std::sort(list->begin(), list->end(),
              [](const Member& a, const Member& b) { return a.replica < b.replica; });
  }
  return configuration;
}

void SetMembers(const consensus::Configuration& configuration, RangeDescriptor* descriptor) {
  const auto in = [](const std::vector<Member>& list, const Member& member) {
    return std::find(list.begin(), list.end(), member) != list.end();
  };
  descriptor->clear_replicas();
  uint64_t next = descriptor->next_replica_id();
  for (const Member& member : configuration.AllMembers()) {
    ReplicaDescriptor* replica = descriptor->add_replicas();
    replica->set_replica_id(member.replica.value());
    replica->set_store_id(member.store.value());
    next = std::max(next, member.replica.value() + 1);
    const bool old_half = in(configuration.outgoing, member);
    if (in(configuration.voters, member)) {
      if (configuration.IsJoint() && !old_half) replica->set_role(type::v1::REPLICA_ROLE_INCOMING);
    } else if (in(configuration.learners, member)) {
      replica->set_role(old_half ? type::v1::REPLICA_ROLE_DEMOTING
                                 : type::v1::REPLICA_ROLE_LEARNER);
    } else {
      replica->set_role(type::v1::REPLICA_ROLE_OUTGOING);
    }
  }
  descriptor->set_next_replica_id(next);
}

const ReplicaDescriptor* FindReplica(const RangeDescriptor& descriptor,
                                     consensus::ReplicaId replica) {
  for (const ReplicaDescriptor& member : descriptor.replicas()) {
    if (member.replica_id() == replica.value()) return &member;
  }
  return nullptr;
}

const ReplicaDescriptor* FindStore(const RangeDescriptor& descriptor, consensus::StoreId store) {
  for (const ReplicaDescriptor& member : descriptor.replicas()) {
    if (member.store_id() == store.value()) return &member;
  }
  return nullptr;
}

bool IsLearner(const ReplicaDescriptor& replica) {
  return replica.role() == type::v1::REPLICA_ROLE_LEARNER;
}

bool IsVoter(const ReplicaDescriptor& replica) { return !IsLearner(replica); }

bool IsPlainVoter(const ReplicaDescriptor& replica) {
  return replica.role() == type::v1::REPLICA_ROLE_UNSPECIFIED ||
         replica.role() == type::v1::REPLICA_ROLE_VOTER;
}

bool WillVote(const ReplicaDescriptor& replica) {
  return IsPlainVoter(replica) || replica.role() == type::v1::REPLICA_ROLE_INCOMING;
}

size_t CountFutureVoters(const RangeDescriptor& descriptor) {
  const auto& replicas = descriptor.replicas();
  return static_cast<size_t>(std::count_if(replicas.begin(), replicas.end(), WillVote));
}

bool IsJoint(const RangeDescriptor& descriptor) {
  const auto& replicas = descriptor.replicas();
  return std::any_of(replicas.begin(), replicas.end(), [](const ReplicaDescriptor& replica) {
    return IsVoter(replica) && !IsPlainVoter(replica);
  });
}

}  // namespace rasputin::range
