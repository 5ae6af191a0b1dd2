// One short test per rule of consensus/README.md, quoting it; where a mutant breaks the rule, the
// same test shows that it would notice.
//
// Not responsible for what only several replicas show: core_cluster_test.cc.

#include "consensus/core/core.h"
#include "consensus/core/lone_core.h"
#include "gtest/gtest.h"

namespace rasputin::consensus {
namespace {

using std::chrono::milliseconds;

LogPosition At(uint64_t term, uint64_t index) { return {Term(term), Index(index)}; }

// A leader of term 1 with a lease from store 102 and its first entry applied.
void Lead(LoneCore* lone) {
  lone->Start();
  lone->SupportFromPeer(2, 1);
  lone->Elect();
  lone->Acknowledge(2);
}

// All followers have answered for everything.
void Quiet(LoneCore* lone) {
  for (int i = 0; i < 2; ++i) {
    lone->Acknowledge(2);
    lone->Acknowledge(3, 0);
  }
}

// ---- [H-1]

TEST(DurableBeforeSpoken, AppendIsAcknowledgedOnlyAfterTheSync) {  // "[H-1] appended entries are
  for (const bool mutated : {false, true}) {                       //  durable before any message"
    LoneCore lone(mutated ? Mutants(29) : Mutants());
    lone.Start();
    lone.hold_persist = true;
    lone.Step(2, 1, LoneCore::Append({}, {1}));
    EXPECT_EQ(lone.Last<AppendReply>(2) != nullptr, mutated);
    EXPECT_EQ(!lone.violations.empty(), mutated);
    lone.FinishPersist();
    ASSERT_NE(lone.Last<AppendReply>(2), nullptr);
    EXPECT_EQ(lone.Last<AppendReply>(2)->match, Index(1));
  }
}

TEST(DurableBeforeSpoken, VoteIsInTheHardStateThatPrecedesIt) {  // "[H-1] Term, vote"
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(7) : Mutants());
    lone.Start();
    EXPECT_TRUE(lone.AskVote(2, 5, {}));
    EXPECT_EQ(lone.durable.vote == ReplicaId(2) && lone.durable.term == Term(5), !mutated);
  }
}

TEST(DurableBeforeSpoken, OwnVoteCountsOnlyOnceDurable) {
  LoneCore lone(Mutants(), 1);
  lone.Start();
  lone.hold_persist = true;
  lone.AdvanceToDeadline();
  EXPECT_EQ(lone.core->role(), Role::kCandidate);
  lone.FinishPersist();
  EXPECT_EQ(lone.core->role(), Role::kLeader);
}

// ---- [H-2] [H-3]

TEST(Votes, OneVotePerTerm) {  // "[H-2] One vote per term"
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(11) : Mutants());
    lone.Start();
    EXPECT_TRUE(lone.AskVote(2, 5, {}));
    lone.Advance(lone.options.election_delay_min);
    EXPECT_EQ(lone.AskVote(3, 5, {}), mutated);
    EXPECT_EQ(!lone.violations.empty(), mutated);
  }
}

TEST(Votes, DistinctMembersAreCounted) {  // "[H-2] count distinct member ids"
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(9) : Mutants(), 5);
    lone.Start();
    while (lone.core->role() != Role::kProbing) lone.AdvanceToDeadline();
    const ProbeRequest probe = *lone.Last<ProbeRequest>(2);
    for (const uint64_t peer : {2, 3}) {
      lone.Step(peer, 0, ProbeReply{probe.attempt, ProbeStatus::kOk, {}, {}, Nonce(1), {}, {}});
    }
    lone.Step(2, lone.core->term().value(), VoteReply{true});
    lone.Step(2, lone.core->term().value(), VoteReply{true});
    EXPECT_EQ(lone.core->role() == Role::kLeader, mutated);
  }
}

TEST(Votes, VoterAnswersNoProbeForACampaignsRoundTrips) {  // "[H-2] answers probes with no"
  LoneCore lone;
  lone.Start();
  EXPECT_TRUE(lone.AskVote(2, 5, {}));
  lone.Step(3, 5, ProbeRequest{7, {}});
  EXPECT_EQ(lone.Last<ProbeReply>(3)->status, ProbeStatus::kNotNow);
}

TEST(Votes, LastTermDecidesBeforeTheLength) {  // "[H-3] (last term, last index) is not behind"
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(10) : Mutants());
    lone.SetLog({1, 3});
    lone.initial.hard_state.term = Term(3);
    lone.Start();
    EXPECT_EQ(lone.AskVote(2, 5, At(2, 9)), mutated);
    EXPECT_FALSE(lone.AskVote(2, 6, At(3, 1)));
  }
}

// ---- [H-4]

