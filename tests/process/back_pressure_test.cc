// A real node with tiny bounds under more clients than it takes: what it refuses was not executed,
// says whose bound it was, and everything else goes on.

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "client/endpoints.h"
#include "client/grpc_error.h"
#include "rasputin/kv/v1/kv.grpc.pb.h"
#include "tests/process/server_cluster.h"

namespace rasputin::process {
namespace {

constexpr int kClients = 24;
constexpr int kWrites = 40;
constexpr int kWritesMax = 5000;
constexpr int kReadsMax = 1000;

std::string Key(int client) { return "client-" + std::to_string(client); }

// A bound so low that these clients cannot but meet it, all others as shipped.
struct Bound {
  const char* name;
  const char* flag;
  const char* value;
};

class BackPressureTest : public testing::TestWithParam<Bound> {
 protected:
  BackPressureTest() {
    cluster_.Start(0);
    cluster_.Init();
    channel_ = client::NewChannel(cluster_.ClientAddress(0));
  }

  grpc::Status Set(int client, int value) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    context.set_wait_for_ready(true);
    kv::v1::SetRequest request;
    request.set_key(Key(client));
    request.set_value(std::to_string(value));
    kv::v1::SetResponse response;
    return kv::v1::KvService::NewStub(channel_)->Set(&context, request, &response);
  }

  grpc::Status Read(int client, std::string* value) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    kv::v1::GetRequest request;
    request.set_key(Key(client));
    kv::v1::GetResponse response;
    const grpc::Status status =
        kv::v1::KvService::NewStub(channel_)->Get(&context, request, &response);
    *value = response.value();
    return status;
  }

  // What the key holds, however often the reads are refused.
  std::string AwaitValue(int client) {
    for (int attempt = 0; attempt < kReadsMax; ++attempt) {
      std::string value;
      if (Read(client, &value).ok()) return value;
    }
    ADD_FAILURE() << "client " << client << " could not read in " << kReadsMax << " attempts";
    return "";
  }

  ServerCluster cluster_{{1,
                          "server/rasputind",
                          testing::TempDir(),
                          {std::string(GetParam().flag) + "=" + GetParam().value}}};
  std::shared_ptr<grpc::Channel> channel_;
};

// Each client's key is its own: after a refusal it holds what was written last.
TEST_P(BackPressureTest, WhatIsRefusedSaysWhyAndWasNotExecuted) {
  for (int client = 0; client < kClients; ++client) ASSERT_TRUE(Set(client, -1).ok());
  std::atomic<int> written{0}, refused{0};
  std::vector<std::thread> threads;
  for (int client = 0; client < kClients; ++client) {
    threads.emplace_back([&, client] {
      int last = -1;
      // The node tries again before it tells: that it did not help has to be waited for.
      for (int value = 0; value < kWrites || (refused == 0 && value < kWritesMax); ++value) {
        const grpc::Status status = Set(client, value);
        if (status.ok()) {
          ++written;
          last = value;
          continue;
        }
        ++refused;
        const client::CallError error = client::ErrorOf(status);
        ASSERT_EQ(error.code, absl::StatusCode::kResourceExhausted) << error.message;
        ASSERT_TRUE(error.detail.has_value());
        EXPECT_EQ(error.detail->reason(), v1::ERROR_REASON_OVERLOADED);
        EXPECT_GT(error.detail->retry_after().nanos() + error.detail->retry_after().seconds(), 0);
        EXPECT_NE(error.message.find(GetParam().flag), std::string::npos) << error.message;
        EXPECT_EQ(AwaitValue(client), std::to_string(last)) << "client " << client;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("%s: %d written, %d refused\n", GetParam().name, written.load(), refused.load());
  EXPECT_GT(written, 0);
  EXPECT_GT(refused, 0);
}

constexpr Bound kBounds[] = {{"Range", "--range-requests-max", "1"}, {"Node", "--calls-max", "12"}};
INSTANTIATE_TEST_SUITE_P(Bounds, BackPressureTest, testing::ValuesIn(kBounds),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rasputin::process
