// Rules of membership [H-14], of snapshots [H-13] and of stranded terms [H-12], one short test
// each, with the mutants that break them.
//
// Not responsible for what only several replicas show: core_cluster_test.cc.

#include <string>
#include <utility>
#include <vector>

#include "consensus/core/configuration_codec.h"
#include "consensus/core/core.h"
#include "consensus/core/lone_core.h"
#include "gtest/gtest.h"

namespace rasputin::consensus {
namespace {

Member Replica(uint64_t id) { return {ReplicaId(id), StoreId(100 + id)}; }

Configuration Of(const std::vector<uint64_t>& voters, const std::vector<uint64_t>& learners = {},
                 const std::vector<uint64_t>& outgoing = {}) {
  Configuration configuration;
  for (const uint64_t id : voters) configuration.voters.push_back(Replica(id));
  for (const uint64_t id : learners) configuration.learners.push_back(Replica(id));
  for (const uint64_t id : outgoing) configuration.outgoing.push_back(Replica(id));
  return configuration;
}

Entry ConfigEntry(uint64_t term, uint64_t index, const Configuration& configuration) {
  return {Term(term), Index(index), EntryType::kConfig, EncodeConfiguration(configuration)};
}

AppendRequest AppendOf(LogPosition previous, std::vector<Entry> entries, uint64_t commit = 0) {
  AppendRequest request = LoneCore::Append(previous, {}, commit);
  request.entries = std::move(entries);
  return request;
}

// A leader of term 1 with a lease from store 102 and its first entry applied.
void Lead(LoneCore* lone) {
  lone->Start();
  lone->SupportFromPeer(2, 1);
  lone->Elect();
  lone->Acknowledge(2);
}

ProposeStatus Change(LoneCore* lone, const Configuration& target) {
  const ProposeStatus status = lone->core->ProposeConfiguration(lone->now, target).status;
  lone->Settle();
  return status;
}

// Adds learners that have caught up and are bound; 2 acknowledges.
void AddLearners(LoneCore* lone, const std::vector<uint64_t>& ids) {
  Configuration target = lone->core->configuration();
  for (const uint64_t id : ids) target.learners.push_back(Replica(id));
  ASSERT_EQ(Change(lone, target), ProposeStatus::kAccepted);
  lone->Acknowledge(2);
  for (const uint64_t id : ids) {
    lone->SupportFromPeer(id, 1);
    lone->core->OnSnapshotSent(lone->now, ReplicaId(id), true);
    lone->Settle();
    lone->Acknowledge(id);
  }
}

void AcknowledgeAll(LoneCore* lone, const std::vector<uint64_t>& ids) {
  for (const uint64_t id : ids) lone->Acknowledge(id);
}

// ---- [H-14] What is in force.

TEST(ConfigurationInForce, IsTheLastOneAppendedAndATruncationBringsBackTheOneBefore) {
  LoneCore lone;
  lone.Start();
  lone.Step(
      2, 1,
      AppendOf({}, {ConfigEntry(1, 1, Of({1, 2, 3}, {4})), ConfigEntry(1, 2, Of({1, 2, 3}, {5}))}));
  EXPECT_TRUE(lone.core->configuration() == Of({1, 2, 3}, {5}));
  EXPECT_EQ(lone.core->commit_index(), Index());
  lone.Step(3, 2, AppendOf({Term(1), Index(1)}, {{Term(2), Index(2), EntryType::kNoop, {}}}));
  EXPECT_TRUE(lone.core->configuration() == Of({1, 2, 3}, {4}));
  lone.Step(3, 2, AppendOf({}, {{Term(2), Index(1), EntryType::kNoop, {}}}));
  EXPECT_TRUE(lone.core->configuration() == Of({1, 2, 3}));
}

TEST(ConfigurationInForce, IsFoundInTheLogAtTheStart) {
  LoneCore lone;
  lone.log = std::make_unique<VectorLog>(std::vector<Entry>{
      ConfigEntry(1, 1, Of({1, 2, 3}, {4})), ConfigEntry(1, 2, Of({1, 2, 4}, {}, {1, 2, 3}))});
  lone.Start();
  EXPECT_TRUE(lone.core->configuration().IsJoint());
  EXPECT_EQ(lone.core->term(), Term(1)) << "a log never ends in a term above one's own";
}

TEST(ConfigurationInForce, AnUnreadableOneIsNotTakenFromALeader) {
  LoneCore lone;
  lone.Start();
  lone.Step(2, 1, AppendOf({}, {{Term(1), Index(1), EntryType::kConfig, absl::Cord("?")}}));
  EXPECT_EQ(lone.core->last_index(), Index());
}

TEST(ConfigurationInForce, LearnerGrantsVotesAndNeverCampaigns) {
  LoneCore lone;
  lone.initial.configuration = Of({2, 3}, {1});
  lone.Start();
  EXPECT_EQ(lone.core->NextDeadline(), Instant::max());
  EXPECT_TRUE(lone.AskVote(2, 5, {}));
  lone.Advance(100 * kD);
  EXPECT_EQ(lone.core->role(), Role::kFollower);
  lone.Step(2, 5, AppendOf({}, {ConfigEntry(5, 1, Of({1, 2, 3}))}));
  lone.leases.lowest[StoreId(102)] = Epoch(2);
  for (int i = 0; i < 20 && lone.core->role() == Role::kFollower; ++i) lone.AdvanceToDeadline();
  EXPECT_EQ(lone.core->role(), Role::kProbing) << "a voter does";
}

TEST(ConfigurationInForce, LeaderWhomTheLogDoesNotKnowYetIsFollowedAndAnswered) {
  LoneCore lone;
  lone.Start();
  lone.Step(9, 5, LoneCore::Append({}, {1}));
  ASSERT_NE(lone.Last<AppendReply>(9), nullptr);
  EXPECT_TRUE(lone.Last<AppendReply>(9)->accepted);
  EXPECT_EQ(lone.core->hard_state().bound_leader, ReplicaId(9));
  EXPECT_EQ(lone.core->leader_store_hint(), StoreId(109));
}

TEST(ConfigurationInForce, VotesOfStrangersAreNotCounted) {
  LoneCore lone;
  lone.Start();
  while (lone.core->role() != Role::kProbing) lone.AdvanceToDeadline();
  const ProbeRequest probe = *lone.Last<ProbeRequest>(2);
  lone.Step(9, 0, ProbeReply{probe.attempt, ProbeStatus::kOk, {}, {}, Nonce(1), {}, {}});
  EXPECT_EQ(lone.core->role(), Role::kProbing);
  lone.Step(2, 0, ProbeReply{probe.attempt, ProbeStatus::kOk, {}, {}, Nonce(1), {}, {}});
  ASSERT_EQ(lone.core->role(), Role::kCandidate);
  lone.Step(9, lone.core->term().value(), VoteReply{true});
  EXPECT_EQ(lone.core->role(), Role::kCandidate);
}

// ---- [H-14] Changes.

TEST(Change, NothingIsSentToANewMemberBeforeItsEntryIsApplied) {
  LoneCore lone;
  Lead(&lone);
  lone.apply = false;
  lone.SupportFromPeer(4, 1);
  ASSERT_EQ(Change(&lone, Of({1, 2, 3}, {4})), ProposeStatus::kAccepted);
  EXPECT_TRUE(lone.core->configuration() == Of({1, 2, 3}, {4})) << "in force at once";
  lone.Acknowledge(2);
  lone.Advance(kD / 10);
  EXPECT_EQ(lone.core->commit_index(), Index(2));
  EXPECT_EQ(lone.Last<AppendRequest>(4), nullptr);
  EXPECT_TRUE(lone.wanted.empty());
  lone.core->OnApplied(Index(2));
  lone.Settle();
  EXPECT_EQ(lone.wanted, std::vector<uint64_t>{4}) << "its replica begins with a snapshot";
  EXPECT_EQ(lone.Last<AppendRequest>(4), nullptr);
  lone.core->OnSnapshotSent(lone.now, ReplicaId(4), true);
  lone.Settle();
  ASSERT_NE(lone.Last<AppendRequest>(4), nullptr);
}

TEST(Change, NewVoterMustBeALearnerThatIsBoundAndCaughtUp) {
  LoneCore lone;
  Lead(&lone);
  EXPECT_EQ(Change(&lone, Of({1, 2, 3, 4})), ProposeStatus::kNotReady);
  ASSERT_EQ(Change(&lone, Of({1, 2, 3}, {4})), ProposeStatus::kAccepted);
  EXPECT_EQ(Change(&lone, Of({1, 2, 3})), ProposeStatus::kChangeUnderWay);
  lone.Acknowledge(2);
  EXPECT_EQ(Change(&lone, Of({1, 2, 3, 4})), ProposeStatus::kNotReady);
  lone.SupportFromPeer(4, 1);
  lone.core->OnSnapshotSent(lone.now, ReplicaId(4), true);
  lone.Settle();
  EXPECT_EQ(Change(&lone, Of({1, 2, 3, 4})), ProposeStatus::kNotReady);
  lone.Acknowledge(4, 0);
  EXPECT_EQ(Change(&lone, Of({1, 2, 3, 4})), ProposeStatus::kNotReady) << "not bound";
  lone.Acknowledge(4);
  EXPECT_EQ(Change(&lone, Of({1, 2, 3, 4})), ProposeStatus::kAccepted);
  EXPECT_TRUE(lone.core->configuration() == Of({1, 2, 3, 4}, {}, {1, 2, 3}));
  EXPECT_EQ(Change(&lone, Of({1, 2, 3})), ProposeStatus::kChangeUnderWay) << "joint";
}

TEST(Change, IsRefusedUnderWhichTheLeaseWouldNotHold) {  // "[H-14] if the lease would hold"
  LoneCore lone;
  Lead(&lone);
  EXPECT_EQ(Change(&lone, Of({1, 3})), ProposeStatus::kNotReady) << "3 is not bound";
  lone.SupportFromPeer(3, 1);
  lone.Acknowledge(3);
  EXPECT_EQ(Change(&lone, Of({1, 3})), ProposeStatus::kAccepted);
}

TEST(Change, IsRefusedUnderWhichAMemberThatLagsWouldDecide) {
  LoneCore lone;
  Lead(&lone);
  lone.SupportFromPeer(3, 1);
  lone.Advance(lone.options.retry_interval);
  AppendReply behind;
  behind.bound_epoch = Epoch(1);
  behind.read_context = lone.Last<AppendRequest>(3)->read_context;
  lone.Step(3, lone.core->term().value(), behind);
  EXPECT_EQ(Change(&lone, Of({1, 3})), ProposeStatus::kNotReady) << "bound, but behind";
  lone.Acknowledge(3);
  EXPECT_EQ(Change(&lone, Of({1, 3})), ProposeStatus::kAccepted);
}

TEST(Change, ThatIsNoConfigurationIsInvalid) {
  LoneCore lone;
  Lead(&lone);
  Configuration twice_on_a_store = Of({1, 2, 3}, {4});
  twice_on_a_store.learners[0].store = StoreId(102);
  Configuration elsewhere = Of({1, 2, 3});
  elsewhere.voters[1].store = StoreId(109);
  Configuration same_store = Of({1, 2}, {4});
  same_store.learners[0].store = StoreId(103);
  const std::vector<Configuration> targets = {
      Of({}),           Of({1, 1, 2}), Of({1, 2}, {3}), Of({1, 2, 3}, {3}), Of({1, 2, 3}, {}, {1}),
      twice_on_a_store, elsewhere,     same_store};
  for (const Configuration& target : targets) {
    EXPECT_EQ(Change(&lone, target), ProposeStatus::kInvalid) << ToString(target);
  }
  lone.core->Abdicate(lone.now);
  EXPECT_EQ(Change(&lone, Of({1, 2})), ProposeStatus::kNotLeader);
}

TEST(Change, JointConfigurationNeedsBothHalves) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(36) : Mutants());
    Lead(&lone);
    AddLearners(&lone, {4, 5});
    ASSERT_EQ(Change(&lone, Of({1, 4, 5})), ProposeStatus::kAccepted);
    const Index joint = lone.core->last_index();
    AcknowledgeAll(&lone, {4, 5});
    EXPECT_EQ(lone.core->commit_index() >= joint, mutated);
    lone.Acknowledge(2);
    EXPECT_GE(lone.core->commit_index(), joint);
  }
}

