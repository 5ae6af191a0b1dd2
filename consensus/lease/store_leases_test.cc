// One test or more for each rule of store leases, quoting it.
//
// One store on a bench (lease_rig.h); what several stores do to each other is in lease_model_test.

#include "consensus/lease/store_leases.h"

#include <gtest/gtest.h>

#include "consensus/lease/clock_watch.h"
#include "consensus/lease/lease_rig.h"

namespace rasputin::consensus::lease {
namespace {

// P(1 - r) >= D(1 + r), rounded up to a millisecond.
TEST(PromiseDuration, CoversTheLeaseAtTheBoundsOfBothClocks) {
  LeaseOptions options;
  EXPECT_EQ(PromiseDuration(options), milliseconds(2041));
  options.clock_rate_error_max = 0;
  EXPECT_EQ(PromiseDuration(options), milliseconds(2000));
  options.clock_rate_error_max = 0.05;
  options.lease_duration = milliseconds(400);
  EXPECT_EQ(PromiseDuration(options), milliseconds(443));
}

// [S-1] "L asks S for support: {from L, epoch e, round n, echo}, where echo is the newest nonce".
TEST(SupportRequest, CarriesDurableEpochNextRoundAndNewestNonce) {
  LeaseRig rig;
  rig.disk_works = false;
  rig.SetPeers({kPeer});
  EXPECT_TRUE(rig.sent.empty()) << "asked with an epoch that is not durable";
  rig.disk_works = true;
  rig.Pump();
  const SupportRequest first = rig.Take<SupportRequest>(kPeer).back();
  EXPECT_TRUE(first.epoch.IsSet());
  EXPECT_FALSE(first.echo.IsSet());
  rig.Receive(kPeer, SupportReply{first.epoch, first.round, false, Epoch(), Nonce(7)});
  const SupportRequest second = rig.Take<SupportRequest>(kPeer).back();
  EXPECT_EQ(second.round, first.round.Next());
  EXPECT_EQ(second.echo, Nonce(7));
}

// [S-1] with the extension of D/5: "10,000 idle ranges cost nothing on the wire".
TEST(SupportRequest, GoesOutOncePerFifthOfTheLease) {
  LeaseRig rig;
  rig.SetPeers({kPeer, kOther});
  rig.Support(kPeer);
  rig.Support(kOther);
  rig.sent.clear();
  for (int i = 0; i < 20; ++i) {
    rig.Pass(rig.D() / 5);
    EXPECT_EQ(rig.Take<SupportRequest>(kPeer).size(), 1u);
    EXPECT_EQ(rig.Take<SupportRequest>(kOther).size(), 1u);
  }
}

TEST(SupportRequest, IsNeverSentAndNothingIsWrittenWithoutPeers) {
  LeaseRig rig;
  rig.SetPeers({});
  EXPECT_EQ(rig.leases->NextDeadline(), Instant::max());
  rig.Pass(10 * rig.D());
  EXPECT_TRUE(rig.sent.empty());
  EXPECT_EQ(rig.probes, 0);
  EXPECT_TRUE(rig.table.MayVote(rig.now));
  EXPECT_TRUE(rig.Holds(kSelf));
}

// [S-2] "Every answer carries a new nonce, refusals too, and L asks again at once with it."
TEST(Grant, NeedsAnEchoOfANonceThatARefusalBrought) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.Receive(kPeer, SupportRequest{Epoch(5), Round(1), Nonce()});
  const SupportReply refusal = rig.Take<SupportReply>(kPeer).back();
  EXPECT_FALSE(refusal.supported);
  EXPECT_TRUE(refusal.nonce.IsSet());
  rig.Receive(kPeer, SupportRequest{Epoch(5), Round(2), Nonce(refusal.nonce.value() + 1)});
  EXPECT_FALSE(rig.Take<SupportReply>(kPeer).back().supported) << "any number will do";
  rig.Receive(kPeer, SupportRequest{Epoch(5), Round(3), refusal.nonce});
  const SupportReply grant = rig.Take<SupportReply>(kPeer).back();
  EXPECT_TRUE(grant.supported);
  EXPECT_NE(grant.nonce, refusal.nonce);
}

// [S-2] "If the echo is one that S issued less than D/2 ago".
TEST(Grant, IsRefusedForAnEchoOfHalfALeaseAgo) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.Receive(kPeer, SupportRequest{Epoch(5), Round(1), Nonce()});
  const Nonce nonce = rig.Take<SupportReply>(kPeer).back().nonce;
  rig.Pass(rig.D() / 2);
  rig.Receive(kPeer, SupportRequest{Epoch(5), Round(2), nonce});
  EXPECT_FALSE(rig.Take<SupportReply>(kPeer).back().supported);
}

