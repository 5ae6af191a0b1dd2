// One replica of one range: its group, its descriptor, the callers that wait for it.
//
// Proposes commands, applies committed ones to the engine through the turn of the store, serves
// reads under the leader lease [H-10]. Splits are applied here; the store then creates the child.
// Not responsible for the shared log's append, sending, nor other ranges (store.h). Not
// thread-safe.

#ifndef RASPUTIN_RANGE_REPLICA_H_
#define RASPUTIN_RANGE_REPLICA_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "consensus/driver/group.h"
#include "kv/outcome.h"
#include "kv/range_rows.h"
#include "kv/state_machine.h"
#include "kv/turn.h"
#include "range/load/load_book.h"
#include "range/ports.h"
#include "range/request.h"
#include "range/version_clock.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range {

// Where the log of a new range begins: below it lies only the state that it was created with, so
// that no replica without that state can catch up from the log alone. A child starts in term 1
// [H-15].
inline constexpr uint64_t kFirstIndex = 1;
inline constexpr uint64_t kFirstTerm = 1;

// What every replica of a store shares; outlives them.
struct ReplicaContext {
  StoreId store;
  const Ports* ports = nullptr;
  consensus::log::SharedLog* log = nullptr;
  const consensus::LeaseView* leases = nullptr;
  VersionClock* versions = nullptr;
  LoadBook* loads = nullptr;
  consensus::Instant turn_began;  // Of the turn that is under way.
  consensus::Duration lease_duration{};
  uint64_t next_origin_sequence = 1;            // Names proposals of this process.
  std::function<class Replica*(RangeId)> find;  // Of the same store; null: not here.
  size_t apply_entries_max = 512;
  consensus::Mutants mutants;
};

// An answer that is due; given when the turn's effects are visible.
struct Answer {
  Completion* completion = nullptr;
  Response response;
};

// A child that an applied split asks the store to create [H-15].
struct SplitEffect {
  RangeDescriptor left;
  RangeDescriptor right;
  ReplicaId child_leader;
  uint64_t version_floor = 0;
  bool proposed_here = false;  // By this very process, which may lead the child's first term.
};

// Members of a range changed by an applied configuration [H-14].
struct MembershipEffect {
  RangeDescriptor before;
  RangeDescriptor after;
};

// Another change of the descriptor.
struct DescriptorEffect {
  RangeDescriptor after;
};

// The range has absorbed its right neighbour, whose replica goes.
struct MergeEffect {
  RangeDescriptor left;
  storage::v1::AbsorbedRange absorbed;
};

// A merge cannot be applied before the right neighbour's replica here has applied its log up to
// `position`, which the merge vouches to be committed.
struct AwaitedRange {
  RangeId right;
  consensus::LogPosition position;
};

// What applying leaves to be done once the turn's batch is written.
struct ApplyResults {
  std::vector<Answer> answers;
  // In the order in which they were applied: descriptors are reported in that order.
  std::vector<std::variant<SplitEffect, MembershipEffect, DescriptorEffect, MergeEffect>> effects;
};

// The result of a read that was executed and waits for the check of lease and generation [H-10].
struct ReadAnswer {
  class Replica* replica = nullptr;
  Generation generation;  // Under which it was admitted.
  bool by_lease = true;   // False: confirmed by a read index round.
  Request request;
  Answer answer;
  consensus::Instant arrived;
  std::string last_key;  // Full key; where it was read to.
};

class Replica {
 public:
  Replica(ReplicaContext* context, RangeDescriptor descriptor, const kv::AppliedState& applied);

  // Brings the group to life; what the log holds of it must be durable. `committed`: see
  // InitialState and IsReplaying.
  void Start(const consensus::CoreOptions& options, const consensus::HardState& hard_state,
             bool leads_first_term, const ClockReading& now, consensus::Index committed = {});
  // The last entry that is not applied and split a child off that `is_wanted`, or 0.
  absl::StatusOr<consensus::Index> LastSplitInto(
      const std::function<bool(RangeId)>& is_wanted) const;
  bool started() const { return group_ != nullptr; }
  // Known to be committed when it was started, and not applied again yet: it has children to split
  // off whose only trace here is their log. It neither goes nor is replaced before.
  bool IsReplaying() const { return applied() < replays_to_; }
  consensus::Group& group() { return *group_; }
  const consensus::Group& group() const { return *group_; }

  const RangeDescriptor& descriptor() const { return descriptor_; }
  RangeId range() const { return RangeId(descriptor_.range_id()); }
  ReplicaId self() const { return self_; }
  consensus::Index applied() const { return consensus::Index(applied_.index); }
  consensus::LogPosition applied_position() const {
    return {consensus::Term(applied_.term), applied()};
  }

