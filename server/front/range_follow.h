// DirectoryService.FollowRanges: streams the node's copy of the directory to those who follow it.
//
// A follower costs a position in shared pages. One that does not take its pages is waited for, and
// begins again with all pages once those that it lacks are forgotten. Not responsible for the copy
// (directory_follower.h). Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_RANGE_FOLLOW_H_
#define RASPUTIN_SERVER_FRONT_RANGE_FOLLOW_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "absl/strings/cord.h"
#include "server/front/call_table.h"
#include "server/front/directory_copy.h"

namespace rasputin::server {

class RangeFollow {
 public:
  RangeFollow(CallTable* calls, DirectoryCopy* copy) : calls_(calls), copy_(copy) {}

  void Start(CallId id, const absl::Cord& request);
  void Resume(CallId id);
  void Cancel(CallId id);

  // Hands out what is there; true if there was anything. Streams end only by Cancel.
  bool Run();
  bool HasWork() const;
  size_t FollowerCount() const { return streams_.size(); }

 private:
  struct Stream {
    std::shared_ptr<const DirectoryCopy::Snapshot> snapshot;  // Null: between changes.
    size_t next_page = 0;                                     // Of the snapshot.
    uint64_t version = 0;                                     // Seen; without a snapshot.
    bool begun = false;
    bool ready = true;  // It takes the next page.
  };

  bool Pump(CallId id, Stream* stream);

  CallTable* const calls_;
  DirectoryCopy* const copy_;
  std::map<CallId, Stream> streams_;
  bool woken_ = false;       // A stream began or was resumed.
  uint64_t handed_out_ = 0;  // The copy's version that was offered to all streams.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_RANGE_FOLLOW_H_
