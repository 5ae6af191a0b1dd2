// The clients' calls that are under way, and the way their results take back to them.
//
// Results are held until Deliver, so that no completion is called from within the call's start. Not
// responsible for carrying anything out. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_CALL_TABLE_H_
#define RASPUTIN_SERVER_FRONT_CALL_TABLE_H_

#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/front/front_end.h"
#include "server/front/ports.h"

namespace rasputin::server {

class CallTable {
 public:
  // Returns the call's id; never 0, never given twice.
  CallId Add(CallCompletion* completion);
  // Whether somebody still waits for the call.
  bool Contains(CallId call) const { return calls_.count(call) != 0; }
  // Hands one page over; see CallCompletion::Page. False also if nobody waits any more.
  bool Page(CallId call, absl::Cord response);
  // Sets the call's result; does nothing if nobody waits any more.
  void Finish(CallId call, CallResult result);
  // Forgets the call; its completion is not called any more.
  void Cancel(CallId call);
  // Calls the completions of finished calls; returns how many.
  size_t Deliver();
  bool HasFinished() const { return !finished_.empty(); }

 private:
  struct Finished {
    CallId call;
    CallResult result;
  };

  CallId next_call_ = 1;
  absl::flat_hash_map<CallId, CallCompletion*> calls_;  // Looked up only, never iterated.
  std::vector<Finished> finished_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_CALL_TABLE_H_
