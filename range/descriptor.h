// Arithmetic on range descriptors and full keys: containment, validity, splitting. Pure.
//
// A full key is the collection id as 8 bytes big-endian, then the user key; the empty string as an
// end key means the end of the keyspace. Not responsible for who may change a descriptor
// (replica.h).

#ifndef RASPUTIN_RANGE_DESCRIPTOR_H_
#define RASPUTIN_RANGE_DESCRIPTOR_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "consensus/core/configuration.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::range {

using RangeDescriptor = type::v1::RangeDescriptor;

inline constexpr uint64_t kMetaRangeId = 1;
inline constexpr uint64_t kMetaCollectionId = 1;
inline constexpr uint64_t kDefaultCollectionId = 2;
// How far generations and ids move on where an operator made a range live again from a survivor
// [H-14]: beyond whatever was given out and is lost.
inline constexpr uint64_t kIdsSkipped = 1'000'000;

// The first full key of a collection.
std::string CollectionPrefix(uint64_t collection_id);
// The user key within a full key, which must be at least 8 bytes long (CHECK).
absl::string_view UserKey(absl::string_view full_key);

bool Contains(const RangeDescriptor& descriptor, absl::string_view full_key);
bool Overlaps(const RangeDescriptor& a, const RangeDescriptor& b);

// OK iff `split_key` lies inside the range, is not its start, and is a legal start of a range of
// `child_collection_id`: in the collection of the parent anywhere, in another one only its very
// prefix, and no merge is under way. FAILED_PRECONDITION or INVALID_ARGUMENT otherwise.
absl::Status ValidateSplit(const RangeDescriptor& parent, absl::string_view split_key,
                           uint64_t child_collection_id);

struct SplitDescriptors {
  RangeDescriptor left;
  RangeDescriptor right;
};
// Both halves at generation + 1; members and replica ids are inherited. The note of a merge
// that was abandoned stays with the left one.
SplitDescriptors Split(const RangeDescriptor& parent, absl::string_view split_key,
                       uint64_t child_range_id, uint64_t child_collection_id);

consensus::Configuration ToConfiguration(const RangeDescriptor& descriptor);
// The reverse: members and their roles as in `configuration`, sorted by replica id; next_replica_id
// above all of them. Nothing else of the descriptor is changed.
void SetMembers(const consensus::Configuration& configuration, RangeDescriptor* descriptor);

// The member with this id, or on this store; null: none.
const type::v1::ReplicaDescriptor* FindReplica(const RangeDescriptor& descriptor,
                                               consensus::ReplicaId replica);
const type::v1::ReplicaDescriptor* FindStore(const RangeDescriptor& descriptor,
                                             consensus::StoreId store);

// What roles mean; a member without one is a plain voter.
bool IsLearner(const type::v1::ReplicaDescriptor& replica);
// Votes are counted of it, in either half: all but learners.
bool IsVoter(const type::v1::ReplicaDescriptor& replica);
// A voter whom no change concerns.
bool IsPlainVoter(const type::v1::ReplicaDescriptor& replica);
// A voter once the change that is under way, if there is one, is over.
bool WillVote(const type::v1::ReplicaDescriptor& replica);
size_t CountFutureVoters(const RangeDescriptor& descriptor);
// A change of voters is under way: the configuration is joint.
bool IsJoint(const RangeDescriptor& descriptor);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_DESCRIPTOR_H_
