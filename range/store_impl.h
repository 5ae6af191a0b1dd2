// The inside of Store, shared by its source files: store.cc (requests, status), store_open.cc
// (manifest, recovery), store_turn.cc (the turn), store_lease.cc (lease side, and what lease
// updates wake), store_membership.cc (changes of members, removal), store_merge.cc (absorbed
// ranges), store_snapshot.cc (sending and receiving snapshots), store_install.cc (installing them),
// store_load.cc (what ranges have to do).
//
// Not for other includers. Two halves with a lock each of the caller's: see store.h.

#ifndef RASPUTIN_RANGE_STORE_IMPL_H_
#define RASPUTIN_RANGE_STORE_IMPL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "consensus/lease/lease_table.h"
#include "kv/range_snapshot.h"
#include "range/load/split_decider.h"
#include "range/replica.h"
#include "range/snapshot_receiver.h"
#include "range/snapshot_sender.h"
#include "range/store.h"
#include "range/token_bucket.h"

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
  std::vector<LedRange> ListLed(const ClockReading& now) const;
  std::vector<StoreId> ListSupporting(const ClockReading& now) const;
  std::optional<ReplicaStatus> DescribeReplica(const ClockReading& now, RangeId range) const;
  ReplicaCounts CountReplicas(const ClockReading& now) const;

  // store_membership.cc
  absl::Status ChangeReplicas(const ClockReading& now, RangeId range, Generation generation,
                              const ReplicaChange& change, Completion* completion);
  std::optional<std::vector<StoreId>> TakeLeasePeers();
  bool SharesRangeWith(StoreId store) const;
  const StoreCounters& counters() const { return counters_; }

  void OnPeerClock(StoreId peer, consensus::Instant received, uint64_t wall_us) {
    versions_.OnPeer(peer, received, wall_us);
  }

  // store_merge.cc
  std::optional<storage::v1::AbsorbedRange> FindAbsorbed(RangeId range) const;

  // store_load.cc
  std::vector<RangeReview> ReviewRanges(const ClockReading& now, const ReviewOptions& options,
                                        bool* more);
  std::optional<RangeReview> DescribeLoad(const ClockReading& now, RangeId range, bool briefly);
  void CarryLoad(const ClockReading& now, const RangeDescriptor& merged,
                 const type::v1::RangeLoad& before);
  std::vector<type::v1::RangeLoad> ListLoads(const ClockReading& now, size_t max);
  type::v1::RangeLoad TotalLoad(const ClockReading& now);
  std::vector<type::v1::OperationLoad> ListOperations() const {
    return loads_.histograms().Export();
  }
  void OnTurnCpu(const ClockReading& now, consensus::Duration cpu);

  // store_turn.cc
  void OnLogDurable(const ClockReading& now, consensus::log::Lsn durable);
  absl::Status RunTurn(const ClockReading& now);
  consensus::Instant NextDeadline() const;

  // store_lease.cc
  void OnLeaseUpdates(const ClockReading& now, std::vector<consensus::lease::LeaseUpdate> updates);
  void SetLeasePeers(const std::vector<StoreId>& peers) { store_leases_->SetPeers(peers); }
  void LeaseTick(const ClockReading& now);
  void LeaseStep(const ClockReading& now, const consensus::lease::LeaseMessage& message);
  void LeaseLogDurable(const ClockReading& now, const consensus::DualInstant& started,
                       consensus::log::Lsn durable);
  void SetLeaseShardBusySince(std::optional<consensus::Instant> since);
  LeaseWithdrawal LeaseWithdraw(const ClockReading& now, StoreId peer);
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
  // A child whose creation is not durable yet [H-15], or a replica that came by a snapshot.
  struct Nascent {
    consensus::log::Lsn lsn;
    consensus::HardState hard_state;
    bool leads_first_term = false;
    std::optional<consensus::Message> tell;  // The sender of the snapshot.
  };
  // (range, member) of a transfer that leaves here.
  using Transfer = std::pair<RangeId, ReplicaId>;
  struct Outgoing {
    StoreId to_store;
    std::unique_ptr<SnapshotSender> sender;
  };
  // Of absorbed ranges, at a snapshot of the range that holds their keys now.
  struct GivingWay {
    std::set<RangeId> replicas;  // Left over here, and in its way.
    // What is to be remembered of them, and of others of which there is nothing here.
    std::map<RangeId, storage::v1::AbsorbedRange> absorbed;
  };
  // A snapshot that arrives.
  struct Incoming {
    consensus::Message envelope;  // Of the first chunk; its body is the answer once installed.
    storage::v1::SnapshotHeader header;
    RangeDescriptor replaced;  // As the range, with the bounds of what gives way to it.
    GivingWay giving_way;
    std::unique_ptr<SnapshotReceiver> receiver;
    std::unique_ptr<kv::RangeSnapshotWriter> writer;
    kv::AppliedState applied;  // Once complete.
    // The hard state of a replica that did not exist is durable with it; 0: not written yet.
    consensus::log::Lsn hard_state_lsn;
  };
  // A replica that is to be removed: all up to this id.
  struct Removal {
    ReplicaId up_to;
    RangeDescriptor descriptor;  // For its bounds.
    consensus::Instant at;
    std::optional<storage::v1::AbsorbedRange> absorbed;  // Why, if it was.
    consensus::Instant waits_until;  // For its releases, once it was to go; unset: not yet.
  };
  // One that left the range and may not know.
  struct Departed {
    RangeId range;
    ReplicaId teller;
    ReplicaId replica;
    StoreId store;
    Generation generation;
    int tries = 0;
    consensus::Instant next_at;
  };
  struct PeerLease {
    // Of the support that a lease may be served by, and of what keeps a leader from abdicating.
    consensus::DualInstant until;
    consensus::DualInstant held_until;
    consensus::Epoch own_epoch;
    consensus::Epoch supported_epoch;
    consensus::Epoch lowest_accepted;
    // Which of the four instants have passed, as far as leaders were told; a bit each.
    uint8_t passed = 0xf;
  };

  // store_open.cc
  absl::Status CreateFirstRanges();
  absl::Status OpenLeases(const consensus::log::Recovered& recovered, const ClockReading& now);
  absl::Status RecoverReplica(const RangeDescriptor& descriptor,
                              consensus::log::Recovered* recovered);
  absl::Status RecoverTombstones(consensus::log::Recovered* recovered);
  absl::StatusOr<bool> IsGone(RangeId range) const;
  absl::Status StartRecovered(const consensus::log::Recovered& recovered, const ClockReading& now);
  absl::Status StartAgain(const ClockReading& now, Replica* replica,
                          const consensus::HardState& hard_state);
  consensus::CoreOptions GroupOptions() const;
  Replica* AddReplica(RangeDescriptor descriptor, const kv::AppliedState& applied);
  absl::Status CreateChild(const ClockReading& now, SplitEffect split);
  void StartNascent(const ClockReading& now);
  void DeliverEarly(const ClockReading& now, RangeId range);

  // store.cc
  void KeepEarly(consensus::Message message);
  Response Mismatch(const Request& request) const;
  Replica* Find(RangeId range) const;
  bool LeadsRange(RangeId range) const;
  void AbdicateAll(const ClockReading& now);

  // store_membership.cc
  absl::Status RunMembership(const ClockReading& now);
  void ApplyMembership(const ClockReading& now, const MembershipEffect& effect);
  void RemoveLater(const ClockReading& now, const RangeDescriptor& descriptor, ReplicaId up_to);
  bool StillReleases(const ClockReading& now, Replica* replica, Removal* removal);
  absl::Status RemoveReplicas(const ClockReading& now);
  absl::Status RemoveState(const Removal& removal);
  void DropReplica(RangeId range);
  void UpdatePeers();
  void TellDeparted(const ClockReading& now);
  void TellRemoved(const Replica& teller, ReplicaId replica, StoreId store);
  bool IsRemoved(RangeId range, ReplicaId replica) const;
  static bool Asks(const consensus::Message& message);
  bool TellIfRemoved(const Replica& replica, const consensus::Message& message);
  bool TakeMembershipMessage(const ClockReading& now, const consensus::Message& message);
  void OnRemoved(const ClockReading& now, const consensus::Message& message);
  void ReleaseForNobody(const consensus::Message& message);
  void AskWhetherMember(const Replica& replica, const type::v1::ReplicaDescriptor& member);
  void AskInTurn(const ClockReading& now);
  void AnswerStranger(const ClockReading& now, const consensus::Message& message);
  consensus::Instant MembershipDeadline() const;

  // store_merge.cc
  void AwaitRight(const ClockReading& now, const Replica& left);
  void WakeAwaiting(RangeId right);
  void ApplyMerge(const MergeEffect& effect);
  void LetGo(const storage::v1::AbsorbedRange& absorbed, const RangeDescriptor& left);
  absl::Status RemoveRetiredLogs();
  absl::Status RecoverAbsorbed(consensus::log::Recovered* recovered);
  bool IsAbsorbed(RangeId range) const;
  bool TellIfAbsorbed(const consensus::Message& message);
  bool HasYetToMerge(const storage::v1::AbsorbedRange& absorbed,
                     const std::set<RangeId>& except) const;
  bool MayNotGoYet(const storage::v1::AbsorbedRange& absorbed) const;
  void OnAbsorbed(const ClockReading& now, const Replica& replica, const absl::Cord& encoded);
  void AskWhetherAbsorbed();
  void TellAbsorbed(const RangeDescriptor& range, storage::v1::SnapshotHeader* header) const;
  bool IsFromBeforeAMerge(const RangeDescriptor& snapshot) const;
  std::optional<GivingWay> WhatGivesWay(const storage::v1::SnapshotHeader& header) const;

  // store_snapshot.cc
  absl::Status RunTransfers(const ClockReading& now);
  void BeginTransfers(const ClockReading& now);
  void BeginTransfer(const ClockReading& now, const Transfer& transfer);
  absl::Status PumpTransfers(const ClockReading& now);
  absl::Status PumpTransfer(const ClockReading& now, const Transfer& transfer);
  void OnSnapshotChunk(const ClockReading& now, const consensus::Message& message);
  void OnSnapshotAck(const ClockReading& now, const consensus::Message& message);
  consensus::SnapshotAck TakeChunk(const ClockReading& now, const consensus::Message& message);
  std::optional<consensus::SnapshotStatus> BeginReceiving(const ClockReading& now,
                                                          const consensus::Message& message);
  absl::Status TakePieces(const ClockReading& now, const consensus::SnapshotChunk& chunk,
                          Incoming* incoming);
  consensus::Message Reply(const consensus::Message& to, consensus::MessageBody body) const;
  consensus::Index NeededAfterTransfers(RangeId range) const;
  consensus::Instant TransferDeadline() const;
  consensus::Duration IncomingPatience() const;
  bool IsSilent(const ClockReading& now, const Incoming& incoming) const;

  // store_install.cc
  // nullopt: it is wanted, and `giving_way` is what gives way to it.
  std::optional<consensus::SnapshotStatus> JudgeSnapshot(const ClockReading& now,
                                                         const consensus::Message& envelope,
                                                         const storage::v1::SnapshotHeader& header,
                                                         const consensus::LogPosition& position,
                                                         GivingWay* giving_way);
  bool IsInTheWay(const storage::v1::SnapshotHeader& header, GivingWay* giving_way);
  RangeDescriptor ReplacedBy(const RangeDescriptor& snapshot, const GivingWay& giving_way) const;
  bool StillFits(const Incoming& incoming, const GivingWay& giving_way) const;
  void LetWay(const Incoming& incoming);
  absl::Status InstallSnapshots(const ClockReading& now);
  absl::StatusOr<bool> Install(const ClockReading& now, Incoming* incoming);

  // store_turn.cc
  void ObserveClock(const ClockReading& now);
  void Wake(Replica* replica);
  void WakeDue(const ClockReading& now);
  bool MayCampaign(RangeId range);
  void ForgetEndedCampaigns();
  absl::Status RunGroups(const ClockReading& now);
  absl::Status ApplyAll(const ClockReading& now);
  absl::Status ServeReads(const ClockReading& now);
  void GiveAnswers();
  void Send();
  void Reschedule(Replica* replica);
  void ReportLeader(Replica* replica);
  absl::Status Maintain(const ClockReading& now);
  absl::StatusOr<bool> CutLog(const ClockReading& now, Replica* replica);
  bool HasDeadMember(const ClockReading& now, const RangeDescriptor& descriptor) const;
  void MarkDirty(Replica* replica);

  // store_load.cc
  bool FollowLeadership(const ClockReading& now, Replica* replica);
  type::v1::SplitThresholds CollectionThresholds(const Replica& replica) const;
  type::v1::SplitThresholds ThresholdsOf(const Replica& replica) const;
  void MeasureSize(const ClockReading& now, const type::v1::SplitThresholds& thresholds,
                   Replica* replica);
  type::v1::RangeLoad LoadOf(const ClockReading& now, Replica* replica);
  void AskForSize(const ClockReading& now, Replica* replica);
  RangeReview Review(const ClockReading& now, bool must_wait, Replica* replica);
  SplitInput InputOf(const ClockReading& now, Replica* replica) const;
  // A key that divides the data; nullopt: none does.
  std::optional<std::string> FindMiddle(const ClockReading& now, Replica* replica);
  void RefuseGrowth(const ClockReading& now, Replica* replica);
  bool HasLoad(const ClockReading& now, Replica* replica);
  std::vector<Replica*> NextWithLoad(const ClockReading& now, size_t max);
  std::vector<Replica*> NextWithoutLoad(const ClockReading& now, size_t max);

  // store_lease.cc
  void WakeAfterLeaseChange(StoreId peer, bool leaders, bool bound);
  void WakeEndedLeases(const ClockReading& now);
  consensus::Instant LeaseDeadline() const;
  void WatchWallClock(const ClockReading& now);
  void CollectLeaseEffects();

  const StoreOptions options_;
  const Ports ports_;
  storage::v1::StoreManifest manifest_;  // Changes in Recover only.
  const StoreId id_;
  const std::set<uint64_t> forgotten_;  // Stores that were declared lost: never heard again.
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
  std::set<RangeId> campaigners_;  // Began a campaign when last looked at.
  std::priority_queue<Scheduled, std::vector<Scheduled>, std::greater<Scheduled>> timers_;
  // Appends not known to be durable, in order.
  std::deque<std::pair<consensus::log::Lsn, Replica*>> undurable_;
  consensus::TurnEffects effects_;
  kv::Turn turn_;
  bool turn_stalled_ = false;
  std::vector<Replica*> turn_replicas_;  // Applied in `turn_`, not committed yet.
  ApplyResults turn_results_;            // Due after turn_ is committed.
  std::vector<Answer> answers_;          // Due now.
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

  // Snapshots and members.
  consensus::Instant opened_at_;
  StoreCounters counters_;
  uint64_t next_snapshot_id_ = 1;
  TokenBucket snapshot_bucket_;
  std::set<Transfer> snapshots_wanted_;
  std::map<Transfer, Outgoing> outgoing_snapshots_;
  Transfer sent_last_;
  std::map<RangeId, Incoming> incoming_snapshots_;
  std::map<RangeId, Removal> removals_;
  std::map<RangeId, ReplicaId> tombstones_;  // Highest removed replica id.
  std::vector<Departed> departed_;
  consensus::Instant ask_at_ = consensus::Instant::min();
  RangeId asked_last_;
  uint64_t ask_round_ = 0;
  uint64_t frozen_round_ = 0;
  // Ranges unknown here whose leaders send to this store.
  struct Stranger {
    consensus::Instant first_heard;
    consensus::Instant answer_at;
  };
  std::map<RangeId, Stranger> strangers_;
  consensus::Instant install_retry_at_ = consensus::Instant::min();

  // Load.
  LoadBook loads_;
  std::map<uint64_t, type::v1::SplitThresholds> collection_thresholds_;  // As of the last review.
  RangeId reviewed_last_;  // Of those with load, in the review that is under way; 0: none is.
  RangeId quiet_last_;     // Of the ranges without load the one that was reviewed last.

  // Merges. What is remembered for good of absorbed ranges; of one that has a replica here it is
  // not true yet for this store.
  std::map<RangeId, storage::v1::AbsorbedRange> absorbed_;
  // Of replicas here that are left over and may be needed yet.
  std::map<RangeId, storage::v1::AbsorbedRange> told_;
  std::map<RangeId, RangeId> awaited_;  // Right range -> the left one, whose merge waits for it.
  std::set<RangeId> retired_;           // Absorbed, and the log still holds them.

  std::vector<StoreId> lease_peers_;
  bool lease_peers_changed_ = false;  // Since they were last taken.

  // Lease side.
  std::unique_ptr<consensus::lease::StoreLeases> store_leases_;
  LeaseOutput lease_output_;
  std::deque<std::pair<consensus::log::Lsn, uint64_t>> lease_undurable_;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_STORE_IMPL_H_
