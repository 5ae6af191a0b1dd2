// The adapter of a front end to its store; see range_store_port.h. No state of its own.
//
// Ids and indexes lose their strong types here, because they go straight into messages.

#include "server/front/range_store_port.h"

#include <utility>

namespace rasputin::server {

void RangeStorePort::Submit(const ClockReading& now, range::Request request) {
  store_->Submit(now, std::move(request));
}

absl::Status RangeStorePort::TransferLease(const ClockReading& now, RangeId range, StoreId target) {
  return store_->TransferLease(now, range, target);
}

std::vector<ReplicaSummary> RangeStorePort::ListReplicas(const ClockReading& now) const {
  std::vector<ReplicaSummary> summaries;
  for (const range::ReplicaStatus& status : store_->ListReplicas(now)) {
    ReplicaSummary summary;
    summary.descriptor = status.descriptor;
    summary.leader_store = status.leader_store;
    summary.serving = status.serving;
    summary.term = status.term.value();
    summary.committed_index = status.committed.value();
    summary.applied_index = status.applied.value();
    summary.last_index = status.last.value();
    summary.lease_left = status.lease_left;
    summary.approximate_bytes = status.approximate_bytes;
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

const storage::v1::StoreManifest& RangeStorePort::manifest() const { return store_->manifest(); }

}  // namespace rasputin::server
