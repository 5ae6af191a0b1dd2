// Claims about real servers whose disk is full: refusals are clear, reads and everybody else go on,
// nothing acknowledged is lost, and writes go on when there is space again.
//
// Mounts small disks, which needs root; skipped otherwise. Prints each answer.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/admin.h"
#include "client/client.h"
#include "tests/process/server_cluster.h"
#include "tests/process/small_disk.h"

namespace rasputin::process {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kValueBytes = 128 << 10;

// Of the log and the engine, so that a test meets their limits soon.
const std::vector<std::string> kSmall = {"--log-segment-bytes=4194304",
                                         "--log-reserve-bytes=8388608", "--flush-bytes=4194304"};
// The log has room in its file while flushes need the disk.
const std::vector<std::string> kFlushOften = {"--log-segment-bytes=33554432",
                                              "--flush-bytes=1048576"};

class FullDiskTest : public ::testing::Test {
 protected:
  // The data of node 0 lie on a small disk.
  void Begin(int nodes, int mebibytes, const std::vector<std::string>& flags) {
    std::string directory = testing::TempDir() + "/full_disk_XXXXXX";
    ASSERT_NE(mkdtemp(directory.data()), nullptr);
    ServerClusterOptions options;
    options.nodes = nodes;
    options.binary = "server/rasputind";
    options.directory = directory;
    options.flags = flags;
    servers_ = std::make_unique<ServerCluster>(options);
    data_ = servers_->Home(0) + "/data";
    ASSERT_EQ(mkdir(data_.c_str(), 0700), 0);
    disk_ = std::make_unique<SmallDisk>(data_, mebibytes);
    if (!disk_->mounted()) {
      GTEST_SKIP() << "SKIPPED: mounting a small disk is not permitted here (it needs root): a "
                      "full disk is NOT tested";
    }
    for (int node = 0; node < nodes; ++node) servers_->Start(node);
    servers_->Init();
    client::ClientOptions client_options;
    client_options.endpoints = servers_->ClientAddresses();
    client_options.deadline = std::chrono::seconds(20);
    client_ = std::make_unique<client::Client>(client_options);
    admin_ = std::make_unique<client::Admin>(client_options);
  }

  absl::Status Set(const std::string& collection, const std::string& key) {
    kv::v1::SetRequest request;
    request.set_collection(collection);
    request.set_key(key);
    // Not to be compressed away.
    std::string value(kValueBytes, '\0');
    for (char& c : value) {
      random_ = random_ * 6364136223846793005u + 1442695040888963407u;
      c = static_cast<char>(random_ >> 56);
    }
    request.set_value(value);
    const absl::Status status = client_->Set(request).status();
    if (status.ok()) acknowledged_[{collection, key}] = value;
    return status;
  }

