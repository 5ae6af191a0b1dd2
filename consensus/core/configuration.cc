// Quorums by counting distinct members of each half; see configuration.h.

#include "consensus/core/configuration.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rasputin::consensus {
namespace {

const Member* FindIn(const std::vector<Member>& members, ReplicaId id) {
  for (const Member& member : members) {
    if (member.replica == id) return &member;
  }
  return nullptr;
}

bool HasMajority(const std::vector<Member>& voters, const std::function<bool(ReplicaId)>& has) {
  size_t count = 0;
  for (const Member& member : voters) count += has(member.replica) ? 1 : 0;
  return count > voters.size() / 2;
}

std::string MembersToString(const std::vector<Member>& members) {
  std::string out = "(";
  for (const Member& member : members) {
    absl::StrAppend(&out, out.size() > 1 ? " " : "", member.replica.value(), "@",
                    member.store.value());
  }
  return out + ")";
}

}  // namespace

bool Configuration::IsVoter(ReplicaId id) const {
  return FindIn(voters, id) != nullptr || FindIn(outgoing, id) != nullptr;
}

const Member* Configuration::Find(ReplicaId id) const {
  for (const std::vector<Member>* members : {&voters, &outgoing, &learners}) {
    if (const Member* member = FindIn(*members, id)) return member;
  }
  return nullptr;
}

std::vector<Member> Configuration::AllMembers() const {
  std::vector<Member> all = voters;
  all.insert(all.end(), outgoing.begin(), outgoing.end());
  all.insert(all.end(), learners.begin(), learners.end());
  std::sort(all.begin(), all.end(),
            [](const Member& a, const Member& b) { return a.replica < b.replica; });
  all.erase(std::unique(all.begin(), all.end(),
                        [](const Member& a, const Member& b) { return a.replica == b.replica; }),
            all.end());
  return all;
}

bool operator==(const Configuration& a, const Configuration& b) {
  return a.voters == b.voters && a.outgoing == b.outgoing && a.learners == b.learners;
}

bool HasQuorum(const Configuration& configuration, const std::function<bool(ReplicaId)>& has) {
  return HasMajority(configuration.voters, has) &&
         (!configuration.IsJoint() || HasMajority(configuration.outgoing, has));
}

std::string ToString(const Configuration& configuration) {
  std::string out = MembersToString(configuration.voters);
  if (configuration.IsJoint()) {
    absl::StrAppend(&out, "&", MembersToString(configuration.outgoing));
  }
  if (!configuration.learners.empty()) {
    absl::StrAppend(&out, " learners", MembersToString(configuration.learners));
  }
  return out;
}

}  // namespace rasputin::consensus