TEST(Binding, FirstAppendBindsEvenIfTheLogDoesNotMatch) {  // "[H-4] whether the log matches or not"
  LoneCore lone;
  lone.Start();
  lone.Step(2, 1, LoneCore::Append(At(1, 9), {}, 0, 4));
  const AppendReply* reply = lone.Last<AppendReply>(2);
  EXPECT_FALSE(reply->accepted);
  EXPECT_EQ(reply->bound_epoch, Epoch(4));
  EXPECT_EQ(lone.durable.bound_leader, ReplicaId(2));
  EXPECT_EQ(lone.core->NextDeadline(), Instant::max());
}

TEST(Binding, BoundReplicaKeepsItsTermAndVote) {  // "[H-4] does not adopt a higher term"
  LoneCore lone;
  lone.Start();
  lone.Step(2, 1, LoneCore::Append({}, {1}));
  EXPECT_FALSE(lone.AskVote(3, 9, At(8, 9)));
  EXPECT_EQ(lone.core->term(), Term(1));
  EXPECT_EQ(lone.Last<ProbeReply>(3)->status, ProbeStatus::kBound);
  EXPECT_EQ(lone.Last<ProbeReply>(3)->bound_to, ReplicaId(2));
  lone.Advance(100 * kD);
  EXPECT_EQ(lone.core->role(), Role::kFollower);
}

TEST(Binding,
     EndsWhenTheStoreWithdrewTheEpoch) {  // "[H-4] until its store has durably withdrawn e"
  LoneCore lone;
  lone.Start();
  lone.Step(2, 1, LoneCore::Append({}, {1}, 0, 4));
  lone.leases.lowest[StoreId(102)] = Epoch(4);
  lone.Advance(kD);
  EXPECT_FALSE(lone.Saw(EventType::kBindingEnded));
  lone.leases.lowest[StoreId(102)] = Epoch(5);
  EXPECT_LE(lone.core->NextDeadline(), lone.now.boot);
  lone.Advance(Duration::zero());
  EXPECT_TRUE(lone.Saw(EventType::kBindingEnded));
  lone.AdvanceToDeadline();
  EXPECT_EQ(lone.core->role(), Role::kProbing);
}

TEST(Binding, SurvivesARestart) {  // "[S-6] binding and released terms are durable"
  LoneCore lone;
  lone.initial.hard_state.term = Term(3);
  lone.initial.hard_state.bound_leader = ReplicaId(2);
  lone.initial.hard_state.bound_store = StoreId(102);
  lone.initial.hard_state.bound_term = Term(3);
  lone.initial.hard_state.bound_epoch = Epoch(2);
  lone.Start();
  EXPECT_FALSE(lone.AskVote(3, 4, At(9, 9)));
}

TEST(Binding, AppendOfAWithdrawnEpochDoesNotBind) {
  LoneCore lone;
  lone.leases.lowest[StoreId(102)] = Epoch(5);
  lone.Start();
  lone.Step(2, 1, LoneCore::Append({}, {1}, 0, 4));
  EXPECT_TRUE(lone.Last<AppendReply>(2)->accepted);
  EXPECT_EQ(lone.Last<AppendReply>(2)->bound_epoch, Epoch());
}

TEST(Binding, CandidatesVotesDoNotBind) {  // "[H-2] A vote is not a promise"
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(19) : Mutants());
    lone.Start();
    EXPECT_TRUE(lone.AskVote(2, 5, {}));
    lone.Advance(lone.options.election_delay_min);
    EXPECT_EQ(lone.AskVote(3, 6, {}), !mutated);
  }
}

// ---- [H-5]

TEST(Probe, ChangesNothing) {  // "[H-5] a probe that changes nothing anywhere"
  LoneCore lone;
  lone.Start();
  const HardState before = lone.core->hard_state();
  lone.Step(2, 77, ProbeRequest{1, At(76, 9)});
  EXPECT_EQ(lone.Last<ProbeReply>(2)->status, ProbeStatus::kOk);
  EXPECT_TRUE(lone.core->hard_state() == before);
  while (lone.core->role() != Role::kProbing) lone.AdvanceToDeadline();
  EXPECT_TRUE(lone.core->hard_state() == before) << "not even to oneself";
}

TEST(Probe, VoteNeedsTheNonceOfARecentAnswer) {  // "[H-5] the vote request echoes the nonce"
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(24) : Mutants());
    lone.Start();
    lone.Step(2, 0, ProbeRequest{1, {}});
    const Nonce nonce = lone.Last<ProbeReply>(2)->nonce;
    lone.Step(2, 5, VoteRequest{{}, Nonce(nonce.value() + 1), {}});
    EXPECT_EQ(lone.core->term() == Term(5), mutated);
    lone.Advance(kD);
    lone.Step(2, 6, VoteRequest{{}, nonce, {}});
    EXPECT_EQ(lone.Last<VoteReply>(2)->granted, mutated) << "a late request";
  }
}

