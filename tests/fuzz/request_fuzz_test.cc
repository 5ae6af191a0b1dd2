// Requests of clients, damaged, on the whole way from their bytes to the engine.
//
// What the node lets in (ReadFields), the generated parser understands in the same way, and every
// replica applies with the same answer, however the bytes lie in memory; what it refuses, every
// replica refuses and changes nothing. Applying never fails: it would stop the replica.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kv/batch_division.h"
#include "kv/command.h"
#include "kv/fields.h"
#include "kv/limits.h"
#include "kv/memory_engine.h"
#include "kv/state_hash.h"
#include "kv/state_machine.h"
#include "kv/turn.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "tests/fuzz/inputs.h"
#include "tests/fuzz/trial.h"

namespace rasputin::fuzz {
namespace {

using kv::Operation;

constexpr kv::Space kSpace{7, 2};
constexpr uint64_t kFirstVersion = uint64_t{1'700'000'000'000} << 16;

// The user keys that the generated parser finds: the lowest, the highest, and how many.
struct Keys {
  std::string first;
  std::string last;
  uint32_t count = 1;
};

template <typename Request>
Keys KeysOf(const Request& request) {
  return {request.key(), request.key()};
}
Keys KeysOf(const kv::v1::ScanRequest& request) { return {request.start(), request.end()}; }
Keys KeysOf(const kv::v1::BatchRequest& request) {
  std::vector<std::string> keys;
  for (const kv::v1::BatchOperation& operation : request.operations()) {
    keys.push_back(operation.has_get()   ? operation.get().key()
                   : operation.has_set() ? operation.set().key()
                   : operation.has_cas() ? operation.cas().key()
                                         : operation.delete_().key());
  }
  return {*std::min_element(keys.begin(), keys.end()), *std::max_element(keys.begin(), keys.end()),
          static_cast<uint32_t>(keys.size())};
}

// Two replicas of one range.
class Replicas {
 public:
  // The outcome of the operation at both, which must be the same; `refused`: it must be refused.
  template <typename Response>
  void Run(Operation operation, const absl::Cord& one, const absl::Cord& other, bool refused,
           const std::optional<kv::RequestId>& session, bool mutates) {
    version_ += 1 << 14;
    const auto first = On(0, operation, one, session, mutates);
    const auto second = On(1, operation, other, session, mutates);
    ASSERT_TRUE(first.ok()) << first.status();
    ASSERT_TRUE(second.ok()) << second.status();
    ASSERT_EQ(first->code, second->code);
    ASSERT_EQ(first->response, second->response);
    if (refused) {
      ASSERT_NE(first->code, kv::OutcomeCode::kOk);
      ASSERT_FALSE(first->message.empty());
    }
    if (first->code == kv::OutcomeCode::kOk) {
      Response response;
      ASSERT_TRUE(response.ParseFromString(std::string(first->response)));
    }
  }

  uint64_t Hash(int replica) const {
    return *kv::StateHash(replica == 0 ? engine_ : other_engine_, "", "");
  }

 private:
  absl::StatusOr<kv::Outcome> On(int replica, Operation operation, const absl::Cord& body,
                                 const std::optional<kv::RequestId>& session, bool mutates) {
    kv::MemoryEngine* engine = replica == 0 ? &engine_ : &other_engine_;
    if (operation == Operation::kGet) return kv::Get(kSpace, body, *engine);
    if (operation == Operation::kScan) return kv::ScanPage(kSpace, "", "", body, *engine);
    if (!mutates && operation == Operation::kBatch) return kv::GetBatch(kSpace, body, *engine);
    kv::Command command;
    command.generation = 1;
    command.version = version_;
    command.session = session;
    command.operation = operation;
    command.body = body;
    kv::Turn turn(engine);
    auto outcome = kv::Apply(kSpace, command, &turn);
    if (const absl::Status status = turn.Commit(); !status.ok()) return status;
    return outcome;
  }