TEST(Grant, AsksAgainAtOnceOnlyForTheFirstNonce) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  const SupportRequest first = rig.Take<SupportRequest>(kPeer).back();
  const SupportReply refusal{first.epoch, first.round, false, Epoch(), Nonce(7)};
  rig.Receive(kPeer, refusal);
  rig.Receive(kPeer, refusal);
  const std::vector<SupportRequest> again = rig.Take<SupportRequest>(kPeer);
  ASSERT_EQ(again.size(), 1u);
  rig.Receive(kPeer, SupportReply{first.epoch, again[0].round, false, Epoch(), Nonce(8)});
  EXPECT_TRUE(rig.Take<SupportRequest>(kPeer).empty()) << "a peer that refuses is asked in a loop";
}

// [S-3] "only until min(sent(n), start of L's last completed log write) + D, never from the
// arrival of the answer".
TEST(Use, LastsOneLeaseFromTheSendingOfTheRound) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  const DualInstant sent = DualInstant::At(rig.now);
  const SupportRequest round = rig.Take<SupportRequest>(kPeer).back();
  rig.Pass(rig.D() / 4);
  rig.Receive(kPeer, SupportReply{round.epoch, round.round, true, round.epoch, Nonce(7)});
  EXPECT_EQ(rig.table.SupportFrom(kPeer).until, sent.Plus(rig.D()));
  EXPECT_EQ(rig.table.SupportFrom(kPeer).epoch, round.epoch);
  rig.Pass(rig.D() - rig.D() / 4 - milliseconds(1));
  EXPECT_TRUE(rig.Holds(kPeer));
  rig.Pass(milliseconds(1));
  EXPECT_FALSE(rig.Holds(kPeer));
  EXPECT_EQ(rig.Count(EventType::kSupportLost), 1);
}

TEST(Use, LastsOneLeaseFromTheStartOfTheLastCompletedLogWrite) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  const DualInstant written = DualInstant::At(rig.now);
  rig.disk_works = false;
  rig.Pass(rig.D() / 4);
  rig.Support(kPeer);
  EXPECT_EQ(rig.table.SupportFrom(kPeer).until, written.Plus(rig.D()));
  const DualInstant started = DualInstant::At(rig.now);
  rig.Pass(rig.D() / 8);
  rig.leases->OnLogWriteCompleted(rig.now, started);
  rig.Pump();
  EXPECT_GT(rig.table.SupportFrom(kPeer).until.boot, written.Plus(rig.D()).boot);
  EXPECT_LE(rig.table.SupportFrom(kPeer).until.boot, started.Plus(rig.D()).boot);
}

// [S-3] "and only for an answer to that round and epoch".
TEST(Use, IsNotGainedByAnAnswerToAnotherRoundOrEpoch) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  const SupportRequest round = rig.Take<SupportRequest>(kPeer).back();
  rig.Receive(kPeer, SupportReply{round.epoch, Round(99), true, round.epoch, Nonce(7)});
  EXPECT_FALSE(rig.Holds(kPeer));
  const Epoch other = round.epoch.Next();
  rig.Receive(kPeer, SupportReply{other, round.round, true, other, Nonce(7)});
  EXPECT_FALSE(rig.Holds(kPeer));
}

