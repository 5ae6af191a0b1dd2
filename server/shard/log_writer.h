// The log writer: the one thread that writes and syncs the shared log, never two syncs in flight.
//
// Takes whatever was queued as one job, executes it, reports it; sleeps when nothing is queued. A
// failed write or sync ends the process: nothing is retried [H-18]. Not responsible for what the
// records mean. Wake() is thread-safe; the sink is called on the writer's thread.

#ifndef RASPUTIN_SERVER_SHARD_LOG_WRITER_H_
#define RASPUTIN_SERVER_SHARD_LOG_WRITER_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "consensus/core/types.h"
#include "consensus/log/shared_log.h"
#include "server/shard/disk_watch.h"

namespace rasputin::server {

class LogWriter {
 public:
  struct Sink {
    // A job that began at `started` is synced, and with it everything up to `durable`.
    std::function<void(const consensus::DualInstant& started, consensus::log::Lsn durable)> durable;
    // A write or sync failed; must end the process [H-18].
    std::function<void(const absl::Status&)> failed;
  };

  // The log and the watch, which is told of each write, outlive this object.
  LogWriter(consensus::log::SharedLog* log, DiskWatch* watch, Sink sink);
  ~LogWriter();  // Stop()s.

  // Something was queued. Cheap while the writer is busy.
  void Wake();
  // Writes what is still queued, then ends the thread. Idempotent.
  void Stop();

 private:
  void Run();
  absl::Status Execute(consensus::log::WriteJob* job);
  // False: stopping and nothing left to do. Also returns from time to time while the disk is full.
  bool WaitForWork();
  // While the disk is full and nothing is queued: looks whether there is space again.
  absl::Status LookForSpace();
  // Says once that the disk has become full, and once that it has space again.
  void ReportSpace();
  // After a while, or false: stopping.
  bool WaitForSpace();

  consensus::log::SharedLog* const log_;
  DiskWatch* const watch_;
  const Sink sink_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
  bool stopping_ = false;
  // Of the thread.
  bool full_reported_ = false;
  int looks_ = 0;
  std::thread thread_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_LOG_WRITER_H_
