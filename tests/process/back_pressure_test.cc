// A real node with tiny bounds under more clients than it takes: what it refuses was not executed,
// says whose bound it was, and everything else goes on.

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/endpoints.h"
#include "client/grpc_error.h"
#include "rasputin/admin/v1/admin.grpc.pb.h"
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

TEST(Followers, LeaveHalfOfTheCallsOfANodeToOthers) {
  ServerCluster cluster({1, "server/rasputind", testing::TempDir(), {"--calls-max=4"}});
  cluster.Start(0);
  cluster.Init();
  const auto channel = client::NewChannel(cluster.ClientAddress(0));
  const auto directory = admin::v1::DirectoryService::NewStub(channel);
  struct Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<admin::v1::FollowRangesResponse>> reader;
  };
  std::vector<std::unique_ptr<Stream>> streams;
  const auto follow = [&] {
    streams.push_back(std::make_unique<Stream>());
    Stream& stream = *streams.back();
    stream.context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    stream.context.set_wait_for_ready(true);
    stream.reader = directory->FollowRanges(&stream.context, admin::v1::FollowRangesRequest());
    admin::v1::FollowRangesResponse page;
    return stream.reader->Read(&page);
  };
  EXPECT_TRUE(follow());
  EXPECT_TRUE(follow());
  EXPECT_FALSE(follow());
  const client::CallError error = client::ErrorOf(streams.back()->reader->Finish());
  EXPECT_EQ(error.code, absl::StatusCode::kResourceExhausted);
  EXPECT_NE(error.message.find("half of --calls-max"), std::string::npos) << error.message;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  kv::v1::GetRequest request;
  request.set_key("k");
  kv::v1::GetResponse response;
  EXPECT_TRUE(kv::v1::KvService::NewStub(channel)->Get(&context, request, &response).ok());
  for (const auto& stream : streams) stream->context.TryCancel();
}

}  // namespace
}  // namespace rasputin::process