TEST(Use, CreditsALateAnswerToItsOwnRound) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  const DualInstant first_sent = DualInstant::At(rig.now);
  const SupportRequest first = rig.Take<SupportRequest>(kPeer).back();
  rig.Pass(rig.D() / 2);
  EXPECT_FALSE(rig.Take<SupportRequest>(kPeer).empty());
  rig.Receive(kPeer, SupportReply{first.epoch, first.round, true, first.epoch, Nonce(7)});
  EXPECT_EQ(rig.table.SupportFrom(kPeer).until, first_sent.Plus(rig.D()));
}

// [S-4] "it makes durable that it will never support an epoch <= e of L again, and only then acts".
TEST(Withdrawal, IsActedUponOnlyOnceItIsDurable) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_TRUE(rig.AskedTwice(kPeer, Epoch(5)).supported);
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(5));
  rig.Pass(rig.P() - milliseconds(1));
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(5)) << "withdrawn before the promise ended";
  rig.disk_works = false;
  rig.Pass(milliseconds(2));
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(5)) << "acted upon before it is durable";
  EXPECT_EQ(rig.Count(EventType::kSupportWithdrawn), 0);
  rig.FinishWrites();
  rig.Pump();
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(6));
  EXPECT_EQ(rig.Count(EventType::kSupportWithdrawn), 1);
}

// [S-4] "otherwise a late request revives an epoch after a vote was given".
TEST(Withdrawal, IsNotUndoneByALateRequest) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_TRUE(rig.AskedTwice(kPeer, Epoch(5)).supported);
  rig.Skip(rig.P());
  // The request comes before any tick notices that the promise has ended.
  EXPECT_FALSE(rig.AskedTwice(kPeer, Epoch(5)).supported);
  rig.Pass(milliseconds(1));
  const SupportReply refusal = rig.AskedTwice(kPeer, Epoch(5));
  EXPECT_FALSE(refusal.supported);
  EXPECT_EQ(refusal.lowest_accepted, Epoch(6));
}

// [S-2] "The expiry never moves backwards": each grant extends the promise to its receipt + P.
TEST(Withdrawal, ComesOnePromiseAfterTheLastGrant) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.AskedTwice(kPeer, Epoch(5));
  rig.Pass(rig.D() / 3);
  EXPECT_TRUE(rig.AskedTwice(kPeer, Epoch(5)).supported);
  rig.Pass(rig.P() - milliseconds(1));
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(5));
  rig.Pass(milliseconds(2));
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(6));
}

// [S-9] "An audited operator command withdraws promises to a store that is proved dead."
TEST(WayOut, WithdrawsBeforeThePromiseHasEndedOnceItIsDurable) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_TRUE(rig.AskedTwice(kPeer, Epoch(5)).supported);
  rig.Pass(rig.D() / 2);
  rig.disk_works = false;
  EXPECT_EQ(rig.leases->Withdraw(rig.now, kPeer), Withdrawal::kBegun);
  rig.Pump();
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(5)) << "[S-4] acted upon before it is durable";
  EXPECT_EQ(rig.leases->Withdraw(rig.now, kPeer), Withdrawal::kBegun) << "it may be repeated";
  rig.FinishWrites();
  rig.Pump();
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(6));
  EXPECT_EQ(rig.Count(EventType::kSupportWithdrawn), 1);
  EXPECT_EQ(rig.leases->Withdraw(rig.now, kPeer), Withdrawal::kNothing);
}

// [S-9]: a store that asks is not dead, whatever the operator has proved.
TEST(WayOut, IsRefusedWhileTheStoreAsksForSupport) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_TRUE(rig.AskedTwice(kPeer, Epoch(5)).supported);
  rig.Pass(rig.D() / 2 - milliseconds(1));
  EXPECT_EQ(rig.leases->Withdraw(rig.now, kPeer), Withdrawal::kRefused);
  rig.Pass(milliseconds(1));
  rig.Receive(kPeer, SupportRequest{Epoch(4), Round(90), Nonce()});
  EXPECT_EQ(rig.leases->Withdraw(rig.now, kPeer), Withdrawal::kRefused) << "refused requests count";
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(5));
}

