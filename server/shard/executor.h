// The event thread: polls the clients' queue, feeds the shard, runs its turns.
//
// Blocks until something happens or the shard's next deadline (at most 50 ms), then takes up to
// 1,024 events, or those of 4 ms, at once: one turn for all of them. It may be woken by any
// thread.

#ifndef RASPUTIN_SERVER_SHARD_EXECUTOR_H_
#define RASPUTIN_SERVER_SHARD_EXECUTOR_H_

#include <atomic>
#include <optional>
#include <thread>

#include "server/rpc/event_queue.h"
#include "server/shard/shard.h"

namespace rasputin::server {

class Executor {
 public:
  // The shard outlives it.
  explicit Executor(Shard* shard) : shard_(shard) {}
  ~Executor();  // Stop()s.

  // Starts the thread, which polls `queue`; the queue outlives it. Once.
  void Start(EventQueue* queue);
  // Something was posted to the shard, or its next deadline may have come nearer. Any thread that
  // was begun after Start.
  void Wake();
  // As Wake, unless the thread will look in time by itself. Any thread, at any time: before Start
  // there is nobody to wake, and the first thing the thread does is look.
  void WakeBefore(consensus::Instant due);
  // Since when the shard has made no progress although it ought to [S-7]: it is in a turn, or the
  // thread was to look by then and has not. nullopt: neither. Any thread, waits for nobody.
  std::optional<consensus::Instant> BusySince(consensus::Instant now) const;
  void Stop();

 private:
  void Run();
  consensus::Duration TimeToWait(consensus::Instant now) const;

  EventQueue* queue_ = nullptr;  // Set before `wakes_at_ns_` is, which publishes it.
  Shard* const shard_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> wakes_at_ns_{0};  // 0: it is running.
  std::thread thread_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_EXECUTOR_H_
