// Ranges that split and merge again and again under load, on real servers: by hand, and by
// themselves.
//
// Every increment that was acknowledged must be there, once, no call may fail in spite of its
// repetitions, and the history must be linearizable. Times are printed, not judged.

#include <glog/logging.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client/admin.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "tests/linearizability/checker.h"
#include "tests/process/load.h"
#include "tests/process/server_cluster.h"

namespace rasputin::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kPatience = std::chrono::minutes(2);
constexpr auto kLook = milliseconds(100);

class MergesTest : public testing::Test {
 protected:
  void Begin(const std::vector<std::string>& flags, int nodes = 3, bool placement = false) {
    cluster_ = std::make_unique<ServerCluster>(
        ServerClusterOptions{nodes, "server/rasputind", testing::TempDir(), flags, 0, placement});
    for (int node = 0; node < nodes; ++node) cluster_->Start(node);
    cluster_->Init();
    client::ClientOptions options;
    options.endpoints = cluster_->ClientAddresses();
    options.deadline = seconds(30);
    admin_ = std::make_unique<client::Admin>(options);
    LoadOptions load;
    load.endpoints = cluster_->ClientAddresses();
    load_ = std::make_unique<Load>(load);
    load_->Start();
    load_->AwaitWrites(50, kPatience);
  }

  void Split(int counter) {
    admin::v1::SplitRangeRequest request;
    request.set_split_key(Load::Key(counter));
    const auto split = admin_->SplitRange(request);
    ASSERT_TRUE(split.ok()) << split.status();
  }

  size_t RangesOfDefault() {
    const auto routes = admin_->ListRanges("default");
    CHECK(routes.ok()) << routes.status();
    return routes->size();
  }

  void AwaitRanges(const std::function<bool(size_t ranges)>& wanted) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!wanted(RangesOfDefault())) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << RangesOfDefault() << " ranges";
      std::this_thread::sleep_for(kLook);
    }
  }

  // What the default collection's ranges may have to do before they split; they are merged below
  // half of it.
  void SetThresholds(uint64_t requests_per_second, uint64_t cpu_millicores) {
    admin::v1::UpdateCollectionRequest request;
    request.set_name("default");
    type::v1::SplitThresholds* split = request.mutable_options()->mutable_split();
    split->set_requests_per_second(requests_per_second);
    split->set_cpu_millicores(cpu_millicores);
    const auto updated = admin_->UpdateCollection(request);
    ASSERT_TRUE(updated.ok()) << updated.status();
  }

  // Some neighbours are on different stores.
  bool AreApart() {
    const auto routes = admin_->ListRanges("default");
    CHECK(routes.ok()) << routes.status();
    std::set<std::set<uint64_t>> sets;
    for (const auto& route : *routes) {
      std::set<uint64_t> stores;
      for (const auto& replica : route.range().replicas()) stores.insert(replica.store_id());
      sets.insert(std::move(stores));
    }
    return sets.size() > 1;
  }

  // How often the servers say that they have done such a thing by themselves.
  int CountDone(type::v1::DecisionKind kind) {
    const auto loads = admin_->ListLoads(1);
    CHECK(loads.ok()) << loads.status();
    return static_cast<int>(std::count_if(
        loads->decisions().begin(), loads->decisions().end(), [kind](const auto& decision) {
          return decision.kind() == kind && decision.outcome() == type::v1::DECISION_OUTCOME_DONE;
        }));
  }

  void ExpectNothingWrong() {
    load_->AwaitWrites(50, kPatience);
    load_->Stop();
    const CounterVerdict verdict = load_->JudgeCounters();
    std::cout << verdict.acknowledged << " increments, " << verdict.unknown << " unknown, "
              << load_->failed() << " failed\n";
    EXPECT_EQ(verdict.lost + verdict.doubled, 0u) << verdict.explanation;
    EXPECT_EQ(load_->failed(), 0u);
    const linearizability::Verdict judged = linearizability::CheckLinearizable(load_->history());
    EXPECT_EQ(judged.judgement, linearizability::Judgement::kLinearizable) << judged.key << "\n"
                                                                           << judged.explanation;
  }

  std::unique_ptr<ServerCluster> cluster_;
  std::unique_ptr<client::Admin> admin_;
  std::unique_ptr<Load> load_;
};