TEST(WayOut, FindsNothingToWithdrawFromAStoreThatWasNeverPromisedAnything) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_EQ(rig.leases->Withdraw(rig.now, kPeer), Withdrawal::kNothing);
  EXPECT_EQ(rig.leases->Withdraw(rig.now, kOther), Withdrawal::kNothing);
  EXPECT_EQ(rig.leases->Withdraw(rig.now, kSelf), Withdrawal::kNothing);
}

// [S-9] as [S-4]: the epoch is over for good, a higher one is a new beginning.
TEST(WayOut, LeavesALateRequestNothingAndAStoreThatWasNotDeadAHigherEpoch) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_TRUE(rig.AskedTwice(kPeer, Epoch(5)).supported);
  rig.Pass(rig.D() / 2);
  EXPECT_EQ(rig.leases->Withdraw(rig.now, kPeer), Withdrawal::kBegun);
  rig.Pump();
  const SupportReply refusal = rig.AskedTwice(kPeer, Epoch(5));
  EXPECT_FALSE(refusal.supported);
  EXPECT_EQ(refusal.lowest_accepted, Epoch(6));
  EXPECT_TRUE(rig.AskedTwice(kPeer, Epoch(6)).supported);
}

// [S-9] during [S-6]: what a process before this one may have promised is withdrawn as well, though
// this store itself waits on before it votes.
TEST(WayOut, WithdrawsWhatAnEarlierProcessPromised) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.AskedTwice(kPeer, Epoch(5));
  LeaseRig after(Mutants(), rig.Recovered());
  after.SetPeers({kPeer});
  EXPECT_EQ(after.leases->Withdraw(after.now, kPeer), Withdrawal::kBegun);
  after.Pump();
  EXPECT_EQ(after.table.LowestAccepted(kPeer), Epoch(6));
  EXPECT_FALSE(after.table.MayVote(after.now));
}

// [H-1]: a grant that waits for the disk when the withdrawal comes never leaves.
TEST(WayOut, HoldsBackAPromiseThatIsNotDurableYet) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.Pass(rig.D() / 8);
  rig.disk_works = false;
  rig.AskedTwice(kPeer, Epoch(5));
  rig.Skip(rig.D() / 2);
  EXPECT_EQ(rig.leases->Withdraw(rig.now, kPeer), Withdrawal::kBegun);
  rig.sent.clear();
  rig.FinishWrites();
  rig.Pump();
  rig.FinishWrites();
  rig.Pump();
  EXPECT_TRUE(rig.Take<SupportReply>(kPeer).empty());
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(6));
}

// [S-5] "S answers a withdrawn epoch with the lowest it accepts; L makes a higher one durable for
// that pair and asks with it", "so that one bad link voids nothing elsewhere".
TEST(Epochs, OfOnePairRiseWithoutTouchingAnother) {
  LeaseRig rig;
  rig.SetPeers({kPeer, kOther});
  const SupportRequest other = rig.Support(kOther);
  const SupportRequest asked = rig.Take<SupportRequest>(kPeer).back();
  rig.disk_works = false;
  rig.Receive(kPeer, SupportReply{asked.epoch, asked.round, false, Epoch(50), Nonce(7)});
  EXPECT_TRUE(rig.Take<SupportRequest>(kPeer).empty()) << "asked before the epoch is durable";
  rig.FinishWrites();
  rig.Pump();
  EXPECT_GE(rig.Take<SupportRequest>(kPeer).back().epoch, Epoch(50));
  EXPECT_TRUE(rig.Holds(kOther));
  rig.Pass(rig.D() / 5);
  EXPECT_EQ(rig.Take<SupportRequest>(kOther).back().epoch, other.epoch);
}

