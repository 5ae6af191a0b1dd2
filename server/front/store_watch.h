// Follows the list of stores in the meta range, so that every node knows where every store is.
//
// Reads it at the start, every FrontOptions::stores_period, and soon after a store was met that is
// not known; tells the router and StoresPort. Writes this store's own row if its addresses or
// labels are others than the list says. Not responsible for connections. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_STORE_WATCH_H_
#define RASPUTIN_SERVER_FRONT_STORE_WATCH_H_

#include <cstdint>
#include <vector>

#include "server/front/directory.h"
#include "server/front/dispatcher.h"

namespace rasputin::server {

class StoreWatch {
 public:
  // `port` may be null.
  StoreWatch(const FrontOptions& options, const storage::v1::StoreManifest& manifest,
             StoresPort* port, Directory* directory, Dispatcher* dispatcher,
             client::Router* router);

  // There may be news: reads the list, at most once a second.
  void LookSoon() { wanted_ = period_ > Duration::zero(); }

  // Begins to read if that is due; true if it did.
  bool Run(const ClockReading& now);
  bool HasWork() const { return wanted_ && !busy_ && !pausing_; }

 private:
  void OnRead(const ClockReading& now, bool succeeded,
              const std::vector<type::v1::StoreDescriptor>& stores);
  // Looks again at the end of `wait`, unless that happened before.
  void LookAfter(const ClockReading& now, Duration wait);
  // Whether the list lacks what this node says of itself and could be told.
  bool MustRegister(const std::vector<type::v1::StoreDescriptor>& stores) const;
  void Register(const ClockReading& now);

  const Duration period_;
  const type::v1::StoreDescriptor own_;
  const uint64_t cluster_id_;
  StoresPort* const port_;
  Directory* const directory_;
  Dispatcher* const dispatcher_;
  client::Router* const router_;
  bool wanted_;
  bool busy_ = false;     // A read or write is under way.
  bool pausing_ = false;  // The last read is too young.
  uint64_t reads_ = 0;    // Tells the newest timer from older ones.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_STORE_WATCH_H_