TEST_F(MergesTest, SplitsAndMergesByHandFailNoRequest) {
  Begin({"--autopilot=false"});
  constexpr int kRounds = 8;
  int merged = 0;
  std::chrono::steady_clock::duration took{};
  for (int round = 0; round < kRounds; ++round) {
    Split(round + 2);
    const auto routes = admin_->ListRanges("default");
    ASSERT_TRUE(routes.ok()) << routes.status();
    ASSERT_EQ(routes->size(), 2u);
    const auto begin = std::chrono::steady_clock::now();
    // A member that lags for a moment is a reason to refuse: an operator tries again.
    absl::StatusOr<admin::v1::MergeRangesResponse> response;
    for (int attempt = 0; attempt < 20 && !response.ok(); ++attempt) {
      response = admin_->MergeRanges(routes->front().range().range_id(),
                                     routes->back().range().range_id());
      if (!response.ok()) std::this_thread::sleep_for(kLook);
    }
    ASSERT_TRUE(response.ok()) << response.status();
    took += std::chrono::steady_clock::now() - begin;
    ++merged;
    AwaitRanges([](size_t ranges) { return ranges == 1; });
  }
  std::cout << merged << " merges, "
            << std::chrono::duration_cast<milliseconds>(took).count() / merged << " ms each\n";
  ExpectNothingWrong();
}

// Nobody asks for a split or a merge: the thresholds change under a load that stays the same, so
// that it is too much for a few ranges, then little for one, and once more.
TEST_F(MergesTest, SplitsAndMergesByThemselvesFailNoRequest) {
  constexpr uint64_t kEndless = 1'000'000'000;
  constexpr uint64_t kCores = 1000 * 1000;
  Begin({"--split-sustained-seconds=2", "--split-pause-seconds=1", "--merge-age-seconds=2"});
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < 2; ++round) {
    SetThresholds(/*requests_per_second=*/20, kCores);
    AwaitRanges([](size_t ranges) { return ranges >= 4; });
    SetThresholds(kEndless, kCores);
    AwaitRanges([](size_t ranges) { return ranges == 1; });
  }
  const int splits = CountDone(type::v1::DECISION_KIND_SPLIT);
  const int merges = CountDone(type::v1::DECISION_KIND_MERGE);
  std::cout << splits << " splits and " << merges << " merges in "
            << std::chrono::duration_cast<seconds>(std::chrono::steady_clock::now() - begin).count()
            << " s\n";
  EXPECT_GE(splits, 6);
  EXPECT_GE(merges, 6);
  ExpectNothingWrong();
}

// With a store more than a range has replicas, balance takes neighbours apart; they are brought
// together for their merge.
TEST_F(MergesTest, NeighboursThatBalanceTookApartMergeAgain) {
  constexpr uint64_t kEndless = 1'000'000'000;
  constexpr uint64_t kCores = 1000 * 1000;
  Begin({"--split-sustained-seconds=2", "--split-pause-seconds=1", "--merge-age-seconds=2"},
        /*nodes=*/4, /*placement=*/true);
  SetThresholds(/*requests_per_second=*/20, kCores);
  AwaitRanges([](size_t ranges) { return ranges >= 4; });
  AwaitRanges([this](size_t) { return AreApart(); });
  const auto begin = std::chrono::steady_clock::now();
  SetThresholds(kEndless, kCores);
  AwaitRanges([](size_t ranges) { return ranges == 1; });
  std::cout << "one range after "
            << std::chrono::duration_cast<seconds>(std::chrono::steady_clock::now() - begin).count()
            << " s\n";
  const auto plan = admin_->GetPlan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(std::any_of(plan->done().begin(), plan->done().end(), [](const auto& one) {
    return one.reason().find("it is to be merged with range") != std::string::npos;
  }));
  ExpectNothingWrong();
}

}  // namespace
}  // namespace rasputin::process
