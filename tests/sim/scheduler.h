// Simulated real time: events in order of time, one thread, a running hash over all of them.
//
// Real time is what no store can see: stores have clocks of their own (sim_clock.h). Events of the
// same instant run in the order in which they were scheduled. Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_SCHEDULER_H_
#define RASPUTIN_TESTS_SIM_SCHEDULER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace rasputin::sim {

using RealTime = int64_t;  // Nanoseconds of simulated real time since the run began.

inline constexpr RealTime kMicrosecond = 1000;
inline constexpr RealTime kMillisecond = 1000 * kMicrosecond;
inline constexpr RealTime kSecond = 1000 * kMillisecond;

class Scheduler {
 public:
  using Action = std::function<void()>;

  RealTime now() const { return now_; }

  // Runs `action` at `when` (now, if that has passed). `label` is a literal: it outlives the
  // scheduler.
  void At(RealTime when, const char* label, uint64_t subject, Action action);
  void After(RealTime delay, const char* label, uint64_t subject, Action action) {
    At(now_ + delay, label, subject, std::move(action));
  }
  // Runs everything due up to `end`, then lets the time be `end`; or until Stop().
  void RunUntil(RealTime end);
  // Ends RunUntil after the current event.
  void Stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }
  // Whoever asks for the same instant again and again would never let time pass: once so many
  // events were run in one simulated second, no more are. 0: no limit.
  void set_events_per_second_max(uint64_t events) { events_per_second_max_ = events; }
  // Whether that limit was met, after which RunUntil does nothing.
  bool spins() const { return spins_; }

  // Adds something that happened to the hash: two runs of a seed must agree on all of it.
  void Hash(uint64_t value);
  void Hash(const std::string& text);
  uint64_t hash() const { return hash_; }
  uint64_t events_run() const { return events_run_; }

  // Every event and note goes to standard error.
  void set_trace(bool trace) { trace_ = trace; }
  bool trace() const { return trace_; }
  // A line of the trace; hashed whether it is printed or not.
  void Note(const std::string& text);

 private:
  struct Event {
    RealTime when;
    uint64_t sequence;
    const char* label;
    uint64_t subject;
    Action action;
  };
  // Counts an event at `when`; false: it is one too many.
  bool MayRun(RealTime when);
  // Of std::push_heap: the earliest on top.
  static bool Later(const Event& a, const Event& b) {
    return a.when != b.when ? a.when > b.when : a.sequence > b.sequence;
  }

  std::vector<Event> heap_;
  RealTime now_ = 0;
  uint64_t next_sequence_ = 0;
  uint64_t events_run_ = 0;
  uint64_t hash_ = 0;
  bool trace_ = false;
  bool stopped_ = false;
  uint64_t events_per_second_max_ = 0;
  RealTime second_ = 0;  // The one that events_in_second_ counts.
  uint64_t events_in_second_ = 0;
  bool spins_ = false;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_SCHEDULER_H_
