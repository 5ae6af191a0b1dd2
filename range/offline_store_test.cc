// Ranges that lost their majority, recovered from what survived: whole stores in virtual time.

#include "range/offline_store.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "range/descriptor.h"
#include "range/recovery_plan.h"
#include "range/test_cluster.h"

namespace rasputin::range {
namespace {

using storage::v1::StoreReport;

constexpr int kFaultsMax = 200;

std::string Key(const std::string& user_key) { return CollectionPrefix(2) + user_key; }

class OfflineStoreTest : public testing::Test {
 protected:
  static TestClusterOptions Options(int members) {
    TestClusterOptions options;
    options.members = members;
    options.stores = 6;
    return options;
  }

  void Build(int members) { cluster_ = std::make_unique<TestCluster>(Options(members)); }

  void Set(uint64_t range, const std::string& key, const std::string& value) {
    const Response response =
        cluster_->CallLeader(range, kv::Operation::kSet, Key(key), SetBody(key, value));
    ASSERT_EQ(response.outcome, Outcome::kOk) << response.message;
  }

  std::string Get(uint64_t range, const std::string& key) {
    const Response response =
        cluster_->CallLeader(range, kv::Operation::kGet, Key(key), GetBody(key));
    EXPECT_EQ(response.outcome, Outcome::kOk) << response.message;
    return ValueOf(response).value_or("(none)");
  }

  // For good, with whatever it did not sync.
  void Lose(const std::vector<int>& stores) {
    for (const int store : stores) {
      cluster_->Crash(store);
      cluster_->Isolate(store, true);
      lost_.emplace_back(static_cast<uint64_t>(store));
    }
  }

  absl::StatusOr<std::unique_ptr<OfflineStore>> Open(int store) {
    StoreOptions options;
    options.lease_duration = std::chrono::milliseconds(1);
    options.log_segment_bytes = 1 << 20;
    options.log_reserve_bytes = 1 << 20;
    return OfflineStore::Open(options, &cluster_->directory(store), &cluster_->engine(store),
                              cluster_->Now());
  }

  absl::StatusOr<StoreReport> Inspect(int store) {
    const auto opened = Open(store);
    if (!opened.ok()) return opened.status();
    return (*opened)->Inspect();
  }

