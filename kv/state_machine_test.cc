// The semantics of the kv type, operation by operation, as tables where it has cases.

#include "kv/state_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kv/key.h"
#include "kv/memory_engine.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::kv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Space kSpace{7, 42};
constexpr uint64_t kStartMs = 1'700'000'000'000;

class StateMachine : public ::testing::Test {
 protected:
  StateMachine() : turn_(&engine_) {}

  uint64_t NextVersion() { return version_ += 1; }

  template <typename Request>
  Outcome Run(Operation operation, const Request& request) {
    Command command;
    command.operation = operation;
    command.version = NextVersion();
    command.body = absl::Cord(request.SerializeAsString());
    if (request.has_request_id()) {
      const auto& id = request.request_id();
      command.session = {id.client_id(), id.sequence(), id.acked_below(), id.issued_at_ms()};
    }
    absl::StatusOr<Outcome> outcome = Apply(kSpace, command, &turn_);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    if (commit_each_) {
      EXPECT_TRUE(turn_.Commit().ok());
    }
    return *std::move(outcome);
  }
  template <typename Response>
  static Response Decode(const Outcome& outcome) {
    EXPECT_EQ(outcome.code, OutcomeCode::kOk) << outcome.message;
    Response response;
    EXPECT_TRUE(response.ParseFromString(std::string(outcome.response)));
    return response;
  }

  v1::SetResponse Set(const std::string& key, const std::string& value) {
    v1::SetRequest request;
    request.set_key(key);
    request.set_value(value);
    return Decode<v1::SetResponse>(Run(Operation::kSet, request));
  }
  v1::DeleteResponse Delete(const std::string& key) {
    v1::DeleteRequest request;
    request.set_key(key);
    return Decode<v1::DeleteResponse>(Run(Operation::kDelete, request));
  }
  v1::GetResponse Read(const std::string& key) {
    EXPECT_TRUE(turn_.Commit().ok());
    v1::GetRequest request;
    request.set_key(key);
    absl::StatusOr<Outcome> outcome =
        kv::Get(kSpace, absl::Cord(request.SerializeAsString()), engine_);
    EXPECT_TRUE(outcome.ok());
    return Decode<v1::GetResponse>(*outcome);
  }
  v1::ScanResponse Page(const v1::ScanRequest& request, const std::string& start = "",
                        const std::string& end = "") {
    EXPECT_TRUE(turn_.Commit().ok());
    absl::StatusOr<Outcome> outcome =
        ScanPage(kSpace, start, end, absl::Cord(request.SerializeAsString()), engine_);
    EXPECT_TRUE(outcome.ok());
    return Decode<v1::ScanResponse>(*outcome);
  }
  static std::vector<std::string> Keys(const v1::ScanResponse& page) {
    std::vector<std::string> keys;
    for (const v1::KeyValue& row : page.rows()) keys.push_back(row.key());
    return keys;
  }

  MemoryEngine engine_;
  Turn turn_;
  uint64_t version_ = kStartMs << 16;
  bool commit_each_ = false;
};

TEST_F(StateMachine, GetOfAMissingKeyIsNotFoundAndNotAnError) {
  const v1::GetResponse response = Read("a");
  EXPECT_FALSE(response.found());
  EXPECT_EQ(response.version(), 0u);
}

TEST_F(StateMachine, GetReturnsTheLastValueAndItsVersion) {
  const uint64_t first = Set("a", "1").version();
  const uint64_t second = Set("a", "2").version();
  EXPECT_GT(second, first);
  const v1::GetResponse response = Read("a");
  EXPECT_TRUE(response.found());
  EXPECT_EQ(response.value(), "2");
  EXPECT_EQ(response.version(), second);
}

TEST_F(StateMachine, AnEmptyValueIsAValue) {
  Set("a", "");
  EXPECT_TRUE(Read("a").found());
  EXPECT_EQ(Read("a").value(), "");
}

TEST_F(StateMachine, LargeValuesSurvive) {
  const std::string large(4 << 20, 'v');
  Set("a", large);
  EXPECT_EQ(Read("a").value(), large);
}

TEST_F(StateMachine, DeleteReturnsWhatItRemoved) {
  const uint64_t written = Set("a", "1").version();
  const v1::DeleteResponse response = Delete("a");
  EXPECT_TRUE(response.found());
  EXPECT_EQ(response.previous_value(), "1");
  EXPECT_EQ(response.previous_version(), written);
  EXPECT_EQ(response.version(), version_);
  EXPECT_FALSE(response.value_omitted());
  EXPECT_FALSE(Read("a").found());
  EXPECT_FALSE(Delete("a").found());
}

