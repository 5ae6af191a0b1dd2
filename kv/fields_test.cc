// The scanner of requests: what it finds, what it refuses, and that no bytes make it crash or
// disagree with protobuf.

#include "kv/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::kv {
namespace {

using ::testing::HasSubstr;

template <typename Request>
absl::Cord Encode(const Request& request) {
  return absl::Cord(request.SerializeAsString());
}

// The same bytes in many pieces.
absl::Cord Fragmented(const std::string& bytes, size_t piece) {
  absl::Cord cord;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const absl::string_view part = absl::string_view(bytes).substr(at, piece);
    // A piece of its own, referenced rather than copied into the tail of the Cord.
    cord.Append(absl::MakeCordFromExternal(part, [] {}));
  }
  return cord;
}

template <typename Request>
void Identify(Request* request) {
  request->mutable_request_id()->set_client_id(3);
  request->mutable_request_id()->set_sequence(200);
  request->mutable_request_id()->set_acked_below(190);
  request->mutable_request_id()->set_issued_at_ms(1'700'000'000'000);
}

v1::BatchRequest SampleBatch() {
  v1::BatchRequest request;
  request.set_collection("people");
  Identify(&request);
  request.add_operations()->mutable_get()->set_key("m");
  auto* cas = request.add_operations()->mutable_cas();
  cas->set_key("z");
  cas->set_value("12345");
  cas->set_expected_value("1234567");
  request.add_operations()->mutable_delete_()->set_key("ab");
  auto* set = request.add_operations()->mutable_set();
  set->set_key("b");
  set->set_value("1");
  return request;
}

TEST(Fields, CountsTheOperationsOfABatch) {
  const std::string bytes = SampleBatch().SerializeAsString();
  for (size_t piece : {size_t{1}, size_t{7}, bytes.size()}) {
    const BatchCount count = CountOperations(Fragmented(bytes, piece));
    EXPECT_EQ(count.operations, 4u);
    EXPECT_EQ(count.mutations, 3u);
    EXPECT_EQ(count.deletes, 1u);
  }
  EXPECT_EQ(CountOperations(absl::Cord(bytes.substr(0, bytes.size() - 1))).operations, 3u);
  EXPECT_EQ(CountOperations(absl::Cord("\xff\xff")).operations, 0u);
}

TEST(Fields, OfASet) {
  v1::SetRequest request;
  request.set_collection("people");
  request.set_key("ann");
  request.set_value(std::string(1000, 'v'));
  Identify(&request);
  const std::string bytes = request.SerializeAsString();
  for (size_t piece : {size_t{1}, size_t{7}, bytes.size()}) {
    const absl::StatusOr<RequestFields> fields =
        ReadFields(Operation::kSet, Fragmented(bytes, piece));
    ASSERT_TRUE(fields.ok()) << fields.status();
    EXPECT_EQ(fields->collection, "people");
    EXPECT_EQ(fields->first_key, "ann");
    EXPECT_EQ(fields->last_key, "ann");
    EXPECT_TRUE(fields->mutates);
    EXPECT_EQ(fields->value_bytes_max, 1000u);
    EXPECT_EQ(fields->key_bytes_max, 3u);
    EXPECT_EQ(fields->request_bytes, bytes.size());
    ASSERT_TRUE(fields->request_id.has_value());
    EXPECT_EQ(fields->request_id->client_id, 3u);
    EXPECT_EQ(fields->request_id->sequence, 200u);
    EXPECT_EQ(fields->request_id->acked_below, 190u);
    EXPECT_EQ(fields->request_id->issued_at_ms, 1'700'000'000'000u);
  }
}

TEST(Fields, OfABatchAreItsExtremes) {
  const std::string bytes = SampleBatch().SerializeAsString();
  for (size_t piece : {size_t{1}, size_t{7}, bytes.size()}) {
    const auto fields = ReadFields(Operation::kBatch, Fragmented(bytes, piece));
    ASSERT_TRUE(fields.ok()) << fields.status();
    EXPECT_EQ(fields->first_key, "ab");
    EXPECT_EQ(fields->last_key, "z");
    EXPECT_EQ(fields->operations, 4u);
    EXPECT_EQ(fields->value_bytes_max, 7u);
    EXPECT_TRUE(fields->mutates);
  }
}

TEST(Fields, TellReadsFromWrites) {
  v1::GetRequest get;
  get.set_key("a");
  EXPECT_FALSE(ReadFields(Operation::kGet, Encode(get))->mutates);
  EXPECT_FALSE(ReadFields(Operation::kScan, absl::Cord())->mutates);
  v1::BatchRequest batch;
  batch.add_operations()->mutable_get()->set_key("a");
  EXPECT_FALSE(ReadFields(Operation::kBatch, Encode(batch))->mutates);
  batch.add_operations()->mutable_delete_()->set_key("a");
  EXPECT_TRUE(ReadFields(Operation::kBatch, Encode(batch))->mutates);
}

TEST(Fields, SayHowToRead) {
  v1::GetRequest get;
  get.set_key("a");
  EXPECT_FALSE(ReadFields(Operation::kGet, Encode(get))->read_index);
  get.set_consistency(type::v1::CONSISTENCY_LINEARIZABLE);
  EXPECT_FALSE(ReadFields(Operation::kGet, Encode(get))->read_index);
  get.set_consistency(type::v1::CONSISTENCY_READ_INDEX);
  EXPECT_TRUE(ReadFields(Operation::kGet, Encode(get))->read_index);
  v1::ScanRequest scan;
  scan.set_start("a");
  scan.set_end("c");
  scan.set_consistency(type::v1::CONSISTENCY_READ_INDEX);
  const auto fields = ReadFields(Operation::kScan, Encode(scan));
  EXPECT_TRUE(fields->read_index);
  EXPECT_EQ(fields->first_key, "a");
  EXPECT_EQ(fields->last_key, "c");
}