// [S-5] "Granting e withdraws all lower ones."
TEST(Epochs, GrantedWithdrawAllLowerOnesDurably) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.AskedTwice(kPeer, Epoch(5));
  rig.disk_works = false;
  const SupportReply early = rig.AskedTwice(kPeer, Epoch(9));
  EXPECT_FALSE(early.supported) << "[H-1] spoken before it is durable";
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(5));
  rig.FinishWrites();
  rig.Pump();
  EXPECT_TRUE(rig.Take<SupportReply>(kPeer).back().supported);
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(9));
  rig.disk_works = true;
  EXPECT_FALSE(rig.AskedTwice(kPeer, Epoch(8)).supported);
}

// [S-5] "only a reboot changes all pairs".
TEST(Epochs, ChangeForAllPairsAtAReboot) {
  LeaseRig rig;
  rig.SetPeers({kPeer, kOther});
  const Epoch peer = rig.Take<SupportRequest>(kPeer).back().epoch;
  const Epoch other = rig.Take<SupportRequest>(kOther).back().epoch;
  const Epoch own = rig.table.OwnEpoch(kSelf);
  LeaseRig after(Mutants(), rig.Recovered());
  after.SetPeers({kPeer, kOther});
  EXPECT_GT(after.Take<SupportRequest>(kPeer).back().epoch, std::max(peer, other));
  EXPECT_GT(after.Take<SupportRequest>(kOther).back().epoch, std::max(peer, other));
  EXPECT_GT(after.table.LowestAccepted(kSelf), own) << "bound to a process that is gone";
  EXPECT_GE(after.table.OwnEpoch(kSelf), after.table.LowestAccepted(kSelf));
}

// A binding to an epoch that the peer never recorded would have nobody to end it [S-4].
TEST(Epochs, AreVisibleToGroupsOnceSupported) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_FALSE(rig.table.OwnEpoch(kPeer).IsSet());
  const SupportRequest request = rig.Support(kPeer);
  EXPECT_EQ(rig.table.OwnEpoch(kPeer), request.epoch);
  EXPECT_EQ(rig.table.LowestAccepted(kOther), Epoch(1)) << "epoch 0 must not bind";
}

// [S-6] "For P after its start no replica of a store votes".
TEST(Restart, WaitsOnePromiseBeforeVoting) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_TRUE(rig.table.MayVote(rig.now)) << "a new store has promised nothing";
  rig.AskedTwice(kPeer, Epoch(5));
  LeaseRig after(Mutants(), rig.Recovered());
  after.SetPeers({kPeer});
  after.Pass(after.P() - milliseconds(1));
  EXPECT_FALSE(after.table.MayVote(after.now));
  after.Pass(milliseconds(1));
  EXPECT_TRUE(after.table.MayVote(after.now));
}

// [S-6] "Withdrawals, epochs ... are durable": what was promised is promised for P after the start,
// then withdrawn, though nobody remembers when it was granted.
TEST(Restart, KeepsWhatMayHaveBeenPromisedForOnePromiseThenWithdrawsIt) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.AskedTwice(kPeer, Epoch(5));
  LeaseRig after(Mutants(), rig.Recovered());
  after.SetPeers({kPeer});
  after.Pass(after.P() - milliseconds(1));
  EXPECT_EQ(after.table.LowestAccepted(kPeer), Epoch(5));
  after.Pass(milliseconds(2));
  EXPECT_EQ(after.table.LowestAccepted(kPeer), Epoch(6));
}

// [S-6] with a shorter lease than before: what the earlier process promised is not shortened.
TEST(Restart, WaitsForTheLongestPromiseOfEarlierProcesses) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.AskedTwice(kPeer, Epoch(5));
  DurableLeases recovered = rig.Recovered();
  recovered.longest_promise = 3 * rig.P();
  LeaseRig after(Mutants(), recovered);
  after.SetPeers({kPeer});
  after.Pass(3 * after.P() - milliseconds(1));
  EXPECT_FALSE(after.table.MayVote(after.now));
  EXPECT_EQ(after.table.LowestAccepted(kPeer), Epoch(5));
  after.Pass(milliseconds(2));
  EXPECT_TRUE(after.table.MayVote(after.now));
  EXPECT_EQ(after.table.LowestAccepted(kPeer), Epoch(6));
}