TEST_F(StateMachine, ASetWithoutRequestIdIsExactlyOnePut) {
  Set("a", "1");
  EXPECT_EQ(turn_.SizeBytes(), DataKey(kSpace.collection_id, "a").size() + kRowHeaderBytes + 1);
}

TEST_F(StateMachine, CollectionsDoNotSeeEachOthersKeys) {
  Set("a", "1");
  ASSERT_TRUE(turn_.Commit().ok());
  v1::GetRequest request;
  request.set_key("a");
  const Space other{7, 43};
  absl::StatusOr<Outcome> outcome =
      kv::Get(other, absl::Cord(request.SerializeAsString()), engine_);
  EXPECT_FALSE(Decode<v1::GetResponse>(*outcome).found());
}

// Compare and set: what is there, what is expected, what happens.
struct CasCase {
  const char* name;
  bool exists;           // With value "old".
  const char* expected;  // A value, or "@version", "@other version", "@absent".
  bool success;
};

class CasTable : public StateMachine, public ::testing::WithParamInterface<CasCase> {};

TEST_P(CasTable, SucceedsIfAndOnlyIfTheConditionHolds) {
  const CasCase& c = GetParam();
  for (bool commit : {false, true}) {
    commit_each_ = commit;
    const std::string key = commit ? "committed" : "in the same turn";
    const uint64_t before = c.exists ? Set(key, "old").version() : 0;
    v1::CasRequest request;
    request.set_key(key);
    request.set_value("new");
    const std::string expected = c.expected;
    if (expected == "@version") {
      request.set_expected_version(before);
    } else if (expected == "@other version") {
      request.set_expected_version(before + 1);
    } else if (expected == "@absent") {
      request.set_expected_absent(true);
    } else {
      request.set_expected_value(expected);
    }
    const v1::CasResponse response = Decode<v1::CasResponse>(Run(Operation::kCas, request));
    EXPECT_EQ(response.success(), c.success);
    EXPECT_EQ(response.found(), c.success || c.exists);
    EXPECT_EQ(response.value(), c.success ? "new" : c.exists ? "old" : "");
    EXPECT_EQ(response.version(), c.success ? version_ : before);
    const v1::GetResponse after = Read(key);
    EXPECT_EQ(after.found(), response.found());
    EXPECT_EQ(after.value(), response.value());
    EXPECT_EQ(after.version(), response.version());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, CasTable,
    ::testing::Values(CasCase{"ValueMatches", true, "old", true},
                      CasCase{"ValueDiffers", true, "olt", false},
                      CasCase{"ValueIsAPrefix", true, "ol", false},
                      CasCase{"ValueIsLonger", true, "old!", false},
                      CasCase{"EmptyValueIsNotAbsent", true, "", false},
                      CasCase{"ValueOfMissingKey", false, "old", false},
                      CasCase{"EmptyValueOfMissingKey", false, "", false},
                      CasCase{"VersionMatches", true, "@version", true},
                      CasCase{"VersionDiffers", true, "@other version", false},
                      CasCase{"VersionOfMissingKey", false, "@other version", false},
                      CasCase{"AbsentButThere", true, "@absent", false},
                      CasCase{"AbsentIndeed", false, "@absent", true}),
    [](const ::testing::TestParamInfo<CasCase>& info) { return info.param.name; });

TEST_F(StateMachine, ADeletedKeyIsAbsentAndItsOldVersionIsGone) {
  const uint64_t old = Set("a", "1").version();
  Delete("a");
  v1::CasRequest request;
  request.set_key("a");
  request.set_value("2");
  request.set_expected_version(old);
  EXPECT_FALSE(Decode<v1::CasResponse>(Run(Operation::kCas, request)).success());
  request.set_expected_absent(true);
  EXPECT_TRUE(Decode<v1::CasResponse>(Run(Operation::kCas, request)).success());
}

TEST_F(StateMachine, ABatchAnswersEachOperationWithItsOwnResult) {
  const uint64_t a = Set("a", "1").version();
  v1::BatchRequest request;
  request.add_operations()->mutable_get()->set_key("a");
  auto* set = request.add_operations()->mutable_set();
  set->set_key("b");
  set->set_value("2");
  auto* cas = request.add_operations()->mutable_cas();
  cas->set_key("a");
  cas->set_value("3");
  cas->set_expected_version(a + 1);
  request.add_operations()->mutable_delete_()->set_key("c");
  const auto response = Decode<v1::BatchResponse>(Run(Operation::kBatch, request));
  ASSERT_EQ(response.results_size(), 4);
  EXPECT_EQ(response.results(0).get().value(), "1");
  EXPECT_EQ(response.results(1).set().version(), version_);
  EXPECT_FALSE(response.results(2).cas().success());
  EXPECT_EQ(response.results(2).cas().value(), "1");
  ASSERT_TRUE(response.results(3).has_delete_());
  EXPECT_FALSE(response.results(3).delete_().found());
  EXPECT_EQ(Read("b").value(), "2");
}

TEST_F(StateMachine, ABatchNeverAnswersMoreThanItsLimit) {
  const std::string large(4 << 20, 'v');
  for (const char* key : {"a", "b", "c", "d", "e"}) Set(key, large);
  v1::BatchRequest request;
  for (const char* key : {"a", "b", "c", "d"})
    request.add_operations()->mutable_get()->set_key(key);
  request.add_operations()->mutable_delete_()->set_key("e");
  const Outcome outcome = Run(Operation::kBatch, request);
  EXPECT_LE(outcome.response.size(), kBatchResponseBytesMax + 4096);
  const auto response = Decode<v1::BatchResponse>(outcome);
  EXPECT_EQ(response.results(2).get().value(), large);
  EXPECT_EQ(response.results(3).error().code(), 8);
  EXPECT_EQ(response.results(3).error().detail().reason(), rasputin::v1::ERROR_REASON_OVERLOADED);
  EXPECT_TRUE(response.results(4).delete_().found());
}

TEST_F(StateMachine, ABatchThatOnlyReadsNeedsNoCommand) {
  Set("a", "1");
  ASSERT_TRUE(turn_.Commit().ok());
  v1::BatchRequest request;
  request.add_operations()->mutable_get()->set_key("a");
  request.add_operations()->mutable_get()->set_key("b");
  const absl::StatusOr<Outcome> outcome =
      GetBatch(kSpace, absl::Cord(request.SerializeAsString()), engine_);
  const auto response = Decode<v1::BatchResponse>(*outcome);
  EXPECT_EQ(response.results(0).get().value(), "1");
  EXPECT_FALSE(response.results(1).get().found());
  EXPECT_TRUE(response.results(1).has_get());
  request.add_operations()->mutable_set()->set_key("a");
  EXPECT_FALSE(GetBatch(kSpace, absl::Cord(request.SerializeAsString()), engine_).ok());
}

TEST_F(StateMachine, ABodyThatIsNoRequestIsRefusedAndChangesNothing) {
  Command command;
  command.version = NextVersion();
  for (Operation operation :
       {Operation::kSet, Operation::kCas, Operation::kDelete, Operation::kBatch}) {
    command.operation = operation;
    command.body = absl::Cord("\xff\xff garbage");
    absl::StatusOr<Outcome> outcome = Apply(kSpace, command, &turn_);
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(outcome->code, OutcomeCode::kInvalidArgument);
  }
  EXPECT_TRUE(turn_.Empty());
  command.operation = Operation::kSplit;
  EXPECT_FALSE(Apply(kSpace, command, &turn_).ok());
}

TEST_F(StateMachine, ADamagedRowIsDataLossAndNotAnAnswer) {
  EngineBatch batch;
  batch.Put(DataKey(kSpace.collection_id, "a"), "short");
  batch.Put(DataKey(kSpace.collection_id, "b"), std::string("\x02\x00 of a newer format", 20));
  ASSERT_TRUE(engine_.Write(batch).ok());
  for (const char* key : {"a", "b"}) {
    v1::GetRequest request;
    request.set_key(key);
    EXPECT_EQ(kv::Get(kSpace, absl::Cord(request.SerializeAsString()), engine_).status().code(),
              absl::StatusCode::kDataLoss);
  }
}

// Sessions: what a client sees. The table's own rules: session_table_test.

class Retries : public StateMachine {
 protected:
  template <typename Request>
  static void Identify(uint64_t sequence, Request* request) {
    request->mutable_request_id()->set_client_id(99);
    request->mutable_request_id()->set_sequence(sequence);
    request->mutable_request_id()->set_issued_at_ms(kStartMs);
  }
};

TEST_F(Retries, ARepeatedSetAnswersTheFirstVersionAndWritesNothing) {
  v1::SetRequest request;
  request.set_key("a");
  request.set_value("1");
  Identify(1, &request);
  const uint64_t version = Decode<v1::SetResponse>(Run(Operation::kSet, request)).version();
  Set("a", "2");
  EXPECT_EQ(Decode<v1::SetResponse>(Run(Operation::kSet, request)).version(), version);
  EXPECT_EQ(Read("a").value(), "2");
}

TEST_F(Retries, ARepeatedCasAnswersTheFirstResultWhetherItSucceededOrFailed) {
  v1::CasRequest request;
  request.set_key("a");
  request.set_value("1");
  request.set_expected_absent(true);
  Identify(1, &request);
  const auto first = Decode<v1::CasResponse>(Run(Operation::kCas, request));
  EXPECT_TRUE(first.success());
  Delete("a");
  EXPECT_EQ(Decode<v1::CasResponse>(Run(Operation::kCas, request)).SerializeAsString(),
            first.SerializeAsString());
  EXPECT_FALSE(Read("a").found());

  Set("a", "2");
  Identify(2, &request);
  const auto failed = Decode<v1::CasResponse>(Run(Operation::kCas, request));
  EXPECT_FALSE(failed.success());
  Delete("a");
  EXPECT_EQ(Decode<v1::CasResponse>(Run(Operation::kCas, request)).SerializeAsString(),
            failed.SerializeAsString());
}

TEST_F(Retries, ValuesOver4KiBRepeatAsOmitted) {
  for (size_t size : {size_t{4096}, size_t{4097}}) {
    Set("a", std::string(size, 'v'));
    v1::DeleteRequest request;
    request.set_key("a");
    Identify(size, &request);
    auto response = Decode<v1::DeleteResponse>(Run(Operation::kDelete, request));
    EXPECT_EQ(response.previous_value().size(), size);
    EXPECT_FALSE(response.value_omitted());
    response = Decode<v1::DeleteResponse>(Run(Operation::kDelete, request));
    EXPECT_TRUE(response.found());
    EXPECT_EQ(response.value_omitted(), size > 4096);
    EXPECT_EQ(response.previous_value().size(), size > 4096 ? 0 : size);
  }
}

TEST_F(Retries, ARepeatedBatchExecutesOnlyWhatIsNew) {
  v1::BatchRequest request;
  Identify(10, &request);
  for (const char* key : {"a", "b"}) {
    auto* cas = request.add_operations()->mutable_cas();
    cas->set_key(key);
    cas->set_expected_absent(true);
  }
  // Operation 1 arrived before by itself, as part of a batch that was divided otherwise.
  v1::BatchRequest part;
  Identify(10, &part);
  *part.add_operations() = request.operations(1);
  part.mutable_operations(0)->set_position(1);
  const auto first = Decode<v1::BatchResponse>(Run(Operation::kBatch, part));
  EXPECT_TRUE(first.results(0).cas().success());
  const uint64_t version = version_;

  const auto whole = Decode<v1::BatchResponse>(Run(Operation::kBatch, request));
  EXPECT_TRUE(whole.results(0).cas().success());
  EXPECT_EQ(whole.results(0).cas().version(), version_);
  EXPECT_TRUE(whole.results(1).cas().success());
  EXPECT_EQ(whole.results(1).cas().version(), version);
}

TEST_F(Retries, ASequenceUsedForAnotherKindOfRequestIsRefused) {
  v1::SetRequest set;
  set.set_key("a");
  Identify(1, &set);
  Run(Operation::kSet, set);
  v1::DeleteRequest request;
  request.set_key("a");
  Identify(1, &request);
  EXPECT_EQ(Run(Operation::kDelete, request).code, OutcomeCode::kInvalidArgument);
  EXPECT_TRUE(Read("a").found());
}

TEST_F(Retries, AnExpiredRequestIsNotExecuted) {
  v1::SetRequest request;
  request.set_key("a");
  Identify(1, &request);
  request.mutable_request_id()->set_issued_at_ms(kStartMs - 10 * 60 * 1000);
  EXPECT_EQ(Run(Operation::kSet, request).code, OutcomeCode::kSessionExpired);
  EXPECT_FALSE(Read("a").found());
  request.mutable_request_id()->set_issued_at_ms(kStartMs - 10 * 60 * 1000 + 1);
  EXPECT_EQ(Run(Operation::kSet, request).code, OutcomeCode::kOk);
}

TEST_F(Retries, AForgottenOperationOfABatchIsAnErrorOfItsOwn) {
  v1::SetRequest later;
  later.set_key("later");
  Identify(1025, &later);
  Run(Operation::kSet, later);
  v1::BatchRequest request;
  Identify(1, &request);
  request.add_operations()->mutable_set()->set_key("a");
  request.add_operations()->mutable_set()->set_key("b");
  const auto response = Decode<v1::BatchResponse>(Run(Operation::kBatch, request));
  EXPECT_EQ(response.results(0).error().code(), 9);
  EXPECT_EQ(response.results(0).error().detail().reason(),
            rasputin::v1::ERROR_REASON_SESSION_EXPIRED);
  EXPECT_TRUE(response.results(1).has_set());
  EXPECT_FALSE(Read("a").found());
}

TEST_F(Retries, AClockFarAheadIsRefusedAndNamed) {
  v1::SetRequest request;
  request.set_key("a");
  Identify(1, &request);
  request.mutable_request_id()->set_issued_at_ms(kStartMs + 60'001);
  const Outcome outcome = Run(Operation::kSet, request);
  EXPECT_EQ(outcome.code, OutcomeCode::kFailedPrecondition);
  EXPECT_THAT(outcome.message, HasSubstr("60001 ms ahead"));
  EXPECT_FALSE(Read("a").found());
}

// Scans.

class Scans : public StateMachine {
 protected:
  Scans() {
    for (const char* key : {"a", "b", "ba", "c", "d"}) Set(key, std::string("value of ") + key);
    // Neighbours on both sides, which no scan may see.
    EngineBatch batch;
    batch.Put(DataKey(kSpace.collection_id - 1, "z"), "not a row");
    batch.Put(DataKey(kSpace.collection_id + 1, "a"), "not a row");
    EXPECT_TRUE(engine_.Write(batch).ok());
  }
};

TEST_F(Scans, ReturnsAllRowsOfTheCollectionInOrder) {
  const v1::ScanResponse page = Page(v1::ScanRequest());
  EXPECT_THAT(Keys(page), ElementsAre("a", "b", "ba", "c", "d"));
  EXPECT_EQ(page.rows(2).value(), "value of ba");
  EXPECT_GT(page.rows(2).version(), page.rows(1).version());
  EXPECT_FALSE(page.more());
}

TEST_F(Scans, HonoursTheBoundsOfRequestAndRange) {
  struct {
    const char *start, *end, *range_start, *range_end;
    std::vector<std::string> keys;
    const char* resume;  // Null: no more.
  } const cases[] = {
      {"b", "c", "", "", {"b", "ba"}, nullptr}, {"b", "", "", "", {"b", "ba", "c", "d"}, nullptr},
      {"bb", "cc", "", "", {"c"}, nullptr},     {"c", "b", "", "", {}, nullptr},
      {"", "", "b", "c", {"b", "ba"}, "c"},     {"a", "c", "b", "c", {"b", "ba"}, nullptr},
      {"a", "d", "b", "c", {"b", "ba"}, "c"},   {"", "b", "a", "c", {"a"}, nullptr},
  };
  for (const auto& c : cases) {
    v1::ScanRequest request;
    request.set_start(c.start);
    request.set_end(c.end);
    const v1::ScanResponse page = Page(request, c.range_start, c.range_end);
    EXPECT_EQ(Keys(page), c.keys) << c.start << " " << c.end;
    EXPECT_EQ(page.more(), c.resume != nullptr);
    EXPECT_EQ(page.resume_key(), c.resume == nullptr ? "" : c.resume);
  }
}

TEST_F(Scans, PagesJoinWithoutGapOrRepetition) {
  for (int by = 0; by < 3; ++by) {
    v1::ScanRequest request;
    if (by == 0) request.set_page_rows_max(2);
    if (by == 1) request.set_limit(2);
    if (by == 2) request.set_page_bytes_max(12);
    std::vector<std::string> keys;
    int pages = 0;
    for (bool more = true; more; ++pages) {
      const v1::ScanResponse page = Page(request);
      for (const std::string& key : Keys(page)) keys.push_back(key);
      more = page.more();
      request.set_start(page.resume_key());
    }
    EXPECT_THAT(keys, ElementsAre("a", "b", "ba", "c", "d"));
    EXPECT_EQ(pages, 3);
  }
}

TEST_F(Scans, LeavesValuesOutIfAskedTo) {
  v1::ScanRequest request;
  request.set_keys_only(true);
  const v1::ScanResponse page = Page(request);
  EXPECT_EQ(page.rows_size(), 5);
  EXPECT_EQ(page.rows(0).value(), "");
  EXPECT_NE(page.rows(0).version(), 0u);
}

TEST_F(Scans, RefusesWhatIsNoScanRequest) {
  absl::StatusOr<Outcome> outcome = ScanPage(kSpace, "", "", absl::Cord("\x08\x01"), engine_);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->code, OutcomeCode::kInvalidArgument);
}

}  // namespace
}  // namespace rasputin::kv