struct Refusal {
  Operation operation;
  std::string bytes;
  const char* text;
};

TEST(Fields, RefuseWhatBreaksARuleAndSayWhich) {
  const auto cas = [](auto change) {
    v1::CasRequest request;
    request.set_key("a");
    change(&request);
    return request.SerializeAsString();
  };
  const auto set = [](auto change) {
    v1::SetRequest request;
    request.set_key("a");
    Identify(&request);
    change(&request);
    return request.SerializeAsString();
  };
  const std::string key =
      "\x12\x01"
      "a";
  const Refusal refusals[] = {
      {Operation::kGet, "", "key is empty"},
      {Operation::kGet, "\x12", "not a GetRequest"},
      {Operation::kGet,
       "\x12\x05"
       "a",
       "not a GetRequest"},
      {Operation::kGet, "\x10\x05", "field 2 of GetRequest"},
      {Operation::kGet, key + key, "more than once"},
      {Operation::kGet, key + "\x40\x01", "field 8 of GetRequest"},
      {Operation::kGet, key + "\x22\x01v", "field 4 of GetRequest"},
      {Operation::kGet, key + "\x18\x03", "consistency 3"},
      {Operation::kGet, key + "\x0b", "not a GetRequest"},
      {Operation::kDelete, key + "\x22\x01v", "field 4 of DeleteRequest"},
      {Operation::kSet, key + "\x32\x01v", "field 6 of SetRequest"},
      {Operation::kSet, set([](auto* r) { r->mutable_request_id()->set_client_id(0); }),
       "client_id is 0"},
      {Operation::kSet, set([](auto* r) { r->mutable_request_id()->set_sequence(0); }),
       "sequence is 0"},
      {Operation::kSet, set([](auto* r) { r->mutable_request_id()->set_issued_at_ms(0); }),
       "issued_at_ms is 0"},
      {Operation::kSet, set([](auto* r) { r->mutable_request_id()->set_acked_below(201); }),
       "acked_below is 201"},
      {Operation::kCas, cas([](auto*) {}), "no condition"},
      {Operation::kCas, cas([](auto* r) { r->set_expected_version(0); }), "expected_version is 0"},
      {Operation::kCas, cas([](auto* r) { r->set_expected_absent(false); }),
       "expected_absent is false"},
      {Operation::kCas, key + "\x38\x01\x30\x01", "more than one condition"},
      {Operation::kBatch, "", "no operations"},
      {Operation::kBatch, std::string("\x22\x00", 2), "neither get, set, cas nor delete"},
      {Operation::kBatch, "\x22\x05\x0a\x03" + key, ""},
      {Operation::kBatch, std::string("\x22\x04\x0a\x00\x0a\x00", 6), "key is empty"},
      {Operation::kBatch, "\x22\x0a\x0a\x03" + key + "\x0a\x03" + key, "more than once"},
      {Operation::kScan, key + key, "more than once"},
      {Operation::kScan, "\x48\x01", "field 9 of ScanRequest"},
      {Operation::kSplit, "", "has no keys"},
  };
  for (const Refusal& refusal : refusals) {
    const auto fields = ReadFields(refusal.operation, absl::Cord(refusal.bytes));
    if (*refusal.text == '\0') {
      EXPECT_TRUE(fields.ok()) << fields.status();
      continue;
    }
    EXPECT_EQ(fields.status().code(), absl::StatusCode::kInvalidArgument) << refusal.text;
    EXPECT_THAT(std::string(fields.status().message()), HasSubstr(refusal.text));
  }
}

TEST(Limits, AreAcceptedUpToTheLastByteAndRefusedBeyondWithBothSizes) {
  const auto check = [](size_t key, size_t value) {
    v1::SetRequest request;
    request.set_key(std::string(key, 'k'));
    request.set_value(std::string(value, 'v'));
    return CheckLimits(*ReadFields(Operation::kSet, Encode(request)), Limits());
  };
  EXPECT_TRUE(check(8192, 4 << 20).ok());
  absl::Status status = check(8193, 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()), "the key has 8193 bytes; the limit is 8192 bytes");
  status = check(1, (4 << 20) + 1);
  EXPECT_EQ(std::string(status.message()),
            "the value has 4194305 bytes; the limit is 4194304 bytes");
}

TEST(Limits, HoldForExpectedValuesScansAndBatches) {
  Limits limits;
  limits.value_bytes_max = 6;
  const RequestFields batch = *ReadFields(Operation::kBatch, Encode(SampleBatch()));
  EXPECT_THAT(std::string(CheckLimits(batch, limits).message()), HasSubstr("the value has 7"));
  limits = Limits();
  limits.batch_operations_max = 3;
  EXPECT_EQ(std::string(CheckLimits(batch, limits).message()),
            "the batch has 4 operations; the limit is 3");
  limits = Limits();
  limits.request_bytes_max = 10;
  EXPECT_THAT(std::string(CheckLimits(batch, limits).message()), HasSubstr("the request has"));
  v1::ScanRequest scan;
  scan.set_end(std::string(9000, 'k'));
  EXPECT_THAT(
      std::string(CheckLimits(*ReadFields(Operation::kScan, Encode(scan)), Limits()).message()),
      HasSubstr("the key has 9000 bytes"));
}

}  // namespace
}  // namespace rasputin::kv
