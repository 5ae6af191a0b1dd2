// See load_window.h.

#include "range/load/load_window.h"

#include <glog/logging.h>

#include <algorithm>

namespace rasputin::range {
namespace {

int64_t SecondOf(consensus::Instant instant) {
  return std::chrono::duration_cast<std::chrono::seconds>(instant.time_since_epoch()).count();
}

uint32_t SaturatedSum(uint32_t a, uint32_t b) { return a + b < a ? ~uint32_t{0} : a + b; }

LoadRates RatesOf(const LoadCounts& counts, int64_t seconds) {
  LoadRates rates;
  if (seconds <= 0) return rates;
  const auto per_second = static_cast<double>(seconds);
  rates.reads = counts.reads / per_second;
  rates.writes = counts.writes / per_second;
  rates.read_bytes = static_cast<double>(counts.read_bytes) / per_second;
  rates.written_bytes = static_cast<double>(counts.written_bytes) / per_second;
  rates.cpu_cores = static_cast<double>(counts.cpu_ns) / 1e9 / per_second;
  return rates;
}

}  // namespace

void LoadCounts::Add(const LoadCounts& other) {
  reads = SaturatedSum(reads, other.reads);
  writes = SaturatedSum(writes, other.writes);
  read_bytes += other.read_bytes;
  written_bytes += other.written_bytes;
  cpu_ns += other.cpu_ns;
}

LoadWindow::LoadWindow(consensus::Instant start) : start_(SecondOf(start)), second_(start_) {}

void LoadWindow::Sums::Raise(const Sums& other) {
  requests = std::max(requests, other.requests);
  read_bytes = std::max(read_bytes, other.read_bytes);
  written_bytes = std::max(written_bytes, other.written_bytes);
  cpu_ns = std::max(cpu_ns, other.cpu_ns);
}

void LoadWindow::MoveTo(consensus::Instant now) {
  const int64_t target = SecondOf(now);
  if (target <= second_) return;
  // What lies between is empty; two windows further nothing is left of now.
  if (target - second_ > kPeakSeconds + 2 * kSeconds) {
    slots_ = {};
    peaks_ = {};
    second_ = target;
    return;
  }
  while (second_ < target) {
    ++second_;
    slots_[static_cast<size_t>(second_ % kSlots)] = {};
    const LoadCounts window = Sum(second_, kSeconds);
    Sums& peak = peaks_[static_cast<size_t>(second_ / kSeconds % kPeaks)];
    if (second_ % kSeconds == 0) peak = {};
    peak.Raise({static_cast<float>(window.reads) + static_cast<float>(window.writes),
                static_cast<float>(window.read_bytes), static_cast<float>(window.written_bytes),
                static_cast<float>(window.cpu_ns)});
  }
}

LoadCounts LoadWindow::Sum(int64_t end, int64_t count) const {
  LoadCounts sum;
  for (int64_t second = std::max(end - count, start_); second < end; ++second) {
    sum.Add(slots_[static_cast<size_t>(second % kSlots)]);
  }
  return sum;
}

void LoadWindow::Add(consensus::Instant now, const LoadCounts& counts) {
  MoveTo(now);
  slots_[static_cast<size_t>(second_ % kSlots)].Add(counts);
}

LoadRates LoadWindow::Mean(consensus::Instant now) {
  MoveTo(now);
  return RatesOf(Sum(second_, kSeconds), std::min(kSeconds, second_ - start_));
}

std::optional<LoadRates> LoadWindow::Sustained(consensus::Instant now, int64_t seconds) {
  CHECK(seconds >= 2 && seconds <= kSeconds) << seconds;
  MoveTo(now);
  if (second_ - start_ < seconds) return std::nullopt;
  const int64_t late = seconds / 2;
  const LoadRates a = RatesOf(Sum(second_ - late, seconds - late), seconds - late);
  const LoadRates b = RatesOf(Sum(second_, late), late);
  LoadRates lesser;
  // Reads and writes count together: one may take the place of the other.
  const LoadRates& fewer = a.requests() < b.requests() ? a : b;
  lesser.reads = fewer.reads;
  lesser.writes = fewer.writes;
  lesser.read_bytes = std::min(a.read_bytes, b.read_bytes);
  lesser.written_bytes = std::min(a.written_bytes, b.written_bytes);
  lesser.cpu_cores = std::min(a.cpu_cores, b.cpu_cores);
  return lesser;
}

LoadPeaks LoadWindow::Peaks(consensus::Instant now) {
  MoveTo(now);
  Sums most;
  for (const Sums& sums : peaks_) most.Raise(sums);
  constexpr auto kPerSecond = static_cast<double>(kSeconds);
  LoadPeaks peaks;
  peaks.requests = static_cast<double>(most.requests) / kPerSecond;
  peaks.read_bytes = static_cast<double>(most.read_bytes) / kPerSecond;
  peaks.written_bytes = static_cast<double>(most.written_bytes) / kPerSecond;
  peaks.cpu_cores = static_cast<double>(most.cpu_ns) / 1e9 / kPerSecond;
  return peaks;
}

int64_t LoadWindow::ObservedSeconds(consensus::Instant now) {
  MoveTo(now);
  return std::min(kPeakSeconds, second_ - start_);
}

}  // namespace rasputin::range
