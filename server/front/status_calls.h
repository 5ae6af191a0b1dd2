// GetStatus and ListStores of ClusterService at the front end.
//
// Both are gathered: the directory from the meta range, the rest from every store, each with a time
// limit, so that the status also answers while half of the cluster is down. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_STATUS_CALLS_H_
#define RASPUTIN_SERVER_FRONT_STATUS_CALLS_H_

#include <memory>
#include <string>

#include "absl/strings/cord.h"
#include "server/front/call_table.h"
#include "server/front/directory.h"
#include "server/front/dispatcher.h"

namespace rasputin::server {

class StatusCalls {
 public:
  StatusCalls(const FrontOptions& options, const storage::v1::StoreManifest& manifest,
              CallTable* calls, Directory* directory, Dispatcher* dispatcher,
              client::Router* router);

  void GetStatus(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void ListStores(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);

 private:
  struct Gathering;

  // The steps, in order; ListStores leaves collections out.
  void GatherStores(const ClockReading& now, std::shared_ptr<Gathering> gathering);
  void GatherCollections(const ClockReading& now, std::shared_ptr<Gathering> gathering);
  void GatherRanges(const ClockReading& now, std::shared_ptr<Gathering> gathering);
  void AskStores(const ClockReading& now, std::shared_ptr<Gathering> gathering);
  // The meta range did not answer.
  void OnNoDirectory(const ClockReading& now, std::shared_ptr<Gathering> gathering,
                     const RangeAnswer& answer);
  void Finish(const Gathering& gathering);

  const FrontOptions options_;
  const uint64_t cluster_id_;
  CallTable* const calls_;
  Directory* const directory_;
  Dispatcher* const dispatcher_;
  client::Router* const router_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_STATUS_CALLS_H_
