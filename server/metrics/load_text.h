// The load of a store and of its busiest ranges as Prometheus text.
//
// Pure; thread-safe. Ranges come and go, so they are no metrics of the registry: at most 20 of them
// are shown, whatever there is.

#ifndef RASPUTIN_SERVER_METRICS_LOAD_TEXT_H_
#define RASPUTIN_SERVER_METRICS_LOAD_TEXT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "rasputin/type/v1/load.pb.h"

namespace rasputin::server {

inline constexpr size_t kRangesShown = 20;

// What a store says of itself; see range::Store::TotalLoad, ListLoads and ListOperations.
struct StoreActivity {
  type::v1::RangeLoad total;
  std::vector<type::v1::RangeLoad> ranges;  // Those with most requests first.
  std::vector<type::v1::OperationLoad> operations;
};

// The text format 0.0.4. Histograms have bounds that double; their sums are exact to half a per
// cent, as the buckets are.
std::string RenderActivity(const StoreActivity& activity);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_METRICS_LOAD_TEXT_H_
