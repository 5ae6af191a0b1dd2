// What the meta range does with each of its commands.

#include "range/meta_state.h"

#include <gtest/gtest.h>

#include "kv/memory_engine.h"
#include "range/descriptor.h"

namespace rasputin::range {
namespace {

using storage::v1::MetaCommand;
using storage::v1::MetaQuery;
using storage::v1::MetaQueryResult;
using storage::v1::MetaResult;

RangeDescriptor Range(uint64_t id, uint64_t generation, const std::string& start,
                      const std::string& end) {
  RangeDescriptor descriptor;
  descriptor.set_range_id(id);
  descriptor.set_generation(generation);
  descriptor.set_collection_id(2);
  descriptor.set_start_key(start);
  descriptor.set_end_key(end);
  return descriptor;
}

class MetaStateTest : public testing::Test {
 protected:
  void SetUp() override {
    storage::v1::BootstrapRecord record;
    record.set_cluster_id(77);
    for (uint64_t id = 1; id <= 3; ++id) record.add_stores()->set_store_id(id);
    *record.add_ranges() = Range(1, 1, CollectionPrefix(1), CollectionPrefix(2));
    *record.add_ranges() = Range(2, 1, CollectionPrefix(2), "");
    auto* collection = record.add_collections();
    collection->set_id(2);
    collection->set_name("default");
    collection->set_type(type::v1::COLLECTION_TYPE_KV);
    collection->set_ready(true);
    kv::Turn turn(&engine_);
    ASSERT_TRUE(WriteFirstMetaState(record, &turn).ok());
    ASSERT_TRUE(turn.Commit().ok());
  }

  kv::Outcome Apply(const MetaCommand& command, MetaResult* result = nullptr) {
    kv::Turn turn(&engine_);
    absl::StatusOr<kv::Outcome> outcome =
        ApplyMetaCommand(absl::Cord(command.SerializeAsString()), &turn);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_TRUE(turn.Empty() || turn.Commit().ok());
    if (result != nullptr) {
      EXPECT_TRUE(result->ParseFromString(std::string(outcome->response)));
    }
    return *outcome;
  }

  void Put(const RangeDescriptor& descriptor) {
    MetaCommand command;
    *command.mutable_put_ranges()->add_ranges() = descriptor;
    EXPECT_EQ(Apply(command).code, kv::OutcomeCode::kOk);
  }

  MetaQueryResult Query(const MetaQuery& query) {
    absl::StatusOr<kv::Outcome> outcome =
        AnswerMetaQuery(absl::Cord(query.SerializeAsString()), engine_);
    EXPECT_TRUE(outcome.ok());
    MetaQueryResult result;
    EXPECT_TRUE(result.ParseFromString(std::string(outcome->response)));
    return result;
  }

  // "id@generation" of every range from the start of the keyspace.
  std::string Ranges() {
    MetaQuery query;
    query.set_ranges_from("");
    std::string out;
    const MetaQueryResult result = Query(query);
    for (const RangeDescriptor& range : result.ranges()) {
      out += std::to_string(range.range_id()) + "@" + std::to_string(range.generation()) + " ";
    }
    return out;
  }

