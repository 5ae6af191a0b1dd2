// Exhaustive tables of quorums up to five voters, joint ones up to three and three.
//
// The oracle counts by definition: v is held by a majority of each half. Nothing protocol-related.

#include "consensus/core/configuration.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "gtest/gtest.h"

namespace rasputin::consensus {
namespace {

std::vector<Member> Members(uint64_t first, uint64_t count) {
  std::vector<Member> members;
  for (uint64_t i = first; i < first + count; ++i) {
    members.push_back({ReplicaId(i), StoreId(100 + i)});
  }
  return members;
}

bool MajorityByCounting(const std::vector<Member>& half,
                        const std::function<bool(ReplicaId)>& has) {
  size_t yes = 0;
  for (const Member& member : half) yes += has(member.replica) ? 1 : 0;
  return 2 * yes > half.size();
}

bool QuorumByCounting(const Configuration& c, const std::function<bool(ReplicaId)>& has) {
  return MajorityByCounting(c.voters, has) &&
         (c.outgoing.empty() || MajorityByCounting(c.outgoing, has));
}

// All assignments of values 0..base-1 to members 1..count.
void ForEachAssignment(uint64_t count, uint64_t base,
                       const std::function<void(const std::vector<uint64_t>&)>& visit) {
  std::vector<uint64_t> values(count + 1, 0);
  while (true) {
    visit(values);
    size_t i = 1;
    while (i <= count && ++values[i] == base) values[i++] = 0;
    if (i > count) return;
  }
}

void CheckAllAssignments(const Configuration& c, uint64_t members, uint64_t base) {
  ForEachAssignment(members, base, [&](const std::vector<uint64_t>& values) {
    const std::function<uint64_t(ReplicaId)> value = [&](ReplicaId id) {
      return values[id.value()];
    };
    const uint64_t quorum = QuorumValue<uint64_t>(c, value);
    for (uint64_t v = 0; v <= base; ++v) {
      const auto has = [&](ReplicaId id) { return values[id.value()] >= v; };
      ASSERT_EQ(HasQuorum(c, has), QuorumByCounting(c, has));
      ASSERT_EQ(quorum >= v, QuorumByCounting(c, has)) << ToString(c) << " value " << v;
    }
  });
}

TEST(Quorum, IsTheLargestValueThatAMajorityHas) {
  for (uint64_t voters = 1; voters <= 5; ++voters) {
    Configuration c;
    c.voters = Members(1, voters);
    CheckAllAssignments(c, voters, 4);
  }
}

TEST(Quorum, JointNeedsBothHalves) {
  for (uint64_t in = 1; in <= 3; ++in) {
    for (uint64_t out = 1; out <= 3; ++out) {
      for (uint64_t overlap = 0; overlap <= std::min(in, out); ++overlap) {
        Configuration c;
        c.voters = Members(1, in);
        c.outgoing = Members(1 + in - overlap, out);
        CheckAllAssignments(c, in + out - overlap, 3);
      }
    }
  }
}

TEST(Quorum, LearnersNeverCount) {
  Configuration c;
  c.voters = Members(1, 2);
  c.learners = Members(3, 3);
  CheckAllAssignments(c, 5, 3);
  EXPECT_FALSE(c.IsVoter(ReplicaId(3)));
  EXPECT_NE(c.Find(ReplicaId(3)), nullptr);
}

TEST(Quorum, TwoQuorumsOfOneConfigurationAlwaysMeet) {
  for (uint64_t voters = 1; voters <= 5; ++voters) {
    Configuration c;
    c.voters = Members(1, voters);
    for (uint64_t a = 0; a < (1u << voters); ++a) {
      for (uint64_t b = 0; b < (1u << voters); ++b) {
        const auto in = [](uint64_t set) {
          return [set](ReplicaId id) { return ((set >> (id.value() - 1)) & 1) != 0; };
        };
        if (HasQuorum(c, in(a)) && HasQuorum(c, in(b))) {
          ASSERT_NE(a & b, 0u);
        }
      }
    }
  }
}

TEST(Quorum, AllMembersAreDistinctAndSorted) {
  Configuration c;
  c.voters = Members(2, 2);
  c.outgoing = Members(1, 2);
  c.learners = Members(4, 1);
  EXPECT_EQ(c.AllMembers(), Members(1, 4));
  EXPECT_EQ(ToString(c), "(2@102 3@103)&(1@101 2@102) learners(4@104)");
}

}  // namespace
}  // namespace rasputin::consensus