TEST(Probe, NoVoteWhileTheStoreMayNot) {  // "[S-6] For P after its start no replica votes"
  LoneCore lone;
  lone.Start();
  lone.Step(2, 0, ProbeRequest{1, {}});
  lone.leases.may_vote = false;
  lone.Step(2, 5, VoteRequest{{}, lone.Last<ProbeReply>(2)->nonce, {}});
  EXPECT_FALSE(lone.Last<VoteReply>(2)->granted);
  lone.Step(3, 0, ProbeRequest{1, {}});
  EXPECT_EQ(lone.Last<ProbeReply>(3)->status, ProbeStatus::kNotNow);
  for (int i = 0; i < 20; ++i) lone.AdvanceToDeadline();
  EXPECT_EQ(lone.core->role(), Role::kFollower) << "nor probes";
}

// ---- [H-6]

TEST(LeaderLease,
     NeedsAQuorumBoundAtTheSupportedEpoch) {  // "[H-6] at the very epoch of the binding"
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(51) : Mutants());
    Lead(&lone);
    EXPECT_TRUE(lone.core->MayServeRead(lone.now));
    lone.SupportFromPeer(2, 2);
    EXPECT_EQ(lone.core->MayServeRead(lone.now), mutated);
  }
}

TEST(LeaderLease, EndsOnWhicheverClockEndsFirst) {  // "[S-8] if any of its clocks says so"
  LoneCore lone;
  Lead(&lone);
  ClockReading later = lone.now;
  later.raw += kD;
  EXPECT_FALSE(lone.core->MayServeRead(later));
  later = lone.now;
  later.boot += kD;
  EXPECT_FALSE(lone.core->MayServeRead(later));
}

TEST(LeaderLease, RoleAloneServesNothing) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(5) : Mutants());
    Lead(&lone);
    lone.now.boot += kD;  // Paused: nobody ticked.
    lone.now.raw += kD;
    EXPECT_EQ(lone.core->MayServeRead(lone.now), mutated);
  }
}

TEST(LeaderLease, SuspendedServesNothingAndAbdicatesAtTheEndOnly) {  // "[S-8] suspended"
  LoneCore lone;
  Lead(&lone);
  lone.leases.suspended = true;
  lone.Advance(kD / 2);
  EXPECT_FALSE(lone.core->MayServeRead(lone.now));
  EXPECT_EQ(lone.core->role(), Role::kLeader);
  lone.Advance(kD / 2);
  EXPECT_EQ(lone.core->role(), Role::kFollower);
}

TEST(LeaderLease, SingleVoterLeadsByItsOwnDisk) {
  LoneCore lone(Mutants(), 1);
  lone.Start();
  lone.AdvanceToDeadline();
  EXPECT_TRUE(lone.core->MayServeRead(lone.now));
  EXPECT_EQ(lone.core->Propose(lone.now, absl::Cord("x")).status, ProposeStatus::kAccepted);
  lone.Settle();
  EXPECT_EQ(lone.committed.size(), 2u);
  ASSERT_TRUE(lone.core->RequestReadIndex(lone.now, 42));
  lone.Settle();
  ASSERT_EQ(lone.reads.size(), 1u);
  EXPECT_EQ(lone.reads[0].index, Index(2));
}

// ---- [H-7]

TEST(Abdication, AtTheEndOfTheLease) {
  LoneCore lone;
  Lead(&lone);
  Quiet(&lone);
  EXPECT_EQ(lone.core->NextDeadline(), lone.leases.support[StoreId(102)].until.boot)
      << "an idle leader sleeps until the end of its lease";
  lone.AdvanceToDeadline();
  EXPECT_EQ(lone.core->role(), Role::kFollower);
  ASSERT_NE(lone.Last<Release>(2), nullptr);
  EXPECT_EQ(lone.Last<Release>(2)->released_term, Term(1));
}

TEST(Abdication, OfANewLeaderThatGainsNoLeaseWithinD) {
  LoneCore lone;
  lone.Start();
  lone.Elect();
  EXPECT_TRUE(lone.core->IsServingLeader(lone.now));
  EXPECT_FALSE(lone.core->MayServeRead(lone.now));
  for (int i = 0; i < 20; ++i) lone.Advance(kD / 20);
  EXPECT_EQ(lone.core->role(), Role::kFollower);
}

TEST(Abdication, WhenProposalsWaitLongerThanDWithoutProgress) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(20) : Mutants());
    Lead(&lone);
    ASSERT_EQ(lone.core->Propose(lone.now, absl::Cord("x")).status, ProposeStatus::kAccepted);
    for (int i = 0; i < 11; ++i) {
      lone.SupportFromPeer(2, 1);
      lone.Advance(kD / 10);
    }
    EXPECT_EQ(lone.core->role() == Role::kLeader, mutated);
  }
}

TEST(Abdication, BecomesUnableToServeBeforeItReleases) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(22) : Mutants());
    Lead(&lone);
    lone.Clear();
    lone.core->Abdicate(lone.now);
    lone.Settle();
    ASSERT_NE(lone.Last<Release>(2), nullptr);
    EXPECT_EQ(lone.core->MayServeRead(lone.now), mutated);
  }
}

