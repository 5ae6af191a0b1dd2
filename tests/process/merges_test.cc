// Ranges that split and merge again and again under load, on real servers.
//
// Every increment that was acknowledged must be there, once, no call may fail in spite of its
// repetitions, and the history must be linearizable. Times are printed, not judged.

#include <glog/logging.h>
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <memory>
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
  void Begin(const std::vector<std::string>& flags) {
    cluster_ = std::make_unique<ServerCluster>(
        ServerClusterOptions{3, "server/rasputind", testing::TempDir(), flags, 0});
    for (int node = 0; node < 3; ++node) cluster_->Start(node);
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

  void AwaitRanges(size_t wanted) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (RangesOfDefault() != wanted) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << RangesOfDefault() << " ranges";
      std::this_thread::sleep_for(kLook);
    }
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
      response = admin_->MergeRanges(routes->front().range().range_id());
      if (!response.ok()) std::this_thread::sleep_for(kLook);
    }
    ASSERT_TRUE(response.ok()) << response.status();
    took += std::chrono::steady_clock::now() - begin;
    ++merged;
    AwaitRanges(1);
  }
  std::cout << merged << " merges, "
            << std::chrono::duration_cast<milliseconds>(took).count() / merged << " ms each\n";
  ExpectNothingWrong();
}

}  // namespace
}  // namespace rasputin::process
