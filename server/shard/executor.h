// The event thread: polls the clients' queue, feeds the shard, runs its turns.
//
// Blocks until something happens or the shard's next deadline (at most 50 ms), then takes up to 64
// events at once: one turn for all of them. It may be woken by any thread.

#ifndef RASPUTIN_SERVER_SHARD_EXECUTOR_H_
#define RASPUTIN_SERVER_SHARD_EXECUTOR_H_

#include <atomic>
#include <thread>

#include "server/rpc/event_queue.h"
#include "server/shard/shard.h"

namespace rasputin::server {

class Executor {
 public:
  // Both outlive it. Starts the thread.
  Executor(EventQueue* queue, Shard* shard);
  ~Executor();  // Stop()s.

  // Something was posted to the shard, or its next deadline may have come nearer. Any thread.
  void Wake();
  // As Wake, unless the thread will look in time by itself.
  void WakeBefore(consensus::Instant due);
  void Stop();

 private:
  void Run();
  consensus::Duration TimeToWait(consensus::Instant now) const;

  EventQueue* const queue_;
  Shard* const shard_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> wakes_at_ns_{0};  // 0: it is running.
  std::thread thread_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_EXECUTOR_H_
