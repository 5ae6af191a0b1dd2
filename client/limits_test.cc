// Claims about what is refused before it is sent.

#include "client/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/status.h"

namespace rasputin::client {
namespace {

using testing::HasSubstr;

ClientLimits Small() {
  ClientLimits limits;
  limits.key_bytes_max = 4;
  limits.value_bytes_max = 8;
  limits.request_bytes_max = 64;
  limits.batch_operations_max = 3;
  return limits;
}

void ExpectRefusal(const absl::Status& status, const std::string& actual,
                   const std::string& limit) {
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_FALSE(OutcomeIsUnknown(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(" has " + actual + " "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("limit is " + limit));
}

TEST(ClientLimits, LetPassWhatJustFits) {
  kv::v1::CasRequest request;
  request.set_key("1234");
  request.set_value("12345678");
  request.set_expected_value("12345678");
  EXPECT_TRUE(CheckLimits(SizesOf(request), Small()).ok());
}

TEST(ClientLimits, NameTheLimitAndTheSizeOfKeyAndValue) {
  kv::v1::GetRequest get;
  get.set_key("12345");
  ExpectRefusal(CheckLimits(SizesOf(get), Small()), "5", "4");
  kv::v1::DeleteRequest remove;
  remove.set_key("12345");
  ExpectRefusal(CheckLimits(SizesOf(remove), Small()), "5", "4");
  kv::v1::ScanRequest scan;
  scan.set_end("12345");
  ExpectRefusal(CheckLimits(SizesOf(scan), Small()), "5", "4");
  kv::v1::SetRequest set;
  set.set_value("123456789");
  ExpectRefusal(CheckLimits(SizesOf(set), Small()), "9", "8");
  kv::v1::CasRequest cas;
  cas.set_expected_value("123456789");
  ExpectRefusal(CheckLimits(SizesOf(cas), Small()), "9", "8");
}

TEST(ClientLimits, HoldForEachOperationOfABatchAndForTheWhole) {
  kv::v1::BatchRequest batch;
  batch.add_operations()->mutable_get()->set_key("k");
  batch.add_operations()->mutable_delete_()->set_key("12345");
  ExpectRefusal(CheckLimits(SizesOf(batch), Small()), "5", "4");
  batch.Clear();
  batch.add_operations()->mutable_cas()->set_expected_value("123456789");
  ExpectRefusal(CheckLimits(SizesOf(batch), Small()), "9", "8");
  batch.Clear();
  for (int i = 0; i < 4; ++i) batch.add_operations()->mutable_get()->set_key("k");
  ExpectRefusal(CheckLimits(SizesOf(batch), Small()), "4", "3");
  for (int i = 0; i < 20; ++i) batch.add_operations()->mutable_set()->set_value("12345678");
  ExpectRefusal(CheckLimits(SizesOf(batch), Small()), std::to_string(batch.ByteSizeLong()), "64");
}

TEST(ClientLimits, OfZeroLeaveItToTheServer) {
  ClientLimits none;
  none.key_bytes_max = none.value_bytes_max = none.request_bytes_max = 0;
  none.batch_operations_max = 0;
  kv::v1::BatchRequest batch;
  for (int i = 0; i < 2000; ++i) {
    batch.add_operations()->mutable_set()->set_key(std::string(10000, 'k'));
  }
  EXPECT_TRUE(CheckLimits(SizesOf(batch), none).ok());
}

}  // namespace
}  // namespace rasputin::client
