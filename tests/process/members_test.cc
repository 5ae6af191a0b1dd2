// Stores that come and go under load, on real servers: 3 -> 5 -> 3, and a dead one replaced.
//
// Every increment that was acknowledged must be there, once, and no call may fail in spite of its
// repetitions. What the load gets through meanwhile is printed, not judged.

#include <glog/logging.h>
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/admin.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "tests/linearizability/checker.h"
#include "tests/process/load.h"
#include "tests/process/run_program.h"
#include "tests/process/server_cluster.h"

namespace rasputin::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kPatience = std::chrono::minutes(3);

class MembersTest : public testing::Test {
 protected:
  MembersTest() {
    for (int node = 0; node < 3; ++node) cluster_.Start(node);
    cluster_.Init();
    LoadOptions options;
    options.endpoints = cluster_.ClientAddresses();
    load_ = std::make_unique<Load>(options);
    load_->Start();
    AwaitWrites(100);
  }

  void AwaitWrites(uint64_t more) { load_->AwaitWrites(more, kPatience); }

  // Does something and prints what the load got through meanwhile.
  template <typename Work>
  void Phase(const std::string& name, const Work& work) {
    const uint64_t before = load_->acknowledged();
    const auto begin = std::chrono::steady_clock::now();
    work();
    const double took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::cout << name << ": " << static_cast<int>(took * 1000) << " ms, "
              << static_cast<int>(static_cast<double>(load_->acknowledged() - before) / took)
              << " increments/s\n";
  }

  std::vector<admin::v1::StoreStatus> Stores() {
    const auto response = admin_.ListStores();
    CHECK(response.ok()) << response.status();
    return {response->statuses().begin(), response->statuses().end()};
  }

  // The store of a node, once it answers.
  uint64_t AwaitStore(int node) {
    for (const auto end = std::chrono::steady_clock::now() + kPatience;
         std::chrono::steady_clock::now() < end;) {
      for (const admin::v1::StoreStatus& store : Stores()) {
        const bool here = store.store().client_address() == cluster_.ClientAddress(node);
        if (here && store.reachable()) return store.store().store_id();
      }
    }
    LOG(FATAL) << "node " << node << " has not joined";
  }

  int NodeOf(uint64_t store) {
    for (const admin::v1::StoreStatus& one : Stores()) {
      for (int node = 0; node < cluster_.nodes(); ++node) {
        const bool here = one.store().client_address() == cluster_.ClientAddress(node);
        if (here && one.store().store_id() == store) return node;
      }
    }
    LOG(FATAL) << "no store " << store;
  }

  void Change(uint64_t add, uint64_t remove) {
    const auto routes = admin_.ListRanges("");
    ASSERT_TRUE(routes.ok()) << routes.status();
    for (const admin::v1::RangeRoute& route : *routes) {
      admin::v1::ChangeReplicasRequest request;
      request.set_range_id(route.range().range_id());
      request.set_add_store_id(add);
      request.set_remove_store_id(remove);
      const auto changed = admin_.ChangeReplicas(request, nullptr);
      ASSERT_TRUE(changed.ok()) << changed.status();
    }
  }

  // "1,2,3": the stores of each range, all of which are voters.
  std::set<std::string> Members() {
    std::set<std::string> members;
    const auto routes = admin_.ListRanges("");
    CHECK(routes.ok()) << routes.status();
    for (const admin::v1::RangeRoute& route : *routes) {
      std::set<uint64_t> stores;
      for (const auto& replica : route.range().replicas()) {
        EXPECT_NE(replica.role(), type::v1::REPLICA_ROLE_LEARNER);
        stores.insert(replica.store_id());
      }
      members.insert(absl::StrJoin(stores, ","));
    }
    return members;
  }

  // What the command prints; it must succeed.
  std::string Rasputin(const std::string& command, int node) {
    // With a time of its own the command waits for a connection longer than on its own account.
    const std::string line = absl::StrCat("client/rasputin --timeout 2m --endpoints ",
                                          cluster_.ClientAddress(node), " ", command);
    const ProgramResult result = RunProgram(line);
    EXPECT_EQ(result.code, 0) << command << ": " << result.output;
    return result.output;
  }

  // Why the node answers nothing, once it knows.
  std::string AwaitRefusal(int node) {
    client::ClientOptions options;
    options.endpoints = {cluster_.ClientAddress(node)};
    options.deadline = seconds(5);
    for (const auto end = std::chrono::steady_clock::now() + kPatience;
         std::chrono::steady_clock::now() < end;) {
      const auto response = client::Admin(options).ListCollections();
      if (absl::IsFailedPrecondition(response.status())) {
        return std::string(response.status().message());
      }
    }
    return "it answers";
  }

