// Each step of a merge on descriptors: what it changes, what it refuses, what is repeated.

#include "range/merge.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "range/descriptor.h"

namespace rasputin::range {
namespace {

using kv::Operation;

RangeDescriptor Range(uint64_t id, uint64_t generation, const std::string& from,
                      const std::string& to, uint64_t collection = 2) {
  RangeDescriptor range;
  range.set_range_id(id);
  range.set_generation(generation);
  range.set_collection_id(collection);
  range.set_start_key(CollectionPrefix(collection) + from);
  range.set_end_key(CollectionPrefix(collection) + to);
  for (uint64_t i = 1; i <= 3; ++i) {
    auto* replica = range.add_replicas();
    replica->set_replica_id(i);
    replica->set_store_id(10 + i);
  }
  return range;
}

// Both ranges through the steps of a merge.
struct Pair {
  RangeDescriptor left = Range(5, 4, "a", "m");
  RangeDescriptor right = Range(6, 7, "m", "z");

  std::string Begin() const {
    storage::v1::MergeBegin begin;
    *begin.mutable_right() = right;
    return begin.SerializeAsString();
  }
  std::string Freeze() const {
    storage::v1::FreezeRange freeze;
    freeze.set_left_range_id(left.range_id());
    for (const auto& replica : left.replicas()) freeze.add_store_ids(replica.store_id());
    return freeze.SerializeAsString();
  }
  std::string Merge() const {
    storage::v1::MergeRanges merge;
    *merge.mutable_frozen()->mutable_right() = right;
    merge.mutable_frozen()->set_index(9);
    return merge.SerializeAsString();
  }
  template <typename Body>
  static std::string Named(uint64_t generation) {
    Body body;
    body.set_right_range_id(6);
    body.set_right_generation(generation);
    return body.SerializeAsString();
  }
  static std::string Thaw(uint64_t generation, uint64_t left = 5) {
    storage::v1::ThawRange thaw;
    thaw.set_left_range_id(left);
    thaw.set_right_generation(generation);
    return thaw.SerializeAsString();
  }
  void TakeBegin() { left = AfterMergeStep(left, Operation::kMergeBegin, Begin()).value(); }
  void TakeFreeze() { right = AfterMergeStep(right, Operation::kFreeze, Freeze()).value(); }
  void TakeAbandon() {
    left =
        AfterMergeStep(left, Operation::kMergeAbandon, Named<storage::v1::MergeAbandon>(7)).value();
  }
};

bool IsRefused(const absl::StatusOr<RangeDescriptor>& after) {
  return absl::IsFailedPrecondition(after.status());
}

TEST(MergeSteps, TheLeftRangeGetsTheKeysAtAGenerationAboveBoth) {
  Pair pair;
  pair.TakeBegin();
  EXPECT_EQ(pair.left.generation(), 5u);
  EXPECT_TRUE(IsMerging(pair.left));
  pair.TakeFreeze();
  EXPECT_EQ(pair.right.generation(), 8u);
  EXPECT_TRUE(IsFrozenBy(pair.right, 5));
  const RangeDescriptor merged = AfterMergeStep(pair.left, Operation::kMerge, pair.Merge()).value();
  EXPECT_EQ(merged.generation(), 9u);
  EXPECT_EQ(merged.end_key(), pair.right.end_key());
  EXPECT_FALSE(merged.has_merge());
  storage::v1::MergeRanges merge;
  ASSERT_TRUE(merge.ParseFromString(pair.Merge()));
  const storage::v1::AbsorbedRange absorbed = AbsorbedBy(merge, merged);
  EXPECT_EQ(absorbed.range_id(), 6u);
  EXPECT_EQ(absorbed.generation(), 9u);
  EXPECT_EQ(absorbed.start_key(), merged.start_key());
  EXPECT_EQ(absorbed.end_key(), merged.end_key());
}

TEST(MergeSteps, ABeginIsRefusedForWhatAreNoNeighboursOrNotLikeEachOther) {
  const std::vector<std::function<void(Pair*)>> changes = {
      [](Pair* pair) { pair->right.set_start_key(CollectionPrefix(2) + "n"); },
      [](Pair* pair) { pair->left.clear_end_key(); },
      [](Pair* pair) { pair->right.set_collection_id(3); },
      [](Pair* pair) { pair->left.set_dropped(true); },
      [](Pair* pair) { pair->left.set_range_id(kMetaRangeId); },
      [](Pair* pair) { pair->right.mutable_replicas(1)->set_store_id(99); },
      [](Pair* pair) { pair->right.mutable_replicas(1)->set_role(type::v1::REPLICA_ROLE_LEARNER); },
      [](Pair* pair) { pair->left.mutable_replicas(1)->set_role(type::v1::REPLICA_ROLE_INCOMING); },
      [](Pair* pair) { pair->right.mutable_merge()->set_right_range_id(7); },
      [](Pair* pair) { pair->right.mutable_frozen_by()->set_left_range_id(9); },
      [](Pair* pair) { pair->left.mutable_frozen_by()->set_left_range_id(4); },
      [](Pair* pair) { pair->left.mutable_merge()->set_right_range_id(7); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    Pair pair;
    changes[i](&pair);
    EXPECT_TRUE(IsRefused(AfterMergeStep(pair.left, Operation::kMergeBegin, pair.Begin()))) << i;
  }
}

TEST(MergeSteps, AnEmptyRangeOfADroppedCollectionIsAbsorbedByAnyNeighbour) {
  Pair pair;
  pair.right = Range(6, 7, "", "z", 3);
  pair.left.set_end_key(pair.right.start_key());
  EXPECT_TRUE(IsRefused(AfterMergeStep(pair.left, Operation::kMergeBegin, pair.Begin())));
  pair.right = AfterMergeStep(pair.right, Operation::kDropRange, "").value();
  EXPECT_EQ(pair.right.generation(), 8u);
  EXPECT_EQ(AfterMergeStep(pair.right, Operation::kDropRange, "")->generation(), 8u);
  pair.TakeBegin();
  pair.TakeFreeze();
  const auto merged = AfterMergeStep(pair.left, Operation::kMerge, pair.Merge());
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->collection_id(), 2u);
  EXPECT_FALSE(merged->dropped());
}

TEST(MergeSteps, AFreezeIsRefusedOtherwise) {
  const std::vector<std::function<void(Pair*)>> changes = {
      [](Pair* pair) { pair->right.set_range_id(kMetaRangeId); },
      [](Pair* pair) { pair->right.mutable_merge()->set_right_range_id(7); },
      [](Pair* pair) { pair->right.mutable_frozen_by()->set_left_range_id(9); },
      [](Pair* pair) { pair->right.mutable_replicas(1)->set_store_id(99); },
      [](Pair* pair) {
        pair->right.mutable_replicas(1)->set_role(type::v1::REPLICA_ROLE_DEMOTING);
      },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    Pair pair;
    changes[i](&pair);
    EXPECT_TRUE(IsRefused(AfterMergeStep(pair.right, Operation::kFreeze, pair.Freeze()))) << i;
  }
}

TEST(MergeSteps, AnAbandonedMergeIsNotCarriedOutAndItsNoteStaysUntilTheEnd) {
  Pair pair;
  pair.TakeBegin();
  pair.TakeFreeze();
  EXPECT_TRUE(IsRefused(
      AfterMergeStep(pair.left, Operation::kMergeEnd, Pair::Named<storage::v1::MergeEnd>(7))));
  pair.TakeAbandon();
  EXPECT_FALSE(IsMerging(pair.left));
  EXPECT_TRUE(IsRefused(AfterMergeStep(pair.left, Operation::kMerge, pair.Merge())));
  EXPECT_TRUE(IsRefused(AfterMergeStep(pair.left, Operation::kMergeBegin, pair.Begin())));
  const uint64_t generation = pair.left.generation();
  pair.TakeAbandon();  // Once more: nothing changes.
  EXPECT_EQ(pair.left.generation(), generation);
  const RangeDescriptor ended =
      AfterMergeStep(pair.left, Operation::kMergeEnd, Pair::Named<storage::v1::MergeEnd>(7))
          .value();
  EXPECT_FALSE(ended.has_merge());
  EXPECT_EQ(ended.generation(), generation + 1);
  // What has ended is not abandoned; whoever asks knows that it was carried out, or that it ended.
  EXPECT_TRUE(IsRefused(
      AfterMergeStep(ended, Operation::kMergeAbandon, Pair::Named<storage::v1::MergeAbandon>(7))));
}

TEST(MergeSteps, AThawEndsThisFreezeAndForestallsOneThatIsUnderWay) {
  Pair pair;
  const std::string late_freeze = pair.Freeze();
  // Not frozen yet: the generation moves on, so that the late freeze is for another one.
  const RangeDescriptor forestalled =
      AfterMergeStep(pair.right, Operation::kThaw, Pair::Thaw(7)).value();
  EXPECT_EQ(forestalled.generation(), 8u);
  EXPECT_FALSE(IsFrozen(forestalled));
  // Frozen: it serves again.
  pair.TakeFreeze();
  const RangeDescriptor thawed =
      AfterMergeStep(pair.right, Operation::kThaw, Pair::Thaw(7)).value();
  EXPECT_FALSE(IsFrozen(thawed));
  EXPECT_EQ(thawed.generation(), 9u);
  // Another freeze, by the same or another neighbour, is none of its business.
  RangeDescriptor again = AfterMergeStep(thawed, Operation::kFreeze, late_freeze).value();
  EXPECT_TRUE(IsFrozen(AfterMergeStep(again, Operation::kThaw, Pair::Thaw(7)).value()));
  EXPECT_TRUE(IsFrozen(AfterMergeStep(pair.right, Operation::kThaw, Pair::Thaw(7, 4)).value()));
  // A survivor of a lost majority is thawed as well.
  pair.right.set_generation(pair.right.generation() + kIdsSkipped + 1);
  EXPECT_FALSE(IsFrozen(AfterMergeStep(pair.right, Operation::kThaw, Pair::Thaw(7)).value()));
}

TEST(MergeSteps, AMergeNeedsTheVeryRangeThatWasNotedAsItWasFrozen) {
  const std::vector<std::function<void(Pair*)>> changes = {
      [](Pair* pair) { pair->right.set_generation(pair->right.generation() + 1); },
      [](Pair* pair) { pair->right.set_range_id(7); },
      [](Pair* pair) { pair->right.clear_frozen_by(); },
      [](Pair* pair) { pair->right.mutable_frozen_by()->set_left_range_id(9); },
      [](Pair* pair) { pair->left.clear_merge(); },
      [](Pair* pair) { pair->left.mutable_replicas(2)->set_store_id(99); },
      [](Pair* pair) { pair->left.set_end_key(CollectionPrefix(2) + "k"); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    Pair pair;
    pair.TakeBegin();
    pair.TakeFreeze();
    changes[i](&pair);
    EXPECT_TRUE(IsRefused(AfterMergeStep(pair.left, Operation::kMerge, pair.Merge()))) << i;
  }
}

TEST(MergeSteps, ARangeThatMergesIsNotSplitAndAnAbandonedNoteStaysWithTheLeftHalf) {
  Pair pair;
  const std::string key = CollectionPrefix(2) + "f";
  pair.TakeBegin();
  EXPECT_TRUE(absl::IsFailedPrecondition(ValidateSplit(pair.left, key, 2)));
  pair.TakeAbandon();
  ASSERT_TRUE(ValidateSplit(pair.left, key, 2).ok());
  const SplitDescriptors halves = Split(pair.left, key, 9, 2);
  EXPECT_TRUE(halves.left.has_merge());
  EXPECT_FALSE(halves.right.has_merge());
  pair.TakeFreeze();
  EXPECT_TRUE(absl::IsFailedPrecondition(ValidateSplit(pair.right, CollectionPrefix(2) + "q", 2)));
}

TEST(MergeSteps, WhatDoesNotParseIsAnInvalidArgument) {
  Pair pair;
  for (const Operation step : {Operation::kMergeBegin, Operation::kFreeze, Operation::kMerge,
                               Operation::kMergeAbandon, Operation::kThaw, Operation::kMergeEnd}) {
    EXPECT_TRUE(absl::IsInvalidArgument(AfterMergeStep(pair.left, step, "\xff\xff").status()));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(AfterMergeStep(pair.left, Operation::kSet, "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(AfterMergeStep(pair.left, Operation::kFreeze, "").status()));
}

}  // namespace
}  // namespace rasputin::range
