// ListLoads of ClusterService at the front end: what the ranges of all stores have to do.
//
// Asked of every store, each with a time limit, so that it also answers while some are down. The
// stores are those that this node knows of. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_LOAD_CALLS_H_
#define RASPUTIN_SERVER_FRONT_LOAD_CALLS_H_

#include <memory>

#include "absl/strings/cord.h"
#include "client/route/router.h"
#include "server/front/call_table.h"
#include "server/front/dispatcher.h"

namespace rasputin::server {

class LoadCalls {
 public:
  LoadCalls(const FrontOptions& options, CallTable* calls, Dispatcher* dispatcher,
            client::Router* router);

  void List(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);

 private:
  struct Gathering;

  void Take(const std::shared_ptr<Gathering>& gathering, int place, const RangeAnswer& answer);
  void Finish(const Gathering& gathering);

  const FrontOptions options_;
  CallTable* const calls_;
  Dispatcher* const dispatcher_;
  client::Router* const router_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_LOAD_CALLS_H_