  // Nothing lost, nothing doubled, nothing failed.
  void Judge() {
    load_->Stop();
    const CounterVerdict counters = load_->JudgeCounters();
    EXPECT_EQ(counters.explanation, "");
    EXPECT_EQ(load_->failed(), 0u) << "calls that failed in spite of their repetitions";
    const linearizability::Verdict verdict = linearizability::CheckLinearizable(load_->history());
    EXPECT_EQ(verdict.judgement, linearizability::Judgement::kLinearizable) << verdict.explanation;
    std::cout << counters.acknowledged << " increments acknowledged, " << load_->failed()
              << " calls failed\n";
  }

  ServerCluster cluster_{{5, "server/rasputind", testing::TempDir(), {}, 3}};
  client::Admin admin_{[this] {
    client::ClientOptions options;
    options.endpoints = cluster_.ClientAddresses();
    options.deadline = kPatience;
    return options;
  }()};
  std::unique_ptr<Load> load_;
};

TEST_F(MembersTest, GrowsFromThreeToFiveAndShrinksToThreeOthersUnderLoad) {
  Phase("three stores", [this] { AwaitWrites(500); });
  std::vector<uint64_t> added;
  Phase("two nodes join", [&] {
    for (const int node : {3, 4}) cluster_.Start(node);
    for (const int node : {3, 4}) added.push_back(AwaitStore(node));
  });
  Phase("3 -> 5 replicas", [&] {
    for (const uint64_t store : added) Change(store, 0);
  });
  EXPECT_EQ(Members(), std::set<std::string>{"1,2,3,4,5"});
  Phase("five stores", [this] { AwaitWrites(500); });
  Phase("5 -> 3 replicas", [this] {
    for (const uint64_t store : {1, 2}) Change(0, store);
  });
  EXPECT_EQ(Members(), std::set<std::string>{"3,4,5"});
  Phase("two nodes leave", [this] {
    for (const uint64_t store : {1, 2}) {
      const int node = NodeOf(store);
      const auto forgotten = admin_.DecommissionStore(store);
      ASSERT_TRUE(forgotten.ok()) << forgotten.status();
      EXPECT_EQ(cluster_.Stop(node), 0);
    }
  });
  Phase("three other stores", [this] { AwaitWrites(500); });
  EXPECT_EQ(Stores().size(), 3u);
  Judge();
}

TEST_F(MembersTest, ADeadNodeIsReplacedUnderLoadByThreeCommands) {
  Phase("three stores", [this] { AwaitWrites(500); });
  const int victim = cluster_.Leader(Load::Key(0));
  ASSERT_GE(victim, 0);
  const uint64_t dead = AwaitStore(victim);
  cluster_.Kill(victim);
  Phase("the leader's node is dead", [this] { AwaitWrites(100); });
  const int witness = (victim + 1) % 3;
  uint64_t fresh = 0;
  Phase("another node joins", [&] {
    cluster_.Start(3);
    fresh = AwaitStore(3);
  });
  Phase("store replace", [&] {
    const std::string output = Rasputin(absl::StrCat("store replace ", dead, " ", fresh), witness);
    EXPECT_NE(output.find("2 ranges"), std::string::npos) << output;
  });
  Rasputin(absl::StrCat("store forget ", dead), witness);
  const std::vector<admin::v1::StoreStatus> stores = Stores();
  EXPECT_EQ(stores.size(), 3u);
  for (const admin::v1::StoreStatus& store : stores) {
    EXPECT_TRUE(store.reachable()) << store.store().store_id();
    EXPECT_EQ(store.ranges(), 2u) << store.store().store_id();
  }
  Phase("three stores again", [this] { AwaitWrites(500); });
  Phase("the dead node comes back", [&] {
    cluster_.Start(victim);
    const std::string said = AwaitRefusal(victim);
    EXPECT_NE(said.find("was taken off the list of stores for good"), std::string::npos) << said;
    EXPECT_NE(said.find("with an empty --storage-dir"), std::string::npos) << said;
    cluster_.Kill(victim);
  });
  // The replica that was copied counts: another of the old ones may go.
  const int second = cluster_.Leader(Load::Key(0)) == witness ? witness : (victim + 2) % 3;
  cluster_.Kill(second);
  Phase("one of them is dead", [this] { AwaitWrites(100); });
  Judge();
}

}  // namespace
}  // namespace rasputin::process