// ---- [H-8]

TEST(EpochLost, FollowerIsBoundAgainWithTheNewEpoch) {  // "[H-8] by binding it again in its term"
  LoneCore lone;
  Lead(&lone);
  lone.SupportFromPeer(3, 1);
  lone.Acknowledge(3);
  Quiet(&lone);
  lone.SupportFromPeer(2, 2);
  lone.Clear();
  lone.Advance(Duration::zero());
  ASSERT_NE(lone.Last<AppendRequest>(2), nullptr);
  EXPECT_EQ(lone.Last<AppendRequest>(2)->epoch, Epoch(2));
  lone.Acknowledge(2, 2);
  lone.leases.support.erase(StoreId(103));
  EXPECT_TRUE(lone.core->MayServeRead(lone.now));
}

// ---- [H-9]

TEST(Commit, EntriesOfEarlierTermsOnlyBehindOneOfTheOwn) {  // "[H-9] current-term entries only"
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(15) : Mutants());
    lone.SetLog({1, 2});
    lone.initial.hard_state.term = Term(2);
    lone.Start();
    lone.SupportFromPeer(2, 1);
    lone.Elect();
    AppendReply reply;
    reply.accepted = true;
    reply.match = Index(2);  // Holds what the term before left, not yet the empty entry of term 3.
    reply.read_context = 1;
    lone.Step(2, 3, reply);
    EXPECT_EQ(lone.core->commit_index() == Index(2), mutated);
  }
}

// A merge: the other range's log vouches for the entry, and every member holds it.
TEST(Commit, WhatTheOwnerKnowsToBeCommittedIsHandedOutWithoutALeader) {
  LoneCore lone;
  lone.SetLog({1, 1, 2});
  lone.initial.hard_state.term = Term(2);
  lone.Start();
  EXPECT_EQ(lone.core->commit_index(), Index());
  lone.core->LearnCommitted(lone.now, At(1, 2));
  lone.Settle();
  EXPECT_EQ(lone.core->commit_index(), Index(2));
  ASSERT_EQ(lone.committed.size(), 2u);
  EXPECT_EQ(lone.core->applied_index(), Index(2));
  lone.core->LearnCommitted(lone.now, At(1, 1));  // Known already.
  EXPECT_EQ(lone.core->commit_index(), Index(2));
  EXPECT_DEATH(lone.core->LearnCommitted(lone.now, At(1, 3)), "not in the log");
  EXPECT_DEATH(lone.core->LearnCommitted(lone.now, At(2, 4)), "not in the log");
}

TEST(Commit, LogsMustMatchBeforeEntriesAreTaken) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(12) : Mutants());
    lone.SetLog({1, 1});
    lone.Start();
    lone.Step(2, 3, LoneCore::Append(At(2, 2), {3}));
    EXPECT_EQ(lone.Last<AppendReply>(2)->accepted, mutated);
  }
}

TEST(Commit, GapsAreRefused) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(14) : Mutants());
    lone.SetLog({1});
    lone.Start();
    lone.Step(2, 3, LoneCore::Append(At(1, 3), {3}));
    EXPECT_EQ(lone.Last<AppendReply>(2)->accepted, mutated);
  }
}

TEST(Commit, FollowerCommitsOnlyWhatMatchesItsLeader) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(13) : Mutants());
    lone.SetLog({1, 1, 1});
    lone.Start();
    lone.Step(2, 3, LoneCore::Append(At(1, 1), {}, 3));
    EXPECT_EQ(lone.core->commit_index(), Index(mutated ? 3 : 1));
  }
}

TEST(Commit, RefusalIsNotAnAcknowledgement) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(2) : Mutants());
    lone.Start();
    lone.SupportFromPeer(2, 1);
    lone.Elect();
    AppendReply reply;
    reply.read_context = 1;
    lone.Step(2, 1, reply);
    EXPECT_EQ(lone.core->commit_index() == Index(1), mutated);
  }
}

TEST(Commit, RestartedMemberCountsOnce) {  // "[H-2] acks count distinct member ids"
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(8) : Mutants(), 5);
    lone.Start();
    lone.SupportFromPeer(2, 1);
    lone.Elect();
    AppendReply reply;
    reply.read_context = 1;
    for (const uint64_t epoch : {1, 2}) {
      reply.accepted = epoch == 2;
      reply.match = Index(epoch - 1);
      reply.bound_epoch = Epoch(epoch);
      lone.Step(2, 1, reply);
    }
    EXPECT_EQ(lone.core->commit_index() == Index(1), mutated);
  }
}

TEST(Commit, AnnouncedAtOnceToAnIdleGroup) {
  LoneCore lone;
  Lead(&lone);
  EXPECT_EQ(lone.Last<AppendRequest>(2)->commit, Index(1));
  EXPECT_TRUE(lone.Last<AppendRequest>(2)->entries.empty());
  Quiet(&lone);
  lone.Clear();
  EXPECT_EQ(lone.core->NextDeadline(), lone.leases.support[StoreId(102)].until.boot);
}

