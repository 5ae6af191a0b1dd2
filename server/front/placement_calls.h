// GetPlan, SetPlacement and DrainStore of ClusterService at the front end of any node.
//
// What an operator wants is a row in the meta range; the plan is asked of whoever leads it. Not
// responsible for moving anything (placement_controller.h). Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_PLACEMENT_CALLS_H_
#define RASPUTIN_SERVER_FRONT_PLACEMENT_CALLS_H_

#include <memory>
#include <string>

#include "absl/strings/cord.h"
#include "server/front/call_table.h"
#include "server/front/directory.h"
#include "server/front/dispatcher.h"

namespace rasputin::server {

class PlacementCalls {
 public:
  PlacementCalls(const FrontOptions& options, CallTable* calls, Directory* directory,
                 Dispatcher* dispatcher, client::Router* router);

  void GetPlan(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void SetPlacement(const ClockReading& now, CallId id, const absl::Cord& request,
                    Instant deadline);
  void DrainStore(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);

 private:
  struct Drain;

  // Finds the leader of the meta range by reading something there, then asks it; again and again.
  void FindController(const ClockReading& now, CallId id, Instant deadline);
  void AskController(const ClockReading& now, CallId id, Instant deadline);
  void AskAgain(const ClockReading& now, CallId id, Instant deadline, const RangeAnswer& answer);

  // The steps of DrainStore, in order.
  void ReadStores(const ClockReading& now, std::shared_ptr<Drain> drain);
  void CheckStores(const ClockReading& now, std::shared_ptr<Drain> drain,
                   const std::vector<type::v1::StoreDescriptor>& stores);
  void CheckRanges(const ClockReading& now, std::shared_ptr<Drain> drain);
  void SetState(const ClockReading& now, std::shared_ptr<Drain> drain);
  // Whether somebody does what is wanted.
  void AskIfDone(const ClockReading& now, std::shared_ptr<Drain> drain);

  const FrontOptions options_;
  CallTable* const calls_;
  Directory* const directory_;
  Dispatcher* const dispatcher_;
  client::Router* const router_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_PLACEMENT_CALLS_H_
