// Which events are worth a log line: those of leaderships, leases and clocks, not of each commit.

#include "server/metrics/event_recorder.h"

#include <glog/logging.h>

#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

using consensus::EventType;

constexpr EventType kKnown[] = {EventType::kCampaignProbing,
                                EventType::kCampaignPulling,
                                EventType::kCampaignVoting,
                                EventType::kBecameLeader,
                                EventType::kSteppedDown,
                                EventType::kAbdicated,
                                EventType::kReleased,
                                EventType::kBound,
                                EventType::kBindingEnded,
                                EventType::kVoteGranted,
                                EventType::kLeaseAcquired,
                                EventType::kLeaseEnded,
                                EventType::kCommitAdvanced,
                                EventType::kLogTruncated,
                                EventType::kTransferStarted,
                                EventType::kTransferAborted,
                                EventType::kConfigurationChanged,
                                EventType::kSupportGranted,
                                EventType::kSupportGained,
                                EventType::kSupportLost,
                                EventType::kSupportWithdrawn,
                                EventType::kLeasesSuspended,
                                EventType::kClockSuspect,
                                EventType::kDiskStalled,
                                EventType::kDiskRecovered,
                                EventType::kShardHung,
                                EventType::kShardRecovered};

bool IsWarning(EventType type) {
  return type == EventType::kLeasesSuspended || type == EventType::kClockSuspect ||
         type == EventType::kDiskStalled || type == EventType::kShardHung;
}

bool IsWorthALine(EventType type) {
  switch (type) {
    case EventType::kCommitAdvanced:
    case EventType::kSupportGranted:
    case EventType::kBound:
    case EventType::kVoteGranted:
    case EventType::kCampaignProbing:
      return false;
    default:
      return true;
  }
}

}  // namespace

EventRecorder::EventRecorder(MetricsRegistry* registry) {
  constexpr char kName[] = "rasputin_protocol_events_total";
  constexpr char kHelp[] = "Events of the consensus protocol by type.";
  for (const EventType type : kKnown) {
    counters_[static_cast<int>(type)] = registry->AddCounter(
        kName, kHelp, absl::StrCat("type=\"", consensus::ToString(type), "\""));
  }
  other_ = registry->AddCounter(kName, kHelp, "type=\"other\"");
}

void EventRecorder::Record(const consensus::Event& event) {
  const int type = static_cast<int>(event.type);
  Counter* counter = type < kTypes ? counters_[type] : nullptr;
  (counter != nullptr ? counter : other_)->Increment();
  if (IsWarning(event.type)) {
    LOG(WARNING) << consensus::ToString(event);
  } else if (IsWorthALine(event.type)) {
    LOG(INFO) << consensus::ToString(event);
  }
}

}  // namespace rasputin::server
