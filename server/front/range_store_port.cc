// The adapter of a front end to its store; see range_store_port.h. No state of its own.
//
// Ids and indexes lose their strong types here, because they go straight into messages.

#include "server/front/range_store_port.h"

#include <string>
#include <utility>

namespace rasputin::server {

void RangeStorePort::Submit(const ClockReading& now, range::Request request) {
  store_->Submit(now, std::move(request));
}

absl::Status RangeStorePort::TransferLease(const ClockReading& now, RangeId range, StoreId target) {
  return store_->TransferLease(now, range, target);
}

void RangeStorePort::ChangeReplicas(const ClockReading& now, RangeId range,
                                    consensus::Generation generation,
                                    const range::ReplicaChange& change,
                                    range::Completion* completion) {
  const absl::Status begun = store_->ChangeReplicas(now, range, generation, change, completion);
  if (begun.ok()) return;
  range::Response response;
  response.outcome = absl::IsInvalidArgument(begun) ? range::Outcome::kInvalidArgument
                     : absl::IsAborted(begun)       ? range::Outcome::kRangeMismatch
                                                    : range::Outcome::kFailedPrecondition;
  response.message = std::string(begun.message());
  completion->Done(std::move(response));
}

std::optional<ReplicaSummary> RangeStorePort::FindReplica(const ClockReading& now,
                                                          RangeId range) const {
  std::optional<range::ReplicaStatus> status = store_->DescribeReplica(now, range);
  if (!status.has_value()) return std::nullopt;
  ReplicaSummary summary;
  summary.descriptor = std::move(status->descriptor);
  summary.leader_store = status->leader_store;
  summary.serving = status->serving;
  summary.term = status->term.value();
  summary.committed_index = status->committed.value();
  summary.applied_index = status->applied.value();
  summary.last_index = status->last.value();
  summary.lease_left = status->lease_left;
  summary.approximate_bytes = status->approximate_bytes;
  for (const consensus::MemberProgress& progress : status->members) {
    MemberSummary member;
    member.replica_id = progress.id.value();
    for (const auto& replica : summary.descriptor.replicas()) {
      if (replica.replica_id() == member.replica_id) member.store = StoreId(replica.store_id());
    }
    member.match_index = progress.match.value();
    member.bound = progress.bound;
    member.supported = progress.supported;
    member.needs_snapshot = progress.needs_snapshot;
    summary.members.push_back(member);
  }
  return summary;
}

std::optional<storage::v1::AbsorbedRange> RangeStorePort::FindAbsorbed(RangeId range) const {
  return store_->FindAbsorbed(range);
}

ReplicaCounts RangeStorePort::CountReplicas(const ClockReading& now) const {
  const range::ReplicaCounts counts = store_->CountReplicas(now);
  return {counts.replicas, counts.serving};
}

std::vector<range::RangeReview> RangeStorePort::ReviewRanges(const ClockReading& now,
                                                             const range::ReviewOptions& options,
                                                             bool* more) {
  return store_->ReviewRanges(now, options, more);
}

std::optional<range::RangeReview> RangeStorePort::DescribeLoad(const ClockReading& now,
                                                               RangeId range, bool briefly) {
  return store_->DescribeLoad(now, range, briefly);
}

void RangeStorePort::CarryLoad(const ClockReading& now, const range::RangeDescriptor& merged,
                               const type::v1::RangeLoad& before) {
  store_->CarryLoad(now, merged, before);
}

std::vector<type::v1::RangeLoad> RangeStorePort::ListLoads(const ClockReading& now, size_t max) {
  return store_->ListLoads(now, max);
}

type::v1::RangeLoad RangeStorePort::TotalLoad(const ClockReading& now) {
  return store_->TotalLoad(now);
}

std::vector<LedRange> RangeStorePort::ListLed(const ClockReading& now) const {
  std::vector<LedRange> led;
  for (range::LedRange& one : store_->ListLed(now)) {
    led.push_back({one.range, one.approximate_bytes, std::move(one.lagging)});
  }
  return led;
}

std::vector<StoreId> RangeStorePort::ListSupporting(const ClockReading& now) const {
  return store_->ListSupporting(now);
}

const storage::v1::StoreManifest& RangeStorePort::manifest() const { return store_->manifest(); }

}  // namespace rasputin::server