  // Writes until something is refused; the refusal.
  absl::Status SetUntilRefused(const std::string& name, int at_most) {
    for (int i = 0; i < at_most; ++i) {
      const absl::Status status = Set("", absl::StrCat(name, i));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Waits until writes are taken again.
  void AwaitWrites(const std::string& key) {
    absl::Status status;
    for (int i = 0; i < 300; ++i) {
      status = Set("", key);
      if (status.ok()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    FAIL() << "writes are refused still: " << status;
  }

  void ExpectNothingIsLost(const std::string& when) {
    int wrong = 0;
    for (const auto& [where, value] : acknowledged_) {
      kv::v1::GetRequest request;
      request.set_collection(where.first);
      request.set_key(where.second);
      const absl::StatusOr<kv::v1::GetResponse> response = client_->Get(request);
      const bool right = response.ok() && response->value() == value;
      if (!right && wrong++ < 3) {
        ADD_FAILURE() << where.second << ": "
                      << (response.ok() ? "another value" : response.status().ToString());
      }
    }
    std::cout << when << ": " << acknowledged_.size() << " acknowledged values read, " << wrong
              << " wrong" << std::endl;
    EXPECT_EQ(wrong, 0);
  }

  uint64_t StoreOf(int node) {
    const auto stores = admin_->ListStores();
    for (const auto& store : stores->stores()) {
      if (store.client_address() == servers_->ClientAddress(node)) {
        return store.store_id();
      }
    }
    ADD_FAILURE() << "no store at node " << node;
    return 0;
  }

  uint64_t RangeOf(const std::string& collection) {
    admin::v1::LookupRangeRequest request;
    request.set_collection(collection);
    request.set_key("k");
    return admin_->LookupRange(request)->route().range().range_id();
  }

  // Until the range is led there.
  void MoveLeader(const std::string& collection, int node) {
    const uint64_t range = RangeOf(collection);
    const uint64_t store = StoreOf(node);
    for (int i = 0; i < 100; ++i) {
      const absl::Status status = admin_->TransferLease(range, store).status();
      admin::v1::LookupRangeRequest request;
      request.set_collection(collection);
      request.set_key("k");
      const auto route = admin_->LookupRange(request);
      if (route.ok() && route->route().leader_store_id() == store) return;
      if (!status.ok()) std::cout << "transfer: " << status << std::endl;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    FAIL() << "the leader does not move to node " << node;
  }

  std::string Output(const std::string& file) {
    std::stringstream text;
    text << std::ifstream(data_ + "/../" + file).rdbuf();
    return text.str();
  }

  std::string data_;
  std::unique_ptr<ServerCluster> servers_;
  std::unique_ptr<SmallDisk> disk_;  // Unmounted before the servers go: lazily.
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<client::Admin> admin_;
  std::map<std::pair<std::string, std::string>, std::string> acknowledged_;
  uint64_t random_ = 1;
};

TEST_F(FullDiskTest, OneFullDiskOfThreeStopsOnlyTheWritesThatItsStoreLeads) {
  Begin(3, 96, kSmall);
  if (IsSkipped() || HasFatalFailure()) return;
  admin::v1::CreateCollectionRequest create;
  create.set_name("elsewhere");
  create.set_type(type::v1::COLLECTION_TYPE_KV);
  ASSERT_EQ(admin_->CreateCollection(create).status(), absl::OkStatus());
  MoveLeader("", 0);
  MoveLeader("elsewhere", 1);
  ASSERT_EQ(SetUntilRefused("before", 40), absl::OkStatus());

  disk_->Fill(0);
  const absl::Status refused = SetUntilRefused("while", 1000);
  std::cout << "write led by a store with a full disk -> " << refused << std::endl;
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("the disk of store"), HasSubstr("full"), HasSubstr("not executed")));
  ExpectNothingIsLost("disk full");
  EXPECT_EQ(Set("elsewhere", "k"), absl::OkStatus());
  std::cout << "write led by another store -> OK" << std::endl;
  MoveLeader("", 1);
  EXPECT_EQ(SetUntilRefused("moved", 40), absl::OkStatus());
  std::cout << "write after another store leads the range -> OK" << std::endl;

  servers_->Kill(0);
  EXPECT_EQ(Set("", "without"), absl::OkStatus());
  disk_->Free();
  servers_->Start(0);
  MoveLeader("", 0);
  AwaitWrites("freed");
  ExpectNothingIsLost("space freed, led by the store again");
  for (int node = 0; node < 3; ++node) EXPECT_EQ(servers_->Stop(node), 0);
}

TEST_F(FullDiskTest, AServerAloneReadsOnWhileItsDiskIsFullAndWritesOnAfterwards) {
  Begin(1, 96, kSmall);
  if (IsSkipped() || HasFatalFailure()) return;
  ASSERT_EQ(SetUntilRefused("before", 20), absl::OkStatus());
  for (int round = 0; round < 2; ++round) {
    // First the log meets the end of the disk with the engine's flushes, then the flushes alone.
    disk_->Fill(round == 0 ? 1 << 20 : 0);
    const absl::Status refused = SetUntilRefused(absl::StrCat("round", round, "-"), 1000);
    std::cout << "write to the only server, its disk full -> " << refused << std::endl;
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    ExpectNothingIsLost("disk full");
    disk_->Free();
    AwaitWrites(absl::StrCat("freed", round));
    ExpectNothingIsLost("space freed");
  }
  disk_->Fill(0);
  EXPECT_EQ(SetUntilRefused("last", 1000).code(), absl::StatusCode::kResourceExhausted);
  const int stopped = servers_->Stop(0);
  std::cout << "SIGTERM with a full disk -> exit code " << stopped << std::endl;
  EXPECT_EQ(stopped, 0);
  disk_->Fill(0);
  servers_->Start(0);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  std::cout << "start with a full disk -> " << Output("output") << std::endl;
  servers_->Kill(0);
  disk_->Free();
  servers_->Start(0);
  AwaitWrites("restarted");
  ExpectNothingIsLost("restarted after space was freed");
  servers_->Kill(0);
  servers_->Start(0);
  AwaitWrites("killed");
  ExpectNothingIsLost("killed and restarted");
  EXPECT_EQ(servers_->Stop(0), 0);
  std::cout << "the server's log says:\n" << Output("log") << std::endl;
}

TEST_F(FullDiskTest, AFlushThatMeetsAFullDiskIsFinishedLaterOrDoneAgainAfterACrash) {
  Begin(1, 192, kFlushOften);
  if (IsSkipped() || HasFatalFailure()) return;
  ASSERT_EQ(SetUntilRefused("before", 4), absl::OkStatus());
  for (const bool crash : {false, true}) {
    disk_->Fill(0);
    const absl::Status refused = SetUntilRefused(absl::StrCat("crash", crash, "-"), 200);
    std::cout << "write while a flush of the engine waits for the disk -> " << refused << std::endl;
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(Output("log"), Not(HasSubstr("the disk of --storage-dir is full")))
        << "the log met the end of the disk before the engine did";
    ExpectNothingIsLost("a flush waits");
    if (crash) servers_->Kill(0);
    disk_->Free();
    if (crash) servers_->Start(0);
    AwaitWrites(absl::StrCat("freed", crash));
    ExpectNothingIsLost(crash ? "killed, space freed, restarted" : "space freed");
  }
  EXPECT_EQ(servers_->Stop(0), 0);
}

}  // namespace
}  // namespace rasputin::process