  // Admits a request whose range, generation and bounds were checked. Writes are proposed, reads
  // wait for ExecuteReads. Refusals are added to `answers`.
  void Submit(const ClockReading& now, Request request, std::vector<Answer>* answers);

  // Proposes a change of members; see Store::ChangeReplicas. OK: `completion` is answered later.
  absl::Status Change(const ClockReading& now, const ReplicaChange& change, Completion* completion,
                      std::vector<Answer>* answers);
  // The replica is about to go: whatever waits is answered.
  void Stop(std::vector<Answer>* answers);
  // The same where `left` has absorbed the range: what waits was not executed.
  void StopAbsorbed(const RangeDescriptor& left, std::vector<Answer>* answers);

  // Not OK: a proposal met a log that cannot be read, and the store has to stop [H-18].
  const absl::Status& log_failure() const { return log_failure_; }

  // Applies what the group has ready. Answers are to be given after turn->Commit(). False: nothing.
  absl::StatusOr<bool> ApplyCommitted(kv::Turn* turn, ApplyResults* results);
  bool HasApplicable() const { return !held_.empty() || group_->HasApplicable(); }
  // Applying stands before a merge; nullopt: it does not.
  const std::optional<AwaitedRange>& awaited() const { return awaited_; }
  // After turn->Commit().
  void OnCommitted();

  void OnReadIndex(const consensus::ReadIndexResult& result);
  // Executes reads that may be served, refuses those that cannot be any more.
  absl::Status ExecuteReads(const ClockReading& now, std::vector<ReadAnswer>* done,
                            std::vector<Answer>* answers);
  // A read whose check failed waits again, or is refused.
  void RequeueRead(ReadAnswer read);
  bool HasReads() const { return !reads_.empty(); }

  // Proposals whose fate is open too long after the leadership ended are answered as unknown.
  void ExpireWaiters(const ClockReading& now, consensus::Duration patience,
                     std::vector<Answer>* answers);
  // Answers callers who asked for a freeze that all members hold by now.
  void CheckFreezes(const ClockReading& now, std::vector<Answer>* answers);
  // When ExpireWaiters or CheckFreezes has something to do; Instant::max(): not as things stand.
  consensus::Instant WaiterDeadline(consensus::Duration patience) const;

  StoreId LeaderStore() const;
  Response NotLeader() const;

  // Takes the request down as load of the range; `bytes`: see RequestWork.
  void RecordLoad(const ClockReading& now, const Request& request, absl::string_view last_key,
                  uint64_t bytes);
  // A read of this range that is about to be answered.
  void RecordRead(const ClockReading& now, const ClockReading& after, const ReadAnswer& read);

  // Owned by the store's bookkeeping.
  bool awake = false;
  bool dirty = false;
  consensus::Instant scheduled = consensus::Instant::max();
  StoreId reported_leader;
  uint64_t installed_snapshot = 0;  // Id of the snapshot that made it; 0: none.
  RangeLoadState load;

 private:
  struct Waiter {
    consensus::Term term;
    consensus::Index index;
    uint64_t origin_sequence = 0;
    kv::Operation operation = kv::Operation::kNone;
    Completion* completion = nullptr;
    consensus::Instant until = consensus::Instant::max();  // Of a freeze: see PendingFreeze.
    consensus::Instant arrived;
    uint64_t request_bytes = 0;
  };
  // The range is frozen; the caller is told when all members hold the log up to `position`.
  struct PendingFreeze {
    consensus::LogPosition position;
    consensus::Instant until;
    Completion* completion = nullptr;
  };
  // A change of members that was proposed here. There is one at a time.
  struct PendingChange {
    consensus::Term term;
    consensus::Index index;  // Of its first entry.
    Completion* completion = nullptr;
    bool begun = false;  // The first entry was applied: it will be completed, by whoever leads.
  };
  struct PendingRead {
    Request request;
    consensus::Instant arrived;
    consensus::Index needed;  // Applied index that it must see.
    uint64_t context = 0;     // Of a read index round; 0: none under way.
    bool refused = false;     // The leadership that was to confirm it has ended.
    bool confirmed = false;   // By a read index round.
  };

