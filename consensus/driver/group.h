// One replica's core together with its part of the shared log: carries out Readys in order.
//
// Keeps the order that [H-1] demands (nothing that vouches for unsaved state leaves before it is
// durable) while all groups of a store share one append per turn. Applies nothing itself: committed
// entries wait here until they are durable on this store too, then the owner takes them. Not
// responsible for sockets, engines, or ranges. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_DRIVER_GROUP_H_
#define RASPUTIN_CONSENSUS_DRIVER_GROUP_H_

#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "consensus/core/core.h"
#include "consensus/log/shared_log.h"

namespace rasputin::consensus {

// What all groups of a store want done in one turn; filled by Group::Collect.
struct TurnEffects {
  std::vector<log::RangeAppend> appends;  // To be appended as one, before `messages` leave.
  std::vector<Message> messages;
  // Of the group collected last; the owner takes them.
  std::vector<ReadIndexResult> reads;
  std::vector<ReplicaId> snapshots_wanted;
  std::vector<Event> events;
};

class Group {
 public:
  // `log` and `leases` outlive the group. `persisted`: everything the log holds of this range is
  // durable (true at recovery and for a child whose creation is durable).
  Group(const CoreOptions& options, const InitialState& initial, log::SharedLog* log,
        const LeaseView* leases, const ClockReading& now);

  Core& core() { return core_; }
  const Core& core() const { return core_; }

  // Takes the core's Ready and adds its effects. Returns whether something was appended: then
  // OnAppended must follow with the LSN of the append before the next Collect.
  bool Collect(TurnEffects* effects);
  void OnAppended(log::Lsn lsn);
  // Everything up to `durable` is synced: tells the core and releases messages into `effects`.
  void OnDurable(const ClockReading& now, log::Lsn durable, TurnEffects* effects);
  // LSN of the earliest append that is not durable; 0: none.
  log::Lsn FirstPendingLsn() const;

  // Committed entries in order that are durable here, at least up to which the owner may apply. An
  // entry is handed out once.
  std::vector<Entry> TakeApplicable();
  bool HasApplicable() const;

 private:
  class View : public LogView {
   public:
    View(RangeId range, log::SharedLog* log) : range_(range), log_(log) {}
    LogPosition Start() const override { return log_->Start(range_); }
    LogPosition Last() const override { return log_->Last(range_); }
    Term TermAt(Index index) const override { return log_->TermAt(range_, index); }
    absl::StatusOr<std::vector<Entry>> Read(Index first, Index last,
                                            uint64_t max_bytes) const override {
      return log_->ReadEntries(range_, first, last, max_bytes);
    }

   private:
    RangeId range_;
    log::SharedLog* log_;
  };

  // An append that is not known to be durable yet.
  struct Pending {
    log::Lsn lsn;  // 0: handed out, OnAppended still to come.
    uint64_t persist_sequence = 0;
    Index first;  // Of its entries; 0: none.
    Index last;
    std::vector<Message> send_after;
  };

  Index DurableIndex() const;

  RangeId range_;
  View view_;
  Core core_;
  std::vector<Pending> pending_;
  // Entries of the log up to here are durable, not regarding what pending appends overwrite.
  Index durable_last_;
  std::vector<Entry> committed_;  // Not handed out yet; from committed_head_ on.
  size_t committed_head_ = 0;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_DRIVER_GROUP_H_