TEST(Change, LearnerCountsForNothing) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(37) : Mutants(), 2);
    Lead(&lone);
    AddLearners(&lone, {4});
    ASSERT_EQ(lone.core->Propose(lone.now, absl::Cord("x")).status, ProposeStatus::kAccepted);
    lone.Settle();
    lone.Acknowledge(4);
    EXPECT_EQ(lone.core->commit_index() == lone.core->last_index(), mutated);
    lone.leases.support.erase(StoreId(102));
    EXPECT_EQ(lone.core->MayServeRead(lone.now), mutated);
  }
}

TEST(Change, ThoseWhoAreToBeRemovedDoNotDecideAlone) {
  for (const bool mutated : {false, true}) {
    LoneCore lone(mutated ? Mutants(38) : Mutants());
    Lead(&lone);
    AddLearners(&lone, {4, 5});
    ASSERT_EQ(Change(&lone, Of({1, 4, 5})), ProposeStatus::kAccepted);
    const Index joint = lone.core->last_index();
    lone.Acknowledge(2);
    EXPECT_EQ(lone.core->commit_index() >= joint, mutated);
    lone.Acknowledge(4);
    EXPECT_GE(lone.core->commit_index(), joint);
  }
}

TEST(Change, ThoseWhoWereRemovedCountForNothing) {
  LoneCore lone;
  Lead(&lone);
  AddLearners(&lone, {4});
  ASSERT_EQ(Change(&lone, Of({1, 3, 4})), ProposeStatus::kAccepted);
  lone.SupportFromPeer(3, 1);
  AcknowledgeAll(&lone, {2, 3, 4});
  ASSERT_TRUE(lone.core->configuration() == Of({1, 3, 4})) << "left by itself";
  const Index last = lone.core->last_index();
  lone.Acknowledge(2);
  EXPECT_LT(lone.core->commit_index(), last);
  lone.Acknowledge(4);
  EXPECT_EQ(lone.core->commit_index(), last);
}

