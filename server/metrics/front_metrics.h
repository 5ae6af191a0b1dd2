// What the front end refuses, and what waits in it, as metrics.
//
// Update is called by one thread at a time; the gauges are read by any.

#ifndef RASPUTIN_SERVER_METRICS_FRONT_METRICS_H_
#define RASPUTIN_SERVER_METRICS_FRONT_METRICS_H_

#include <array>
#include <atomic>
#include <string>

#include "server/front/front_end.h"
#include "server/metrics/metrics.h"

namespace rasputin::server {

// The counter of refusals by one bound, named like its flag.
Counter* AddRefusedCounter(MetricsRegistry* registry, const std::string& limit);

class FrontMetrics {
 public:
  explicit FrontMetrics(MetricsRegistry* registry);

  // `counters` never go back.
  void Update(const FrontCounters& counters, const FrontLoad& load);

 private:
  std::array<Counter*, kFairLimits> refused_{};
  Counter* const expired_;
  Counter* const moves_done_;
  Counter* const moves_failed_;
  FrontCounters last_;
  std::atomic<uint64_t> waiting_{0};
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> held_bytes_{0};
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_METRICS_FRONT_METRICS_H_
