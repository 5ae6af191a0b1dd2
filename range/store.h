// All replicas of one storage directory: the deterministic heart that the server and the simulator
// both run.
//
// A function of its inputs: events come in with `now`, effects leave through ports. Two sets of
// entry points that may be called by different threads at the same time, each set under a lock of
// its caller: the *shard* side (requests, group messages, turns) and the *lease* side (store
// leases). They share nothing but the shared log (itself thread-safe) and the values that the
// caller carries from one to the other (LeaseUpdate). Not responsible for routing by key
// (server/front), threads, sockets.
//
// A turn: the caller feeds any number of inputs, then calls RunTurn(), which appends everything to
// the log at once, sends, applies everything committed in one engine batch, and answers.

#ifndef RASPUTIN_RANGE_STORE_H_
#define RASPUTIN_RANGE_STORE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "consensus/core/core.h"
#include "consensus/lease/store_leases.h"
#include "consensus/log/shared_log.h"
#include "kv/engine.h"
#include "range/load/review.h"
#include "range/load/split_rules.h"
#include "range/ports.h"
#include "range/request.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range {

struct StoreOptions {
  consensus::Duration lease_duration = std::chrono::seconds(2);  // D.
  double clock_rate_error_max = 0.01;                            // r.
  uint64_t seed = 1;
  uint64_t log_segment_bytes = 16 << 20;
  uint64_t log_reserve_bytes = 64 << 20;
  uint64_t log_cache_bytes = 64 << 20;
  uint64_t append_bytes_max = 1 << 20;    // Payload of one message to a follower.
  uint64_t flush_bytes = 32 << 20;        // Unflushed engine bytes that start a flush.
  uint64_t log_live_bytes_max = 1 << 30;  // Live log bytes beyond which a flush is started.
  // Of the log of a range for members that lag: beyond it they are sent a snapshot instead. The
  // second holds while a member's store was silent for `dead_after`.
  uint64_t log_retain_bytes = 64 << 20;
  uint64_t log_retain_dead_bytes = 4 << 20;
  consensus::Duration dead_after = std::chrono::seconds(10);
  uint64_t snapshot_bytes_per_second = 32 << 20;  // Of all that are sent together.
  size_t snapshots_max = 2;                       // At once, in each direction.
  SplitRules split;
  // Campaigns of replicas of this store at once; range 1, without which nothing is found, always
  // may. An election takes some 10 ms, most of it waiting for disks, and an attempt fails after
  // D/10: so many begin some 10,000 a second, and are done in time on a processor that others use
  // too.
  size_t campaigns_max = 128;
  // Committed entries of a range that are applied before the turn's batch is written. A replica
  // that has many to apply again leaves the others their time.
  size_t apply_entries_max = 512;
  consensus::Mutants mutants;
};

// Since the store was opened.
struct StoreCounters {
  uint64_t snapshots_begun = 0;
  uint64_t snapshots_sent = 0;  // Of which the receiver holds the state now.
  uint64_t snapshot_bytes_sent = 0;
  uint64_t snapshots_installed = 0;
  uint64_t replicas_removed = 0;
};

struct ReplicaStatus {
  RangeDescriptor descriptor;
  ReplicaId replica;
  consensus::Role role = consensus::Role::kFollower;
  consensus::Term term;
  consensus::Index committed;
  consensus::Index applied;
  consensus::Index last;
  StoreId leader_store;
  bool serving = false;              // Leads with a valid lease.
  consensus::Duration lease_left{};  // Of the leader lease; 0: none.
  uint64_t approximate_bytes = 0;    // As the engine said last; 0: it was not asked.
  // Of a leader: the other members.
  std::vector<consensus::MemberProgress> members;
};

// A range that the store leads with a valid lease.
struct LedRange {
  RangeId range;
  uint64_t approximate_bytes = 0;  // 0: not known.
  // Stores whose replica of it lacks what only a snapshot can bring.
  std::vector<StoreId> lagging;
};

struct ReplicaCounts {
  uint64_t replicas = 0;
  uint64_t serving = 0;  // Of which lead with a valid lease.
};