TEST(Change, JointConfigurationIsLeftByANewLeaderToo) {
  LoneCore lone;
  lone.initial.configuration = Of({1, 2, 4}, {}, {1, 2, 3});
  lone.Start();
  lone.SupportFromPeer(2, 1);
  lone.Elect({2});
  ASSERT_EQ(lone.core->role(), Role::kLeader);
  EXPECT_TRUE(lone.core->configuration() == Of({1, 2, 4}));
  EXPECT_EQ(lone.core->last_index(), Index(2));
}

TEST(Change, LeaderOutsideTheNewConfigurationLeadsUntilItIsCommittedAndThenReleases) {
  LoneCore lone;
  Lead(&lone);
  lone.SupportFromPeer(3, 1);
  lone.Acknowledge(3);
  ASSERT_EQ(Change(&lone, Of({2, 3})), ProposeStatus::kAccepted);
  AcknowledgeAll(&lone, {2, 3});
  ASSERT_TRUE(lone.core->configuration() == Of({2, 3}));
  EXPECT_EQ(lone.core->Propose(lone.now, absl::Cord("x")).status, ProposeStatus::kNotLeader);
  lone.Acknowledge(2);
  EXPECT_EQ(lone.core->role(), Role::kLeader) << "its own log does not count";
  EXPECT_TRUE(lone.core->MayServeRead(lone.now));
  lone.Acknowledge(3);
  EXPECT_EQ(lone.core->role(), Role::kFollower);
  ASSERT_NE(lone.Last<Release>(2), nullptr);
  EXPECT_TRUE(lone.Last<Release>(2)->target.IsSet());
  EXPECT_EQ(lone.events.back().detail, static_cast<uint64_t>(AbdicationReason::kRemoved));
  lone.Advance(100 * kD);
  EXPECT_EQ(lone.core->role(), Role::kFollower) << "never campaigns again";
}

