// Whether a stream's greeting is one that this store listens to.
//
// A store that is let in costs durable records for ever (leases of the pair), so only the stores of
// the meta range's list are, and those that share a range with this one: another id is a node that
// was retired, a wrong address, no store of ours at all, or one that joined a moment ago and will
// knock again. Not responsible for who holds a connection (peer authentication) nor for the list.
// Not thread-safe: one per stream method.

#ifndef RASPUTIN_SERVER_SHARD_GREETING_H_
#define RASPUTIN_SERVER_SHARD_GREETING_H_

#include "absl/status/status.h"
#include "consensus/core/types.h"
#include "consensus/wire/frame.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::server {

class GreetingCheck {
 public:
  // Peers knock again every second or so: logged at most so often.
  static constexpr consensus::Duration kLogInterval = std::chrono::seconds(60);

  // FAILED_PRECONDITION says to the other side, and the log to this one, what is wrong and which
  // ids are concerned. `manifest` is this store's; `known`: the sender is one of those and not
  // this store.
  absl::Status Check(const storage::v1::StoreManifest& manifest, bool known,
                     const consensus::wire::Hello& hello, consensus::Instant now);

  uint64_t logged() const { return logged_; }

 private:
  consensus::Instant next_log_ = consensus::Instant::min();
  uint64_t logged_ = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_GREETING_H_
