// Configurations and their quorums as value types: a joint quorum is two majorities [H-14].
//
// Arithmetic only: no protocol state. Plain values; thread-compatible.

#ifndef RASPUTIN_CONSENSUS_CORE_CONFIGURATION_H_
#define RASPUTIN_CONSENSUS_CORE_CONFIGURATION_H_

#include <functional>
#include <string>
#include <vector>

#include "consensus/core/types.h"

namespace rasputin::consensus {

struct Member {
  ReplicaId replica;
  StoreId store;

  friend bool operator==(const Member& a, const Member& b) {
    return a.replica == b.replica && a.store == b.store;
  }
};

// `outgoing` is non-empty only while a change is joint. Members of each list are sorted by replica
// id, distinct.
struct Configuration {
  std::vector<Member> voters;
  std::vector<Member> outgoing;
  std::vector<Member> learners;

  bool IsJoint() const { return !outgoing.empty(); }
  bool IsVoter(ReplicaId id) const;        // In either half.
  const Member* Find(ReplicaId id) const;  // Voter or learner; nullptr: not a member.
  // Distinct members of all three lists, sorted by replica id.
  std::vector<Member> AllMembers() const;
  friend bool operator==(const Configuration& a, const Configuration& b);
};

// True iff a majority of the voters (of both halves when joint) satisfies `has`.
bool HasQuorum(const Configuration& configuration, const std::function<bool(ReplicaId)>& has);

// The largest v such that a quorum has value(id) >= v: the commit index over match indexes [H-9]
// and the leader lease over support instants [H-6] are both this order statistic. T needs
// operator<. The configuration must have at least one voter (CHECK).
template <typename T>
T QuorumValue(const Configuration& configuration, const std::function<T(ReplicaId)>& value);

std::string ToString(const Configuration& configuration);

}  // namespace rasputin::consensus

#include "consensus/core/configuration_inl.h"

#endif  // RASPUTIN_CONSENSUS_CORE_CONFIGURATION_H_