TEST(Change, MembersThatWentAreReleasedAsWell) {
  LoneCore lone;
  Lead(&lone);
  AddLearners(&lone, {4});
  ASSERT_EQ(Change(&lone, Of({1, 2, 3})), ProposeStatus::kAccepted);
  lone.core->Abdicate(lone.now);
  lone.Settle();
  EXPECT_NE(lone.Last<Release>(4), nullptr);
}

// ---- [H-13] Snapshots.

// A leader whose log begins behind entry 3, and the refusal of a follower that holds one entry.
void LeadWithACutLog(LoneCore* lone) {
  lone->SetLog({1, 1, 1});
  lone->log->CutTo(Index(3));
  lone->initial.applied = Index(3);
  lone->initial.hard_state.term = Term(1);
  lone->Start();
  lone->SupportFromPeer(2, 1);
  lone->SupportFromPeer(3, 1);
  lone->Elect();
  lone->Acknowledge(2);
  AppendReply refusal;
  refusal.conflict_hint = {Term(1), Index(1)};
  refusal.read_context = lone->Last<AppendRequest>(3)->read_context;
  refusal.bound_epoch = Epoch(1);
  lone->Step(3, 2, refusal);
}

TEST(SnapshotWanted, ForAMemberWhoseLogEndsBeforeTheLeadersBegins) {
  LoneCore lone;
  LeadWithACutLog(&lone);
  EXPECT_EQ(lone.wanted, std::vector<uint64_t>{3});
  EXPECT_TRUE(lone.Last<AppendRequest>(3)->entries.empty());
  ASSERT_EQ(lone.core->ListProgress(lone.now).size(), 2u);
  EXPECT_TRUE(lone.core->ListProgress(lone.now)[1].needs_snapshot);
  EXPECT_TRUE(lone.core->ListProgress(lone.now)[1].bound) << "it is bound meanwhile";
  lone.Clear();
  for (int i = 0; i < 50; ++i) {
    lone.SupportFromPeer(2, 1);
    lone.SupportFromPeer(3, 1);
    lone.Advance(kD / 10);
  }
  EXPECT_TRUE(lone.wanted.empty()) << "asked for once while it is under way";
}

