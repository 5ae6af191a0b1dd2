// Counters, gauges and histograms of a process, rendered as Prometheus text.
//
// Adding takes a lock and happens at start; counting is one relaxed atomic and may happen in any
// thread. Names, units and help texts are the caller's; label values must not hold keys or values
// of users. Metrics live as long as their registry.

#ifndef RASPUTIN_SERVER_METRICS_METRICS_H_
#define RASPUTIN_SERVER_METRICS_METRICS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "absl/strings/string_view.h"
#include "consensus/core/types.h"

namespace rasputin::server {

class Counter {
 public:
  void Add(uint64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  void Increment() { Add(1); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Durations in buckets that double from 1 us to about 67 s.
class Histogram {
 public:
  static constexpr int kBuckets = 27;

  void Record(consensus::Duration duration);
  // Observations of at most 2^bucket microseconds, smaller buckets not included.
  uint64_t Count(int bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }
  uint64_t SumNanoseconds() const { return sum_ns_.load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint64_t>, kBuckets + 1> counts_{};  // The last one: beyond all bounds.
  std::atomic<uint64_t> sum_ns_{0};
};

class MetricsRegistry {
 public:
  // `labels` is empty or like `method="Get",code="OK"`. The same name and labels give the same
  // object.
  Counter* AddCounter(const std::string& name, const std::string& help,
                      const std::string& labels = "");
  Histogram* AddHistogram(const std::string& name, const std::string& help,
                          const std::string& labels = "");
  // `read` is called by Render, in any thread.
  void AddGauge(const std::string& name, const std::string& help, std::function<double()> read,
                const std::string& labels = "");
  // A count kept elsewhere, shown as a counter.
  void AddCounterSource(const std::string& name, const std::string& help,
                        std::function<double()> read);

  // The text format 0.0.4 of Prometheus.
  std::string Render() const;

 private:
  struct Family {
    std::string help;
    std::string type;
    std::map<std::string, Counter*> counters;
    std::map<std::string, Histogram*> histograms;
    std::map<std::string, std::function<double()>> sources;
  };

  Family* FamilyOf(const std::string& name, const std::string& help, const char* type);

  mutable std::mutex mutex_;
  std::map<std::string, Family> families_;
  std::deque<Counter> counters_;
  std::deque<Histogram> histograms_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_METRICS_METRICS_H_
