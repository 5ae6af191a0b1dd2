// The system libraries link into one binary, and are the versions that the project was built for. A
// failure here after an upgrade of the system means: read the release notes of that library, run
// the whole suite, then move the version. It tests no behaviour of a library beyond that it
// answers.
//
// Single-threaded but for what gRPC starts itself.

#include <glog/logging.h>
#include <gmock/gmock.h>
#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <isa-l/crc.h>
#include <rocksdb/db.h>
#include <rocksdb/version.h>

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/rpc/code.pb.h"
#include "google/rpc/status.pb.h"
#include "nlohmann/json.hpp"
#include "smoke.grpc.pb.h"
#include "smoke.pb.h"

namespace rasputin {
namespace {

class EchoServer final : public smoke::EchoService::Service {
  grpc::Status Echo(grpc::ServerContext* /*context*/, const smoke::EchoRequest* request,
                    smoke::EchoResponse* response) override {
    *response->mutable_status() = request->status();
    return grpc::Status::OK;
  }
};

TEST(SystemLibraries, AreTheVersionsTheProjectWasBuiltFor) {
  EXPECT_EQ(grpc::Version(), "1.51.1");
  EXPECT_EQ(google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION), "3.21.12");
  EXPECT_EQ(ROCKSDB_MAJOR, 7);
  EXPECT_EQ(rocksdb::GetRocksVersionAsString(), "7.8.3");
}

TEST(SystemLibraries, AbseilAnswers) {
  absl::flat_hash_map<std::string, absl::Cord> values;
  values["key"] = absl::Cord(absl::StrCat("value ", 1));
  absl::StatusOr<absl::Cord> value = values["key"];
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(*value, "value 1");
  EXPECT_EQ(absl::FormatDuration(absl::Milliseconds(1500)), "1.5s");
}

TEST(SystemLibraries, GlogStopsTheProcessOnAFalseCheck) {
  EXPECT_DEATH(CHECK_EQ(1, 2) << "said why", "said why");
}

TEST(SystemLibraries, IsalComputesTheStandardCheckValueOfCrc32c) {
  unsigned char digits[] = "123456789";
  EXPECT_EQ(~crc32_iscsi(digits, 9, 0xFFFFFFFFu), 0xE3069283u);
}

TEST(SystemLibraries, RocksDbKeepsAValue) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, testing::TempDir() + "/smoke_db", &raw);
  ASSERT_TRUE(status.ok()) << status.ToString();
  std::unique_ptr<rocksdb::DB> db(raw);
  ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), "key", "value").ok());
  std::string value;
  ASSERT_TRUE(db->Get(rocksdb::ReadOptions(), "key", &value).ok());
  EXPECT_EQ(value, "value");
}

TEST(SystemLibraries, GeneratedStubsCarryAnErrorDetailAcrossARealConnection) {
  EchoServer service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  auto stub = smoke::EchoService::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));

  smoke::EchoRequest request;
  request.mutable_status()->set_code(google::rpc::UNAVAILABLE);
  smoke::EchoResponse response;
  grpc::ClientContext context;
  grpc::Status status = stub->Echo(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.status().code(), google::rpc::UNAVAILABLE);
  server->Shutdown();
}

TEST(SystemLibraries, JsonWritesWhatItRead) {
  EXPECT_EQ(nlohmann::json::parse(R"({"b": [1, 2]})").dump(), R"({"b":[1,2]})");
}

}  // namespace
}  // namespace rasputin
