// One replica's protocol state machine: Harpoon for one group, as a pure function of its inputs.
//
// Does no I/O, reads no clock, draws randomness from a seeded generator of its own, logs nothing:
// effects leave through TakeReady(), reports come back through OnPersisted()/OnApplied(). Rules are
// cited as [S-n] and [H-n]; see consensus/README.md. Not thread-safe.
//
// Use: after any call that takes `now`, call TakeReady() and carry it out. Time moves only through
// arguments and must not go backwards (CHECK).

#ifndef RASPUTIN_CONSENSUS_CORE_CORE_H_
#define RASPUTIN_CONSENSUS_CORE_CORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/cord.h"
#include "consensus/core/configuration.h"
#include "consensus/core/lease_view.h"
#include "consensus/core/log_view.h"
#include "consensus/core/message.h"
#include "consensus/core/mutants.h"
#include "consensus/core/ready.h"
#include "consensus/core/types.h"

namespace rasputin::consensus {

enum class Role : uint8_t {
  kFollower = 1,
  kProbing = 2,
  kPulling = 3,
  kCandidate = 4,
  kLeader = 5
};

struct CoreOptions {
  RangeId range;
  ReplicaId self;
  StoreId self_store;
  Duration lease_duration = std::chrono::seconds(2);  // D.
  // Election timer after it may campaign: uniform in [min, max); defaults D/8 and D/2.
  Duration election_delay_min = std::chrono::milliseconds(250);
  Duration election_delay_max = std::chrono::milliseconds(1000);
  // Retransmission of an append that was not answered, and back-off of a failed campaign's probe.
  Duration retry_interval = std::chrono::milliseconds(200);
  uint64_t max_append_bytes = 1 << 20;        // Payload bytes per AppendRequest.
  uint64_t max_inflight_bytes = 16 << 20;     // Per follower, sent and not yet answered.
  uint64_t max_uncommitted_bytes = 64 << 20;  // Proposals beyond are refused (back-pressure).
  uint64_t seed = 1;
  // Whether NextDeadline includes the end of the leader lease. If not, the owner ticks each leader
  // whenever support of a store begins or ends, by either clock, for SupportFrom or
  // HeldSupportFrom: one look at the stores instead of a timer for each of many groups.
  bool watches_lease_end = true;
  Mutants mutants;  // Test builds only; see mutants.h.
};

struct InitialState {
  HardState hard_state;
  Configuration configuration;  // As of the applied state; later kConfig entries in the log win.
  // Entries up to here are in the state machine. Where a snapshot was just installed: its position,
  // at which the log begins.
  Index applied;
  // [H-15] The process that created this child durably by applying the split on the proposer's
  // store: its replica leads term 1 at once. Never set after a restart or a replay.
  bool leads_first_term = false;
  // Entries up to here are known to be committed though `applied` is lower: the state machine lost
  // what it had applied at a crash. In the log (CHECK).
  Index committed;
};

enum class ProposeStatus : uint8_t {
  kAccepted = 1,
  // Or a leader whose lease ended, that hands its leadership over, that was removed [H-14], or that
  // stands for election in a higher term [H-12].
  kNotLeader = 2,
  kOverloaded = 3,  // More than max_uncommitted_bytes wait; retry later.
  // Of a configuration only [H-14].
  kChangeUnderWay = 4,  // The last change is not applied here yet, or the configuration is joint.
  // A new voter is not a learner that is bound and caught up, the lease would not hold under the
  // new configuration, or nothing of this term was applied yet. Retry later.
  kNotReady = 5,
  // No voters, a member twice, two replicas on one store, a replica on another store than before, a
  // voter that is to be a learner, or more than kConfigurationMembersMax in a list.
  kInvalid = 6,
};

struct ProposeResult {
  ProposeStatus status = ProposeStatus::kNotLeader;
  Term term;    // kAccepted.
  Index index;  // kAccepted.
};

// What a leader knows of another member, for operators and for the range layer's decisions.
struct MemberProgress {
  ReplicaId id;
  Index match;             // Durable there and equal to the leader's log.
  bool bound = false;      // To this leader, at the epoch that its store supports now [H-6].
  bool supported = false;  // Its store supports the leader's store now.
  bool needs_snapshot =
      false;  // Lacks entries that are not in the log any more, or does not exist.
};

class Core {
 public:
  // `log` and `leases` outlive the core. `log` shows everything handed out in Ready::entries as
  // soon as the owner accepted that Ready (durable or not).
  Core(const CoreOptions& options, const InitialState& initial, const LogView* log,
       const LeaseView* leases, const ClockReading& now);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Timers. Cheap; needed only when NextDeadline() is reached or when a lease update changed more
  // than an end: `lowest_accepted` or `own_epoch` of a member's store, its support from ended to
  // held or back, or the suspension. Mere extensions need no Tick: a leader's deadline is the end
  // of its lease as it was last known, so the owner asks NextDeadline() again when it is reached
  // (having carried in all lease updates first) and calls Tick only if it is still due.
  void Tick(const ClockReading& now);
  // The message is for this range and replica, which the caller checked. The sender need not be a
  // member as far as this replica knows: its log may lack the entry that added the sender, or the
  // sender the one that removed it [H-14]. The message's generation is of no account here: see
  // Message. Snapshots and Removed are the owner's business and ignored.
  void Step(const ClockReading& now, const Message& message);
  ProposeResult Propose(const ClockReading& now, absl::Cord command);

