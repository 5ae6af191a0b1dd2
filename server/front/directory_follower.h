// Keeps this node's copy of the whole directory: reads the meta range's feed of changes, a small
// read each period, and lets the router and the followers have what it brings.
//
// Reads every FrontOptions::directory_period after a change, while somebody follows, or while
// routes turn out to be stale; else less and less often, down to a quarter of that. A period of
// zero: never, and then followers are told nothing. So the meta range sees as many readers as there
// are nodes, however many clients they have. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_DIRECTORY_FOLLOWER_H_
#define RASPUTIN_SERVER_FRONT_DIRECTORY_FOLLOWER_H_

#include <cstdint>

#include "server/front/directory.h"
#include "server/front/directory_copy.h"
#include "server/front/dispatcher.h"
#include "server/front/range_follow.h"

namespace rasputin::server {

class DirectoryFollower {
 public:
  DirectoryFollower(const FrontOptions& options, CallTable* calls, Directory* directory,
                    Dispatcher* dispatcher, client::Router* router, const FrontCounters* counters);

  // Begins a read that is due, and hands out what is new; true if there was something to do.
  bool Run(const ClockReading& now);
  bool HasWork() const { return (due_ && !busy_) || follow_.HasWork(); }

  // Begins a stream; see range_follow.h.
  void Follow(CallId id, const absl::Cord& request);
  RangeFollow& follow() { return follow_; }
  const DirectoryCopy& copy() const { return copy_; }

 private:
  void Read(const ClockReading& now);
  void OnRead(const ClockReading& now, bool succeeded, const storage::v1::MetaQueryResult& result);
  // Everything is read afresh: ranges, stores, then collections.
  void ReadRangesFrom(const ClockReading& now, const std::string& from);
  void TakeRanges(const storage::v1::MetaQueryResult& page);
  void ReadStores(const ClockReading& now);
  void ReadCollections(const ClockReading& now);
  // A part of everything is not to be gone on from.
  void GiveUp(const ClockReading& now);
  void ReadAgainAfter(const ClockReading& now, bool news);

  const Duration period_;
  const uint64_t seed_;
  Directory* const directory_;
  Dispatcher* const dispatcher_;
  client::Router* const router_;
  const FrontCounters* const counters_;
  DirectoryCopy copy_;
  RangeFollow follow_;
  DirectoryCopy::Ranges fresh_;  // While everything is read.
  uint64_t change_ = 0;          // The feed was read up to here; 0: not at all.
  bool due_ = false;
  bool busy_ = false;
  Duration wait_;
  uint64_t reads_ = 0;
  uint64_t stale_routes_seen_ = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_DIRECTORY_FOLLOWER_H_
