// Who is recovered and from whom, as a table; and what is refused.

#include "range/recovery_plan.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"

namespace rasputin::range {
namespace {

using consensus::Index;
using consensus::LogPosition;
using consensus::RangeId;
using consensus::StoreId;
using consensus::Term;
using storage::v1::ReplicaReport;
using storage::v1::StoreReport;

struct Replica {
  uint64_t range = 7;
  uint64_t store = 0;  // Also the replica's id.
  LogPosition last;
  std::vector<uint64_t> voters;         // Stores, which are also the replicas' ids.
  std::vector<uint64_t> outgoing = {};  // Of a joint configuration: who votes in the old half only.
};

LogPosition At(uint64_t term, uint64_t index) { return {Term(term), Index(index)}; }

std::vector<StoreReport> Reports(const std::vector<uint64_t>& stores,
                                 const std::vector<Replica>& replicas) {
  std::vector<StoreReport> reports;
  for (const uint64_t store : stores) {
    StoreReport report;
    report.set_cluster_id(42);
    report.set_store_id(store);
    for (const Replica& replica : replicas) {
      if (replica.store != store) continue;
      ReplicaReport* one = report.add_replicas();
      one->mutable_range()->set_range_id(replica.range);
      one->set_replica_id(store);
      one->set_last_term(replica.last.term.value());
      one->set_last_index(replica.last.index.value());
      for (const auto& [members, role] :
           {std::make_pair(replica.voters, replica.outgoing.empty()
                                               ? type::v1::REPLICA_ROLE_VOTER
                                               : type::v1::REPLICA_ROLE_INCOMING),
            std::make_pair(replica.outgoing, type::v1::REPLICA_ROLE_OUTGOING)}) {
        for (const uint64_t id : members) {
          auto* member = one->add_members();
          member->set_replica_id(id);
          member->set_store_id(id);
          member->set_role(role);
        }
      }
    }
    reports.push_back(report);
  }
  return reports;
}

struct Case {
  std::string name;
  std::vector<uint64_t> inspected;
  std::vector<Replica> replicas;
  std::vector<StoreId> lost;
  RangeVerdict expected;
};

RangeVerdict Keeps() {
  RangeVerdict verdict;
  verdict.range = RangeId(7);
  verdict.keeps_majority = true;
  return verdict;
}

RangeVerdict From(uint64_t store, LogPosition position, std::vector<StoreId> others = {}) {
  RangeVerdict verdict;
  verdict.range = RangeId(7);
  verdict.survivor = StoreId(store);
  verdict.position = position;
  verdict.others = std::move(others);
  return verdict;
}

std::vector<Case> Cases() {
  const StoreId s1(1), s2(2), s3(3), s4(4), s5(5);
  return {
      {"the last of three", {1}, {{7, 1, At(3, 9), {1, 2, 3}}}, {s2, s3}, From(1, At(3, 9))},
      {"one of three is lost",
       {1, 2},
       {{7, 1, At(3, 9), {1, 2, 3}}, {7, 2, At(3, 8), {1, 2, 3}}},
       {s3},
       Keeps()},
      {"a store that was not inspected may live",
       {1},
       {{7, 1, At(3, 9), {1, 2, 3}}},
       {s3},
       Keeps()},
      {"the longer log of two",
       {1, 2},
       {{7, 1, At(3, 8), {1, 2, 3, 4, 5}}, {7, 2, At(3, 9), {1, 2, 3, 4, 5}}},
       {s3, s4, s5},
       From(2, At(3, 9), {s1})},
      {"the later term before the longer log",
       {1, 2},
       {{7, 1, At(4, 5), {1, 2, 3, 4, 5}}, {7, 2, At(3, 9), {1, 2, 3, 4, 5}}},
       {s3, s4, s5},
       From(1, At(4, 5), {s2})},
      {"of equals the lowest store",
       {2, 1},
       {{7, 1, At(3, 9), {1, 2, 3, 4, 5}}, {7, 2, At(3, 9), {1, 2, 3, 4, 5}}},
       {s3, s4, s5},
       From(1, At(3, 9), {s2})},
      {"a replica that is no member by the chosen one's log goes",
       {1, 4},
       {{7, 1, At(3, 9), {1, 2, 3}}, {7, 4, At(2, 5), {3, 4, 5}}},
       {s2, s3, s5},
       From(1, At(3, 9), {s4})},
      {"both halves of a joint configuration must live",
       {1, 2, 4},
       {{7, 1, At(3, 9), {1, 4, 5}, {2, 3}}, {7, 4, At(3, 9), {1, 4, 5}, {2, 3}}},
       {s3, s5},
       From(1, At(3, 9), {s4})},
      {"a joint configuration that lives",
       {1, 2, 4},
       {{7, 1, At(3, 9), {1, 4}, {1, 2}},
        {7, 4, At(3, 9), {1, 4}, {2}},
        {7, 2, At(3, 9), {1, 4}, {2}}},
       {s3, s5},
       Keeps()},
      {"whoever was recovered already is its own majority",
       {1},
       {{7, 1, At(4, 10), {1}}},
       {s2, s3},
       Keeps()},
      {"a fellow of the recovered one is left to it",
       {1, 2},
       {{7, 1, At(4, 10), {1}}, {7, 2, At(3, 8), {1, 2, 3, 4, 5}}},
       {s3, s4, s5},
       Keeps()},
      {"stores that live without the replica do not vote",
       {1, 2, 3, 6},
       {{7, 1, At(2, 5), {1, 2, 3}}, {7, 6, At(3, 9), {4, 5, 6}}},
       {s4, s5},
       From(6, At(3, 9), {s1})},
  };
}

TEST(RecoveryPlan, ChoosesTheSurvivorThatHoldsMostWhereTheMajorityIsLost) {
  for (const Case& one : Cases()) {
    const auto verdicts = PlanRecovery(Reports(one.inspected, one.replicas), one.lost);
    ASSERT_TRUE(verdicts.ok()) << one.name << ": " << verdicts.status();
    ASSERT_EQ(verdicts->size(), 1u) << one.name;
    const RangeVerdict& verdict = verdicts->front();
    EXPECT_TRUE(verdict == one.expected)
        << one.name << ": from store " << verdict.survivor << ", keeps " << verdict.keeps_majority;
  }
}

TEST(RecoveryPlan, RefusesWhileAStoreThatMayHoldMoreIsNeitherLostNorInspected) {
  const auto verdicts = PlanRecovery(Reports({1}, {{7, 1, At(3, 9), {1, 2, 3, 4, 5}}}),
                                     {StoreId(3), StoreId(4), StoreId(5)});
  EXPECT_TRUE(absl::IsFailedPrecondition(verdicts.status()));
  EXPECT_TRUE(absl::StrContains(verdicts.status().message(), "store 2")) << verdicts.status();
}

TEST(RecoveryPlan, RefusesReportsOfDifferentClusters) {
  std::vector<StoreReport> reports = Reports({1, 2}, {});
  reports[1].set_cluster_id(43);
  EXPECT_TRUE(absl::IsFailedPrecondition(PlanRecovery(reports, {StoreId(3)}).status()));
}

TEST(RecoveryPlan, RefusesNoReportTwoOfOneStoreAndOneOfALostStore) {
  EXPECT_TRUE(absl::IsInvalidArgument(PlanRecovery({}, {StoreId(3)}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(PlanRecovery(Reports({1, 1}, {}), {StoreId(3)}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(PlanRecovery(Reports({3}, {}), {StoreId(3)}).status()));
}

TEST(RecoveryPlan, JudgesEachRangeByItself) {
  const auto verdicts = PlanRecovery(Reports({1, 2}, {{7, 1, At(3, 9), {1, 3, 4}},
                                                      {8, 1, At(3, 9), {1, 2, 3}},
                                                      {8, 2, At(3, 9), {1, 2, 3}}}),
                                     {StoreId(3), StoreId(4)});
  ASSERT_TRUE(verdicts.ok()) << verdicts.status();
  ASSERT_EQ(verdicts->size(), 2u);
  EXPECT_FALSE(verdicts->at(0).keeps_majority);
  EXPECT_TRUE(verdicts->at(1).keeps_majority);
}

}  // namespace
}  // namespace rasputin::range
