// See front_metrics.h.

#include "server/metrics/front_metrics.h"

#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

constexpr const char* kNames[kFairLimits] = {"",
                                             "range-requests",
                                             "range-bytes",
                                             "collection-requests",
                                             "collection-bytes",
                                             "node-requests",
                                             "node-bytes",
                                             "queue-wait"};

Counter* AddMovesCounter(MetricsRegistry* registry, const char* outcome) {
  return registry->AddCounter("rasputin_placement_moves_total",
                              "Replicas and leaderships that this store moved by itself.",
                              absl::StrCat("outcome=\"", outcome, "\""));
}

}  // namespace

Counter* AddRefusedCounter(MetricsRegistry* registry, const std::string& limit) {
  return registry->AddCounter("rasputin_refused_total",
                              "Requests refused for overload, not executed, by whose bound.",
                              absl::StrCat("limit=\"", limit, "\""));
}

FrontMetrics::FrontMetrics(MetricsRegistry* registry)
    : expired_(registry->AddCounter(
          "rasputin_expired_total",
          "Requests whose deadline passed while they waited at this store; not executed.")),
      moves_done_(AddMovesCounter(registry, "done")),
      moves_failed_(AddMovesCounter(registry, "failed")) {
  for (int i = 1; i < kFairLimits; ++i) {
    refused_[static_cast<size_t>(i)] = AddRefusedCounter(registry, kNames[i]);
  }
  const auto gauge = [&](const char* name, const char* help, std::atomic<uint64_t>* value) {
    registry->AddGauge(name, help, [value] { return static_cast<double>(value->load()); });
  };
  gauge("rasputin_requests_waiting", "Requests of clients that wait for their turn at this store.",
        &waiting_);
  gauge("rasputin_requests_held", "The same, and those under way.", &held_);
  gauge("rasputin_requests_held_bytes", "Bytes of these.", &held_bytes_);
}

void FrontMetrics::Update(const FrontCounters& counters, const FrontLoad& load) {
  for (size_t i = 1; i < kFairLimits; ++i) {
    if (counters.refused[i] == last_.refused[i]) continue;
    refused_[i]->Add(counters.refused[i] - last_.refused[i]);
  }
  if (counters.expired != last_.expired) expired_->Add(counters.expired - last_.expired);
  if (counters.moves_done != last_.moves_done) {
    moves_done_->Add(counters.moves_done - last_.moves_done);
  }
  if (counters.moves_failed != last_.moves_failed) {
    moves_failed_->Add(counters.moves_failed - last_.moves_failed);
  }
  last_ = counters;
  waiting_.store(load.waiting_requests, std::memory_order_relaxed);
  held_.store(load.held_requests, std::memory_order_relaxed);
  held_bytes_.store(load.held_bytes, std::memory_order_relaxed);
}

}  // namespace rasputin::server