class Store {
 public:
  // Writes the manifest and nothing else; refused (FAILED_PRECONDITION) if the directory already
  // belongs to a cluster, unless the record is the same (then OK). The ranges named in the record
  // of which this store is a member come into being at Open.
  static absl::Status Bootstrap(consensus::log::SegmentDirectory* directory,
                                const storage::v1::StoreManifest& manifest);
  // NOT_FOUND: no manifest, the store was never initialised.
  static absl::StatusOr<storage::v1::StoreManifest> ReadManifest(
      consensus::log::SegmentDirectory* directory);

  // Adds stores to the manifest's list of those that are not heard any more, for good; durable when
  // it returns. Only while the store is not open.
  static absl::Status ForgetStores(consensus::log::SegmentDirectory* directory,
                                   const std::vector<StoreId>& stores);

  // Recovers log and state. Ports outlive the store. DATA_LOSS: corruption (says where).
  static absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options,
                                                     const Ports& ports, const ClockReading& now);
  ~Store();

  // ---- Shard side.
  void Step(const ClockReading& now, std::vector<consensus::Message> messages);
  // The answer may come during this call (reads, refusals) or any later turn.
  void Submit(const ClockReading& now, Request request);
  void OnLeaseUpdates(const ClockReading& now, std::vector<consensus::lease::LeaseUpdate> updates);
  // The wall clock of another store showed `wall_us` (microseconds since the Unix epoch; 0: it did
  // not say) when the boot clock here showed `received`. To be told often, since clocks are
  // stepped: versions follow the stores' clocks as version_clock.h says. Wakes nothing.
  void OnPeerClock(StoreId peer, consensus::Instant received, uint64_t wall_us);
  // Everything up to `durable` is synced.
  void OnLogDurable(const ClockReading& now, consensus::log::Lsn durable);
  // Does the due work of all groups woken since the last turn. An error stops the process [H-18].
  absl::Status RunTurn(const ClockReading& now);
  // Earliest instant at which RunTurn has something to do without further input.
  consensus::Instant NextDeadline() const;
  // Hands all leaderships over (or abdicates where nobody can take over); repeat RunTurn until
  // LeadsAny() is false.
  void BeginShutdown(const ClockReading& now);
  bool LeadsAny() const;
  // Begins a handover of `range` to its replica on `target`, or joins the one that is under way to
  // it. FAILED_PRECONDITION: not leader here, the target does not support this store's lease now,
  // or no voter there.
  absl::Status TransferLease(const ClockReading& now, RangeId range, StoreId target);

  // Changes the members of a range that this store leads. OK: `completion` is answered later, kOk
  // with the new descriptor when the change is complete (kNotLeader: nothing was changed;
  // kOutcomeUnknown: the leadership was lost). Otherwise nothing was changed and `completion` is
  // forgotten: FAILED_PRECONDITION: does not lead the range, or the stores do not fit the change;
  // ABORTED: the generation is another; UNAVAILABLE: retry later (another change is under way, a
  // new voter is not caught up, the lease would not hold); INVALID_ARGUMENT: no voters.
  absl::Status ChangeReplicas(const ClockReading& now, RangeId range, Generation generation,
                              const ReplicaChange& change, Completion* completion);

  // What became of a range that this store remembers as absorbed by its left neighbour; nullopt: it
  // remembers none. Kept for good where the merge was applied.
  std::optional<storage::v1::AbsorbedRange> FindAbsorbed(RangeId range) const;

  // What the ranges that this store leads have to do, and whether they should be split: of those
  // that had a request since the last review, of those beyond a threshold, and of up to
  // `quiet_max` others in turn; by range id. To be called about every second, and while there is
  // `more` (may be null) again soon: costs a few microseconds for each range, and a question to the
  // engine where much was written. A verdict to split counts as an attempt: the next one for this
  // range comes after SplitRules::pause. Not more of them are given than
  // ReviewOptions::splits_max.
  std::vector<RangeReview> ReviewRanges(const ClockReading& now, const ReviewOptions& options,
                                        bool* more = nullptr);
  // Of a range that this store leads; nullopt: it does not. Says whether a threshold is exceeded,
  // but searches for no key in the middle of the data, and counts as no attempt. `briefly`: as the
  // engine said the size last, if it was asked, and without operations.
  std::optional<RangeReview> DescribeLoad(const ClockReading& now, RangeId range,
                                          bool briefly = false);
  // A merge that followed from what was measured has made `merged`, which this store leads: it is
  // as old, and for a while at least as busy, as `before` says, which is of both halves together.
  // Otherwise a merged range counts as new. Nothing happens if the range has changed since.
  void CarryLoad(const ClockReading& now, const RangeDescriptor& merged,
                 const type::v1::RangeLoad& before);
  // Of the ranges that this store leads and that had requests in the last five minutes: those with
  // most requests a second first, at most `max`.
  std::vector<type::v1::RangeLoad> ListLoads(const ClockReading& now, size_t max);
  // Of all requests that this store served as a leader, with the time of all its turns; the size is
  // about what engine and log take of the disk; range_id and age are 0.
  type::v1::RangeLoad TotalLoad(const ClockReading& now);
  // Latencies and sizes of all that this store answered as a leader, by operation, since it was
  // opened.
  std::vector<type::v1::OperationLoad> ListOperations() const;
  // The turn that ended, with what fed it, took so much time of a processor.
  void OnTurnCpu(const ClockReading& now, consensus::Duration cpu);

  // After a turn: the stores that share a range with this one, if they have changed; to be carried
  // to SetLeasePeers.
  std::optional<std::vector<StoreId>> TakeLeasePeers();
  // Another store that holds a replica of a range of this one, by what is applied or in the log.
  bool SharesRangeWith(StoreId store) const;

  StoreCounters counters() const;
  // All of them: costs as much as there are replicas. For one, and for numbers, see below.
  std::vector<ReplicaStatus> ListReplicas(const ClockReading& now) const;
  // By id; cheaper than ListReplicas, for those who look at all of them every few seconds.
  std::vector<LedRange> ListLed(const ClockReading& now) const;
  // Other stores that support the lease of this one now, by id: they live and hear this one.
  std::vector<StoreId> ListSupporting(const ClockReading& now) const;
  // nullopt: there is no replica of the range here.
  std::optional<ReplicaStatus> DescribeReplica(const ClockReading& now, RangeId range) const;
  ReplicaCounts CountReplicas(const ClockReading& now) const;
  const storage::v1::StoreManifest& manifest() const;

  // ---- Lease side.
  void SetLeasePeers(const std::vector<StoreId>& peers);
  void LeaseTick(const ClockReading& now);
  void LeaseStep(const ClockReading& now, const consensus::lease::LeaseMessage& message);
  // A write job began at `started` and everything up to `durable` is synced.
  void LeaseLogDurable(const ClockReading& now, const consensus::DualInstant& started,
                       consensus::log::Lsn durable);
  // See StoreLeases::SetShardBusySince.
  void SetLeaseShardBusySince(std::optional<consensus::Instant> since);
  // [S-9], see StoreLeases::Withdraw and LowestAccepted. May be repeated until it says kNothing,
  // which is durable.
  struct LeaseWithdrawal {
    consensus::lease::Withdrawal outcome;
    consensus::Epoch lowest_accepted;
  };
  LeaseWithdrawal LeaseWithdraw(const ClockReading& now, StoreId peer);
  // Messages to send and updates to be carried to OnLeaseUpdates, in order. What had to be logged
  // was queued to the log already.
  struct LeaseOutput {
    std::vector<consensus::lease::LeaseMessage> send;
    std::vector<consensus::lease::LeaseUpdate> updates;
    std::vector<consensus::Event> events;
  };
  LeaseOutput TakeLeaseOutput();
  consensus::Instant NextLeaseDeadline() const;

  // ---- The shared log, driven by the log writer (thread-safe).
  consensus::log::SharedLog* log();

 private:
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_STORE_H_
