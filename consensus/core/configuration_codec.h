// The payload of a configuration entry as bytes, and back [H-14].
//
// Not responsible for what makes a change legal (core_membership.cc). Pure functions; thread-safe.
//
//   format (1 byte; 1, or 2 for one that was forced), number of voters, of outgoing voters, of
//   learners (4 bytes each), then the members of the three lists in this order: replica id, store
//   id (8 bytes each). Big-endian.
//
// A worked example is in consensus/README.md.

#ifndef RASPUTIN_CONSENSUS_CORE_CONFIGURATION_CODEC_H_
#define RASPUTIN_CONSENSUS_CORE_CONFIGURATION_CODEC_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "consensus/core/configuration.h"

namespace rasputin::consensus {

// Members of each list at most.
inline constexpr size_t kConfigurationMembersMax = 64;

absl::Cord EncodeConfiguration(const Configuration& configuration);

// The same, marked as not the group's own decision: an operator made it offline, of a survivor
// alone, after the group lost its majority (range/offline_store.h). It counts as any other.
absl::Cord EncodeForcedConfiguration(const Configuration& configuration);
bool IsForcedConfiguration(const absl::Cord& bytes);

// Of either kind. DataLoss: not such bytes, no voters, or a list that is not sorted by replica id,
// has duplicates, unset ids or more than kConfigurationMembersMax members.
absl::StatusOr<Configuration> DecodeConfiguration(const absl::Cord& bytes);

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_CONFIGURATION_CODEC_H_
