// Dividing a batch loses nothing, copies no values, and keeps each operation's sequence.

#include "kv/batch_division.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rasputin/kv/v1/kv.pb.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::kv {
namespace {

v1::BatchRequest Sample() {
  v1::BatchRequest request;
  request.set_collection("people");
  request.mutable_request_id()->set_client_id(1);
  request.mutable_request_id()->set_sequence(100);
  request.mutable_request_id()->set_issued_at_ms(5);
  request.set_consistency(type::v1::CONSISTENCY_READ_INDEX);
  for (int i = 0; i < 5; ++i) {
    auto* set = request.add_operations()->mutable_set();
    set->set_key("key" + std::to_string(i));
    set->set_value("value" + std::to_string(i));
  }
  return request;
}

v1::BatchRequest Decode(const absl::Cord& bytes) {
  v1::BatchRequest request;
  EXPECT_TRUE(request.ParseFromString(std::string(bytes)));
  return request;
}

TEST(BatchDivision, ListsTheKeysInOrder) {
  EXPECT_EQ(*BatchKeys(absl::Cord(Sample().SerializeAsString())),
            (std::vector<std::string>{"key0", "key1", "key2", "key3", "key4"}));
  EXPECT_FALSE(BatchKeys(absl::Cord("garbage")).ok());
}

TEST(BatchDivision, APartHoldsTheChosenOperationsAndTheirPositions) {
  const v1::BatchRequest whole = Sample();
  const v1::BatchRequest part =
      Decode(SubBatch(absl::Cord(whole.SerializeAsString()), {0, 3, 4}).value());
  EXPECT_EQ(part.collection(), "people");
  EXPECT_EQ(part.request_id().SerializeAsString(), whole.request_id().SerializeAsString());
  EXPECT_EQ(part.consistency(), whole.consistency());
  ASSERT_EQ(part.operations_size(), 3);
  const int positions[] = {0, 3, 4};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(part.operations(i).set().SerializeAsString(),
              whole.operations(positions[i]).set().SerializeAsString());
    EXPECT_EQ(part.operations(i).position(), static_cast<uint32_t>(positions[i]));
  }
}

TEST(BatchDivision, APartOfAPartKeepsTheFirstPositions) {
  const absl::Cord part = SubBatch(absl::Cord(Sample().SerializeAsString()), {1, 3, 4}).value();
  const v1::BatchRequest again = Decode(SubBatch(part, {1, 2}).value());
  EXPECT_EQ(again.operations(0).position(), 3u);
  EXPECT_EQ(again.operations(1).position(), 4u);
  EXPECT_EQ(again.operations(1).set().key(), "key4");
}

TEST(BatchDivision, ReferencesValuesInsteadOfCopyingThem) {
  v1::BatchRequest request = Sample();
  request.mutable_operations(2)->mutable_set()->set_value(std::string(1 << 20, 'v'));
  const std::string bytes = request.SerializeAsString();
  const absl::Cord part = SubBatch(absl::MakeCordFromExternal(bytes, [] {}), {2}).value();
  bool references = false;
  for (absl::string_view chunk : part.Chunks()) {
    references |= chunk.data() > bytes.data() && chunk.data() < bytes.data() + bytes.size();
  }
  EXPECT_TRUE(references);
}

TEST(BatchDivision, RefusesIndexesThatAreNotThere) {
  EXPECT_FALSE(SubBatch(absl::Cord(Sample().SerializeAsString()), {5}).ok());
}

TEST(BatchDivision, AnswersOfPartsMakeOneAnswer) {
  v1::BatchResponse first;
  first.add_results()->mutable_set()->set_version(7);
  first.add_results()->mutable_get()->set_found(true);
  const std::vector<absl::Cord> results =
      BatchResults(absl::Cord(first.SerializeAsString()), 2).value();
  rasputin::v1::ErrorDetail detail;
  detail.set_reason(rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN);
  const absl::Cord error = ErrorResult(2, "unknown", absl::Cord(detail.SerializeAsString()));
  v1::BatchResponse whole;
  ASSERT_TRUE(whole.ParseFromString(std::string(BatchResponseOf({results[1], error, results[0]}))));
  ASSERT_EQ(whole.results_size(), 3);
  EXPECT_TRUE(whole.results(0).get().found());
  EXPECT_EQ(whole.results(1).error().code(), 2);
  EXPECT_EQ(whole.results(1).error().message(), "unknown");
  EXPECT_EQ(whole.results(1).error().detail().reason(), rasputin::v1::ERROR_REASON_OUTCOME_UNKNOWN);
  EXPECT_EQ(whole.results(2).set().version(), 7u);
}

TEST(BatchDivision, AnswersOfAnotherCountOrShapeAreErrors) {
  v1::BatchResponse response;
  response.add_results()->mutable_set()->set_version(7);
  EXPECT_FALSE(BatchResults(absl::Cord(response.SerializeAsString()), 2).ok());
  EXPECT_FALSE(BatchResults(absl::Cord("\xff"), 1).ok());
}

}  // namespace
}  // namespace rasputin::kv
