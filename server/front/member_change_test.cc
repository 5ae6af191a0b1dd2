// The steps of a change of members as a table: range, what is asked for, next step.

#include "server/front/member_change.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rasputin::server {
namespace {

using range::ReplicaChange;
using Kind = MemberStep::Kind;
using Step = ReplicaChange::Kind;

// A letter for each replica on stores 1, 2, ...: v(oter), i(ncoming), o(utgoing), l(earner), -.
range::RangeDescriptor Range(const std::string& members) {
  range::RangeDescriptor range;
  range.set_range_id(7);
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i] == '-') continue;
    auto* replica = range.add_replicas();
    replica->set_replica_id(i + 10);
    replica->set_store_id(i + 1);
    replica->set_role(members[i] == 'v'   ? type::v1::REPLICA_ROLE_VOTER
                      : members[i] == 'i' ? type::v1::REPLICA_ROLE_INCOMING
                      : members[i] == 'o' ? type::v1::REPLICA_ROLE_OUTGOING
                                          : type::v1::REPLICA_ROLE_LEARNER);
  }
  return range;
}

struct Case {
  std::string members;
  uint64_t add;
  uint64_t remove;
  Kind kind;
  Step step = Step::kAddLearner;
  std::vector<uint64_t> stores = {};
};

TEST(MemberChange, ChoosesTheNextStepFromTheRangeAlone) {
  const Case cases[] = {
      // Adding.
      {"vvv", 4, 0, Kind::kAsk, Step::kAddLearner, {4}},
      {"vvvl", 4, 0, Kind::kAsk, Step::kSetVoters, {1, 2, 3, 4}},
      {"vvvi", 4, 0, Kind::kWait},
      {"vvvv", 4, 0, Kind::kDone},
      // Removing.
      {"vvvv", 0, 4, Kind::kAsk, Step::kSetVoters, {1, 2, 3}},
      {"vvvo", 0, 4, Kind::kWait},
      {"vvvl", 0, 4, Kind::kAsk, Step::kRemoveLearner, {4}},
      {"vvv", 0, 4, Kind::kDone},
      // Replacing: the dead voter stays until the new one has caught up.
      {"vvv", 4, 3, Kind::kAsk, Step::kAddLearner, {4}},
      {"vvvl", 4, 3, Kind::kAsk, Step::kSetVoters, {1, 2, 4}},
      {"vvoi", 4, 3, Kind::kWait},
      {"vv-v", 4, 3, Kind::kDone},
      {"vvvv", 4, 3, Kind::kAsk, Step::kSetVoters, {1, 2, 4}},
      {"vvlv", 4, 3, Kind::kAsk, Step::kRemoveLearner, {3}},
      // What others have begun is not undone.
      {"vvv-l", 4, 3, Kind::kAsk, Step::kAddLearner, {4}},
      // Nobody would be left.
      {"v", 0, 1, Kind::kRefuse},
      {"vl", 0, 1, Kind::kRefuse},
      {"vl", 2, 1, Kind::kAsk, Step::kSetVoters, {2}},
  };
  for (const Case& test : cases) {
    const MemberStep next = NextMemberStep(Range(test.members), test.add, test.remove, 0);
    const std::string name =
        test.members + " +" + std::to_string(test.add) + " -" + std::to_string(test.remove);
    EXPECT_EQ(next.kind, test.kind) << name;
    EXPECT_EQ(next.text.empty(), test.kind == Kind::kDone) << name;
    if (test.kind != Kind::kAsk) continue;
    EXPECT_EQ(next.change.kind, test.step) << name;
    std::vector<uint64_t> stores;
    if (next.change.store.IsSet()) stores.push_back(next.change.store.value());
    for (const StoreId store : next.change.voters) stores.push_back(store.value());
    EXPECT_EQ(stores, test.stores) << name;
  }
}

// Planned when 3 of three was to be replaced by 4, after somebody else let 4 take the place of 2.
TEST(MemberChange, LeavesAsManyVotersAsWereToBe) {
  const range::RangeDescriptor others = Range("v-vv");
  EXPECT_EQ(NextMemberStep(others, 4, 3, 0).kind, Kind::kAsk);
  const MemberStep step = NextMemberStep(others, 4, 3, 3);
  EXPECT_EQ(step.kind, Kind::kRefuse);
  EXPECT_EQ(step.text,
            "range 7 would have 2 voting replicas where 3 were to be: others have changed its "
            "members meanwhile");
  EXPECT_EQ(NextMemberStep(Range("vvvl"), 4, 3, 3).kind, Kind::kAsk);
  EXPECT_EQ(NextMemberStep(Range("vvvv"), 0, 3, 3).kind, Kind::kAsk);
  // What adds is never too few.
  EXPECT_EQ(NextMemberStep(Range("vl"), 2, 0, 3).kind, Kind::kAsk);
}

TEST(MemberChange, AStepSurvivesItsWayToTheLeader) {
  for (const ReplicaChange& change :
       {ReplicaChange{Step::kAddLearner, StoreId(4), {}},
        ReplicaChange{Step::kSetVoters, StoreId(), {StoreId(1), StoreId(4)}},
        ReplicaChange{Step::kRemoveLearner, StoreId(9), {}}}) {
    const auto decoded = DecodeReplicaChange(EncodeReplicaChange(change));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->kind, change.kind);
    EXPECT_EQ(decoded->store, change.store);
    EXPECT_EQ(decoded->voters, change.voters);
  }
}

TEST(MemberChange, ABodyThatIsNoStepIsRefused) {
  // Empty; no varint; a learner on store 0; no voters.
  for (const std::string& body : {std::string(), std::string("\x08\xff"),
                                  std::string("\x08\x00", 2), std::string("\x12\x00", 2)}) {
    EXPECT_FALSE(DecodeReplicaChange(absl::Cord(body)).has_value());
  }
}

}  // namespace
}  // namespace rasputin::server
