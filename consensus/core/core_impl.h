// State and parts of Core, private to consensus/core: one class, one source file per concern.
//   core.cc              construction, dispatch, Ready, deadlines
//   core_election.cc     probe, vote, timers                       [H-2] [H-3] [H-5]
//   core_catch_up.cc     pulling a more up-to-date log             [H-13]
//   core_lease.cc        binding, leader lease, release            [H-4] [H-6] [H-8] [H-11]
//   core_leader.cc       becoming and ceasing to be leader         [H-7] [H-9], handover
//   core_replication.cc  appends, commit, retransmission           [H-9]
//   core_read.cc         lease reads and read index rounds         [H-10]
//   core_stranded.cc     a leader that meets a higher term         [H-12]
//   core_membership.cc   configurations in force, changes          [H-14]
//   core_snapshot.cc     who needs a snapshot                      [H-13]
// Not thread-safe. Invariants that hold between calls are written down in core_invariants.cc.

#ifndef RASPUTIN_CONSENSUS_CORE_CORE_IMPL_H_
#define RASPUTIN_CONSENSUS_CORE_CORE_IMPL_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "consensus/core/core.h"
#include "consensus/core/log_tail.h"
#include "consensus/core/progress.h"
#include "consensus/core/short_queue.h"

namespace rasputin::consensus {

// Whether `entries` may follow `previous` in a log that a peer of term `term` sent: indexes dense,
// terms not falling and not above its own, configurations readable. What a peer says is checked,
// not believed: LogIndex ends the process over entries that are not so.
bool WellFormed(const LogPosition& previous, absl::Span<const Entry> entries, Term term);

class Core::Impl {
 public:
  Impl(const CoreOptions& options, const InitialState& initial, const LogView* log,
       const LeaseView* leases, const ClockReading& now);

  // The interface of Core.
  void Tick(const ClockReading& now);
  void Step(const ClockReading& now, const Message& message);
  ProposeResult Propose(const ClockReading& now, absl::Cord command);
  ProposeResult ProposeConfiguration(const ClockReading& now, const Configuration& target);
  void OnSnapshotSent(const ClockReading& now, ReplicaId to, bool installed);
  std::vector<MemberProgress> ListProgress(const ClockReading& now) const;
  bool TransferLeadership(const ClockReading& now, ReplicaId target);
  void Abdicate(const ClockReading& now);
  void QueryBinding(const ClockReading& now);
  bool RequestReadIndex(const ClockReading& now, uint64_t context);
  Ready TakeReady();
  bool HasReady() const;
  void OnPersisted(const ClockReading& now, uint64_t persist_sequence);
  void OnApplied(Index applied);
  void LearnCommitted(const ClockReading& now, LogPosition position);
  bool MayServeRead(const ClockReading& now) const;
  bool IsServingLeader(const ClockReading& now) const;
  DualInstant LeaseEnd() const;
  Instant NextDeadline() const;
  bool IsDueToCampaign(const ClockReading& now) const;
  void PostponeCampaign(const ClockReading& now);
  Index held_by_all() const;

 private:
  friend class Core;
  friend class CoreAccess;
  friend class CoreInvariants;

  // A follower's answer to our probe [H-5].
  struct ProbeAnswer {
    ProbeStatus status = ProbeStatus::kNotNow;
    LogPosition last;
    Nonce nonce;
  };
  struct IssuedNonce {
    Nonce nonce;
    Instant at;
    uint64_t attempt = 0;
  };
  // Reads that one round of appends confirms together [H-10].
  struct ReadBatch {
    uint64_t round;
    Index index;
    std::vector<uint64_t> contexts;
  };
  struct AppendedConfiguration {
    Index index;
    Configuration configuration;
  };
  struct PendingRelease {
    StoreId store;
    Term term;
  };
  // [H-12] A leader that met a higher term.
  enum class Reelection : uint8_t {
    kNone,
    kProbing,  // Leads as ever.
    kVoting,   // In a higher term than the one it leads, in which it appends nothing.
  };

  // ---- core.cc
  void Advance(const ClockReading& now);
  // Notices ends of bindings and leases that passed since the last input.
  void Refresh();
  void Send(const Member& to, MessageBody body);  // After what is pending is durable.
  void SendNow(const Member& to, MessageBody body);
  // To the sender of `m`, which need not be a member [H-14].
  void Reply(const Message& m, MessageBody body) { Send({m.from, m.from_store}, std::move(body)); }
  void ReplyNow(const Message& m, MessageBody body) {
    SendNow({m.from, m.from_store}, std::move(body));
  }
  Message MakeMessage(const Member& to, MessageBody body, Term term) const;
  void Emit(EventType type, ReplicaId peer = {}, Index index = {}, uint64_t detail = 0);
  void EmitCommitted();
  bool AmVoter() const { return configuration_.IsVoter(options_.self); }
  // Configuration as quorums are counted over it (mutants 36 and 37 differ).
  const Configuration& Counted() const { return counted_; }
  StoreId StoreOf(ReplicaId id) const;
  StoreId LeaderStoreHint() const;
  uint64_t Random();
  Duration RandomBetween(Duration min, Duration max);
  void StopDamaged();  // [H-18]

