// Conversion of a replica's summary; see replica_report.h. No state.
//
// A lease that has ended is reported as nothing left, never as a negative duration.

#include "server/front/replica_report.h"

#include <algorithm>

namespace rasputin::server {

admin::v1::DescribeRangeResponse ReportReplica(StoreId store, const ReplicaSummary& replica) {
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  admin::v1::DescribeRangeResponse report;
  *report.mutable_range() = replica.descriptor;
  report.set_store_id(store.value());
  report.set_leader_store_id(replica.leader_store.value());
  report.set_serving(replica.serving);
  report.set_term(replica.term);
  report.set_committed_index(replica.committed_index);
  report.set_applied_index(replica.applied_index);
  report.set_last_index(replica.last_index);
  const int64_t left = std::max<int64_t>(replica.lease_left.count(), 0);
  report.mutable_lease_left()->set_seconds(left / kNanosPerSecond);
  report.mutable_lease_left()->set_nanos(static_cast<int32_t>(left % kNanosPerSecond));
  report.set_approximate_bytes(replica.approximate_bytes);
  for (const MemberSummary& member : replica.members) {
    admin::v1::MemberStatus* status = report.add_members();
    status->set_replica_id(member.replica_id);
    status->set_store_id(member.store.value());
    status->set_match_index(member.match_index);
    status->set_bound(member.bound);
    status->set_supported(member.supported);
    status->set_needs_snapshot(member.needs_snapshot);
  }
  return report;
}

}  // namespace rasputin::server
