// The event queue of the simulator; see scheduler.h.

#include "tests/sim/scheduler.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tests/sim/random.h"

namespace rasputin::sim {

void Scheduler::At(RealTime when, const char* label, uint64_t subject, Action action) {
  heap_.push_back({std::max(when, now_), next_sequence_++, label, subject, std::move(action)});
  std::push_heap(heap_.begin(), heap_.end(), Later);
}

bool Scheduler::MayRun(RealTime when) {
  const RealTime second = when / kSecond;
  if (second != second_) {
    second_ = second;
    events_in_second_ = 0;
  }
  ++events_in_second_;
  spins_ = spins_ || (events_per_second_max_ > 0 && events_in_second_ > events_per_second_max_);
  return !spins_;
}

void Scheduler::RunUntil(RealTime end) {
  stopped_ = false;
  while (!stopped_ && !heap_.empty() && heap_.front().when <= end) {
    if (!MayRun(heap_.front().when)) return;
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    Event event = std::move(heap_.back());
    heap_.pop_back();
    now_ = event.when;
    ++events_run_;
    Hash(static_cast<uint64_t>(event.when));
    Hash(event.subject);
    if (trace_) {
      std::fprintf(stderr, "%12.6f %s %llu\n", static_cast<double>(now_) / 1e9, event.label,
                   static_cast<unsigned long long>(event.subject));
    }
    event.action();
  }
  if (!stopped_) now_ = std::max(now_, end);
}

void Scheduler::Hash(uint64_t value) { hash_ = MixBits(hash_ ^ value) + 0x9e3779b97f4a7c15; }

void Scheduler::Hash(const std::string& text) {
  uint64_t word = text.size();
  for (const char c : text) word = (word ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  Hash(word);
}

void Scheduler::Note(const std::string& text) {
  Hash(text);
  if (!trace_) return;
  std::fprintf(stderr, "%12.6f   %s\n", static_cast<double>(now_) / 1e9, text.c_str());
}

}  // namespace rasputin::sim
