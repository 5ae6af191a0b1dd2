// Claims about whom a request is sent to when its leader does not answer.

#include "server/front/peer_reach.h"

#include <chrono>

#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

constexpr std::chrono::milliseconds kProbe(500);

class PeerReachTest : public testing::Test {
 protected:
  PeerReachTest() : reach_(StoreId(2), kProbe), now_(std::chrono::seconds(1)) {
    for (uint64_t store = 1; store <= 4; ++store) range_.add_replicas()->set_store_id(store);
  }
  uint64_t Via(uint64_t target) { return reach_.Via(range_, StoreId(target)).value(); }

  type::v1::RangeDescriptor range_;
  PeerReach reach_;
  Instant now_;
};

TEST_F(PeerReachTest, AStoreThatAnswersIsAskedItself) { EXPECT_EQ(Via(1), 1u); }

TEST_F(PeerReachTest, ASilentStoreIsReachedThroughAnotherMemberUntilItAnswers) {
  reach_.OnSilent(now_, StoreId(1));
  EXPECT_EQ(Via(1), 3u);
  EXPECT_EQ(Via(1), 3u);
  reach_.OnAnswer(now_, StoreId(1));
  EXPECT_EQ(Via(1), 1u);
}

TEST_F(PeerReachTest, AMemberThatHasAnsweredSinceIsPreferred) {
  reach_.OnAnswer(now_, StoreId(3));
  reach_.OnSilent(now_ + kProbe, StoreId(1));
  reach_.OnAnswer(now_ + kProbe, StoreId(4));
  EXPECT_EQ(Via(1), 4u);
  EXPECT_TRUE(reach_.OnRelaySilent(StoreId(1), StoreId(4))) << "news";
  EXPECT_EQ(Via(1), 3u);
  EXPECT_FALSE(reach_.OnRelaySilent(StoreId(1), StoreId(4))) << "known";
}

TEST_F(PeerReachTest, ARelayThatFailsIsFollowedByTheNextAndTheLastByTheFirst) {
  reach_.OnSilent(now_, StoreId(1));
  reach_.OnRelayRefused(StoreId(1), StoreId(3));
  EXPECT_EQ(Via(1), 4u);
  reach_.OnRelayRefused(StoreId(1), StoreId(4));
  EXPECT_EQ(Via(1), 3u);
}

TEST_F(PeerReachTest, ASilentStoreIsNoRelay) {
  reach_.OnSilent(now_, StoreId(1));
  reach_.OnSilent(now_, StoreId(3));
  EXPECT_EQ(Via(1), 4u);
  reach_.OnSilent(now_, StoreId(4));
  EXPECT_EQ(Via(1), 1u) << "nobody is left but itself";
}

TEST_F(PeerReachTest, OnlyASilentStoreIsProbedAndNotAllTheTime) {
  EXPECT_FALSE(reach_.ProbeDue(now_, StoreId(1)));
  reach_.OnSilent(now_, StoreId(1));
  EXPECT_TRUE(reach_.ProbeDue(now_, StoreId(1)));
  EXPECT_FALSE(reach_.ProbeDue(now_ + kProbe / 2, StoreId(1)));
  EXPECT_TRUE(reach_.ProbeDue(now_ + kProbe, StoreId(1)));
}

TEST_F(PeerReachTest, OnlyTheFirstSilenceIsNews) {
  EXPECT_TRUE(reach_.OnSilent(now_, StoreId(1)));
  EXPECT_FALSE(reach_.OnSilent(now_, StoreId(1)));
}

TEST_F(PeerReachTest, ThisStoreAlwaysReachesItself) {
  EXPECT_FALSE(reach_.OnSilent(now_, StoreId(2)));
  EXPECT_TRUE(reach_.Answers(StoreId(2)));
  EXPECT_EQ(Via(2), 2u);
}

}  // namespace
}  // namespace rasputin::server
