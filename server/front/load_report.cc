// See load_report.h. No state.

#include "server/front/load_report.h"

#include <utility>

namespace rasputin::server {
namespace {

constexpr int kLaggingMax = 1000;
constexpr size_t kLoadsMax = 1000;

}  // namespace

type::v1::StoreLoad ReportLoad(const ClockReading& now, const FrontOptions& options,
                               StorePort* store) {
  type::v1::StoreLoad load;
  load.set_store_id(store->manifest().store_id());
  if (options.disk_space != nullptr) {
    const DiskSpace disk = options.disk_space();
    load.set_capacity_bytes(disk.capacity_bytes);
    load.set_available_bytes(disk.available_bytes);
  }
  for (const LedRange& led : store->ListLed(now)) {
    load.add_led_range_ids(led.range.value());
    load.add_led_bytes(led.approximate_bytes);
    for (const StoreId member : led.lagging) {
      if (load.lagging_range_ids_size() >= kLaggingMax) break;
      load.add_lagging_range_ids(led.range.value());
      load.add_lagging_store_ids(member.value());
    }
  }
  for (const StoreId other : store->ListSupporting(now)) {
    load.add_supporting_store_ids(other.value());
  }
  for (type::v1::RangeLoad& range : store->ListLoads(now, kLoadsMax)) {
    *load.add_ranges() = std::move(range);
  }
  const type::v1::RangeLoad total = store->TotalLoad(now);
  load.set_requests_per_second(total.reads_per_second() + total.writes_per_second());
  load.set_cpu_cores(total.cpu_cores());
  load.set_used_bytes(total.size_bytes());
  load.set_replicas(store->CountReplicas(now).replicas);
  load.set_leaders(static_cast<uint64_t>(load.led_range_ids_size()));
  return load;
}

}  // namespace rasputin::server
