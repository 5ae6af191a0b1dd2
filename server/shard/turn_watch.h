// Says when the shard hangs: one line when a turn, or the wait for one, takes longer than half a
// lease, one when it ends, and a sentence for whoever asks meanwhile.
//
// The protocol is told the same and lets the leases of the store end [S-7]; this is for people. Not
// responsible for why a turn hangs: mostly a read or write of the engine on a disk that hangs.
// Thread-safe.

#ifndef RASPUTIN_SERVER_SHARD_TURN_WATCH_H_
#define RASPUTIN_SERVER_SHARD_TURN_WATCH_H_

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "consensus/core/types.h"

namespace rasputin::server {

class TurnWatch {
 public:
  // `folder`: for the texts. `limit`: what takes longer is told; of a lease, D/2 [S-7].
  TurnWatch(std::string folder, consensus::Duration limit)
      : folder_(std::move(folder)), limit_(limit) {}

  // `busy_since` as of Shard::BusySince. Logs a line if it is time; to be called a few times per
  // `limit`, by one thread: what passed between two calls that are further apart is a pause of the
  // whole process, which is nobody's fault here.
  void Look(consensus::Instant now, std::optional<consensus::Instant> busy_since);
  // What is wrong as of the last Look; empty: nothing.
  std::string Trouble(consensus::Instant now) const;

 private:
  std::string Text(consensus::Instant now) const;

  const std::string folder_;
  const consensus::Duration limit_;
  mutable std::mutex mutex_;  // Guards the rest.
  consensus::Instant looked_{};
  consensus::Instant awake_since_{};
  std::optional<consensus::Instant> hung_since_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_TURN_WATCH_H_
