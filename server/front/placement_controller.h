// Moves replicas and leaderships to where they belong, while this store leads the meta range.
//
// In rounds: reads what changed in the directory, asks the stores for their load, plans
// (range/placement), and begins the moves that the limits allow, each as the call that an operator
// would make (range_calls.h). Keeps no state that matters: whoever leads the meta range next reads
// the same directory and goes on. Two controllers at once, for the time of a change of leaders,
// cost refused steps, never safety. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_PLACEMENT_CONTROLLER_H_
#define RASPUTIN_SERVER_FRONT_PLACEMENT_CONTROLLER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "range/placement/planner.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/call_table.h"
#include "server/front/decision_log.h"
#include "server/front/directory.h"
#include "server/front/dispatcher.h"
#include "server/front/placement_view.h"
#include "server/front/range_calls.h"

namespace rasputin::server {

class PlacementController {
 public:
  // `port` may be null.
  PlacementController(const FrontOptions& options, DecisionsPort* port, CallTable* calls,
                      Directory* directory, Dispatcher* dispatcher, RangeCalls* range_calls,
                      DecisionLog* log, FrontCounters* counters);
  ~PlacementController();

  // See range::Observer; may be called within the store's turn.
  void OnLeader(RangeId range, StoreId leader);

  // Begins, ends or goes on, if that is due; true if it did.
  bool Run(const ClockReading& now);
  bool HasWork() const;

  // nullopt: this store does not lead the meta range.
  std::optional<admin::v1::GetPlanResponse> Describe(const ClockReading& now) const;

 private:
  // A move under way; ends when the call that it is made of does.
  struct Running;
  struct Retiring {
    bool asked = false;  // The meta range, and it has not answered.
    Instant again = Instant::min();
    std::string refused;  // Why it was; empty: it was not.
  };
  struct Ended {
    uint64_t running = 0;
    CallResult result;
  };

  void Begin(const ClockReading& now);
  void End();
  // The steps of a round, in order.
  void StartRound(const ClockReading& now);
  void ReadChanges(const ClockReading& now);
  // `change`: what everything is known up to once the last page is read.
  void ReadRanges(const ClockReading& now, const std::string& from, uint64_t change);
  void ReadStores(const ClockReading& now);
  void ReadCollections(const ClockReading& now);
  void ReadPlacement(const ClockReading& now);
  void AskLoads(const ClockReading& now);
  void AskLoad(const ClockReading& now, uint64_t store);
  void Plan(const ClockReading& now);
  void EndRound(const ClockReading& now);
  void RoundAfter(const ClockReading& now, Duration wait);

  // What was asked in `term` was answered while this controller is in charge; else the round ends.
  bool GoesOn(const ClockReading& now, uint64_t term, const RangeAnswer& answer);
  using Read = std::function<void(const ClockReading& now, storage::v1::MetaQueryResult result)>;
  // `read` follows if the round goes on.
  void Query(const ClockReading& now, const storage::v1::MetaQuery& query, Read read);

  // Something moves or is to move, or a store is missing.
  bool IsBusy(const ClockReading& now) const;
  // Every store answered, or was waited for.
  bool Ready(const ClockReading& now) const;
  void GiveUpOnSilentStores(const ClockReading& now);
  // The store that keeps the move from going on: its target, or the range's leader; 0: none does.
  uint64_t SilentStoreOf(const ClockReading& now, const range::PlacementMove& move) const;
  void Start(const ClockReading& now, const range::PlacementMove& move);
  // As the directory has the range: how many are to be left by the move.
  size_t VotersAfter(const range::PlacementMove& move) const;
  void OnEnded(const ClockReading& now, const Ended& ended);
  void Retire(const ClockReading& now, StoreId store);
  // For the decision log, and the port.
  void Tell(const type::v1::Decision& decision);
  // The same for what is over, and for whoever asks for the plan.
  void Note(type::v1::Decision decision);
  // How long to wait while nothing goes on: a store must be asked several times before it counts as
  // silent.
  Duration Quiet(Duration usual) const;
  type::v1::Decision DecisionOf(const ClockReading& now, const range::PlacementMove& move) const;

  const FrontOptions options_;
  DecisionsPort* const port_;
  CallTable* const calls_;
  Directory* const directory_;
  Dispatcher* const dispatcher_;
  RangeCalls* const range_calls_;
  DecisionLog* const log_;
  FrontCounters* const counters_;

  bool leads_ = false;      // By the last word of the store.
  bool in_charge_ = false;  // Follows leads_ at the next Run.
  uint64_t term_ = 0;  // Of being in charge: answers to questions of an earlier one are dropped.
  Instant began_;
  bool round_wanted_ = false;
  bool round_busy_ = false;
  uint64_t rounds_ = 0;  // Tells the newest timer from older ones.
  uint64_t change_ = 0;  // The directory is known up to here; 0: nothing, or only a part.
  PlacementView view_;
  Instant loads_asked_ = Instant::min();
  std::set<uint64_t> load_awaited_;  // Stores that were asked and did not answer yet.
  Instant planned_at_ = Instant::min();
  Instant rest_ends_;  // Of the last range that rests after a failure.
  bool paused_ = false;
  range::PlacementPlan plan_;
  uint64_t next_running_ = 1;
  std::map<uint64_t, std::unique_ptr<Running>> running_;
  std::vector<Ended> ended_;
  std::map<uint64_t, uint32_t> failures_;  // In a row, by range.
  std::map<uint64_t, Retiring> retiring_;  // Stores that are to be taken off the list.
  std::deque<type::v1::Decision> done_;    // Newest first.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_PLACEMENT_CONTROLLER_H_
