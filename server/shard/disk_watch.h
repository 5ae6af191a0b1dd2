// Says when the disk of the log hangs: one line when a write takes longer than half a lease, one
// when it ends, and a sentence for whoever asks meanwhile.
//
// The protocol notices by itself that no write completes [S-7]; this is for people. Not responsible
// for errors of the disk, which end the process, nor for a full one. Thread-safe.

#ifndef RASPUTIN_SERVER_SHARD_DISK_WATCH_H_
#define RASPUTIN_SERVER_SHARD_DISK_WATCH_H_

#include <mutex>
#include <optional>
#include <string>

#include "consensus/core/types.h"

namespace rasputin::server {

class DiskWatch {
 public:
  // `folder`: for the texts. `limit`: a write that takes longer is told; of a lease, D/2 [S-7].
  DiskWatch(std::string folder, consensus::Duration limit);

  // A write and sync begins, or has ended. One at a time.
  void Begin(consensus::Instant now);
  void End(consensus::Instant now);
  // Logs the line if it is time; to be called a few times per `limit`.
  void Look(consensus::Instant now);
  // What is wrong at this moment; empty: nothing.
  std::string Trouble(consensus::Instant now) const;

 private:
  bool Hangs(consensus::Instant now) const;

  const std::string folder_;
  const consensus::Duration limit_;
  mutable std::mutex mutex_;  // Guards the rest.
  std::optional<consensus::Instant> began_;
  bool told_ = false;  // Of the write under way.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_DISK_WATCH_H_