TEST(Commit,
     NotAnnouncedBeyondWhatTheLeaderApplied) {  // "[H-15] applies a split before it announces"
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(32) : Mutants());
    lone.apply = false;
    Lead(&lone);
    EXPECT_EQ(lone.core->commit_index(), Index(1));
    EXPECT_EQ(lone.Last<AppendRequest>(2)->commit == Index(1), mutated);
    lone.core->OnApplied(Index(1));
    lone.Settle();
    EXPECT_EQ(lone.Last<AppendRequest>(2)->commit, Index(1));
  }
}

TEST(Commit, UnansweredAppendIsSentAgain) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(18) : Mutants());
    Lead(&lone);
    lone.Clear();
    lone.Advance(lone.options.retry_interval);
    EXPECT_EQ(lone.Last<AppendRequest>(3) == nullptr, mutated);
  }
}

// Five steps: the entry is sent, is committed without that follower, is sent again together with
// the commit, which is lost; a new epoch is bound by an append without entries; the follower
// answers to the first and the last of these, and has the entry without knowing that it is
// committed.
TEST(Commit, IsToldAgainAlthoughALaterAppendThatReachedLessFarIsAnswered) {
  LoneCore lone;
  lone.Start();
  lone.SupportFromPeer(2, 1);
  lone.Elect();
  const AppendRequest first = *lone.Last<AppendRequest>(3);
  lone.Acknowledge(2);
  lone.Advance(lone.options.retry_interval);
  ASSERT_EQ(lone.Last<AppendRequest>(3)->commit, Index(1));
  ASSERT_EQ(lone.Last<AppendRequest>(3)->entries.size(), 1u);
  lone.SupportFromPeer(3, 1);
  lone.Advance(milliseconds(1));
  const AppendRequest binding = *lone.Last<AppendRequest>(3);
  ASSERT_TRUE(binding.entries.empty());
  AppendReply reply;
  reply.accepted = true;
  reply.match = Index(1);
  reply.read_context = first.read_context;
  lone.Step(3, 1, reply);
  reply.match = Index(0);
  reply.bound_epoch = Epoch(1);
  reply.read_context = binding.read_context;
  lone.Step(3, 1, reply);
  lone.Clear();
  lone.Advance(lone.options.retry_interval);
  ASSERT_NE(lone.Last<AppendRequest>(3), nullptr);
  EXPECT_EQ(lone.Last<AppendRequest>(3)->previous.index, Index(1));
  EXPECT_EQ(lone.Last<AppendRequest>(3)->commit, Index(1));
  lone.Acknowledge(3);
  lone.Clear();
  lone.Advance(lone.options.retry_interval);
  EXPECT_EQ(lone.Last<AppendRequest>(3), nullptr) << "idle groups cost nothing";
}

// An append without entries overtakes the one with the entry: it is refused, the other is accepted,
// and the leader learns of both before it sends anything.
TEST(Commit, IsToldAlthoughARefusalAndALateAnswerArriveTogether) {
  LoneCore lone;
  lone.Start();
  lone.SupportFromPeer(2, 1);
  lone.SupportFromPeer(3, 1);
  lone.Elect();
  lone.Acknowledge(2);
  lone.Acknowledge(3);
  lone.Acknowledge(2);
  lone.Acknowledge(3);
  lone.core->Propose(lone.now, absl::Cord("x"));
  lone.Settle();
  const AppendRequest with_entry = *lone.Last<AppendRequest>(3);
  lone.Step(3, 1, ReleaseQuery{Term(1)});
  const AppendRequest without = *lone.Last<AppendRequest>(3);
  ASSERT_EQ(without.previous.index, Index(2));
  Message m;
  m.range = lone.options.range;
  m.from = ReplicaId(3);
  m.to = lone.options.self;
  m.from_store = StoreId(103);
  m.term = Term(1);
  AppendReply reply;
  reply.bound_epoch = Epoch(1);
  reply.conflict_hint = At(1, 1);
  reply.read_context = without.read_context;
  m.body = reply;
  lone.core->Step(lone.now, m);
  reply.accepted = true;
  reply.match = Index(2);
  reply.read_context = with_entry.read_context;
  m.body = reply;
  lone.core->Step(lone.now, m);
  lone.Clear();
  lone.Settle();
  ASSERT_EQ(lone.core->commit_index(), Index(2));
  ASSERT_NE(lone.Last<AppendRequest>(3), nullptr);
  EXPECT_EQ(lone.Last<AppendRequest>(3)->commit, Index(2));
  EXPECT_TRUE(lone.violations.empty());
}

