// Typed events: what happened inside the protocol, for logs, metrics, golden tests and checkers.
//
// The only way in which the pure layers report; they never log. Plain values.

#ifndef RASPUTIN_CONSENSUS_CORE_EVENT_H_
#define RASPUTIN_CONSENSUS_CORE_EVENT_H_

#include <cstdint>
#include <string>

#include "consensus/core/types.h"

namespace rasputin::consensus {

enum class EventType : uint8_t {
  // Groups.
  kCampaignProbing = 1,  // detail: last index.
  kCampaignPulling = 2,  // peer: the donor.
  kCampaignVoting = 3,
  kBecameLeader = 4,
  kSteppedDown = 5,     // A higher term was accepted. peer: who told.
  kAbdicated = 6,       // [H-7]. detail: AbdicationReason.
  kReleased = 7,        // This replica's binding was released [H-11].
  kBound = 8,           // peer: leader; epoch.
  kBindingEnded = 9,    // The store withdrew the epoch [H-4].
  kVoteGranted = 10,    // peer: candidate.
  kLeaseAcquired = 11,  // The leader's lease became valid for the first time in its term.
  kLeaseEnded = 12,
  kCommitAdvanced = 13,   // index.
  kLogTruncated = 14,     // index: first index overwritten.
  kTransferStarted = 15,  // peer: target.
  kTransferAborted = 16,
  kConfigurationChanged = 17,
  // Store leases (range is 0).
  kSupportGranted = 32,    // peer, epoch.
  kSupportGained = 33,     // peer, epoch: first support of this epoch.
  kSupportLost = 34,       // peer, epoch.
  kSupportWithdrawn = 35,  // peer, epoch: durable [S-4].
  kLeasesSuspended = 36,   // [S-8]. detail: milliseconds of the pause.
  kClockSuspect = 37,      // [S-8] self-check. detail: milliseconds of the jump.
  kDiskStalled = 38,       // [S-7].
  kDiskRecovered = 39,
  kShardHung = 40,  // [S-7].
  kShardRecovered = 41,
};

enum class AbdicationReason : uint8_t {
  kLeaseEnded = 1,
  kNoFirstLease = 2,  // A new leader that gained no lease within D.
  kNoProgress = 3,    // Proposals waited longer than D without a commit.
  kTransfer = 4,
  kRequested = 5,  // The process or the replica stops.
  kHigherTermFailed = 6,
  kRemoved = 7,  // A configuration without it as a voter was committed [H-14].
};

struct Event {
  EventType type = EventType::kCommitAdvanced;
  RangeId range;
  ReplicaId replica;
  Term term;
  Index index;
  ReplicaId peer;
  StoreId peer_store;
  Epoch epoch;
  uint64_t detail = 0;
};

// One line without the names of fields that are unset; stable, used by golden tests.
std::string ToString(const Event& event);
const char* ToString(EventType type);
const char* ToString(AbdicationReason reason);

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_EVENT_H_