TEST(Restart, RenewsAPromiseWithoutWithdrawal) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.AskedTwice(kPeer, Epoch(5));
  LeaseRig after(Mutants(), rig.Recovered());
  after.SetPeers({kPeer});
  EXPECT_TRUE(after.AskedTwice(kPeer, Epoch(5)).supported);
  after.Pass(rig.D() / 2);
  EXPECT_TRUE(after.AskedTwice(kPeer, Epoch(5)).supported);
  after.Pass(after.P() - milliseconds(1));
  EXPECT_EQ(after.table.LowestAccepted(kPeer), Epoch(5));
}

// [S-7] "asks for support only if its log disk completed a write ... within the last D/2 (it writes
// a small record if there was none)".
TEST(OwnDisk, MustWorkForAStoreToAsk) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_EQ(rig.probes, 1);
  rig.disk_works = false;
  rig.Pass(rig.D() / 2);
  EXPECT_TRUE(rig.probe_wanted);
  rig.sent.clear();
  rig.Pass(3 * rig.D());
  EXPECT_TRUE(rig.Take<SupportRequest>(kPeer).empty());
  EXPECT_EQ(rig.Count(EventType::kDiskStalled), 1);
  rig.FinishWrites();
  rig.Pump();
  EXPECT_EQ(rig.Take<SupportRequest>(kPeer).size(), 1u) << "asks as soon as the disk works";
}

TEST(OwnDisk, IsNotProbedWhileClientsWrite) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  const int before = rig.probes;
  for (int i = 0; i < 100; ++i) {
    rig.Pass(rig.D() / 10);
    rig.CompleteWrite();
  }
  EXPECT_EQ(rig.probes, before);
}

// [S-7] "and grants, votes and answers probes with ok only while its own disk works".
TEST(OwnDisk, MustWorkForAStoreToGrantAndVote) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_TRUE(rig.AskedTwice(kPeer, Epoch(5)).supported);
  EXPECT_TRUE(rig.table.MayVote(rig.now));
  EXPECT_TRUE(rig.Holds(kSelf)) << "[H-6] its own store counts while [S-7] holds for it";
  rig.disk_works = false;
  rig.Pass(rig.D() / 2);
  EXPECT_FALSE(rig.AskedTwice(kPeer, Epoch(5)).supported);
  EXPECT_FALSE(rig.table.MayVote(rig.now));
  EXPECT_FALSE(rig.Holds(kSelf));
}

// [S-7] "and only while its shard makes progress".
TEST(OwnShard, MustMakeProgressForAStoreToAsk) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.Support(kPeer);
  const Instant hung = rig.now.boot;
  rig.leases->SetShardBusySince(hung);
  rig.Pass(rig.D() / 2);
  EXPECT_EQ(rig.Count(EventType::kShardHung), 0);
  rig.Support(kPeer);
  rig.sent.clear();
  rig.Pass(rig.D());
  EXPECT_TRUE(rig.Take<SupportRequest>(kPeer).empty());
  EXPECT_EQ(rig.Count(EventType::kShardHung), 1);
  EXPECT_FALSE(rig.Holds(kPeer)) << "1.5 D after the turn began";
  rig.leases->SetShardBusySince(std::nullopt);
  EXPECT_EQ(rig.leases->NextDeadline(), rig.now.boot);
  rig.leases->Tick(rig.now);
  rig.Pump();
  EXPECT_EQ(rig.Take<SupportRequest>(kPeer).size(), 1u) << "asks as soon as the turn has ended";
  EXPECT_EQ(rig.Count(EventType::kShardRecovered), 1);
}