  // Changes the membership to `target`, which is not joint [H-14]. Where the voters differ, the
  // joint configuration is appended, and once it is applied the leader of the day appends `target`
  // by itself; otherwise `target` is appended at once. The result names the first of these entries.
  // A configuration is in force from the moment it is appended. Members may be given in any order.
  // Ids of new replicas must never have been used; a leader sends nothing to them before the entry
  // that added them is applied, so that ids of changes which came to nothing are unused.
  ProposeResult ProposeConfiguration(const ClockReading& now, const Configuration& target);

  // A transfer to `to` that Ready::snapshots_wanted asked for has ended. `installed`: the receiver
  // holds the state that was sent, or a newer one. Until then empty appends go on, which bind.
  void OnSnapshotSent(const ClockReading& now, ReplicaId to, bool installed);

  // Hands leadership to `target` [H-11]: stops accepting proposals, lets the target catch up, then
  // becomes unable to serve and releases. Ignored unless leader and `target` is another voter;
  // returns whether it began, or is under way to `target` already. Given up (and proposals accepted
  // again) if the target did not catch up within D.
  bool TransferLeadership(const ClockReading& now, ReplicaId target);

  // Gives leadership up now [H-7]: unable to serve for the rest of the term, then releases.
  // Used on stopping the process, when a replica is stopped, or by tests. No-op unless leader.
  void Abdicate(const ClockReading& now);

  // A client's request went unserved for D: asks the leader that this replica is bound to whether
  // the binding still holds [H-11]. No-op unless bound; at most one question per retry_interval.
  void QueryBinding(const ClockReading& now);

  // Starts (or joins) a read index round [H-10]; the answer comes in Ready::reads.
  // False: not leader.
  bool RequestReadIndex(const ClockReading& now, uint64_t context);

  Ready TakeReady();
  bool HasReady() const;
  // Everything of all Readys up to `persist_sequence` is durable.
  void OnPersisted(const ClockReading& now, uint64_t persist_sequence);
  // The state machine has applied up to `applied`. A leader announces no commit index beyond it
  // [H-15] (it applies a split before anyone else can), so this may produce messages.
  void OnApplied(Index applied);

  // The owner knows from elsewhere that the entry at `position`, which is in the log (CHECK), is
  // committed: the log of another group vouches for it (a merge, range/README.md). Nobody may be
  // left in this group to say so.
  void LearnCommitted(const ClockReading& now, LogPosition position);

  // True iff this replica may serve a linearizable read of its applied state at this very moment
  // [H-10]: leads, an entry of its term is applied (or [H-12]), the lease is valid at `now`.
  // The caller checks applied >= commit_index() as of the arrival of the read, reads, then calls
  // this again with a fresh `now` before answering.
  bool MayServeRead(const ClockReading& now) const;
  // Leader and able to serve: neither abdicated nor past the end of its lease. What proposals need.
  bool IsServingLeader(const ClockReading& now) const;
  // Until when the leader lease is valid [H-6]; an instant in the past if not leader.
  DualInstant LeaseEnd() const;

  Role role() const;
  Term term() const;
  ReplicaId self() const;
  // Last leader heard of in this term or bound to; 0: unknown. A hint only.
  ReplicaId leader_hint() const;
  Index commit_index() const;
  Index applied_index() const;
  Index last_index() const;
  const HardState& hard_state() const;
  // In force: the last one appended, committed or not.
  const Configuration& configuration() const;
  // Store of leader_hint(); 0: unknown.
  StoreId leader_store_hint() const;
  // Of all other members, sorted by id; empty unless leader.
  std::vector<MemberProgress> ListProgress(const ClockReading& now) const;
  // Up to here every member holds the log durably, as far as this replica knows: the lowest match
  // index of all members on a leader, what the leader last announced on a follower. For cutting the
  // log.
  Index held_by_all() const;
  // The log could not be read: the replica has stopped for good [H-18]. It answers nothing.
  bool log_damaged() const;
  // Members were released [H-11] of whom it is not known that they have learnt it; with `alive`,
  // such whose stores support this one as of the last call with a time.
  bool releasing(bool alive) const;
  // Earliest instant at which Tick() has something to do; Instant::max(): only an input wakes it.
  Instant NextDeadline() const;
  // The next Tick begins a campaign, for lack of a leader.
  bool IsDueToCampaign(const ClockReading& now) const;
  // Draws a new election delay instead. For an owner of many groups: campaigns beyond what it can
  // finish in time would all fail.
  void PostponeCampaign(const ClockReading& now);

 private:
  friend class CoreInvariants;  // Tests look at what is between calls.
  friend class CoreAccess;      // The executable model saves and restores it.
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_CORE_H_