  kv::MemoryEngine engine_;
};

TEST_F(MetaStateTest, ListsTheFirstRangesInKeyOrder) { EXPECT_EQ(Ranges(), "1@1 2@1 "); }

TEST_F(MetaStateTest, SplitConvergesWhicheverHalfArrivesFirst) {
  const std::string middle = CollectionPrefix(2) + "m";
  const RangeDescriptor left = Range(2, 2, CollectionPrefix(2), middle);
  const RangeDescriptor right = Range(3, 2, middle, "");
  Put(right);
  Put(left);
  EXPECT_EQ(Ranges(), "1@1 2@2 3@2 ");
  Put(left);
  Put(right);
  EXPECT_EQ(Ranges(), "1@1 2@2 3@2 ");
}

TEST_F(MetaStateTest, AStaleDescriptorNeverOverwritesANewerOne) {
  const std::string middle = CollectionPrefix(2) + "m";
  Put(Range(2, 2, CollectionPrefix(2), middle));
  Put(Range(3, 2, middle, ""));
  Put(Range(2, 1, CollectionPrefix(2), ""));
  EXPECT_EQ(Ranges(), "1@1 2@2 3@2 ");
}

TEST_F(MetaStateTest, LookupByKeyFindsTheRangeThatHoldsIt) {
  const std::string middle = CollectionPrefix(2) + "m";
  Put(Range(2, 2, CollectionPrefix(2), middle));
  Put(Range(3, 2, middle, ""));
  const struct {
    std::string key;
    uint64_t range;
  } cases[] = {{CollectionPrefix(1), 1},
               {CollectionPrefix(2), 2},
               {CollectionPrefix(2) + "l", 2},
               {middle, 3},
               {CollectionPrefix(9), 3}};
  for (const auto& c : cases) {
    MetaQuery query;
    query.set_ranges_from(c.key);
    query.set_limit(1);
    const MetaQueryResult result = Query(query);
    ASSERT_EQ(result.ranges_size(), 1);
    EXPECT_EQ(result.ranges(0).range_id(), c.range);
  }
}

TEST_F(MetaStateTest, IdBlocksNeverOverlap) {
  MetaCommand command;
  command.mutable_allocate_ids()->set_range_ids(1000);
  MetaResult first;
  MetaResult second;
  Apply(command, &first);
  Apply(command, &second);
  EXPECT_EQ(first.first_id(), 3u);
  EXPECT_EQ(second.first_id(), 1003u);
  command.mutable_allocate_ids()->set_range_ids(1001);
  EXPECT_EQ(Apply(command).code, kv::OutcomeCode::kInvalidArgument);
}

TEST_F(MetaStateTest, ACollectionIsCreatedOnceAndFoundByNameAndId) {
  MetaCommand create;
  create.mutable_create_collection()->mutable_collection()->set_name("orders");
  create.mutable_create_collection()->mutable_collection()->set_type(type::v1::COLLECTION_TYPE_KV);
  MetaResult result;
  EXPECT_EQ(Apply(create, &result).code, kv::OutcomeCode::kOk);
  EXPECT_EQ(result.collection().id(), 3u);
  EXPECT_FALSE(result.collection().ready());
  EXPECT_EQ(Apply(create, &result).code, kv::OutcomeCode::kAlreadyExists);
  EXPECT_EQ(result.collection().id(), 3u);

  MetaCommand ready;
  ready.mutable_collection_ready()->set_collection_id(3);
  EXPECT_EQ(Apply(ready).code, kv::OutcomeCode::kOk);
  MetaQuery by_name;
  by_name.set_collection_name("orders");
  ASSERT_EQ(Query(by_name).collections_size(), 1);
  EXPECT_TRUE(Query(by_name).collections(0).ready());
  MetaQuery all;
  all.set_collections(true);
  EXPECT_EQ(Query(all).collections_size(), 2);
  ready.mutable_collection_ready()->set_collection_id(99);
  EXPECT_EQ(Apply(ready).code, kv::OutcomeCode::kNotFound);
}

TEST_F(MetaStateTest, StoresAndCollectionsAreReadPageByPage) {
  for (const char* name : {"a", "b", "c"}) {
    MetaCommand create;
    create.mutable_create_collection()->mutable_collection()->set_name(name);
    create.mutable_create_collection()->mutable_collection()->set_type(
        type::v1::COLLECTION_TYPE_KV);
    ASSERT_EQ(Apply(create).code, kv::OutcomeCode::kOk);
  }
  MetaQuery query;
  query.set_collections(true);
  query.set_limit(3);
  const MetaQueryResult first = Query(query);
  ASSERT_EQ(first.collections_size(), 3);
  EXPECT_TRUE(first.more());
  query.set_from_id(first.collections(2).id() + 1);
  const MetaQueryResult rest = Query(query);
  ASSERT_EQ(rest.collections_size(), 1);
  EXPECT_EQ(rest.collections(0).name(), "c");
  EXPECT_FALSE(rest.more());
  query.set_stores(true);
  query.set_from_id(3);
  ASSERT_EQ(Query(query).stores_size(), 1);
  EXPECT_EQ(Query(query).stores(0).store_id(), 3u);
}

// Whoever drops it may have found no range yet: the range that comes now is its creator's to drop.
TEST_F(MetaStateTest, ACollectionThatIsBeingDroppedBecomesReadyNoMore) {
  MetaCommand create;
  create.mutable_create_collection()->mutable_collection()->set_name("orders");
  create.mutable_create_collection()->mutable_collection()->set_type(type::v1::COLLECTION_TYPE_KV);
  ASSERT_EQ(Apply(create).code, kv::OutcomeCode::kOk);
  MetaCommand drop;
  drop.mutable_drop_collection()->set_collection_id(3);
  ASSERT_EQ(Apply(drop).code, kv::OutcomeCode::kOk);
  MetaCommand ready;
  ready.mutable_collection_ready()->set_collection_id(3);
  EXPECT_EQ(Apply(ready).code, kv::OutcomeCode::kNotFound);
}

TEST_F(MetaStateTest, RefusesBadNamesAndTypes) {
  const std::string names[] = {"", "a b", "a/b", std::string(129, 'a'), "\xc3\xa4"};
  for (const std::string& name : names) {
    MetaCommand create;
    create.mutable_create_collection()->mutable_collection()->set_name(name);
    create.mutable_create_collection()->mutable_collection()->set_type(
        type::v1::COLLECTION_TYPE_KV);
    EXPECT_EQ(Apply(create).code, kv::OutcomeCode::kInvalidArgument) << name.size();
  }
}

TEST_F(MetaStateTest, AStoreOfAnotherClusterIsRefused) {
  MetaCommand put;
  put.mutable_put_store()->set_cluster_id(78);
  EXPECT_EQ(Apply(put).code, kv::OutcomeCode::kFailedPrecondition);
  put.mutable_put_store()->set_cluster_id(77);
  MetaResult result;
  EXPECT_EQ(Apply(put, &result).code, kv::OutcomeCode::kOk);
  EXPECT_EQ(result.first_id(), 4u);
  EXPECT_EQ(result.cluster_id(), 77u);
}

TEST_F(MetaStateTest, AJoinThatIsRepeatedGetsTheSameStoreAndAnotherOneGetsAnother) {
  MetaCommand put;
  put.mutable_put_store()->set_join_token(11);
  put.mutable_put_store()->mutable_store()->set_peer_address("d:1");
  MetaResult result;
  for (int attempt = 0; attempt < 2; ++attempt) {
    ASSERT_EQ(Apply(put, &result).code, kv::OutcomeCode::kOk);
    EXPECT_EQ(result.first_id(), 4u);
  }
  put.mutable_put_store()->set_join_token(12);
  ASSERT_EQ(Apply(put, &result).code, kv::OutcomeCode::kOk);
  EXPECT_EQ(result.first_id(), 5u);
}

TEST_F(MetaStateTest, WhatIsWantedOfAStoreOutlivesWhatItsNodeSays) {
  MetaCommand drain;
  drain.mutable_set_store_state()->set_store_id(2);
  drain.mutable_set_store_state()->set_state(type::v1::STORE_STATE_DRAINING);
  EXPECT_EQ(Apply(drain).code, kv::OutcomeCode::kOk);
  MetaCommand moved;
  moved.mutable_put_store()->mutable_store()->set_store_id(2);
  moved.mutable_put_store()->mutable_store()->set_peer_address("elsewhere:7770");
  moved.mutable_put_store()->set_cluster_id(77);
  EXPECT_EQ(Apply(moved).code, kv::OutcomeCode::kOk);
  MetaQuery stores;
  stores.set_stores(true);
  const MetaQueryResult result = Query(stores);
  ASSERT_EQ(result.stores_size(), 3);
  EXPECT_EQ(result.stores(1).state(), type::v1::STORE_STATE_DRAINING);
  EXPECT_EQ(result.stores(1).peer_address(), "elsewhere:7770");
  EXPECT_EQ(result.stores(0).state(), type::v1::STORE_STATE_UNSPECIFIED);
}

TEST_F(MetaStateTest, RefusesToWantWhatIsNoStateOrOfNoStore) {
  MetaCommand command;
  command.mutable_set_store_state()->set_store_id(9);
  command.mutable_set_store_state()->set_state(type::v1::STORE_STATE_DRAINING);
  EXPECT_EQ(Apply(command).code, kv::OutcomeCode::kNotFound);
  command.mutable_set_store_state()->set_store_id(2);
  command.mutable_set_store_state()->clear_state();
  EXPECT_EQ(Apply(command).code, kv::OutcomeCode::kInvalidArgument);
}

TEST_F(MetaStateTest, PlacementIsPausedUntilItIsResumed) {
  MetaQuery query;
  query.set_placement(true);
  EXPECT_FALSE(Query(query).placement().paused());
  for (const bool paused : {true, false}) {
    MetaCommand command;
    command.mutable_set_placement()->set_paused(paused);
    EXPECT_EQ(Apply(command).code, kv::OutcomeCode::kOk);
    EXPECT_EQ(Query(query).placement().paused(), paused);
  }
}

TEST_F(MetaStateTest, AStoreIsRetiredForGoodOnceNoRangeHasAReplicaThere) {
  RangeDescriptor ranges[] = {Range(1, 2, CollectionPrefix(1), CollectionPrefix(2)),
                              Range(2, 2, CollectionPrefix(2), "")};
  for (RangeDescriptor& range : ranges) {
    range.add_replicas()->set_store_id(3);
    Put(range);
  }
  MetaCommand retire;
  retire.mutable_retire_store()->set_store_id(3);
  const kv::Outcome refused = Apply(retire);
  EXPECT_EQ(refused.code, kv::OutcomeCode::kFailedPrecondition);
  EXPECT_EQ(refused.message.find("2 ranges have a replica on store 3"), 0u) << refused.message;
  for (RangeDescriptor& range : ranges) {
    range.set_generation(3);
    range.clear_replicas();
    Put(range);
  }
  for (int repeated = 0; repeated < 2; ++repeated) {
    EXPECT_EQ(Apply(retire).code, kv::OutcomeCode::kOk);
  }
  MetaQuery stores;
  stores.set_stores(true);
  MetaQuery everything;
  everything.set_changes_after(0);
  EXPECT_EQ(Query(stores).stores_size(), 2);
  MetaQuery changes;
  changes.set_changes_after(Query(everything).last_change() - 1);
  const MetaQueryResult told = Query(changes);
  ASSERT_EQ(told.gone_store_ids_size(), 1) << "the last change, and the only one of a repetition";
  EXPECT_EQ(told.gone_store_ids(0), 3u);

  MetaCommand back;
  back.mutable_put_store()->mutable_store()->set_store_id(3);
  EXPECT_EQ(Apply(back).code, kv::OutcomeCode::kFailedPrecondition) << "it came back";
  retire.mutable_retire_store()->set_store_id(99);
  EXPECT_EQ(Apply(retire).code, kv::OutcomeCode::kNotFound);
}

// The left half of a split is entered, and has left the store, before the right half is.
TEST_F(MetaStateTest, NoStoreIsRetiredWhileARangeIsNotEnteredYet) {
  RangeDescriptor left = Range(2, 2, CollectionPrefix(2), CollectionPrefix(2) + "m");
  RangeDescriptor middle = Range(4, 2, left.end_key(), CollectionPrefix(2) + "t");
  const RangeDescriptor right = Range(5, 2, middle.end_key(), "");
  middle.add_replicas()->set_store_id(3);
  MetaCommand retire;
  retire.mutable_retire_store()->set_store_id(3);
  Put(left);
  EXPECT_EQ(Apply(retire).code, kv::OutcomeCode::kFailedPrecondition) << "a hole at the end";
  Put(right);
  const kv::Outcome hole = Apply(retire);
  EXPECT_EQ(hole.code, kv::OutcomeCode::kFailedPrecondition);
  EXPECT_NE(hole.message.find("which range lies behind range 2"), std::string::npos)
      << hole.message;
  Put(middle);
  EXPECT_EQ(Apply(retire).message.find("1 range has a replica on store 3"), 0u);
  middle.set_generation(3);
  middle.clear_replicas();
  Put(middle);
  EXPECT_EQ(Apply(retire).code, kv::OutcomeCode::kOk);
}

}  // namespace
}  // namespace rasputin::range
