// See merge.h.

#include "range/merge.h"

#include <algorithm>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "range/descriptor.h"

namespace rasputin::range {
namespace {

using storage::v1::MergeRanges;

constexpr char kMembersChange[] =
    "the members of one of the ranges are being changed, or one of them does not vote: retry when "
    "that is done";

bool HasPlainVoters(const RangeDescriptor& descriptor) {
  return std::all_of(descriptor.replicas().begin(), descriptor.replicas().end(), IsPlainVoter);
}

std::set<uint64_t> StoresOf(const RangeDescriptor& descriptor) {
  std::set<uint64_t> stores;
  for (const auto& replica : descriptor.replicas()) stores.insert(replica.store_id());
  return stores;
}

RangeDescriptor Next(const RangeDescriptor& before) {
  RangeDescriptor after = before;
  after.set_generation(before.generation() + 1);
  return after;
}

// What does not change between the first step and the last.
absl::Status CheckNeighbours(const RangeDescriptor& left, const RangeDescriptor& right) {
  if (left.range_id() == kMetaRangeId || right.range_id() == kMetaRangeId) {
    return absl::FailedPreconditionError("the meta range is never merged");
  }
  if (left.end_key().empty() || left.end_key() != right.start_key() ||
      left.range_id() == right.range_id()) {
    return absl::FailedPreconditionError(
        absl::StrCat("range ", right.range_id(), " does not begin where range ", left.range_id(),
                     " ends: look at the ranges again"));
  }
  if (!right.dropped() && left.collection_id() != right.collection_id()) {
    return absl::FailedPreconditionError("the ranges belong to different collections");
  }
  if (!right.dropped() && left.dropped()) {
    return absl::FailedPreconditionError(
        "the collection of the left range was dropped, that of the right one was not");
  }
  if (!HasPlainVoters(left) || !HasPlainVoters(right)) {
    return absl::FailedPreconditionError(kMembersChange);
  }
  if (StoresOf(left) != StoresOf(right)) {
    return absl::FailedPreconditionError(
        "the ranges have replicas on different stores: move them to the same stores first");
  }
  return absl::OkStatus();
}

bool Notes(const RangeDescriptor& left, uint64_t right_range_id, uint64_t right_generation) {
  return left.has_merge() && left.merge().right_range_id() == right_range_id &&
         left.merge().right_generation() == right_generation;
}

absl::StatusOr<RangeDescriptor> AfterBegin(const RangeDescriptor& before,
                                           const storage::v1::MergeBegin& begin) {
  const RangeDescriptor& right = begin.right();
  if (Notes(before, right.range_id(), right.generation()) && IsMerging(before)) return before;
  if (before.has_merge()) {
    return absl::FailedPreconditionError(
        absl::StrCat("a merge with range ", before.merge().right_range_id(),
                     " is noted already: retry when it has ended"));
  }
  if (IsFrozen(before)) {
    return absl::FailedPreconditionError("the range is being absorbed by its left neighbour");
  }
  if (right.has_merge() || IsFrozen(right)) {
    return absl::FailedPreconditionError(
        absl::StrCat("range ", right.range_id(), " takes part in another merge: retry later"));
  }
  if (absl::Status status = CheckNeighbours(before, right); !status.ok()) return status;
  RangeDescriptor after = Next(before);
  after.mutable_merge()->set_right_range_id(right.range_id());
  after.mutable_merge()->set_right_generation(right.generation());
  return after;
}

absl::StatusOr<RangeDescriptor> AfterFreeze(const RangeDescriptor& before,
                                            const storage::v1::FreezeRange& freeze) {
  if (freeze.left_range_id() == 0 || freeze.left_range_id() == before.range_id()) {
    return absl::InvalidArgumentError(
        "a range is frozen for a left neighbour, which was not named");
  }
  if (IsFrozenBy(before, freeze.left_range_id())) return before;
  if (IsFrozen(before)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the range is frozen for range ", before.frozen_by().left_range_id()));
  }
  if (before.range_id() == kMetaRangeId) {
    return absl::FailedPreconditionError("the meta range is never merged");
  }
  if (before.has_merge()) {
    return absl::FailedPreconditionError(absl::StrCat("the range's own merge with range ",
                                                      before.merge().right_range_id(),
                                                      " has not ended: retry later"));
  }
  if (!HasPlainVoters(before)) return absl::FailedPreconditionError(kMembersChange);
  const std::set<uint64_t> stores(freeze.store_ids().begin(), freeze.store_ids().end());
  if (stores != StoresOf(before)) {
    return absl::FailedPreconditionError(
        "the ranges have replicas on different stores: move them to the same stores first");
  }
  RangeDescriptor after = Next(before);
  after.mutable_frozen_by()->set_left_range_id(freeze.left_range_id());
  return after;
}

absl::StatusOr<RangeDescriptor> AfterMerge(const RangeDescriptor& before,
                                           const MergeRanges& merge) {
  const RangeDescriptor& right = merge.frozen().right();
  if (!IsMerging(before)) {
    return absl::FailedPreconditionError("no merge is noted, or it was abandoned");
  }
  if (!IsFrozenBy(right, before.range_id()) || right.generation() == 0 ||
      !Notes(before, right.range_id(), right.generation() - 1) || merge.frozen().index() == 0) {
    return absl::FailedPreconditionError(
        "what was frozen is not the neighbour that the merge is noted with");
  }
  if (absl::Status status = CheckNeighbours(before, right); !status.ok()) return status;
  RangeDescriptor after = before;
  after.set_generation(std::max(before.generation(), right.generation()) + 1);
  after.set_end_key(right.end_key());
  after.clear_merge();
  return after;
}

absl::StatusOr<RangeDescriptor> AfterAbandon(const RangeDescriptor& before,
                                             const storage::v1::MergeAbandon& abandon) {
  if (!Notes(before, abandon.right_range_id(), abandon.right_generation())) {
    return absl::FailedPreconditionError(
        "no such merge is noted: it was carried out, or it has ended");
  }
  if (before.merge().abandoned()) return before;
  RangeDescriptor after = Next(before);
  after.mutable_merge()->set_abandoned(true);
  return after;
}

// Where the majority of the frozen range was lost and an operator went on with a survivor, its
// generation has moved on by kIdsSkipped and more; whatever was under way then is not any more.
bool IsFrozenFrom(const RangeDescriptor& right, uint64_t generation) {
  return right.generation() == generation + 1 || right.generation() > generation + kIdsSkipped;
}

absl::StatusOr<RangeDescriptor> AfterThaw(const RangeDescriptor& before,
                                          const storage::v1::ThawRange& thaw) {
  if (IsFrozenBy(before, thaw.left_range_id()) && IsFrozenFrom(before, thaw.right_generation())) {
    RangeDescriptor after = Next(before);
    after.clear_frozen_by();
    return after;
  }
  // A freeze that is still under way is for this generation: it must never be executed.
  if (before.generation() == thaw.right_generation()) return Next(before);
  return before;
}

absl::StatusOr<RangeDescriptor> AfterEnd(const RangeDescriptor& before,
                                         const storage::v1::MergeEnd& end) {
  if (!Notes(before, end.right_range_id(), end.right_generation())) return before;
  if (!before.merge().abandoned()) {
    return absl::FailedPreconditionError("the merge is under way: abandon it first");
  }
  RangeDescriptor after = Next(before);
  after.clear_merge();
  return after;
}

absl::StatusOr<RangeDescriptor> AfterDrop(const RangeDescriptor& before) {
  if (before.range_id() == kMetaRangeId) {
    return absl::FailedPreconditionError("the meta range is never dropped");
  }
  if (before.dropped()) return before;
  RangeDescriptor after = Next(before);
  after.set_dropped(true);
  return after;
}

template <typename Body>
absl::StatusOr<RangeDescriptor> Decoded(
    const RangeDescriptor& before, absl::string_view body,
    absl::StatusOr<RangeDescriptor> (*after)(const RangeDescriptor&, const Body&)) {
  Body decoded;
  if (!decoded.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return absl::InvalidArgumentError("a step of a merge does not parse");
  }
  return after(before, decoded);
}

}  // namespace

bool IsMergeStep(kv::Operation operation) {
  return operation >= kv::Operation::kMergeBegin && operation <= kv::Operation::kDropRange;
}

bool IsMerging(const RangeDescriptor& descriptor) {
  return descriptor.has_merge() && !descriptor.merge().abandoned();
}

bool IsFrozen(const RangeDescriptor& descriptor) { return descriptor.has_frozen_by(); }

bool IsFrozenBy(const RangeDescriptor& descriptor, uint64_t left_range_id) {
  return IsFrozen(descriptor) && descriptor.frozen_by().left_range_id() == left_range_id;
}

absl::StatusOr<RangeDescriptor> AfterMergeStep(const RangeDescriptor& before,
                                               kv::Operation operation, absl::string_view body) {
  switch (operation) {
    case kv::Operation::kMergeBegin:
      return Decoded(before, body, &AfterBegin);
    case kv::Operation::kFreeze:
      return Decoded(before, body, &AfterFreeze);
    case kv::Operation::kMerge:
      return Decoded(before, body, &AfterMerge);
    case kv::Operation::kMergeAbandon:
      return Decoded(before, body, &AfterAbandon);
    case kv::Operation::kThaw:
      return Decoded(before, body, &AfterThaw);
    case kv::Operation::kMergeEnd:
      return Decoded(before, body, &AfterEnd);
    case kv::Operation::kDropRange:
      return AfterDrop(before);
    default:
      return absl::InvalidArgumentError("not a step of a merge");
  }
}

storage::v1::AbsorbedRange AbsorbedBy(const MergeRanges& merge, const RangeDescriptor& after) {
  storage::v1::AbsorbedRange absorbed;
  absorbed.set_range_id(merge.frozen().right().range_id());
  absorbed.set_left_range_id(after.range_id());
  absorbed.set_generation(after.generation());
  absorbed.set_start_key(after.start_key());
  absorbed.set_end_key(after.end_key());
  return absorbed;
}

}  // namespace rasputin::range
