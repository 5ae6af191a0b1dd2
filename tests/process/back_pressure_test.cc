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

std::string Key(int client) { return "client-" + std::to_string(client); }

class BackPressureTest : public testing::Test {
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

  std::string Get(int client) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    kv::v1::GetRequest request;
    request.set_key(Key(client));
    kv::v1::GetResponse response;
    const grpc::Status status =
        kv::v1::KvService::NewStub(channel_)->Get(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.value();
  }

  ServerCluster cluster_{
      {1, "server/rasputind", testing::TempDir(), {"--range-requests-max=1", "--calls-max=12"}}};
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(BackPressureTest, WhatIsRefusedSaysWhyAndWasNotExecuted) {
  ASSERT_TRUE(Set(0, -1).ok());
  std::atomic<int> written{0}, by_range{0}, by_node{0};
  std::vector<int> last(kClients, -1);
  std::vector<std::thread> threads;
  for (int client = 0; client < kClients; ++client) {
    threads.emplace_back([&, client] {
      for (int value = 0; value < kWrites; ++value) {
        const grpc::Status status = Set(client, value);
        if (status.ok()) {
          ++written;
          last[static_cast<size_t>(client)] = value;
          continue;
        }
        const client::CallError error = client::ErrorOf(status);
        ASSERT_EQ(error.code, absl::StatusCode::kResourceExhausted) << error.message;
        ASSERT_TRUE(error.detail.has_value());
        EXPECT_EQ(error.detail->reason(), v1::ERROR_REASON_OVERLOADED);
        EXPECT_GT(error.detail->retry_after().nanos() + error.detail->retry_after().seconds(), 0);
        const bool range = error.message.find("--range-requests-max") != std::string::npos;
        const bool node = error.message.find("--calls-max") != std::string::npos;
        EXPECT_TRUE(range || node) << error.message;
        ++(range ? by_range : by_node);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("%d written, %d refused by the range, %d by the node\n", written.load(),
              by_range.load(), by_node.load());
  EXPECT_GT(written, 0);
  EXPECT_GT(by_range + by_node, 0);
  // Each client's key is its own: it holds what was written last, not what was refused later.
  for (int client = 0; client < kClients; ++client) {
    const int value = last[static_cast<size_t>(client)];
    if (value >= 0) {
      EXPECT_EQ(Get(client), std::to_string(value)) << "client " << client;
    }
  }
}

}  // namespace
}  // namespace rasputin::process
