// The operator's way out [S-9] on real servers: a leader dies, or hangs, and what was promised to
// it is withdrawn before its lease would have ended.
//
// How soon writes go on is printed, beside the same without the command, and never judged. No write
// may be lost, also where the store was not dead; no read may be stale where it was.

#include <glog/logging.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/linearizability/checker.h"
#include "tests/process/load.h"
#include "tests/process/run_program.h"
#include "tests/process/server_cluster.h"

namespace rasputin::process {
namespace {

using std::chrono::steady_clock;
using testing::HasSubstr;
using testing::Not;

constexpr auto kPatience = std::chrono::minutes(2);

class WayOutTest : public testing::Test {
 protected:
  WayOutTest() {
    for (int node = 0; node < 3; ++node) cluster_.Start(node);
    cluster_.Init();
    LoadOptions options;
    options.endpoints = cluster_.ClientAddresses();
    load_ = std::make_unique<Load>(options);
    load_->Start();
    AwaitWrites();
  }

  void AwaitWrites() { load_->AwaitWrites(50, kPatience); }

  int Leader() {
    for (const auto end = steady_clock::now() + kPatience; steady_clock::now() < end;) {
      const int leader = cluster_.Leader(Load::Key(0));
      if (leader >= 0 && cluster_.Running(leader)) return leader;
    }
    LOG(FATAL) << "nobody leads";
  }

  ProgramResult Rasputin(const std::string& command, int node) {
    return RunProgram(absl::StrCat("client/rasputin --timeout 30s --endpoints ",
                                   cluster_.ClientAddress(node), " ", command));
  }

  // The stores of a new cluster are numbered in the order of their sorted addresses.
  uint64_t StoreOf(int node, int witness) {
    const std::string list = Rasputin("store ls", witness).output;
    const size_t address = list.find(cluster_.ClientAddress(node));
    CHECK(address != std::string::npos) << list;
    return std::stoull(list.substr(list.rfind('\n', address) + 1));
  }

  // Until no store says that the dead one asked it just now.
  std::string Withdraw(uint64_t store, int witness) {
    for (const auto end = steady_clock::now() + kPatience; steady_clock::now() < end;) {
      const ProgramResult result = Rasputin(
          absl::StrCat("store withdraw ", store, " --i-proved-that-this-store-is-dead=", store),
          witness);
      if (result.code == 0) return result.output;
      EXPECT_THAT(result.output, HasSubstr("REFUSED")) << result.code;
    }
    LOG(FATAL) << "not withdrawn";
  }

  void Print(const std::string& what, int64_t since_ns) {
    for (const int64_t at : load_->WriteTimes()) {
      // What was on its way when the leader fell silent is not the next leader's.
      if (at < since_ns + 300'000'000) continue;
      std::cout << what << ": writes go on after " << (at - since_ns) / 1'000'000 << " ms\n";
      return;
    }
  }

  // No increment is lost and none doubled.
  void JudgeWrites() {
    load_->Stop();
    EXPECT_EQ(load_->JudgeCounters().explanation, "");
  }
  void JudgeReads() {
    const linearizability::Verdict verdict = linearizability::CheckLinearizable(load_->history());
    EXPECT_EQ(verdict.judgement, linearizability::Judgement::kLinearizable) << verdict.key << "\n"
                                                                            << verdict.explanation;
  }

  ServerCluster cluster_{
      {3, "server/rasputind", testing::TempDir(), {"--lease-duration-ms=4000"}, 3}};
  std::unique_ptr<Load> load_;
};

TEST_F(WayOutTest, WithdrawingFromADeadLeaderLetsOthersLeadAndLeavesATrace) {
  const int dead = Leader();
  const int witness = (dead + 1) % 3;
  const uint64_t store = StoreOf(dead, witness);
  ProgramResult result = Rasputin(absl::StrCat("store withdraw ", store), witness);
  EXPECT_EQ(result.code, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("STALE READS"));
  result = Rasputin(
      absl::StrCat("store withdraw ", store, " --i-proved-that-this-store-is-dead=", store),
      witness);
  EXPECT_EQ(result.code, 4) << result.output;
  EXPECT_THAT(result.output, HasSubstr("it is not dead"));

  int64_t since = Load::NowNs();
  cluster_.Kill(dead);
  AwaitWrites();
  Print("a leader is killed, lease 4 s", since);
  cluster_.Start(dead);
  AwaitWrites();

  const int second = Leader();
  const int other = (second + 1) % 3;
  const uint64_t second_store = StoreOf(second, other);
  since = Load::NowNs();
  cluster_.Kill(second);
  std::cout << Withdraw(second_store, other);
  AwaitWrites();
  Print("a leader is killed, its promises withdrawn", since);
  const std::string audit = Rasputin("store audit", other).output;
  EXPECT_THAT(audit, HasSubstr(absl::StrCat("withdrawal from store ", second_store, " DONE")));
  cluster_.Start(second);
  AwaitWrites();
  JudgeWrites();
  JudgeReads();
}

TEST_F(WayOutTest, WithdrawingFromALeaderThatOnlyHangsLosesNoWrite) {
  const int hung = Leader();
  const int witness = (hung + 1) % 3;
  const uint64_t store = StoreOf(hung, witness);
  const int64_t since = Load::NowNs();
  cluster_.Signal(hung, SIGSTOP);
  Withdraw(store, witness);
  AwaitWrites();
  Print("a leader hangs, its promises withdrawn", since);
  cluster_.Signal(hung, SIGCONT);
  AwaitWrites();
  // Not the reads: the proof was false, so the hung leader holds a lease that nobody keeps to any
  // more and may answer from it what others have overwritten, until it ends or a write fails [S-9].
  JudgeWrites();
}

}  // namespace
}  // namespace rasputin::process
