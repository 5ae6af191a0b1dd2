// Template part of configuration.h: the order statistic of a quorum.
//
// Included by configuration.h only.

#ifndef RASPUTIN_CONSENSUS_CORE_CONFIGURATION_INL_H_
#define RASPUTIN_CONSENSUS_CORE_CONFIGURATION_INL_H_

#include <glog/logging.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

#include "absl/container/inlined_vector.h"

namespace rasputin::consensus {
namespace configuration_internal {

// The largest v such that a majority of `voters` has at least v: the members sorted upwards, the
// smallest of the majority's worth at the top.
template <typename T, typename F>
T MajorityValue(const std::vector<Member>& voters, const F& value) {
  absl::InlinedVector<T, 8> values;
  for (const Member& member : voters) values.push_back(value(member.replica));
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

}  // namespace configuration_internal

template <typename T>
T QuorumValue(const Configuration& configuration, const std::function<T(ReplicaId)>& value) {
  CHECK(!configuration.voters.empty()) << "a configuration without voters has no quorum";
  const T incoming = configuration_internal::MajorityValue<T>(configuration.voters, value);
  if (!configuration.IsJoint()) return incoming;
  const T outgoing = configuration_internal::MajorityValue<T>(configuration.outgoing, value);
  return outgoing < incoming ? outgoing : incoming;
}

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_CONFIGURATION_INL_H_