  uint64_t version_ = kFirstVersion;
  kv::MemoryEngine engine_;
  kv::MemoryEngine other_engine_;
};

// Makes most ids acceptable: a clock near that of the commands.
template <typename Request>
void SetTime(Random* random, Request* request) {
  if (request->has_request_id() && (*random)() % 8 != 0) {
    request->mutable_request_id()->set_issued_at_ms((kFirstVersion >> 16) + (*random)() % 1000);
    request->mutable_request_id()->set_acked_below((*random)() % 3);
  }
}
void SetTime(Random*, kv::v1::GetRequest*) {}
void SetTime(Random*, kv::v1::ScanRequest*) {}

template <typename Request, typename Response>
void Fuzz(Operation operation) {
  auto replicas = std::make_unique<Replicas>();
  Request scratch;
  const TrialOptions options{scratch.GetTypeName(), static_cast<uint64_t>(operation)};
  TryInputs(options, [&](Random* random, uint64_t run, bool* accepted) {
    Fill(random, &scratch);
    SetTime(random, &scratch);
    std::string bytes = scratch.SerializeAsString();
    if ((*random)() % 2 == 0) bytes = Mutated(random, std::move(bytes));
    const absl::Cord one = Fragmented(random, bytes);
    const absl::StatusOr<kv::RequestFields> fields = kv::ReadFields(operation, one);
    *accepted = fields.ok();
    if (fields.ok()) {
      (void)kv::CheckLimits(*fields, kv::Limits()).ok();
      bool parsed = false;
      ASSERT_TRUE(IsMessage(bytes, &scratch, &parsed));
      if (parsed) {
        const Keys keys = KeysOf(scratch);
        ASSERT_EQ(fields->collection, scratch.collection());
        ASSERT_EQ(fields->first_key, keys.first);
        ASSERT_EQ(fields->last_key, keys.last);
        ASSERT_EQ(fields->operations, keys.count);
      }
    } else {
      ASSERT_EQ(fields.status().code(), absl::StatusCode::kInvalidArgument) << fields.status();
      ASSERT_FALSE(fields.status().message().empty());
    }
    // A forged command may hold what no node let in.
    replicas->Run<Response>(operation, one, Fragmented(random, bytes), !fields.ok(),
                            fields.ok() ? fields->request_id : std::nullopt,
                            !fields.ok() || fields->mutates);
    if (testing::Test::HasFatalFailure() || run % 5000 != 4999) return;
    ASSERT_EQ(replicas->Hash(0), replicas->Hash(1));
    replicas = std::make_unique<Replicas>();
  });
  ASSERT_EQ(replicas->Hash(0), replicas->Hash(1));
}

TEST(FuzzRequests, Get) { Fuzz<kv::v1::GetRequest, kv::v1::GetResponse>(Operation::kGet); }
TEST(FuzzRequests, Scan) { Fuzz<kv::v1::ScanRequest, kv::v1::ScanResponse>(Operation::kScan); }
TEST(FuzzRequests, Set) { Fuzz<kv::v1::SetRequest, kv::v1::SetResponse>(Operation::kSet); }
TEST(FuzzRequests, Cas) { Fuzz<kv::v1::CasRequest, kv::v1::CasResponse>(Operation::kCas); }
TEST(FuzzRequests, Delete) {
  Fuzz<kv::v1::DeleteRequest, kv::v1::DeleteResponse>(Operation::kDelete);
}
TEST(FuzzRequests, Batch) { Fuzz<kv::v1::BatchRequest, kv::v1::BatchResponse>(Operation::kBatch); }

// A batch that is divided and put together again by the front end.
TEST(FuzzRequests, BatchesAreDividedWithoutLoss) {
  kv::v1::BatchRequest scratch;
  TryInputs({"divided batches", 2}, [&](Random* random, uint64_t, bool* accepted) {
    const std::string bytes = AnyInput(random, &scratch);
    const absl::Cord request = Fragmented(random, bytes);
    const auto keys = kv::BatchKeys(request);
    const auto fields = kv::ReadFields(Operation::kBatch, request);
    if (!keys.ok()) {
      ASSERT_FALSE(fields.ok());
      return;
    }
    if (!fields.ok()) return;
    *accepted = true;
    ASSERT_EQ(keys->size(), fields->operations);
    std::vector<uint32_t> half;
    for (uint32_t i = 0; i < keys->size(); ++i) {
      if ((*random)() % 2 == 0) half.push_back(i);
    }
    if (half.empty()) half.push_back(0);
    const auto part = kv::SubBatch(request, half);
    ASSERT_TRUE(part.ok()) << part.status();
    const auto part_keys = kv::BatchKeys(*part);
    ASSERT_TRUE(part_keys.ok()) << part_keys.status();
    ASSERT_EQ(part_keys->size(), half.size());
    for (size_t i = 0; i < half.size(); ++i) ASSERT_EQ((*part_keys)[i], (*keys)[half[i]]);
    ASSERT_FALSE(kv::SubBatch(request, {fields->operations}).ok());
  });
}

TEST(FuzzRequests, AnswersToBatchesAreDivided) {
  kv::v1::BatchResponse scratch;
  TryInputs({"answers to batches", 3, 30'000, 0.02}, [&](Random* random, uint64_t, bool* accepted) {
    const std::string bytes = AnyInput(random, &scratch);
    const uint32_t count = static_cast<uint32_t>((*random)() % 4);
    const auto results = kv::BatchResults(Fragmented(random, bytes), count);
    if (!results.ok()) return;
    *accepted = true;
    ASSERT_EQ(results->size(), count);
    const auto again = kv::BatchResults(kv::BatchResponseOf(*results), count);
    ASSERT_TRUE(again.ok()) << again.status();
    ASSERT_EQ(*again, *results);
  });
}

TEST(FuzzCommands, ThatAreTakenAreWrittenAsTheyWere) {
  TryInputs({"commands", 4, 30'000, 0.02}, [&](Random* random, uint64_t, bool* accepted) {
    kv::Command command;
    command.generation = (*random)() % 3;
    command.version = (*random)();
    command.origin = (*random)() % 4;
    command.origin_sequence = (*random)() % 300;
    if ((*random)() % 2 == 0)
      command.session = {(*random)(), (*random)() % 9, (*random)() % 9, (*random)()};
    command.operation = (*random)() % 2 == 0 ? Operation::kSet : Operation::kBatch;
    command.body = absl::Cord(std::string((*random)() % 40, 'b'));
    std::string bytes(kv::EncodeCommand(command));
    if ((*random)() % 3 != 0) bytes = Mutated(random, std::move(bytes));
    const auto decoded = kv::DecodeCommand(Fragmented(random, bytes));
    if (!decoded.ok()) {
      ASSERT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument) << decoded.status();
      return;
    }
    *accepted = true;
    const absl::Cord again = kv::EncodeCommand(*decoded);
    const auto twice = kv::DecodeCommand(Fragmented(random, std::string(again)));
    ASSERT_TRUE(twice.ok()) << twice.status();
    ASSERT_EQ(kv::EncodeCommand(*twice), again);
  });
}

}  // namespace
}  // namespace rasputin::fuzz