  void AskAfterLeader(const ClockReading& now);
  void SubmitRead(const ClockReading& now, Request request, std::vector<Answer>* answers);
  void Propose(const ClockReading& now, Request request, std::vector<Answer>* answers);
  // The command to be logged, or the answer that refuses it.
  absl::StatusOr<kv::Command> MakeCommand(const ClockReading& now, const Request& request);
  // The answer to a command whose request id is too old, or from too far in the future, to be
  // executed. Applying it would refuse it as well; but its version, once in the log, binds all
  // later ones, and so would do harm if it is this store's clock that is wrong.
  std::optional<Response> RefuseByClock(const kv::Command& command) const;
  // The answer to a write that adds data to a range that holds too much of it already.
  std::optional<Response> RefuseBySize(const ClockReading& now, const Request& request);
  absl::Status RaiseVersionFloor();

  // replica_merge.cc
  // The answer of a range that serves nothing; nullopt: it does, or the request is for such a one.
  std::optional<Response> RefuseClosed(const Request& request) const;
  absl::Status CheckMergeStep(const ClockReading& now, const Request& request);
  // A step of a merge was proposed here and is not applied.
  bool ProposedMergeStep() const;
  void SubmitFreezeAgain(const ClockReading& now, const Request& request,
                         std::vector<Answer>* answers);
  consensus::Instant FreezePatience(const ClockReading& now, const Request& request) const;
  bool IsHeldByAll(const consensus::LogPosition& position) const;
  std::optional<AwaitedRange> Awaits(const kv::Command& command) const;
  // See AfterMergeStep.
  absl::StatusOr<RangeDescriptor> AfterStep(kv::Operation operation, const absl::Cord& body) const;
  absl::StatusOr<kv::Outcome> ApplyMergeStep(const kv::Command& command, kv::Turn* turn,
                                             ApplyResults* results);
  absl::Status Absorb(const kv::Command& command, const RangeDescriptor& after, kv::Turn* turn,
                      ApplyResults* results);

  bool IsOf(const Waiter& waiter, const consensus::Entry& entry, const kv::Command& command) const;
  bool IsUnchecked(const kv::Command& command) const;
  bool ProposedHere(const consensus::Entry& entry, const kv::Command& command) const;
  // False: it cannot be applied yet, see awaited().
  absl::StatusOr<bool> ApplyEntry(const consensus::Entry& entry, kv::Turn* turn,
                                  ApplyResults* results);
  absl::Status ApplyConfiguration(const consensus::Entry& entry, kv::Turn* turn,
                                  ApplyResults* results);
  absl::Status SkipWhatMayBeLost(kv::Turn* turn);
  absl::StatusOr<kv::Outcome> ApplyCommand(const kv::Command& command,
                                           const consensus::Entry& entry, kv::Turn* turn,
                                           ApplyResults* results);
  absl::StatusOr<kv::Outcome> ApplySplit(const kv::Command& command, bool proposed_here,
                                         kv::Turn* turn, ApplyResults* results);
  // `joint`: of the configuration that was applied; nullopt: the entry is something else.
  void AnswerChange(const consensus::Entry& entry, std::optional<bool> joint,
                    std::vector<Answer>* answers);
  void AbandonWaiters(std::vector<Answer>* answers);
  bool HasWaiters() const { return waiters_head_ < waiters_.size() || change_.has_value(); }
  // Answers the waiters at or before the entry; `outcome` is null where the entry is not a command.
  void AnswerWaiters(const consensus::Entry& entry, const kv::Command* command,
                     const kv::Outcome* outcome, bool mismatch, std::vector<Answer>* answers);
  absl::StatusOr<kv::Outcome> Execute(const Request& request) const;
  bool Servable(const ClockReading& now, const PendingRead& read) const;

  ReplicaContext* context_;
  RangeDescriptor descriptor_;
  ReplicaId self_;
  kv::Space space_;
  kv::AppliedState applied_;
  consensus::Index replays_to_;
  std::unique_ptr<consensus::Group> group_;
  uint64_t highest_version_ = 0;  // Given or seen, uncommitted log included.
  absl::Status log_failure_;
  consensus::Term version_floor_term_;  // Term for which the floor includes the whole log.
  std::vector<Waiter> waiters_;         // By index; from waiters_head_ on.
  size_t waiters_head_ = 0;
  std::optional<PendingChange> change_;
  std::optional<consensus::Instant> leadership_ended_;
  std::vector<PendingRead> reads_;
  std::vector<PendingFreeze> freezes_;
  // Committed entries that wait: for the next batch, or the first one for what `awaited_` names.
  std::vector<consensus::Entry> held_;
  std::optional<AwaitedRange> awaited_;
  bool absorbed_ = false;  // By the left neighbour, in the turn under way: applies nothing more.
  uint64_t next_read_context_ = 1;
  consensus::Instant next_query_;
};

// The outcome of the kv layer as a response.
Response ToResponse(const kv::Outcome& outcome);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_REPLICA_H_