TEST(SnapshotWanted, AgainWithBackOffAfterAFailureAndNotWhileItsStoreIsAway) {
  LoneCore lone;
  LeadWithACutLog(&lone);
  std::vector<int> waits;
  for (int failure = 0; failure < 3; ++failure) {
    lone.Clear();
    lone.core->OnSnapshotSent(lone.now, ReplicaId(3), false);
    lone.Settle();
    int steps = 0;
    for (; lone.wanted.empty() && steps < 100; ++steps) {
      lone.SupportFromPeer(2, 1);
      lone.SupportFromPeer(3, 1);
      lone.Advance(lone.options.retry_interval / 2);
    }
    waits.push_back(steps);
  }
  EXPECT_EQ(waits, (std::vector<int>{2, 4, 8}));
  lone.Clear();
  lone.leases.support.erase(StoreId(103));
  lone.core->OnSnapshotSent(lone.now, ReplicaId(3), false);
  lone.Settle();
  for (int i = 0; i < 50; ++i) {
    lone.SupportFromPeer(2, 1);
    lone.Advance(kD / 10);
  }
  EXPECT_TRUE(lone.wanted.empty());
  lone.SupportFromPeer(3, 1);
  lone.Advance(Duration::zero());
  EXPECT_EQ(lone.wanted, std::vector<uint64_t>{3}) << "but as soon as it is back";
}

TEST(SnapshotWanted, EndsWhenTheMemberSaysWhereItsLogEndsNow) {
  LoneCore lone;
  LeadWithACutLog(&lone);
  lone.Clear();
  lone.core->OnSnapshotSent(lone.now, ReplicaId(3), true);
  lone.Settle();
  ASSERT_NE(lone.Last<AppendRequest>(3), nullptr);
  AppendReply refusal;
  refusal.conflict_hint = {Term(1), Index(3)};
  refusal.read_context = lone.Last<AppendRequest>(3)->read_context;
  lone.Step(3, 2, refusal);
  ASSERT_EQ(lone.Last<AppendRequest>(3)->entries.size(), 1u);
  EXPECT_EQ(lone.Last<AppendRequest>(3)->previous.index, Index(3));
  EXPECT_FALSE(lone.core->ListProgress(lone.now)[1].needs_snapshot);
}