  // ---- core_election.cc
  void TickElection();
  void ArmElection();  // After the usual random delay, longer when behind [H-13].
  void ArmElectionWithin(Duration max);
  void StartProbe();
  void StartVote(Term released_term);
  Duration AttemptWait() const;
  void FailCampaign();
  void StopCampaign();  // Back to follower without judging the attempt.
  void SendProbes();
  bool CampaignAllowed() const;
  bool HasContactQuorum() const;
  void AdoptTerm(Term term);
  void OnProbeRequest(const Message& m, const ProbeRequest& request);
  void OnProbeReply(const Message& m, const ProbeReply& reply);
  void OnVoteRequest(const Message& m, const VoteRequest& request);
  void OnVoteReply(const Message& m, const VoteReply& reply);
  ProbeStatus ProbeAnswerFor(ReplicaId from) const;
  bool MayGrant(const Message& m, const VoteRequest& request);
  bool NonceIsFresh(ReplicaId from, Nonce nonce) const;
  void SendVoteRequest(const Member& to);
  void CountVotes();

  // ---- core_catch_up.cc
  void StartPull(ReplicaId donor);
  void RequestPull();
  void OnPullRequest(const Message& m, const PullRequest& request);
  void OnPullReply(const Message& m, const PullReply& reply);
  void InstallPulled(Term donor_term);
  void InstallLate(const Message& m, const PullReply& reply);

  // ---- core_lease.cc
  bool IsBound() const;
  void CheckBinding();
  void BindTo(const Message& m, Epoch epoch);
  DualInstant LeaseEndBy(bool held) const { return LeaseEndOver(Counted(), held); }
  DualInstant LeaseEndOver(const Configuration& configuration, bool held) const;
  bool InheritsLease(const ClockReading& now) const;
  bool LeaseValid(const ClockReading& now) const;
  void CheckLease();
  void ApplyRelease(Term released, ReplicaId target);
  void SendReleases(bool all);
  bool IsReleasing(bool alive) const;
  void TickReleases();
  void SendReleaseQuery();
  void OnRelease(const Message& m, const Release& release);
  void OnReleaseAck(const Message& m, const ReleaseAck& ack);
  void OnReleaseQuery(const Message& m, const ReleaseQuery& query);

  // ---- core_leader.cc
  void BecomeLeader();
  void StopLeading(AbdicationReason reason, ReplicaId target);
  void ForgetLeadership();
  void TickLeader();
  void CheckTransfer();
  void AppendOwn(EntryType type, absl::Cord payload);

  // ---- core_replication.cc
  void Flush();
  void FlushFollower(const Member& member, Progress* progress);
  bool SendAppend(const Member& member, Progress* progress, bool with_entries);
  bool Outstanding(const Member& member, const Progress& progress) const;
  void TickFollower(const Member& member, Progress* progress);
  void ArmRetry(const Member& member, Progress* progress);
  void OnAppendRequest(const Message& m, const AppendRequest& request);
  void AcceptLeader(const Message& m, const AppendRequest& request);
  bool StoreEntries(const AppendRequest& request, AppendReply* reply);
  void OnAppendReply(const Message& m, const AppendReply& reply);
  void OnAppendRefused(Progress* progress, const AppendReply& reply);
  void AdvanceCommit();
  void OnLeaderCommitted();
  void CommitTo(Index index);
  // What the leader tells others to be committed.
  Index Announced() const;

  // ---- core_membership.cc
  void RestoreConfigurations(const Configuration& applied);
  void ContinueLog(std::vector<Entry> entries);
  void SetConfiguration();
  void AdoptConfiguration();
  void AdoptMembers();
  Progress NewProgress(const Member& member) const;
  bool Reachable(const Progress& progress) const { return progress.added_at <= applied_; }
  bool IsCaughtUp(ReplicaId id) const;
  bool NewVotersAreReady(const Configuration& next) const;
  ProposeStatus JudgeChange(const Configuration& target, Configuration* next) const;
  void ForgetAppliedConfigurations();
  void LeaveJoint();
  void LeaveIfRemoved();

  // ---- core_snapshot.cc
  void AskForSnapshot(const Member& member, Progress* progress);
  bool MayAskForSnapshot(const Member& member, const Progress& progress) const;