TEST(Commit, ProposalsBeyondTheLimitAreRefused) {
  LoneCore lone;
  lone.options.max_uncommitted_bytes = 100;
  Lead(&lone);
  const absl::Cord big(std::string(80, 'x'));
  EXPECT_EQ(lone.core->Propose(lone.now, big).status, ProposeStatus::kAccepted);
  EXPECT_EQ(lone.core->Propose(lone.now, big).status, ProposeStatus::kOverloaded);
}

// ---- [H-10]

TEST(Reads, NewLeaderServesAfterItsFirstEntryIsApplied) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(28) : Mutants());
    lone.apply = false;
    Lead(&lone);
    EXPECT_EQ(lone.core->MayServeRead(lone.now), mutated);
    lone.core->OnApplied(Index(1));
    EXPECT_TRUE(lone.core->MayServeRead(lone.now));
  }
}

TEST(Reads, IndexRoundNeedsAnswersToAppendsSentAfterIt) {
  LoneCore lone;
  Lead(&lone);
  lone.Acknowledge(2);
  const AppendRequest early = *lone.Last<AppendRequest>(2);
  ASSERT_TRUE(lone.core->RequestReadIndex(lone.now, 42));
  lone.Settle();
  AppendReply late;
  late.accepted = true;
  late.match = Index(1);
  late.read_context = early.read_context;
  lone.Step(2, 1, late);
  EXPECT_TRUE(lone.reads.empty());
  lone.Acknowledge(2);
  ASSERT_EQ(lone.reads.size(), 1u);
  EXPECT_EQ(lone.reads[0].context, 42u);
}

TEST(Reads, WaitingRoundsFailWhenTheLeadershipEnds) {
  LoneCore lone;
  Lead(&lone);
  ASSERT_TRUE(lone.core->RequestReadIndex(lone.now, 42));
  lone.core->Abdicate(lone.now);
  lone.Settle();
  ASSERT_EQ(lone.reads.size(), 1u);
  EXPECT_TRUE(lone.reads[0].failed);
}

// ---- [H-11]

TEST(ReleaseRule, ReleasedTermIsDurableAndNeverBindsAgain) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(49) : Mutants());
    lone.Start();
    lone.Step(2, 1, LoneCore::Append({}, {1}));
    lone.hold_persist = true;
    lone.Step(2, 1, Release{Term(1), {}});
    EXPECT_EQ(lone.Last<ReleaseAck>(2), nullptr);
    lone.FinishPersist();
    EXPECT_NE(lone.Last<ReleaseAck>(2), nullptr);
    EXPECT_EQ(lone.durable.released_term, Term(1));
    lone.hold_persist = false;
    lone.Step(2, 1, LoneCore::Append(At(1, 1), {1}));
    EXPECT_EQ(lone.Last<AppendReply>(2)->accepted, mutated);
    lone.Step(3, 0, ProbeRequest{1, At(1, 9)});
    EXPECT_EQ(lone.Last<ProbeReply>(3)->status, ProbeStatus::kOk);
  }
}

TEST(ReleaseRule, RepeatedUntilAcknowledged) {
  LoneCore lone;
  Lead(&lone);
  lone.core->Abdicate(lone.now);
  lone.Settle();
  lone.Step(3, 1, ReleaseAck{Term(1)});
  lone.Clear();
  lone.Advance(lone.options.retry_interval);
  EXPECT_NE(lone.Last<Release>(2), nullptr);
  EXPECT_EQ(lone.Last<Release>(3), nullptr);
}

TEST(ReleaseRule, SaidOnlyWhileNoTermAtLeastAsHighIsLed) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(50) : Mutants());
    lone.initial.hard_state.term = Term(3);
    lone.Start();
    lone.SupportFromPeer(2, 1);
    lone.Elect();
    lone.Step(2, 3, ReleaseQuery{Term(3)});
    EXPECT_EQ(lone.Last<Release>(2) != nullptr, mutated);
    lone.Clear();
    lone.Step(2, 4, ReleaseQuery{Term(4)});
    EXPECT_EQ(lone.Last<Release>(2), nullptr);
    lone.core->Abdicate(lone.now);
    lone.Settle();
    lone.Clear();
    lone.Step(2, 4, ReleaseQuery{Term(4)});
    EXPECT_NE(lone.Last<Release>(2), nullptr);
  }
}

TEST(ReleaseRule, BoundReplicaThatIsProbedAsksItsLeader) {
  LoneCore lone;
  lone.Start();
  lone.Step(2, 1, LoneCore::Append({}, {1}));
  lone.Step(3, 1, ProbeRequest{1, {}});
  ASSERT_NE(lone.Last<ReleaseQuery>(2), nullptr);
  lone.Clear();
  lone.Advance(kD);
  lone.core->QueryBinding(lone.now);
  lone.Settle();
  EXPECT_NE(lone.Last<ReleaseQuery>(2), nullptr);
}