TEST(SnapshotWanted, ByADonorForACandidateThatIsBehindItsLog) {
  LoneCore lone;
  lone.SetLog({1, 1, 1});
  lone.log->CutTo(Index(2));
  lone.initial.applied = Index(2);
  lone.Start();
  lone.Step(2, 1, PullRequest{5, {Term(1), Index(1)}});
  EXPECT_EQ(lone.wanted, std::vector<uint64_t>{2});
  EXPECT_FALSE(lone.Last<PullReply>(2)->matched);
  lone.Clear();
  lone.Step(2, 1, PullRequest{5, {Term(1), Index(2)}});
  EXPECT_TRUE(lone.wanted.empty());
}

TEST(SnapshotWanted, ByALeaderForALearnerThatNeverAnswers) {
  LoneCore lone;
  lone.initial.configuration = Of({1, 2, 3}, {4});
  Lead(&lone);
  for (int i = 0; i < 20 && lone.wanted.empty(); ++i) {
    lone.SupportFromPeer(2, 1);
    lone.SupportFromPeer(4, 1);
    lone.Advance(kD / 10);
  }
  EXPECT_EQ(lone.wanted, std::vector<uint64_t>{4});
}

TEST(SnapshotInstalled, LogGoesOnBehindItsPosition) {
  LoneCore lone;
  lone.log = std::make_unique<VectorLog>(std::vector<Entry>(), LogPosition{Term(4), Index(7)});
  lone.initial.applied = Index(7);
  lone.initial.hard_state.term = Term(2);
  lone.Start();
  EXPECT_EQ(lone.durable.term, Term(4)) << "else a leader of term 3 could append below it";
  lone.Step(2, 3, LoneCore::Append({Term(3), Index(7)}, {3}));
  EXPECT_FALSE(lone.Last<AppendReply>(2)->accepted);
  lone.Step(2, 5, LoneCore::Append({Term(1), Index(3)}, {}));
  EXPECT_EQ(lone.Last<AppendReply>(2)->match, Index(3));
  lone.Step(2, 5, LoneCore::Append({Term(4), Index(7)}, {5}));
  EXPECT_EQ(lone.Last<AppendReply>(2)->match, Index(8));
}

// ---- [H-12] A stranded term.

// A leader with a lease has heard of term 9 from replica 3.
void MeetTermNine(LoneCore* lone) {
  Lead(lone);
  lone->Acknowledge(2);
  lone->Clear();
  lone->Step(3, 9, AppendReply{});
}

void AnswerProbe(LoneCore* lone, uint64_t from) {
  ProbeReply reply;
  reply.attempt = lone->Last<ProbeRequest>(from)->attempt;
  reply.status = ProbeStatus::kOk;
  reply.nonce = Nonce(from);
  lone->Step(from, 1, reply);
}

TEST(StrandedTerm, LeaderProbesFirstAndLeadsAsEver) {
  LoneCore lone;
  MeetTermNine(&lone);
  ASSERT_NE(lone.Last<ProbeRequest>(2), nullptr);
  EXPECT_EQ(lone.core->term(), Term(1));
  EXPECT_TRUE(lone.core->MayServeRead(lone.now));
  EXPECT_EQ(lone.core->Propose(lone.now, absl::Cord("x")).status, ProposeStatus::kAccepted);
  lone.Advance(lone.options.retry_interval);
  EXPECT_EQ(lone.core->role(), Role::kLeader) << "a probe that nobody answers costs nothing";
}

