// Names and one-line texts of events; see event.h.

#include "consensus/core/event.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace rasputin::consensus {

const char* ToString(EventType type) {
  switch (type) {
    case EventType::kCampaignProbing:
      return "campaign-probing";
    case EventType::kCampaignPulling:
      return "campaign-pulling";
    case EventType::kCampaignVoting:
      return "campaign-voting";
    case EventType::kBecameLeader:
      return "became-leader";
    case EventType::kSteppedDown:
      return "stepped-down";
    case EventType::kAbdicated:
      return "abdicated";
    case EventType::kReleased:
      return "released";
    case EventType::kBound:
      return "bound";
    case EventType::kBindingEnded:
      return "binding-ended";
    case EventType::kVoteGranted:
      return "vote-granted";
    case EventType::kLeaseAcquired:
      return "lease-acquired";
    case EventType::kLeaseEnded:
      return "lease-ended";
    case EventType::kCommitAdvanced:
      return "commit-advanced";
    case EventType::kLogTruncated:
      return "log-truncated";
    case EventType::kTransferStarted:
      return "transfer-started";
    case EventType::kTransferAborted:
      return "transfer-aborted";
    case EventType::kConfigurationChanged:
      return "configuration-changed";
    case EventType::kSupportGranted:
      return "support-granted";
    case EventType::kSupportGained:
      return "support-gained";
    case EventType::kSupportLost:
      return "support-lost";
    case EventType::kSupportWithdrawn:
      return "support-withdrawn";
    case EventType::kLeasesSuspended:
      return "leases-suspended";
    case EventType::kClockSuspect:
      return "clock-suspect";
    case EventType::kDiskStalled:
      return "disk-stalled";
    case EventType::kDiskRecovered:
      return "disk-recovered";
    case EventType::kShardHung:
      return "shard-hung";
    case EventType::kShardRecovered:
      return "shard-recovered";
  }
  return "unknown";
}

const char* ToString(AbdicationReason reason) {
  switch (reason) {
    case AbdicationReason::kLeaseEnded:
      return "lease-ended";
    case AbdicationReason::kNoFirstLease:
      return "no-first-lease";
    case AbdicationReason::kNoProgress:
      return "no-progress";
    case AbdicationReason::kTransfer:
      return "transfer";
    case AbdicationReason::kRequested:
      return "requested";
    case AbdicationReason::kHigherTermFailed:
      return "higher-term-failed";
    case AbdicationReason::kRemoved:
      return "removed";
  }
  return "unknown";
}

std::string ToString(const Event& event) {
  std::string out = ToString(event.type);
  const auto add = [&out](const char* name, uint64_t value) {
    if (value != 0) absl::StrAppend(&out, " ", name, "=", value);
  };
  add("range", event.range.value());
  add("replica", event.replica.value());
  add("term", event.term.value());
  add("index", event.index.value());
  add("peer", event.peer.value());
  add("peer_store", event.peer_store.value());
  add("epoch", event.epoch.value());
  if (event.type == EventType::kAbdicated) {
    absl::StrAppend(&out, " reason=", ToString(static_cast<AbdicationReason>(event.detail)));
  } else {
    add("detail", event.detail);
  }
  return out;
}

}  // namespace rasputin::consensus
