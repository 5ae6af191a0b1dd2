// What the protocol reports, as metrics and log lines: the only place where events become either.
//
// Thread-safe.

#ifndef RASPUTIN_SERVER_METRICS_EVENT_RECORDER_H_
#define RASPUTIN_SERVER_METRICS_EVENT_RECORDER_H_

#include <array>

#include "consensus/core/event.h"
#include "server/metrics/metrics.h"

namespace rasputin::server {

class EventRecorder {
 public:
  // The registry outlives it.
  explicit EventRecorder(MetricsRegistry* registry);

  void Record(const consensus::Event& event);

 private:
  static constexpr int kTypes = 64;

  std::array<Counter*, kTypes> counters_{};
  Counter* other_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_METRICS_EVENT_RECORDER_H_