TEST(StrandedTerm, CampaignAppendsNothingAndServesReadsFromTheOldLease) {
  LoneCore lone;
  MeetTermNine(&lone);
  AnswerProbe(&lone, 2);
  EXPECT_EQ(lone.core->role(), Role::kLeader);
  EXPECT_EQ(lone.durable.term, Term(10));
  EXPECT_EQ(lone.durable.vote, ReplicaId(1));
  ASSERT_NE(lone.Last<VoteRequest>(2), nullptr);
  EXPECT_EQ(lone.core->Propose(lone.now, absl::Cord("x")).status, ProposeStatus::kNotLeader);
  EXPECT_TRUE(lone.core->MayServeRead(lone.now));
  EXPECT_EQ(lone.Last<AppendRequest>(2), nullptr);
  lone.Step(2, 10, ReleaseQuery{Term(1)});
  EXPECT_EQ(lone.Last<Release>(2), nullptr) << "having moved to a higher term is still leading";
  lone.Step(2, 10, VoteReply{true});
  EXPECT_TRUE(lone.core->MayServeRead(lone.now)) << "before an entry of the new term is applied";
  ASSERT_NE(lone.Last<AppendRequest>(2), nullptr);
  EXPECT_EQ(lone.Last<AppendRequest>(2)->entries.back().term, Term(10));
}

TEST(StrandedTerm, WhatFollowersHoldIsAskedAnewInTheNewTerm) {
  LoneCore lone;
  MeetTermNine(&lone);
  ASSERT_EQ(lone.core->Propose(lone.now, absl::Cord("x")).status, ProposeStatus::kAccepted);
  lone.Settle();
  AnswerProbe(&lone, 2);
  lone.Acknowledge(2);  // In the new term already, as an answer of the old one never is.
  lone.Step(2, 10, VoteReply{true});
  EXPECT_EQ(lone.core->commit_index(), Index(1));
  EXPECT_EQ(lone.core->ListProgress(lone.now)[0].match, Index());
  lone.Acknowledge(2);
  EXPECT_EQ(lone.core->commit_index(), Index(3));
}

TEST(StrandedTerm, FailedCampaignEndsTheLeadershipAndReleasesTheTermThatWasLed) {
  LoneCore lone;
  MeetTermNine(&lone);
  AnswerProbe(&lone, 2);
  lone.Clear();
  for (int i = 0; i < 3; ++i) lone.Advance(lone.options.retry_interval);
  EXPECT_EQ(lone.core->role(), Role::kFollower);
  EXPECT_FALSE(lone.core->MayServeRead(lone.now));
  ASSERT_NE(lone.Last<Release>(2), nullptr);
  EXPECT_EQ(lone.Last<Release>(2)->released_term, Term(1));
  EXPECT_EQ(lone.core->term(), Term(10));
}

TEST(StrandedTerm, NothingIsKeptOfALeaseThatDoesNotHoldWhenTheVotesAreThere) {
  LoneCore lone;
  MeetTermNine(&lone);
  AnswerProbe(&lone, 2);
  lone.leases.suspended = true;
  lone.Step(2, 10, VoteReply{true});
  EXPECT_EQ(lone.core->term(), Term(10));
  lone.leases.suspended = false;
  EXPECT_FALSE(lone.core->MayServeRead(lone.now)) << "reads need an applied entry of the new term";
  lone.Acknowledge(2);
  EXPECT_TRUE(lone.core->MayServeRead(lone.now));
}

TEST(StrandedTerm, AnotherLeaderOfTheTermVotedInIsFollowed) {
  LoneCore lone;
  MeetTermNine(&lone);
  AnswerProbe(&lone, 2);
  lone.Step(3, 10, LoneCore::Append({Term(1), Index(1)}, {10}));
  EXPECT_EQ(lone.core->role(), Role::kFollower);
  EXPECT_EQ(lone.core->hard_state().bound_leader, ReplicaId(3));
}

TEST(StrandedTerm, BoundFollowerGrantsItsLeaderTheHigherTermAndStaysBound) {
  LoneCore lone;
  lone.Start();
  lone.Step(2, 1, LoneCore::Append({}, {1}));
  EXPECT_TRUE(lone.AskVote(2, 7, {Term(1), Index(1)}));
  EXPECT_EQ(lone.core->hard_state().bound_leader, ReplicaId(2));
  lone.Step(3, 7, ProbeRequest{1, {Term(6), Index(9)}});
  EXPECT_EQ(lone.Last<ProbeReply>(3)->status, ProbeStatus::kBound);
}

}  // namespace
}  // namespace rasputin::consensus