  // ---- core_stranded.cc
  void MeetHigherTerm(const Message& m);
  void OnReelectionProbeReply();
  void StartReelectionVote();
  void TickReelection();
  bool StandsForVotes() const {
    return role_ == Role::kCandidate || reelection_ == Reelection::kVoting;
  }

  // ---- core_read.cc
  void CompleteReads();
  void AskReadsAgain();
  void FailReads();

  const CoreOptions options_;
  const LeaseView* const leases_;
  LogTail log_;
  // The configuration as of `applied_`, and those of the log behind it; the last one is in force
  // [H-14]. Never empty; indexes rise.
  ShortQueue<AppendedConfiguration> configurations_;
  Configuration configuration_;  // configurations_.back().
  Configuration counted_;
  std::vector<Member> others_;  // All members but this one, sorted.

  // Durable after the Ready that carries it; `hard_state_changed_` until it was handed out.
  HardState hs_;
  HardState durable_vote_;  // Mutant 7 only: what a store without rule [H-2] would have kept.
  bool hard_state_changed_ = false;

  Role role_ = Role::kFollower;
  bool damaged_ = false;  // The log could not be read [H-18]: does nothing any more.
  ReplicaId leader_;
  // Known to be committed; only grows. `handed_out_` <= commit_: given to the owner to apply.
  Index commit_;
  Index applied_;
  Index handed_out_;
  Index held_by_all_;  // As last announced by a leader.
  ClockReading now_;
  uint64_t random_state_;

  Ready ready_;
  uint64_t persist_sequence_ = 0;
  uint64_t persisted_sequence_ = 0;

  // ---- Election. `election_at_` is max while bound, leading, or not a voter.
  Instant election_at_ = Instant::max();
  uint64_t attempt_ = 0;     // Of the current campaign; answers to others are stale.
  int failed_attempts_ = 0;  // Since the last leader or granted vote.
  bool patient_ = false;     // Waits longer because no quorum of stores is in contact.
  Instant attempt_ends_ = Instant::max();
  Instant attempt_resend_ = Instant::max();
  std::map<ReplicaId, ProbeAnswer> probe_answers_;
  Term highest_seen_term_;
  LogPosition highest_seen_last_;  // Among those whose probes or answers we saw.
  std::map<ReplicaId, bool> votes_;
  int vote_messages_ = 0;                     // Mutant 9 only.
  bool own_vote_pending_ = false;             // Not handed out yet.
  uint64_t own_vote_sequence_ = 0;            // Becomes durable with this Ready.
  Term campaign_released_;                    // Handover: the term that its leader released for us.
  Instant vote_hold_until_ = Instant::min();  // Answers probes with "not now" after a vote [H-2].
  std::map<ReplicaId, IssuedNonce> nonces_;
  uint64_t next_nonce_;

  // ---- Catch-up: `pulled_` are the donor's entries up to `pull_after_` that are not installed
  // yet.
  ReplicaId pull_donor_;
  LogPosition pull_after_;
  std::vector<Entry> pulled_;

  // ---- Binding.
  bool was_bound_ = false;  // As of the last look.
  Instant query_after_ = Instant::min();
  // Restarted while bound: how much of its log is committed was known to the last process only, and
  // an idle leader has no reason to tell it again. Asks until the leader's next append.
  bool asks_for_commit_ = false;
  // Releases that members have not acknowledged; kept after the leadership ended [H-11].
  std::map<ReplicaId, PendingRelease> pending_releases_;
  ReplicaId release_target_;
  Instant release_retry_at_ = Instant::max();
  int release_failures_ = 0;

  // ---- Leader, valid while role_ is kLeader.
  std::map<ReplicaId, Progress> progress_;
  std::map<ReplicaId, StoreId> former_members_;  // Members of this term that are none any more.
  uint64_t round_ = 0;
  Term led_term_;  // hs_.term, but while kVoting the one below [H-12].
  Reelection reelection_ = Reelection::kNone;
  Index term_start_;           // The empty entry of this term [H-9].
  Index read_floor_;           // To be applied before a read: term_start_, or that of [H-12].
  bool born_leading_ = false;  // Leads, or led, a child's first term [H-15].
  Instant leader_since_;
  bool had_lease_ = false;
  Instant progress_at_;  // Last commit or progress of a follower, or when waiting began [H-7].
  bool flush_needed_ = false;
  uint64_t uncommitted_bytes_ = 0;
  ShortQueue<std::pair<Index, uint64_t>> uncommitted_;
  ReplicaId transfer_target_;
  Instant transfer_ends_ = Instant::max();
  ShortQueue<ReadBatch> reads_;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_CORE_IMPL_H_
