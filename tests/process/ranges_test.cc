// Sixteen ranges on three real servers: split by hand, leaders spread, keys routed right
// everywhere.

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <set>

#include "client/client.h"
#include "client/endpoints.h"
#include "rasputin/admin/v1/admin.grpc.pb.h"
#include "rasputin/kv/v1/kv.grpc.pb.h"
#include "tests/process/server_cluster.h"

namespace rasputin::process {
namespace {

using admin::v1::ClusterService;
using admin::v1::CollectionService;
using admin::v1::DirectoryService;
using kv::v1::KvService;

constexpr char kCollection[] = "orders";
constexpr int kRanges = 16;

std::string Key(int i) { return "key-" + std::to_string(1000 + i); }

class RangesTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int node = 0; node < 3; ++node) cluster_.Start(node);
    cluster_.Init();
  }

  // Every call has a deadline, so that a test never hangs.
  template <typename Call>
  void Must(const Call& call) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    const grpc::Status status = call(&context);
    ASSERT_TRUE(status.ok()) << status.error_code() << ": " << status.error_message();
  }

  void CreateAndSplit() {
    auto collections = CollectionService::NewStub(client::NewChannel(cluster_.ClientAddress(1)));
    admin::v1::CreateCollectionRequest create;
    create.set_name(kCollection);
    create.set_type(type::v1::COLLECTION_TYPE_KV);
    admin::v1::CreateCollectionResponse created;
    Must(
        [&](grpc::ClientContext* c) { return collections->CreateCollection(c, create, &created); });
    WriteFrom("before");
    for (int i = 1; i < kRanges; ++i) {
      auto stub = ClusterService::NewStub(client::NewChannel(cluster_.ClientAddress(i % 3)));
      admin::v1::SplitRangeRequest split;
      split.set_collection(kCollection);
      split.set_split_key(Key(i));
      admin::v1::SplitRangeResponse halves;
      Must([&](grpc::ClientContext* c) { return stub->SplitRange(c, split, &halves); });
    }
  }

  std::vector<admin::v1::RangeRoute> Routes(int node) {
    auto stub = DirectoryService::NewStub(client::NewChannel(cluster_.ClientAddress(node)));
    admin::v1::ListRangesRequest request;
    request.set_collection(kCollection);
    admin::v1::ListRangesResponse response;
    Must([&](grpc::ClientContext* c) { return stub->ListRanges(c, request, &response); });
    return {response.routes().begin(), response.routes().end()};
  }

  // A client made before the splits: its directory knows one range.
  void WriteFrom(const std::string& value) {
    for (int i = 0; i < kRanges; ++i) {
      kv::v1::SetRequest set;
      set.set_collection(kCollection);
      set.set_key(Key(i));
      set.set_value(value);
      const auto written = client_.Set(set);
      ASSERT_TRUE(written.ok()) << written.status();
    }
  }

  ServerCluster cluster_{{3, "server/rasputind", testing::TempDir(), {}}};
  client::Client client_{{cluster_.ClientAddresses(), std::chrono::seconds(10)}};
};

TEST_F(RangesTest, SixteenRangesServeEveryKeyFromEveryNodeWithLeadersSpread) {
  CreateAndSplit();
  const std::vector<admin::v1::RangeRoute> routes = Routes(0);
  ASSERT_EQ(routes.size(), static_cast<size_t>(kRanges));
  auto admin_stub = ClusterService::NewStub(client::NewChannel(cluster_.ClientAddress(2)));
  for (int i = 0; i < kRanges; ++i) {
    admin::v1::TransferLeaseRequest transfer;
    transfer.set_range_id(routes[static_cast<size_t>(i)].range().range_id());
    transfer.set_target_store_id(static_cast<uint64_t>(i % 3 + 1));
    admin::v1::TransferLeaseResponse moved;
    Must([&](grpc::ClientContext* c) { return admin_stub->TransferLease(c, transfer, &moved); });
  }
  std::map<uint64_t, int> leaders;
  for (const admin::v1::RangeRoute& route : routes) {
    admin::v1::DescribeRangeRequest describe;
    describe.set_range_id(route.range().range_id());
    admin::v1::DescribeRangeResponse described;
    Must(
        [&](grpc::ClientContext* c) { return admin_stub->DescribeRange(c, describe, &described); });
    EXPECT_TRUE(described.serving());
    ++leaders[described.store_id()];
  }
  ASSERT_EQ(leaders.size(), 3u);
  for (const auto& [store, count] : leaders) {
    std::cout << "store " << store << " leads " << count << " of " << kRanges << " ranges\n";
    EXPECT_GE(count, 5);
  }
  // A client with a stale directory is served without an error, and so is one without any.
  WriteFrom("after");
  for (int node = 0; node < 3; ++node) {
    auto stub = KvService::NewStub(client::NewChannel(cluster_.ClientAddress(node)));
    for (int i = 0; i < kRanges; ++i) {
      kv::v1::GetRequest get;
      get.set_collection(kCollection);
      get.set_key(Key(i));
      kv::v1::GetResponse got;
      Must([&](grpc::ClientContext* c) { return stub->Get(c, get, &got); });
      EXPECT_EQ(got.value(), "after") << "node " << node << " key " << i;
    }
  }
}

TEST_F(RangesTest, AScanCrossesRangesInOrder) {
  CreateAndSplit();
  std::vector<std::string> keys;
  kv::v1::ScanRequest scan;
  scan.set_collection(kCollection);
  scan.set_page_rows_max(3);
  const absl::Status status = client_.Scan(scan, [&keys](const kv::v1::KeyValue& row) {
    keys.push_back(row.key());
    return true;
  });
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(keys.size(), static_cast<size_t>(kRanges));
  for (int i = 0; i < kRanges; ++i) EXPECT_EQ(keys[static_cast<size_t>(i)], Key(i));
}

}  // namespace
}  // namespace rasputin::process
