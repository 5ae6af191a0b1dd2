// Tables of descriptor arithmetic.

#include "range/descriptor.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace rasputin::range {
namespace {

RangeDescriptor Make(uint64_t id, uint64_t collection, const std::string& start,
                     const std::string& end) {
  RangeDescriptor descriptor;
  descriptor.set_range_id(id);
  descriptor.set_generation(7);
  descriptor.set_collection_id(collection);
  descriptor.set_start_key(start);
  descriptor.set_end_key(end);
  for (uint64_t i = 1; i <= 3; ++i) {
    auto* replica = descriptor.add_replicas();
    replica->set_replica_id(i);
    replica->set_store_id(10 * i);
  }
  return descriptor;
}

std::string Key(uint64_t collection, const std::string& user) {
  return CollectionPrefix(collection) + user;
}

TEST(Descriptor, PrefixesOrderCollectionsByNumber) {
  EXPECT_LT(CollectionPrefix(1), CollectionPrefix(2));
  EXPECT_LT(CollectionPrefix(255), CollectionPrefix(256));
  EXPECT_LT(Key(2, std::string(100, '\xff')), CollectionPrefix(3));
}

TEST(Descriptor, ContainsItsStartAndNotItsEnd) {
  const RangeDescriptor range = Make(5, 2, Key(2, "b"), Key(2, "d"));
  EXPECT_FALSE(Contains(range, Key(2, "a")));
  EXPECT_TRUE(Contains(range, Key(2, "b")));
  EXPECT_TRUE(Contains(range, Key(2, "c\xff")));
  EXPECT_FALSE(Contains(range, Key(2, "d")));
  EXPECT_TRUE(Contains(Make(5, 2, Key(2, "b"), ""), Key(9, "zzz")));
}

TEST(Descriptor, OverlapIsSymmetricAndNeighboursDoNotOverlap) {
  const RangeDescriptor left = Make(5, 2, Key(2, "a"), Key(2, "m"));
  const RangeDescriptor right = Make(6, 2, Key(2, "m"), "");
  const RangeDescriptor middle = Make(7, 2, Key(2, "l"), Key(2, "n"));
  EXPECT_FALSE(Overlaps(left, right));
  EXPECT_FALSE(Overlaps(right, left));
  EXPECT_TRUE(Overlaps(left, middle));
  EXPECT_TRUE(Overlaps(middle, right));
}

TEST(Descriptor, SplitCoversTheParentExactlyAndRaisesBothGenerations) {
  const RangeDescriptor parent = Make(5, 2, Key(2, ""), "");
  const SplitDescriptors halves = Split(parent, Key(2, "m"), 9, 2);
  EXPECT_EQ(halves.left.start_key(), parent.start_key());
  EXPECT_EQ(halves.left.end_key(), halves.right.start_key());
  EXPECT_EQ(halves.right.end_key(), parent.end_key());
  EXPECT_EQ(halves.left.range_id(), 5u);
  EXPECT_EQ(halves.right.range_id(), 9u);
  EXPECT_EQ(halves.left.generation(), 8u);
  EXPECT_EQ(halves.right.generation(), 8u);
  EXPECT_EQ(ToConfiguration(halves.right).voters, ToConfiguration(parent).voters);
}

TEST(Descriptor, SplitIsRefusedWhereItWouldMakeAnEmptyOrMixedRange) {
  const RangeDescriptor parent = Make(5, 2, Key(2, "b"), "");
  struct Case {
    std::string key;
    uint64_t collection;
    bool ok;
  };
  const Case cases[] = {
      {Key(2, "c"), 2, true},  {Key(2, "b"), 2, false}, {Key(2, "a"), 2, false},
      {Key(3, ""), 3, true},   {Key(3, "x"), 3, false}, {Key(3, ""), 2, false},
      {Key(2, "c"), 3, false}, {"short", 2, false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ValidateSplit(parent, c.key, c.collection).ok(), c.ok)
        << "collection " << c.collection << " key bytes " << c.key.size();
  }
  EXPECT_FALSE(ValidateSplit(Make(kMetaRangeId, 1, Key(1, ""), Key(2, "")), Key(1, "m"), 1).ok());
}

TEST(Descriptor, ADroppedRangeIsSplitForTheNextCollectionAlone) {
  RangeDescriptor parent = Make(5, 2, Key(2, "b"), "");
  parent.set_dropped(true);
  EXPECT_FALSE(ValidateSplit(parent, Key(2, "c"), 2).ok());
  ASSERT_TRUE(ValidateSplit(parent, Key(3, ""), 3).ok());
  const SplitDescriptors halves = Split(parent, Key(3, ""), 9, 3);
  EXPECT_TRUE(halves.left.dropped());
  EXPECT_FALSE(halves.right.dropped());
}

consensus::Member M(uint64_t id) { return {consensus::ReplicaId(id), consensus::StoreId(10 * id)}; }

TEST(Descriptor, MembersAreConfigurationsAndBack) {
  const consensus::Configuration cases[] = {
      {{M(1)}, {}, {}},
      {{M(1), M(2), M(3)}, {}, {M(4), M(5)}},
      {{M(1), M(2), M(4)}, {M(1), M(2), M(3)}, {M(5)}},
      {{M(1)}, {M(1), M(2), M(3)}, {}},
      {{M(4), M(5), M(6)}, {M(1), M(2), M(3)}, {M(2)}},
  };
  for (const consensus::Configuration& configuration : cases) {
    RangeDescriptor descriptor = Make(5, 2, Key(2, ""), "");
    descriptor.set_next_replica_id(5);
    SetMembers(configuration, &descriptor);
    EXPECT_TRUE(ToConfiguration(descriptor) == configuration) << descriptor.DebugString();
    const uint64_t highest = configuration.AllMembers().back().replica.value();
    EXPECT_EQ(descriptor.next_replica_id(), std::max<uint64_t>(5, highest + 1));
    EXPECT_EQ(descriptor.generation(), 7u);
    for (const consensus::Member& member : configuration.AllMembers()) {
      const auto* replica = FindReplica(descriptor, member.replica);
      ASSERT_NE(replica, nullptr);
      EXPECT_EQ(FindStore(descriptor, member.store), replica);
      const auto in = [&member](const std::vector<consensus::Member>& list) {
        return std::find(list.begin(), list.end(), member) != list.end();
      };
      const bool stays = !configuration.IsJoint() || in(configuration.outgoing);
      EXPECT_EQ(IsVoter(*replica), configuration.IsVoter(member.replica));
      EXPECT_EQ(IsLearner(*replica), !configuration.IsVoter(member.replica));
      EXPECT_EQ(IsPlainVoter(*replica), in(configuration.voters) && stays);
      EXPECT_EQ(WillVote(*replica), in(configuration.voters));
    }
    EXPECT_EQ(CountFutureVoters(descriptor), configuration.voters.size());
    EXPECT_EQ(IsJoint(descriptor), configuration.IsJoint());
  }
}

TEST(Descriptor, AMemberWithoutARoleIsAVoter) {
  const consensus::Configuration configuration = ToConfiguration(Make(5, 2, Key(2, ""), ""));
  EXPECT_EQ(configuration.voters.size(), 3u);
  EXPECT_FALSE(configuration.IsJoint());
  EXPECT_TRUE(configuration.learners.empty());
}

}  // namespace
}  // namespace rasputin::range