  // What the command does at one of the survivors, which are all stopped.
  absl::Status Recover(int store, const std::vector<int>& survivors) {
    std::vector<StoreReport> reports;
    for (const int survivor : survivors) {
      absl::StatusOr<StoreReport> report = Inspect(survivor);
      if (!report.ok()) return report.status();
      reports.push_back(*std::move(report));
    }
    const auto verdicts = PlanRecovery(reports, lost_);
    if (!verdicts.ok()) return verdicts.status();
    absl::Status status = Store::ForgetStores(&cluster_->directory(store), lost_);
    if (!status.ok()) return status;
    const auto opened = Open(store);
    if (!opened.ok()) return opened.status();
    const StoreId self(static_cast<uint64_t>(store));
    for (const RangeVerdict& verdict : *verdicts) {
      if (verdict.keeps_majority) continue;
      status = verdict.survivor == self ? (*opened)->MakeLone(verdict.range)
                                        : (*opened)->Remove(verdict.range);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  std::unique_ptr<TestCluster> cluster_;
  std::vector<StoreId> lost_;
};

TEST_F(OfflineStoreTest, TheLastOfThreeServesAgainWhatItHolds) {
  Build(3);
  Set(2, "a", "1");
  ASSERT_TRUE(cluster_->Converges(2));
  Lose({2, 3});
  cluster_->RunFor(20000);
  ASSERT_EQ(cluster_->Leader(2), 0) << "it led without a majority, and nothing needs recovery";
  cluster_->Crash(1);
  const absl::Status recovered = Recover(1, {1});
  ASSERT_TRUE(recovered.ok()) << recovered;
  cluster_->Restart(1);
  EXPECT_EQ(Get(2, "a"), "1");
  Set(2, "a", "2");
  const RangeDescriptor descriptor = *cluster_->Descriptor(1, 2);
  EXPECT_EQ(descriptor.replicas_size(), 1);
  EXPECT_GT(descriptor.generation(), kIdsSkipped);
  EXPECT_GT(descriptor.next_replica_id(), kIdsSkipped);
  for (const int store : {4, 5}) ASSERT_TRUE(cluster_->AddVoter(2, store));
  ASSERT_TRUE(cluster_->Converges(2));
  cluster_->Crash(1);
  EXPECT_EQ(Get(2, "a"), "2") << "the new replicas are a majority without the survivor";
}

// who is lost may have given out ids that the survivor never heard of.
TEST_F(OfflineStoreTest, TheMetaRangeSkipsIdsThatMayHaveBeenGivenOut) {
  Build(3);
  ASSERT_NE((cluster_->RunFor(3000), cluster_->Leader(1)), 0);
  Lose({2, 3});
  cluster_->Crash(1);
  ASSERT_TRUE(Recover(1, {1}).ok());
  cluster_->Restart(1);
  storage::v1::MetaCommand command;
  command.mutable_allocate_ids()->set_range_ids(1);
  const Response response = cluster_->CallLeader(1, kv::Operation::kMeta, CollectionPrefix(1),
                                                 command.SerializeAsString());
  ASSERT_EQ(response.outcome, Outcome::kOk) << response.message;
  storage::v1::MetaResult result;
  ASSERT_TRUE(result.ParseFromString(std::string(response.body)));
  EXPECT_GT(result.first_id(), kIdsSkipped);
}

// The engine forgets the split; only the log knows the child.
TEST_F(OfflineStoreTest, ARangeThatWasSplitOffShortlyBeforeIsRecoveredToo) {
  Build(3);
  Set(2, "a", "1");
  Set(2, "x", "2");
  const Response split =
      cluster_->CallLeader(2, kv::Operation::kSplit, Key("a"), SplitBody(Key("m"), 7, 2));
  ASSERT_EQ(split.outcome, Outcome::kOk) << split.message;
  Set(7, "x", "3");
  cluster_->RunFor(1000);
  Lose({2, 3});
  cluster_->Crash(1);
  ASSERT_TRUE(Recover(1, {1}).ok());
  cluster_->Restart(1);
  EXPECT_EQ(Get(2, "a"), "1");
  EXPECT_EQ(Get(7, "x"), "3");
  EXPECT_EQ(cluster_->Descriptor(1, 7)->replicas_size(), 1);
}

class SeveralSurvivorsTest : public OfflineStoreTest, public testing::WithParamInterface<bool> {};

// Where the chosen one is recovered before the other is looked at, the other's replica is left to
// it: it will be told that it has left.
TEST_P(SeveralSurvivorsTest, OneGoesOnAndTheOthersLoseTheirReplicas) {
  Build(5);
  Set(2, "a", "1");
  ASSERT_TRUE(cluster_->Converges(2));
  const int ahead = cluster_->Leader(2);
  const int behind = ahead == 1 ? 2 : 1;
  cluster_->Isolate(behind, true);
  Set(2, "a", "2");
  cluster_->RunFor(1000);
  for (int store = 1; store <= 5; ++store) {
    if (store != ahead && store != behind) Lose({store});
  }
  for (const int store : {ahead, behind}) cluster_->Crash(store);
  cluster_->Isolate(behind, false);
  const std::vector<int> order =
      GetParam() ? std::vector<int>{ahead, behind} : std::vector<int>{behind, ahead};
  for (const int store : order) {
    for (int time = 0; time < 2; ++time) {
      const absl::Status recovered = Recover(store, {ahead, behind});
      ASSERT_TRUE(recovered.ok()) << recovered;
    }
  }
  for (const int store : order) cluster_->Restart(store);
  if (!GetParam()) {
    EXPECT_FALSE(cluster_->Descriptor(behind, 2).has_value());
  }
  EXPECT_EQ(Get(2, "a"), "2") << "one has not heard of it, the other has";
  EXPECT_EQ(cluster_->Leader(2), ahead);
  EXPECT_TRUE(
      cluster_->RunUntil([&] { return !cluster_->Descriptor(behind, 2).has_value(); }, 60000));
  ASSERT_TRUE(cluster_->AddVoter(2, behind)) << "under a new id, above the tombstone";
  ASSERT_TRUE(cluster_->Converges(2));
}

INSTANTIATE_TEST_SUITE_P(Order, SeveralSurvivorsTest, testing::Bool());

TEST_F(OfflineStoreTest, AStoreThatWasDeclaredLostIsNotHeardWhenItComesBack) {
  Build(3);
  Set(2, "a", "1");
  cluster_->RunFor(1000);
  Lose({2, 3});
  cluster_->Crash(1);
  ASSERT_TRUE(Recover(1, {1}).ok());
  cluster_->Restart(1);
  Set(2, "a", "2");
  cluster_->Restart(3);
  cluster_->Isolate(3, false);
  cluster_->RunFor(20000);
  EXPECT_EQ(cluster_->Leader(2), 1);
  EXPECT_EQ(cluster_->Descriptor(3, 2)->replicas_size(), 3) << "it was spoken to";
  EXPECT_EQ(Get(2, "a"), "2");
}

// Whatever the disk refuses and wherever the machine stops, repeating the command finishes it.
TEST_F(OfflineStoreTest, RepeatingItAfterACrashAtAnyOperationOfTheDiskFinishesIt) {
  Build(3);
  Set(2, "a", "1");
  cluster_->RunFor(1000);
  Lose({2, 3});
  cluster_->Crash(1);
  bool finished = false;
  for (int allowed = 0; allowed < kFaultsMax && !finished; ++allowed) {
    int left = allowed;
    cluster_->directory(1).SetHook([&left](consensus::log::DiskOperation, const std::string&) {
      return left-- > 0 ? absl::OkStatus() : absl::UnknownError("the disk is gone");
    });
    finished = Recover(1, {1}).ok();
    cluster_->directory(1).SetHook(nullptr);
    cluster_->directory(1).Crash(consensus::log::CrashKind::kAnySectors,
                                 static_cast<uint64_t>(allowed));
    cluster_->engine(1).Crash();
  }
  ASSERT_TRUE(finished);
  cluster_->Restart(1);
  EXPECT_EQ(Get(2, "a"), "1");
  EXPECT_EQ(cluster_->Descriptor(1, 2)->replicas_size(), 1);
}

TEST_F(OfflineStoreTest, LookingChangesNothing) {
  Build(3);
  Set(2, "a", "1");
  cluster_->RunFor(1000);
  cluster_->Crash(1);
  const auto first = Inspect(1);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Inspect(1);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
  ASSERT_EQ(first->replicas_size(), 2);
  EXPECT_EQ(first->replicas(1).members_size(), 3);
  cluster_->Restart(1);
  ASSERT_TRUE(cluster_->Converges(2));
}

}  // namespace
}  // namespace rasputin::range