TEST(OwnShard, MayBeBusyForEverWithTurnsThatEnd) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  for (int i = 0; i < 50; ++i) {
    rig.leases->SetShardBusySince(rig.now.boot);
    rig.Pass(rig.D() / 2);
    EXPECT_FALSE(rig.Take<SupportRequest>(kPeer).empty());
  }
  EXPECT_EQ(rig.Count(EventType::kShardHung), 0);
}

// [S-7] "and grants ... only while".
TEST(OwnShard, MustMakeProgressForAStoreToGrant) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  EXPECT_TRUE(rig.AskedTwice(kPeer, Epoch(5)).supported);
  rig.leases->SetShardBusySince(rig.now.boot);
  rig.Pass(rig.D() / 2 + milliseconds(1));
  const SupportReply refusal = rig.AskedTwice(kPeer, Epoch(5));
  EXPECT_FALSE(refusal.supported);
  EXPECT_TRUE(refusal.nonce.IsSet());
  rig.leases->SetShardBusySince(std::nullopt);
  EXPECT_TRUE(rig.AskedTwice(kPeer, Epoch(5)).supported);
}

// What stood still with everything else did not hang.
TEST(OwnShard, IsNotBlamedForAPauseOfTheProcess) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.Support(kPeer);
  rig.leases->SetShardBusySince(rig.now.boot);
  rig.Skip(10 * rig.D());
  rig.leases->Tick(rig.now);
  rig.CompleteWrite();
  rig.sent.clear();
  rig.Pass(rig.D() / 2);
  EXPECT_FALSE(rig.Take<SupportRequest>(kPeer).empty());
  EXPECT_EQ(rig.Count(EventType::kShardHung), 0);
  rig.Pass(rig.D() / 4);
  EXPECT_EQ(rig.Count(EventType::kShardHung), 1);
}

// [S-8] "The holder's lease is over if *any* of its clocks says so".
TEST(Clocks, EndALeaseWhenEitherSaysSo) {
  for (const bool boot : {true, false}) {
    LeaseRig rig;
    rig.SetPeers({kPeer});
    rig.Support(kPeer);
    (boot ? rig.now.boot : rig.now.raw) += rig.D();
    EXPECT_FALSE(rig.Holds(kPeer));
  }
}

// [S-8] "the grantor's promise is over only if *all* monotonic ones say so".
TEST(Clocks, EndAPromiseOnlyWhenBothSaySo) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.AskedTwice(kPeer, Epoch(5));
  rig.now.boot += 2 * rig.P();
  rig.Pass(rig.P() - milliseconds(1));
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(5));
  rig.Pass(milliseconds(2));
  EXPECT_EQ(rig.table.LowestAccepted(kPeer), Epoch(6));
}

// [S-8] "After a pause longer than D/4 between two ticks, each lease held is *suspended* until
// extended by a round sent after the pause".
TEST(Clocks, SuspendLeasesAfterAPauseUntilARoundSentAfterIt) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.Support(kPeer);
  rig.Pass(rig.D() / 5);
  const SupportRequest before = rig.Take<SupportRequest>(kPeer).back();
  rig.Skip(rig.D() / 4 + milliseconds(1));
  rig.leases->Tick(rig.now);
  rig.Pump();
  EXPECT_FALSE(rig.Holds(kPeer));
  EXPECT_FALSE(rig.table.HeldSupportFrom(kPeer).until.EndedForHolder(rig.now))
      << "suspended is not ended: nobody abdicates";
  EXPECT_EQ(rig.Count(EventType::kLeasesSuspended), 1);
  rig.Receive(kPeer, SupportReply{before.epoch, before.round, true, before.epoch, Nonce(7)});
  EXPECT_FALSE(rig.Holds(kPeer)) << "revived by a round sent before the pause";
  rig.Support(kPeer);
  EXPECT_TRUE(rig.Holds(kPeer));
}

