// A cluster that lost its majority for good, on real servers: recovered from the survivor by the
// commands of the runbook in deploy/README.md, and grown back to three replicas.
//
// What the survivor had is there again; a store that was declared lost is refused.

#include <glog/logging.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "tests/process/run_program.h"
#include "tests/process/server_cluster.h"

namespace rasputin::process {
namespace {

using testing::HasSubstr;

constexpr int kKeys = 40;
constexpr auto kPatience = std::chrono::minutes(2);
constexpr char kAccept[] = " --accept-loss-of-acknowledged-writes";

std::string ContentOf(const std::string& path) {
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

class RecoveryTest : public testing::Test {
 protected:
  static client::ClientOptions Options(const ServerCluster& cluster,
                                       std::chrono::milliseconds deadline) {
    client::ClientOptions options;
    options.endpoints = cluster.ClientAddresses();
    options.deadline = deadline;
    return options;
  }

  absl::Status Set(const std::string& key, const std::string& value,
                   std::chrono::milliseconds deadline = kPatience) {
    client::Client client(Options(cluster_, deadline));
    kv::v1::SetRequest request;
    request.set_key(key);
    request.set_value(value);
    return client.Set(request).status();
  }

  std::string Get(const std::string& key) {
    client::Client client(Options(cluster_, kPatience));
    kv::v1::GetRequest request;
    request.set_key(key);
    const auto response = client.Get(request);
    CHECK(response.ok()) << response.status();
    return response->found() ? response->value() : "(none)";
  }

  std::string Data(int node) const { return cluster_.Home(node) + "/data"; }

  static ProgramResult Recover(const std::string& arguments) {
    return RunProgram("server/rasputind recover " + arguments);
  }

  // It must succeed.
  std::string Rasputin(const std::string& command, int node) {
    const ProgramResult result = RunProgram(absl::StrCat(
        "client/rasputin --timeout 2m --endpoints ", cluster_.ClientAddress(node), " ", command));
    EXPECT_EQ(result.code, 0) << command << ": " << result.output;
    return result.output;
  }

  // "alive" stands in the row of the address once the node's store has joined.
  void AwaitJoined(int node, int witness) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (std::string list; std::chrono::steady_clock::now() < end;) {
      list = Rasputin("store ls", witness);
      std::istringstream rows(list);
      for (std::string row; std::getline(rows, row);) {
        if (row.find(cluster_.ClientAddress(node)) == std::string::npos) continue;
        if (row.find("alive") != std::string::npos) return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    LOG(FATAL) << "node " << node << " has not joined";
  }

  uint64_t StoreOf(int node, int witness) {
    std::istringstream rows(Rasputin("store ls", witness));
    for (std::string row; std::getline(rows, row);) {
      if (row.find(cluster_.ClientAddress(node)) != std::string::npos) return std::stoull(row);
    }
    LOG(FATAL) << "node " << node << " has no store";
  }

  ServerCluster cluster_{
      {5, "server/rasputind", testing::TempDir(), {"--lease-duration-ms=1000"}, 3}};
};

TEST_F(RecoveryTest, ASurvivorServesAgainWhatItHoldsAndTheClusterGrowsBack) {
  for (int node = 0; node < 3; ++node) cluster_.Start(node);
  cluster_.Init();
  for (int i = 0; i < kKeys; ++i) ASSERT_TRUE(Set(absl::StrCat("key-", i), "before").ok());
  const int survivor = cluster_.Leader("key-0");  // It has whatever it acknowledged.
  ASSERT_GE(survivor, 0);
  const int kept = (survivor + 1) % 3;
  const int gone = (survivor + 2) % 3;
  const uint64_t kept_store = StoreOf(kept, survivor);
  const uint64_t gone_store = StoreOf(gone, survivor);
  for (const int node : {kept, gone}) cluster_.Kill(node);
  std::filesystem::remove_all(Data(gone));
  EXPECT_FALSE(Set("unknown", "without a majority", std::chrono::seconds(4)).ok());

  const std::string lost = absl::StrCat(" --storage-dir=", Data(survivor),
                                        " --lost-stores=", kept_store, ",", gone_store);
  ProgramResult result = Recover("lost-majority" + lost + kAccept);
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.output, HasSubstr("in use by another rasputind"));
  cluster_.Kill(survivor);
  result = Recover("inspect" + lost);
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("range 1 (meta)"));
  EXPECT_THAT(result.output, HasSubstr("HAS LOST ITS MAJORITY"));
  result = Recover("lost-majority" + lost);
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("NOTHING WAS CHANGED"));
  result = Recover("lost-majority" + lost + kAccept);
  EXPECT_EQ(result.code, 0) << result.output;
  std::cout << result.output;
  result = Recover("lost-majority" + lost + kAccept);
  EXPECT_EQ(result.code, 4) << result.output;
  EXPECT_THAT(result.output, HasSubstr("no range has lost its majority"));

  cluster_.Start(survivor);
  ASSERT_TRUE(Set("after", "recovery").ok());
  for (int i = 0; i < kKeys; ++i) EXPECT_EQ(Get(absl::StrCat("key-", i)), "before") << i;
  EXPECT_THAT(ContentOf(cluster_.LogFile(survivor)), HasSubstr("AUDIT: "));
  EXPECT_THAT(Rasputin("store audit", survivor), HasSubstr("RECOVERY FINISHED"));

  cluster_.Start(kept);
  EXPECT_EQ(cluster_.AwaitExit(kept), 1) << "a store that was declared lost serves";
  EXPECT_THAT(ContentOf(cluster_.LogFile(kept)), HasSubstr("declared lost for good"));

  for (const int node : {3, 4}) cluster_.Start(node);
  for (const int node : {3, 4}) {
    AwaitJoined(node, survivor);
    for (const int range : {1, 2}) {
      Rasputin(absl::StrCat("range replicas ", range, " add ", StoreOf(node, survivor)), survivor);
    }
  }
  for (const uint64_t store : {kept_store, gone_store}) {
    Rasputin(absl::StrCat("store forget ", store), survivor);
  }
  cluster_.Kill(survivor);
  ASSERT_TRUE(Set("after", "the survivor").ok()) << "two of three are a majority again";
  EXPECT_EQ(Get("key-0"), "before");
}

}  // namespace
}  // namespace rasputin::process
