// The inside of Store, shared by its source files: store.cc (requests, status), store_open.cc
// (manifest, recovery), store_turn.cc (the turn), store_lease.cc (lease side, and what lease
// updates wake).
//
// Not for other includers. Two halves with a lock each of the caller's: see store.h.

#ifndef RASPUTIN_RANGE_STORE_IMPL_H_
#define RASPUTIN_RANGE_STORE_IMPL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "consensus/lease/lease_table.h"
#include "range/replica.h"
#include "range/store.h"

namespace rasputin::range {

class Store::Impl {
 public:
  Impl(const StoreOptions& options, const Ports& ports, storage::v1::StoreManifest manifest,
       const ClockReading& now);

  // store_open.cc
  absl::Status Recover(const ClockReading& now);

  // store.cc
  void Step(const ClockReading& now, std::vector<consensus::Message> messages);
  void Submit(const ClockReading& now, Request request);
  absl::Status TransferLease(const ClockReading& now, RangeId range, StoreId target);
  void BeginShutdown(const ClockReading& now);
  bool LeadsAny() const;
  std::vector<ReplicaStatus> ListReplicas(const ClockReading& now) const;

  void OnPeerClock(StoreId peer, consensus::Instant received, uint64_t wall_us) {
    versions_.OnPeer(peer, received, wall_us);
  }

  // store_turn.cc
  void OnLogDurable(const ClockReading& now, consensus::log::Lsn durable);
  absl::Status RunTurn(const ClockReading& now);
  consensus::Instant NextDeadline() const;

  // store_lease.cc
  void OnLeaseUpdates(const ClockReading& now, std::vector<consensus::lease::LeaseUpdate> updates);
  void LeaseTick(const ClockReading& now);
  void LeaseStep(const ClockReading& now, const consensus::lease::LeaseMessage& message);
  void LeaseLogDurable(const ClockReading& now, const consensus::DualInstant& started,
                       consensus::log::Lsn durable);
  LeaseOutput TakeLeaseOutput();
  consensus::Instant NextLeaseDeadline() const;

  consensus::log::SharedLog* log() { return log_.get(); }
  const storage::v1::StoreManifest& manifest() const { return manifest_; }

 private:
  struct Scheduled {
    consensus::Instant at;
    RangeId range;
    bool operator>(const Scheduled& other) const {
      return at != other.at ? at > other.at : range > other.range;
    }
  };
  // A child whose creation is not durable yet [H-15].
  struct Nascent {
    consensus::log::Lsn lsn;
    consensus::HardState hard_state;
    bool leads_first_term = false;
  };
  struct PeerLease {
    consensus::DualInstant until;
    consensus::Epoch own_epoch;
    consensus::Epoch supported_epoch;
    consensus::Epoch lowest_accepted;
    bool alive = false;
  };

  // store_open.cc
  absl::Status CreateFirstRanges();
  absl::Status OpenLeases(const consensus::log::Recovered& recovered, const ClockReading& now);
  absl::Status RecoverReplica(const RangeDescriptor& descriptor,
                              consensus::log::Recovered* recovered);
  void StartRecovered(const consensus::log::Recovered& recovered, const ClockReading& now);
  consensus::CoreOptions GroupOptions() const;
  Replica* AddReplica(RangeDescriptor descriptor, const kv::AppliedState& applied);
  void CreateChild(const ClockReading& now, SplitEffect split);
  void StartNascent(const ClockReading& now);
  void DeliverEarly(const ClockReading& now, RangeId range);

  // store.cc
  void KeepEarly(consensus::Message message);
  Response Mismatch(const Request& request) const;
  Replica* Find(RangeId range) const;
  bool LeadsRange(RangeId range) const;
  void AbdicateAll(const ClockReading& now);

  // store_turn.cc
  void ObserveClock(const ClockReading& now);
  void Wake(Replica* replica);
  void WakeDue(const ClockReading& now);
  absl::Status RunGroups(const ClockReading& now);
  absl::Status ApplyAll(const ClockReading& now);
  absl::Status ServeReads(const ClockReading& now);
  void GiveAnswers();
  void Send();
  void Reschedule(Replica* replica);
  void ReportLeader(Replica* replica);
  absl::Status Maintain(const ClockReading& now);
  absl::StatusOr<bool> CutLog(Replica* replica);
  void MarkDirty(Replica* replica);

  // store_lease.cc
  void WakeAfterLeaseChange(StoreId peer, bool leaders, bool bound);
  void WakeEndedLeases(const ClockReading& now);
  void WatchWallClock(const ClockReading& now);
  void CollectLeaseEffects();

  const StoreOptions options_;
  const Ports ports_;
  storage::v1::StoreManifest manifest_;  // Changes in Recover only.
  const StoreId id_;
  std::unique_ptr<consensus::log::SharedLog> log_;

  // Shard side.
  consensus::lease::LeaseTable leases_;
  VersionClock versions_;
  ClockReading last_reading_;
  ReplicaContext context_;
  std::map<RangeId, std::unique_ptr<Replica>> replicas_;
  std::map<std::string, RangeId> by_start_;  // First key -> range.
  std::map<RangeId, Nascent> nascent_;
  // What the log knew of ranges at recovery that have no descriptor in the engine yet: their
  // parent's split is still to be replayed.
  std::map<RangeId, consensus::HardState> orphans_;
  // Messages for ranges not known here, newest last, bounded.
  std::deque<consensus::Message> early_;
  uint64_t early_bytes_ = 0;
  std::vector<Replica*> awake_;
  std::priority_queue<Scheduled, std::vector<Scheduled>, std::greater<Scheduled>> timers_;
  // Appends not known to be durable, in order.
  std::deque<std::pair<consensus::log::Lsn, Replica*>> undurable_;
  consensus::TurnEffects effects_;
  kv::Turn turn_;
  bool turn_stalled_ = false;
  std::vector<Replica*> turn_replicas_;  // Applied in `turn_`, not committed yet.
  std::vector<SplitEffect> turn_splits_;
  std::vector<Answer> turn_answers_;  // Due after turn_ is committed.
  std::vector<Answer> answers_;       // Due now.
  std::vector<Replica*> reading_;
  std::map<StoreId, std::vector<consensus::Message>> outgoing_;
  std::map<StoreId, PeerLease> peers_;
  std::vector<Replica*> applying_;  // Have committed entries that are durable here.
  std::vector<Replica*> dirty_;     // Applied something that the log still holds.
  consensus::Instant last_turn_;
  consensus::Instant last_turn_raw_;
  consensus::log::Lsn durable_;
  consensus::Instant next_maintenance_;
  consensus::Instant shutdown_abdicate_at_ = consensus::Instant::max();

  // Lease side.
  std::unique_ptr<consensus::lease::StoreLeases> store_leases_;
  LeaseOutput lease_output_;
  std::deque<std::pair<consensus::log::Lsn, uint64_t>> lease_undurable_;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_STORE_IMPL_H_
