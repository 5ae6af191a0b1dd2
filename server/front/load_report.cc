// See load_report.h. No state.

#include "server/front/load_report.h"

#include <cstddef>
#include <utility>

namespace rasputin::server {
namespace {

constexpr size_t kRangesMax = 1000;

}  // namespace

type::v1::StoreLoad ReportLoad(const ClockReading& now, StorePort* store) {
  type::v1::StoreLoad report;
  report.set_store_id(store->manifest().store_id());
  uint64_t leaders = 0;
  const std::vector<ReplicaSummary> replicas = store->ListReplicas(now);
  for (const ReplicaSummary& replica : replicas) leaders += replica.serving;
  report.set_replicas(replicas.size());
  report.set_leaders(leaders);
  const type::v1::RangeLoad total = store->TotalLoad(now);
  report.set_requests_per_second(total.reads_per_second() + total.writes_per_second());
  report.set_cpu_cores(total.cpu_cores());
  for (type::v1::RangeLoad& load : store->ListLoads(now, kRangesMax)) {
    *report.add_ranges() = std::move(load);
  }
  return report;
}

}  // namespace rasputin::server