// [S-8] "a REALTIME jump beyond the margin".
TEST(Clocks, EndALeaseWhenRealtimeJumpsPastIt) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.Support(kPeer);
  rig.now.wall_us += 3'000'000;
  rig.leases->Tick(rig.now);
  rig.Pump();
  EXPECT_EQ(rig.Count(EventType::kClockSuspect), 1);
  EXPECT_FALSE(rig.Holds(kPeer));
  EXPECT_TRUE(rig.table.HeldSupportFrom(kPeer).until.EndedForHolder(rig.now));
}

TEST(Clocks, ReportARealtimeStepBackwardsAndKeepTheLease) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.Support(kPeer);
  rig.now.wall_us -= 3'000'000;
  rig.leases->Tick(rig.now);
  rig.Pump();
  EXPECT_EQ(rig.Count(EventType::kClockSuspect), 1);
  EXPECT_TRUE(rig.Holds(kPeer));
}

// Far too little for a jump between two readings.
TEST(Clocks, ReportARateBeyondTheBoundAndNoneWithin) {
  for (const int per_mille : {-100, -20, -9, 9, 20, 100}) {
    LeaseRig rig;
    rig.SetPeers({kPeer});
    for (int i = 0; i < 400; ++i) {
      rig.Pass(rig.D() / 8);
      rig.now.wall_us += per_mille * 250;
    }
    const bool beyond = per_mille < -10 || per_mille > 10;
    EXPECT_EQ(rig.Count(EventType::kClockSuspect) > 0, beyond) << per_mille;
    EXPECT_LT(rig.Count(EventType::kClockSuspect), 30) << "one line for each half second gained";
  }
}

// What a clock did right for months leaves it no room to go wrong.
TEST(Clocks, ReportARateThatGoesWrongAfterALongTime) {
  LeaseRig rig;
  ClockWatch watch(rig.now, milliseconds(500), 0.01);
  const auto pass = [&](Duration step, int64_t wall_us) {
    rig.now.boot += step;
    rig.now.raw += step;
    rig.now.wall_us += wall_us;
    return watch.Observe(rig.now);
  };
  for (int minute = 0; minute < 90 * 24 * 60; ++minute) {
    const ClockWatch::Finding finding = pass(std::chrono::minutes(1), 60'000'000);
    ASSERT_EQ(finding.wall_drift, Duration::zero()) << minute;
  }
  int seconds = 0;
  while (pass(std::chrono::seconds(1), 900'000).wall_drift == Duration::zero()) {
    ASSERT_LT(++seconds, 90);
  }
}

// Threads race for the lock: a reading taken earlier may come later.
TEST(Clocks, MayReachTheStoreOutOfOrder) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  const ClockReading late = rig.now;
  for (int i = 0; i < 10; ++i) {
    rig.Pass(rig.D() / 5);
    rig.Support(kPeer);
  }
  rig.leases->Tick(late);
  rig.Pump();
  rig.leases->Tick(rig.now);
  rig.Pump();
  EXPECT_TRUE(rig.Holds(kPeer));
  EXPECT_EQ(rig.Count(EventType::kLeasesSuspended), 0);
  EXPECT_EQ(rig.Count(EventType::kClockSuspect), 0);
}

TEST(Messages, OfStrangersAndToOthersAreHarmless) {
  LeaseRig rig;
  rig.SetPeers({kPeer});
  rig.sent.clear();
  rig.leases->Step(rig.now, {kPeer, kOther, SupportRequest{Epoch(1), Round(1), Nonce()}});
  rig.leases->Step(rig.now, {kSelf, kSelf, SupportRequest{Epoch(1), Round(1), Nonce()}});
  rig.leases->Step(rig.now, {kOther, kSelf, SupportReply{Epoch(1), Round(1), true, Epoch(1), {}}});
  rig.Receive(kPeer, SupportRequest{Epoch(UINT64_MAX), Round(1), Nonce()});
  EXPECT_TRUE(rig.sent.empty());
  EXPECT_FALSE(rig.Holds(kOther));
}

}  // namespace
}  // namespace rasputin::consensus::lease
