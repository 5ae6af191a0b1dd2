// Replicas that apply the same commands agree, whatever their turns, flushes, crashes and engines.
//
// Each seed makes a log of random commands, good and bad, repeated and new, over two ranges. A
// reference applies them one per turn; the other replicas cut turns at random, crash, and apply
// again from what their engine had kept. Hashes of the state and all outcomes must be the same.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kv/command.h"
#include "kv/memory_engine.h"
#include "kv/range_rows.h"
#include "kv/rocks_engine.h"
#include "kv/state_hash.h"
#include "kv/state_machine.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::kv {
namespace {

constexpr uint64_t kStartMs = 1'700'000'000'000;

// One entry of the log that both ranges share in this test.
struct Entry {
  Space space;
  absl::Cord command;
  bool copy_sessions = false;  // Instead of a command: what a split does.
};

class LogMaker {
 public:
  explicit LogMaker(uint64_t seed) : random_(seed) {}

  std::vector<Entry> Make(int entries) {
    std::vector<Entry> log;
    for (int i = 0; i < entries; ++i) {
      Entry entry;
      entry.space = {1 + Pick(2), 10};
      if (Pick(200) == 0) {
        entry.copy_sessions = true;
        log.push_back(entry);
        continue;
      }
      now_ms_ += Pick(40) == 0 ? Pick(15 * 60 * 1000) : Pick(50);
      Command command = !sent_.empty() && Pick(4) == 0 ? sent_[Pick(sent_.size())] : NewCommand();
      command.version = (now_ms_ << 16) + i;
      sent_.push_back(command);
      if (sent_.size() > 60) sent_.erase(sent_.begin());
      entry.command = EncodeCommand(command);
      log.push_back(entry);
    }
    return log;
  }

 private:
  uint64_t Pick(uint64_t below) { return random_() % below; }
  std::string Key() { return "k" + std::to_string(Pick(12)); }
  std::string Value() {
    return Pick(20) == 0 ? std::string(4090 + Pick(12), 'v') : "v" + std::to_string(Pick(4));
  }
  template <typename Cas>
  void FillCas(Cas* cas) {
    cas->set_key(Key());
    cas->set_value(Value());
    switch (Pick(4)) {
      case 0:
        cas->set_expected_absent(true);
        break;
      case 1:
        cas->set_expected_version((now_ms_ << 16) - Pick(20));
        break;
      default:
        cas->set_expected_value(Value());
    }
  }

  Command NewCommand() {
    Command command;
    if (Pick(3) != 0) {
      const uint64_t client = 1 + Pick(6);
      command.session = {client, next_[client] += 1 + Pick(3), 0, now_ms_ + Pick(1000)};
      if (Pick(30) == 0) command.session->issued_at_ms -= 20 * 60 * 1000;
      if (Pick(30) == 0) command.session->sequence += 1024;
    }
    std::string body;
    switch (Pick(5)) {
      case 0: {
        command.operation = Operation::kDelete;
        v1::DeleteRequest request;
        request.set_key(Key());
        body = request.SerializeAsString();
        break;
      }
      case 1: {
        command.operation = Operation::kCas;
        v1::CasRequest request;
        FillCas(&request);
        body = request.SerializeAsString();
        break;
      }
      case 2: {
        command.operation = Operation::kBatch;
        v1::BatchRequest request;
        for (uint64_t n = 1 + Pick(5); n > 0; --n) {
          auto* operation = request.add_operations();
          switch (Pick(4)) {
            case 0:
              operation->mutable_get()->set_key(Key());
              break;
            case 1:
              FillCas(operation->mutable_cas());
              break;
            case 2:
              operation->mutable_delete_()->set_key(Key());
              break;
            default:
              operation->mutable_set()->set_key(Key());
              operation->mutable_set()->set_value(Value());
          }
        }
        body = request.SerializeAsString();
        if (command.session) next_[command.session->client_id] += 5;
        break;
      }
      default: {
        command.operation = Operation::kSet;
        v1::SetRequest request;
        request.set_key(Key());
        request.set_value(Value());
        body = request.SerializeAsString();
      }
    }
    if (Pick(50) == 0) body.resize(Pick(body.size()));
    command.body = absl::Cord(body);
    return command;
  }

