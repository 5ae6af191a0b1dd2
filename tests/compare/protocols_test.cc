// The rivals are what they are said to be: safe under any fault, live after it, and Raft is Raft.

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/compare/raft.h"
#include "tests/compare/raft_node.h"
#include "tests/compare/random_faults.h"
#include "tests/compare/trial.h"

namespace rasputin::compare {
namespace {

TrialOptions Options(Kind kind, uint64_t seed) {
  TrialOptions options;
  options.kind = kind;
  options.seed = seed;
  return options;
}

const RaftNode& Node(const Trial& trial, int replica) {
  return *static_cast<const Raft&>(trial.protocol()).node(replica);
}

// Log Matching: what two logs hold at an index under one term is the same, and so is all before.
std::string LogsThatDoNotMatch(const Trial& trial) {
  std::map<std::pair<uint64_t, uint64_t>, std::pair<uint64_t, uint64_t>> seen;
  for (int i = 0; i < trial.replicas(); ++i) {
    uint64_t index = 0;
    uint64_t previous = 0;
    for (const RaftEntry& entry : Node(trial, i).log()) {
      const std::pair<uint64_t, uint64_t> rest(previous, entry.value);
      const auto [known, first] = seen.emplace(std::make_pair(++index, entry.term), rest);
      if (!first && known->second != rest) return absl::StrCat("at ", index);
      previous = entry.term;
    }
  }
  return "";
}

class AnyProtocol : public testing::TestWithParam<Kind> {};

TEST_P(AnyProtocol, LosesNothingUnderRandomFaultsAndIsLiveAfterThem) {
  uint64_t acknowledged = 0;
  uint64_t elections = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Trial trial(Options(GetParam(), seed));
    ASSERT_TRUE(trial.Begin());
    trial.Cut();
    for (int i = 0; i < 60; ++i) RandomFault(&trial);
    EndFaults(&trial);
    trial.RunFor(10 * kD);
    if (GetParam() != Kind::kHarpoon) {
      EXPECT_EQ(LogsThatDoNotMatch(trial), "") << "seed " << seed;
    }
    const TrialReport report = trial.Finish();
    EXPECT_EQ(absl::StrJoin(report.violations, "\n"), "") << "seed " << seed;
    EXPECT_TRUE(report.live) << "seed " << seed;
    // A replica of Raft that restarts forgets what leases it respects.
    if (GetParam() != Kind::kRaftLeaseReads) {
      EXPECT_EQ(report.stale_reads, 0u) << "seed " << seed;
      EXPECT_EQ(report.overlaps, 0u) << "seed " << seed;
    }
    acknowledged += report.acknowledged;
    elections += report.elections;
  }
  EXPECT_GT(acknowledged, 20u * 500);
  EXPECT_GT(elections, 20u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, AnyProtocol,
                         testing::Values(Kind::kHarpoon, Kind::kRaft, Kind::kRaftPreVoteCheckQuorum,
                                         Kind::kRaftLeaseReads),
                         [](const testing::TestParamInfo<Kind>& tested) {
                           std::string name = ToString(tested.param);
                           std::replace(name.begin(), name.end(), '+', '_');
                           return name;
                         });

TEST(RaftNode, KeepsItsLeaderAndReplicatesToAllWhileNothingHappens) {
  for (const Kind kind : {Kind::kRaft, Kind::kRaftPreVoteCheckQuorum}) {
    Trial trial(Options(kind, 3));
    ASSERT_TRUE(trial.Begin());
    trial.Cut();
    trial.RunFor(20 * kD);
    for (int i = 0; i < trial.replicas(); ++i) {
      EXPECT_GT(Node(trial, i).commit() + 200, Node(trial, trial.A()).commit());
    }
    const TrialReport report = trial.Finish();
    EXPECT_EQ(report.elections, 0u);
    EXPECT_GT(report.acknowledged, 1950u);
    EXPECT_LT(report.longest_without_writes, kD / 10);
  }
}

TEST(RaftNode, AnIsolatedFollowerRaisesItsTermUnlessItAsksBefore) {
  for (const Kind kind : {Kind::kRaft, Kind::kRaftPreVoteCheckQuorum}) {
    Trial trial(Options(kind, 4));
    ASSERT_TRUE(trial.Begin());
    const int b = trial.Other(1);
    trial.world().Isolate(b);
    const uint64_t term = Node(trial, b).term();
    trial.RunFor(10 * kD);
    if (kind == Kind::kRaft) {
      EXPECT_GT(Node(trial, b).term(), term + 3);
    } else {
      EXPECT_EQ(Node(trial, b).term(), term);
    }
  }
}

TEST(RaftNode, AnIsolatedLeaderStepsDownWithinTwoTimeoutsIfItChecksItsQuorum) {
  for (const Kind kind : {Kind::kRaft, Kind::kRaftPreVoteCheckQuorum}) {
    Trial trial(Options(kind, 5));
    ASSERT_TRUE(trial.Begin());
    trial.world().Isolate(trial.A());
    trial.RunFor(2 * kD);
    EXPECT_EQ(Node(trial, trial.A()).role() == RaftNode::Role::kLeader, kind == Kind::kRaft);
  }
}

TEST(RaftNode, EntriesOfADeposedLeaderAreOverwritten) {
  Trial trial(Options(Kind::kRaft, 6));
  ASSERT_TRUE(trial.Begin());
  trial.world().Isolate(trial.A());
  trial.RunFor(5 * kD);
  const RaftNode& old = Node(trial, trial.A());
  EXPECT_GT(old.log().size(), old.commit() + 200);
  trial.network().HealAll();
  trial.RunFor(5 * kD);
  EXPECT_LT(old.log().size(), old.commit() + 50);
  EXPECT_EQ(LogsThatDoNotMatch(trial), "");
}

TEST(Trial, TheSameSeedGivesTheSameRun) {
  for (const Kind kind : {Kind::kHarpoon, Kind::kRaftPreVoteCheckQuorum}) {
    uint64_t hashes[2] = {};
    for (uint64_t& hash : hashes) {
      Trial trial(Options(kind, 7));
      trial.Begin();
      trial.Cut();
      for (int i = 0; i < 20; ++i) RandomFault(&trial);
      hash = trial.Finish().hash;
    }
    EXPECT_EQ(hashes[0], hashes[1]);
  }
}

}  // namespace
}  // namespace rasputin::compare