// An idle leader has nothing to send, and a split among the entries would never be applied here.
TEST(ReleaseRule, BoundReplicaThatRestartedAsksUntilItKnowsWhatIsCommitted) {
  LoneCore lone;
  lone.SetLog({1, 1});
  lone.initial.hard_state.term = Term(1);
  lone.initial.hard_state.bound_leader = ReplicaId(2);
  lone.initial.hard_state.bound_store = StoreId(102);
  lone.initial.hard_state.bound_term = Term(1);
  lone.initial.hard_state.bound_epoch = Epoch(1);
  lone.Start();
  lone.AdvanceToDeadline();
  EXPECT_NE(lone.Last<ReleaseQuery>(2), nullptr);
  lone.Clear();
  lone.AdvanceToDeadline();
  EXPECT_NE(lone.Last<ReleaseQuery>(2), nullptr);
  AppendRequest announcement;
  announcement.previous = At(1, 2);
  announcement.commit = Index(2);
  announcement.epoch = Epoch(1);
  lone.Step(2, 1, announcement);
  EXPECT_EQ(lone.core->commit_index(), Index(2));
  lone.Clear();
  lone.Advance(lone.options.retry_interval);
  EXPECT_EQ(lone.Last<ReleaseQuery>(2), nullptr);
}

TEST(ReleaseRule, LeaderThatIsAskedTellsWhatIsCommitted) {
  LoneCore lone;
  lone.Start();
  lone.SupportFromPeer(2, 1);
  lone.Elect();
  lone.Clear();
  lone.Step(2, 1, ReleaseQuery{lone.core->term()});
  EXPECT_NE(lone.Last<AppendRequest>(2), nullptr);
}

TEST(Handover, TargetCampaignsAtOnceAndItsRequestCarriesTheRelease) {
  LoneCore lone;
  lone.Start();
  lone.Step(2, 1, LoneCore::Append({}, {1}));
  lone.Step(2, 1, Release{Term(1), ReplicaId(1)});
  EXPECT_EQ(lone.core->role(), Role::kCandidate);
  ASSERT_NE(lone.Last<VoteRequest>(3), nullptr);
  EXPECT_EQ(lone.Last<VoteRequest>(3)->released_term, Term(1));
}

TEST(Handover, VoteRequestWithTheReleaseFreesABoundVoter) {
  LoneCore lone;
  lone.Start();
  lone.Step(2, 1, LoneCore::Append({}, {1}));
  lone.Step(3, 2, VoteRequest{At(1, 1), {}, Term(1)});
  EXPECT_TRUE(lone.Last<VoteReply>(3)->granted);
  EXPECT_EQ(lone.durable.released_term, Term(1));
}

TEST(Handover, WaitsForTheTargetAndIsGivenUpAfterD) {
  LoneCore lone;
  Lead(&lone);
  ASSERT_TRUE(lone.core->TransferLeadership(lone.now, ReplicaId(3)));
  lone.Settle();
  EXPECT_EQ(lone.core->Propose(lone.now, absl::Cord("x")).status, ProposeStatus::kNotLeader);
  EXPECT_TRUE(lone.core->TransferLeadership(lone.now, ReplicaId(3))) << "the same again joins it";
  EXPECT_FALSE(lone.core->TransferLeadership(lone.now, ReplicaId(2)));
  for (int i = 0; i < 10; ++i) {
    lone.SupportFromPeer(2, 1);
    lone.Advance(kD / 10);
  }
  EXPECT_TRUE(lone.Saw(EventType::kTransferAborted));
  EXPECT_EQ(lone.core->Propose(lone.now, absl::Cord("x")).status, ProposeStatus::kAccepted);
  lone.Settle();
  for (int i = 0; i < 3; ++i) lone.Acknowledge(2);
  ASSERT_TRUE(lone.core->TransferLeadership(lone.now, ReplicaId(2)));
  lone.Settle();
  EXPECT_EQ(lone.core->role(), Role::kFollower);
  ASSERT_NE(lone.Last<Release>(3), nullptr);
  EXPECT_EQ(lone.Last<Release>(3)->target, ReplicaId(2));
}

// ---- [H-13]

struct Pull {
  explicit Pull(LoneCore* l) : lone(l) {
    lone->Start();
    while (lone->core->role() != Role::kProbing) lone->AdvanceToDeadline();
    const ProbeRequest probe = *lone->Last<ProbeRequest>(2);
    lone->Step(2, 4,
               ProbeReply{probe.attempt, ProbeStatus::kOk, Term(4), At(4, 4), Nonce(1), {}, {}});
  }
  PullReply Chunk(LogPosition previous, const std::vector<uint64_t>& terms) const {
    PullReply reply;
    reply.attempt = lone->Last<PullRequest>(2)->attempt;
    reply.previous = previous;
    reply.matched = true;
    reply.entries = LoneCore::Append(previous, terms).entries;
    reply.donor_last = At(4, 4);
    return reply;
  }
  LoneCore* lone;
};