  std::mt19937_64 random_;
  uint64_t now_ms_ = kStartMs;
  uint64_t next_[10] = {};
  std::vector<Command> sent_;
};

// Applies one entry, with its index as the applied row of a range of its own, so that a restart
// knows where it was. The text tells everything a client would see.
std::string ApplyEntry(const Entry& entry, uint64_t index, Turn* turn) {
  std::string text;
  if (entry.copy_sessions) {
    EXPECT_TRUE(CopySessions(entry.space.range_id, 100 + index, turn).ok());
  } else {
    const absl::StatusOr<Command> command = DecodeCommand(entry.command);
    EXPECT_TRUE(command.ok());
    const absl::StatusOr<Outcome> outcome = Apply(entry.space, *command, turn);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    text = std::to_string(static_cast<int>(outcome->code)) + outcome->message +
           std::string(outcome->response);
  }
  WriteAppliedState(99, {index, 1, 0}, turn);
  return text;
}

// As a store does it: a stalling engine is asked again.
void Commit(Turn* turn) {
  absl::Status status;
  do {
    status = turn->Commit();
  } while (absl::IsResourceExhausted(status));
  EXPECT_TRUE(status.ok()) << status;
}

struct Result {
  uint64_t hash = 0;
  std::vector<std::string> outcomes;
};

Result Reference(const std::vector<Entry>& log) {
  Result result;
  MemoryEngine engine;
  Turn turn(&engine);
  for (size_t i = 0; i < log.size(); ++i) {
    result.outcomes.push_back(ApplyEntry(log[i], i + 1, &turn));
    EXPECT_TRUE(turn.Commit().ok());
  }
  result.hash = StateHash(engine, "", "").value();
  return result;
}

// `restart` ends the process now and then; returns the engine of the next one.
template <typename Restart>
Result RandomTurns(const std::vector<Entry>& log, uint64_t seed, Engine* engine, Restart restart) {
  std::mt19937_64 random(seed);
  Result result;
  result.outcomes.resize(log.size());
  auto turn = std::make_unique<Turn>(engine);
  for (size_t i = 0; i < log.size();) {
    result.outcomes[i] = ApplyEntry(log[i], i + 1, turn.get());
    ++i;
    if (random() % 8 == 0 || i == log.size()) Commit(turn.get());
    if (random() % 50 == 0) {
      EXPECT_TRUE(engine->StartFlush().ok());
    }
    if (random() % 150 == 0) {
      turn.reset();  // Its edits are lost too.
      engine = restart();
      turn = std::make_unique<Turn>(engine);
      i = ReadAppliedState(99, *engine).value().value_or(AppliedState()).index;
    }
  }
  Commit(turn.get());
  result.hash = StateHash(*engine, "", "").value();
  return result;
}

TEST(Replicas, AgreeWhateverTheirTurnsAndCrashes) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const std::vector<Entry> log = LogMaker(seed).Make(400);
    const Result reference = Reference(log);
    MemoryEngine engine;
    const Result other = RandomTurns(log, seed, &engine, [&]() -> Engine* {
      if (seed % 2 == 0) engine.CompleteFlush();
      engine.Crash();
      return &engine;
    });
    ASSERT_EQ(other.outcomes, reference.outcomes) << "seed " << seed;
    ASSERT_EQ(other.hash, reference.hash) << "seed " << seed;
  }
}

TEST(Replicas, AgreeWhateverTheirEngine) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const std::vector<Entry> log = LogMaker(seed).Make(600);
    const Result reference = Reference(log);
    RocksOptions options;
    options.path = ::testing::TempDir() + "/replica_XXXXXX";
    ASSERT_NE(mkdtemp(options.path.data()), nullptr);
    options.flush_on_close = false;
    std::unique_ptr<Engine> engine = OpenRocksEngine(options).value();
    const Result other = RandomTurns(log, seed, engine.get(), [&] {
      engine.reset();
      engine = OpenRocksEngine(options).value();
      return engine.get();
    });
    ASSERT_EQ(other.outcomes, reference.outcomes) << "seed " << seed;
    ASSERT_EQ(other.hash, reference.hash) << "seed " << seed;
  }
}

TEST(Replicas, OfDifferentLogsDiffer) {
  EXPECT_NE(Reference(LogMaker(1).Make(300)).hash, Reference(LogMaker(2).Make(300)).hash);
}

// The random logs are worth something: every kind of outcome occurs.
TEST(Replicas, MeetEveryKindOfOutcome) {
  int by_code[10] = {};
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    for (const std::string& outcome : Reference(LogMaker(seed).Make(600)).outcomes) {
      if (!outcome.empty()) ++by_code[outcome[0] - '0'];
    }
  }
  EXPECT_GT(by_code[static_cast<int>(OutcomeCode::kOk)], 1000);
  EXPECT_GT(by_code[static_cast<int>(OutcomeCode::kInvalidArgument)], 10);
  EXPECT_GT(by_code[static_cast<int>(OutcomeCode::kSessionExpired)], 10);
}

}  // namespace
}  // namespace rasputin::kv
