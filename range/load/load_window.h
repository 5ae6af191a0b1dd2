// How much a range had to do: counts by the second, their mean over 10 seconds and the peaks of
// five minutes.
//
// Seconds are those of the store's boot clock; only seconds that are over count. Adding is a few
// additions; a new second costs a few dozen. No allocation, under 900 bytes. Deterministic; not
// thread-safe.

#ifndef RASPUTIN_RANGE_LOAD_LOAD_WINDOW_H_
#define RASPUTIN_RANGE_LOAD_LOAD_WINDOW_H_

#include <array>
#include <cstdint>
#include <optional>

#include "consensus/core/types.h"

namespace rasputin::range {

struct LoadCounts {
  uint32_t reads = 0;
  uint32_t writes = 0;
  uint64_t read_bytes = 0;
  uint64_t written_bytes = 0;
  uint64_t cpu_ns = 0;

  void Add(const LoadCounts& other);
};

// A second; processor time in cores.
struct LoadRates {
  double reads = 0;
  double writes = 0;
  double read_bytes = 0;
  double written_bytes = 0;
  double cpu_cores = 0;

  double requests() const { return reads + writes; }
};

// The most a second of any 10 seconds in the last five minutes; of each measure on its own, so that
// they need not be of the same time.
struct LoadPeaks {
  double requests = 0;
  double read_bytes = 0;
  double written_bytes = 0;
  double cpu_cores = 0;
};

class LoadWindow {
 public:
  static constexpr int64_t kSeconds = 10;
  static constexpr int64_t kPeakSeconds = 300;

  explicit LoadWindow(consensus::Instant start);

  // An instant before the latest one counts as the latest.
  void Add(consensus::Instant now, const LoadCounts& counts);

  // Over the last 10 seconds, or as many as there were since the start; all zero in the first.
  LoadRates Mean(consensus::Instant now);
  // The load that lasted for `seconds` (2 to 10): of each measure the lesser mean of the two halves
  // of that time, so that a burst does not count that is shorter than half of it. nullopt: the
  // window is not that old.
  std::optional<LoadRates> Sustained(consensus::Instant now, int64_t seconds);
  LoadPeaks Peaks(consensus::Instant now);
  // Whole seconds since the start, at most 300.
  int64_t ObservedSeconds(consensus::Instant now);

 private:
  static constexpr int64_t kSlots = kSeconds + 1;  // And the second that is not over.
  static constexpr int64_t kPeaks = kPeakSeconds / kSeconds + 1;

  // Sums of 10 seconds.
  struct Sums {
    float requests = 0;
    float read_bytes = 0;
    float written_bytes = 0;
    float cpu_ns = 0;

    void Raise(const Sums& other);
  };

  void MoveTo(consensus::Instant now);
  // Of the `count` seconds before `end`, `end` not included.
  LoadCounts Sum(int64_t end, int64_t count) const;

  int64_t start_;  // All in seconds.
  int64_t second_;
  std::array<LoadCounts, kSlots> slots_{};
  std::array<Sums, kPeaks> peaks_{};  // The most of each, by ten seconds.
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_LOAD_WINDOW_H_
