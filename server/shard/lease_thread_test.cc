// Who may speak on a stream of leases: the greeting decides, message by message of one store.

#include "server/shard/lease_thread.h"

#include <gtest/gtest.h>

#include "range/test_cluster.h"
#include "server/metrics/event_recorder.h"
#include "server/shard/lease_rules.h"

namespace rasputin::server {
namespace {

namespace wire = consensus::wire;

class LeaseThreadTest : public ::testing::Test {
 protected:
  LeaseThreadTest()
      : cluster_(2),
        rules_(MakeLeaseRules(std::chrono::milliseconds(2000), 0.01)),
        thread_({&recorder_, [](std::vector<consensus::lease::LeaseUpdate>) {},
                 [](consensus::StoreId, consensus::Instant, uint64_t) {}, [] {}},
                rules_) {
    LeaseThread::Peer peer;
    peer.hello.to_store = consensus::StoreId(2);
    thread_.Attach(&cluster_.store(1), {peer});
  }

  absl::Status Greet(const LeaseRules& rules) {
    wire::Hello hello;
    hello.cluster = consensus::ClusterId(cluster_.store(1).manifest().cluster_id());
    hello.store = consensus::StoreId(2);
    hello.to_store = consensus::StoreId(1);
    hello.lease_duration = rules.lease_duration;
    hello.clock_rate_error_max_ppb = rules.clock_rate_error_max_ppb;
    return thread_.OnFrame(++stream_, true, wire::EncodeLeaseHelloFrame(hello));
  }

  range::TestCluster cluster_;
  MetricsRegistry registry_;
  EventRecorder recorder_{&registry_};
  const LeaseRules rules_;
  LeaseThread thread_;
  uint64_t stream_ = 0;
};

TEST_F(LeaseThreadTest, AStoreOfTheSameRulesMaySpeak) { EXPECT_TRUE(Greet(rules_).ok()); }

TEST_F(LeaseThreadTest, AStoreThatWasRetiredMayNotSpeakUntilItIsListedAgain) {
  ASSERT_TRUE(Greet(rules_).ok());
  thread_.DropPeer(consensus::StoreId(2));
  EXPECT_EQ(thread_.OnFrame(stream_, false, wire::EncodeLeaseFrame({})).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Greet(rules_).code(), absl::StatusCode::kFailedPrecondition);
  LeaseThread::Peer peer;
  peer.hello.to_store = consensus::StoreId(2);
  thread_.SetPeer(peer);
  EXPECT_TRUE(Greet(rules_).ok());
}

// With 6 s on one node and 2 s on the others, the one answered old values after the others had
// acknowledged newer ones: it counted for 6 s on promises of 2 s.
TEST_F(LeaseThreadTest, AStoreWithAnotherLeaseDurationIsRefused) {
  LeaseRules longer = rules_;
  longer.lease_duration *= 3;
  EXPECT_EQ(Greet(longer).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Greet(rules_).ok()) << "the same store, restarted with the right flag";
}

TEST_F(LeaseThreadTest, AStoreWithAnotherBoundOnClocksIsRefused) {
  LeaseRules wider = rules_;
  wider.clock_rate_error_max_ppb *= 2;
  EXPECT_EQ(Greet(wider).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rasputin::server
