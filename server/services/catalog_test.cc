// Claims: every service is listed and described, and shapes follow the protos.

#include "server/services/catalog.h"

#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;
using ::testing::Contains;
using ::testing::UnorderedElementsAre;

ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
  ServerReflectionResponse response;
  EXPECT_TRUE(response.ParseFromString(
      std::string(Catalog().Reflect(absl::Cord(request.SerializeAsString())))));
  return response;
}

TEST(Catalog, ShapesFollowTheProtos) {
  const Catalog catalog;
  EXPECT_THAT(
      catalog.frequent(),
      UnorderedElementsAre("/rasputin.kv.v1.KvService/Get", "/rasputin.kv.v1.KvService/Set",
                           "/rasputin.kv.v1.KvService/Cas", "/rasputin.kv.v1.KvService/Delete",
                           "/rasputin.kv.v1.KvService/Batch"));
  EXPECT_EQ(catalog.others().at("/rasputin.kv.v1.KvService/Scan"), CallShape::kServerStream);
  EXPECT_EQ(catalog.others().at("/rasputin.admin.v1.ClusterService/Init"), CallShape::kUnary);
  EXPECT_EQ(catalog.others().at("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
            CallShape::kDialogue);
}

TEST(Catalog, EveryServiceListedIsDescribedWithAllThatItImports) {
  ServerReflectionRequest list;
  list.set_list_services("");
  const ServerReflectionResponse listed = Ask(list);
  EXPECT_GE(listed.list_services_response().service_size(), 7);
  for (const auto& service : listed.list_services_response().service()) {
    ServerReflectionRequest request;
    request.set_file_containing_symbol(service.name());
    const ServerReflectionResponse described = Ask(request);
    std::vector<std::string> names;
    std::vector<std::string> imports;
    for (const std::string& bytes : described.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      ASSERT_TRUE(file.ParseFromString(bytes));
      names.push_back(file.name());
      imports.insert(imports.end(), file.dependency().begin(), file.dependency().end());
    }
    ASSERT_FALSE(names.empty()) << service.name();
    for (const std::string& import : imports) EXPECT_THAT(names, Contains(import));
  }
}

TEST(Catalog, TheDetailOfErrorsIsDescribed) {
  ServerReflectionRequest request;
  request.set_file_containing_symbol("rasputin.v1.ErrorDetail");
  EXPECT_GT(Ask(request).file_descriptor_response().file_descriptor_proto_size(), 0);
}

TEST(Catalog, WhatIsUnknownOrGarbageIsAnsweredWithAnError) {
  ServerReflectionRequest request;
  request.set_file_by_filename("no/such.proto");
  EXPECT_EQ(Ask(request).error_response().error_code(), 5);
  ServerReflectionResponse response;
  ASSERT_TRUE(response.ParseFromString(std::string(Catalog().Reflect(absl::Cord("\xff\xff")))));
  EXPECT_EQ(response.error_response().error_code(), 3);
}

}  // namespace
}  // namespace rasputin::server