TEST(CatchUp, CandidateBehindPullsBeforeItCampaigns) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(25) : Mutants());
    lone.SetLog({1});
    Pull pull(&lone);
    EXPECT_EQ(lone.core->role(), mutated ? Role::kCandidate : Role::kPulling);
    if (mutated) continue;
    EXPECT_TRUE(lone.Last<PullRequest>(2)->after == At(1, 1));
    lone.Step(2, 4, pull.Chunk(At(1, 1), {4, 4, 4}));
    EXPECT_EQ(lone.core->last_index(), Index(4));
    EXPECT_EQ(lone.durable.term, Term(4)) << "the donor's term is durable first";
    EXPECT_EQ(lone.core->role(), Role::kProbing);
  }
}

TEST(CatchUp, HalfOfADivergingLogThatRanksLowerWaitsForTheRest) {
  LoneCore lone;
  lone.SetLog({1, 3});
  lone.initial.hard_state.term = Term(3);
  Pull pull(&lone);
  PullReply refusal;
  refusal.attempt = lone.Last<PullRequest>(2)->attempt;
  refusal.previous = At(1, 1);
  lone.Step(2, 4, refusal);
  EXPECT_TRUE(lone.Last<PullRequest>(2)->after == At(1, 1));
  lone.Step(2, 4, pull.Chunk(At(1, 1), {2, 2}));
  EXPECT_EQ(lone.log->Last().term, Term(3)) << "(3, 2) ranks above (2, 3)";
  lone.Step(2, 4, pull.Chunk(At(2, 3), {4}));
  EXPECT_TRUE(lone.log->Last() == At(4, 4));
}

TEST(CatchUp, LateAnswerIsNotInstalled) {
  LoneCore lone;
  lone.SetLog({1});
  Pull pull(&lone);
  const PullReply late = pull.Chunk(At(1, 1), {4, 4, 4});
  lone.Step(3, 5, LoneCore::Append(At(1, 1), {5}));
  lone.Step(2, 4, late);
  EXPECT_TRUE(lone.log->Last() == At(5, 2));
}

// Indexes that leave a gap, terms that fall, a term above the donor's own.
TEST(CatchUp, AnAnswerThatIsNoLogEndsTheAttemptAndInstallsNothing) {
  for (const std::vector<uint64_t>& terms :
       {std::vector<uint64_t>{4, 3, 4}, std::vector<uint64_t>{2, 4}, std::vector<uint64_t>{4, 5}}) {
    LoneCore lone;
    lone.SetLog({3});
    lone.initial.hard_state.term = Term(3);
    Pull pull(&lone);
    lone.Step(2, 4, pull.Chunk(At(3, 1), terms));
    EXPECT_TRUE(lone.log->Last() == At(3, 1));
    EXPECT_NE(lone.core->role(), Role::kPulling);
  }
  LoneCore lone;
  lone.SetLog({3});
  lone.initial.hard_state.term = Term(3);
  Pull pull(&lone);
  PullReply gap = pull.Chunk(At(3, 1), {4, 4});
  gap.entries.erase(gap.entries.begin());
  lone.Step(2, 4, gap);
  EXPECT_TRUE(lone.log->Last() == At(3, 1));
}

TEST(CatchUp, DonorAnswersWithItsSuffixOrTheLastPlaceThatMayAgree) {
  LoneCore lone;
  lone.SetLog({1, 2, 2});
  lone.initial.hard_state.term = Term(2);
  lone.Start();
  lone.Step(2, 2, PullRequest{5, At(2, 2)});
  EXPECT_TRUE(lone.Last<PullReply>(2)->matched);
  EXPECT_EQ(lone.Last<PullReply>(2)->entries.size(), 1u);
  lone.Step(2, 2, PullRequest{5, At(1, 3)});
  EXPECT_FALSE(lone.Last<PullReply>(2)->matched);
  EXPECT_TRUE(lone.Last<PullReply>(2)->previous == At(1, 1));
}

// ---- [H-15] [H-18]

TEST(Split, ChildsNamedMemberLeadsTermOneInTheCreatingProcessOnly) {
  for (const bool creating : {true, false}) {
    LoneCore lone;
    lone.initial.hard_state.term = Term(1);
    lone.initial.hard_state.vote = ReplicaId(1);
    lone.initial.leads_first_term = creating;
    lone.Start();
    EXPECT_EQ(lone.core->role() == Role::kLeader, creating);
    EXPECT_FALSE(lone.core->MayServeRead(lone.now)) << "it inherits no lease";
  }
}

TEST(FailStop, UnreadableLogStopsTheReplica) {  // "[H-18] A checksum failure stops the replica"
  LoneCore lone;
  lone.SetLog({1, 1});
  lone.Start();
  lone.log->set_unreadable(true);
  lone.Step(2, 1, PullRequest{1, At(1, 1)});
  EXPECT_TRUE(lone.core->log_damaged());
  lone.Clear();
  lone.Step(2, 5, ProbeRequest{1, At(4, 9)});
  EXPECT_TRUE(lone.sent.empty());
}

}  // namespace
}  // namespace rasputin::consensus
