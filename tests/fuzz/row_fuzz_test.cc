// What lies in the engine and what snapshots carry, damaged: rows, chunks, the meta range.
//
// Damage is noticed or harmless: a status, never a crash, and no row outside of its range.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "kv/key.h"
#include "kv/memory_engine.h"
#include "kv/range_rows.h"
#include "kv/range_snapshot.h"
#include "kv/state_machine.h"
#include "kv/turn.h"
#include "kv/wire.h"
#include "range/meta_state.h"
#include "range/snapshot_trailer.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "tests/fuzz/inputs.h"

namespace rasputin::fuzz {
namespace {

constexpr uint64_t kUsualRuns = 30'000;
constexpr kv::Space kSpace{7, 2};
constexpr uint64_t kFirstVersion = uint64_t{1'700'000'000'000} << 16;

void Report(const char* what, uint64_t inputs, uint64_t accepted) {
  std::printf("%lu inputs, %s: %lu accepted\n", inputs, what, accepted);
  EXPECT_GT(accepted, inputs / 100) << what;
  EXPECT_LT(accepted, inputs) << what;
}

std::string AnyString(Random* random, uint64_t bytes_max) {
  std::string text;
  for (uint64_t n = (*random)() % bytes_max; n > 0; --n) {
    text += static_cast<char>((*random)() % 3 == 0 ? 0 : (*random)());
  }
  return text;
}

TEST(FuzzRows, OfDataAndOfRanges) {
  Random random(1);
  uint64_t accepted = 0;
  const uint64_t runs = Runs(kUsualRuns);
  for (uint64_t run = 0; run < runs; ++run) {
    const absl::Cord payload(AnyString(&random, 30));
    const std::string row =
        Mutated(&random, kv::EncodeRow(random(), kv::CordBytes(payload), {0, payload.size()}));
    kv::RowView view;
    const absl::Status status = kv::DecodeRow(row, &view);
    if (status.ok()) {
      ++accepted;
      ASSERT_EQ(view.payload.size() + kv::kRowHeaderBytes, row.size()) << "run " << run;
    } else {
      ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    }
    const auto state =
        kv::DecodeAppliedState(Mutated(&random, kv::EncodeAppliedState({random(), 2, random()})));
    if (!state.ok()) {
      ASSERT_EQ(state.status().code(), absl::StatusCode::kDataLoss) << state.status();
    }
  }
  Report("rows", runs, accepted);
}

TEST(FuzzRows, EscapedKeysComeBackAndNothingElseIsTaken) {
  Random random(2);
  uint64_t accepted = 0;
  const uint64_t runs = Runs(kUsualRuns);
  for (uint64_t run = 0; run < runs; ++run) {
    const std::string key = AnyString(&random, 20);
    std::string bytes;
    kv::AppendEscaped(key, &bytes);
    bytes += "tail";
    if (random() % 3 != 0) bytes = Mutated(&random, std::move(bytes));
    absl::string_view rest = bytes;
    std::string taken;
    if (!kv::ConsumeEscaped(&rest, &taken)) continue;
    ++accepted;
    std::string again;
    kv::AppendEscaped(taken, &again);
    ASSERT_EQ(again + std::string(rest), bytes) << "run " << run;
  }
  Report("escaped keys", runs, accepted);
}

// One replica with some keys and sessions; some of its rows are damaged and all of it used again.
TEST(FuzzRows, DamagedOnesInUseAreNoticedOrHarmless) {
  Random random(3);
  uint64_t accepted = 0;
  const uint64_t rows_wanted = Runs(kUsualRuns);
  uint64_t rows_damaged = 0;
  while (rows_damaged < rows_wanted) {
    kv::MemoryEngine engine;
    uint64_t version = kFirstVersion;
    const auto set = [&](uint64_t client, uint64_t sequence) {
      kv::Command command;
      command.version = version += 1 << 20;
      command.session = {client, sequence, 0, version >> 16};
      command.operation = kv::Operation::kSet;
      kv::v1::SetRequest request;
      request.set_key("key");
      request.set_value("value");
      command.body = absl::Cord(request.SerializeAsString());
      kv::Turn turn(&engine);
      const auto outcome = kv::Apply(kSpace, command, &turn);
      EXPECT_TRUE(turn.Commit().ok());
      return outcome.ok();
    };
    for (uint64_t client = 1; client <= 3; ++client) ASSERT_TRUE(set(client, client));
    kv::EngineBatch damage;
    const auto rows = engine.NewIterator("", "");
    for (rows->Seek(""); rows->Valid(); rows->Next()) {
      if (random() % 3 != 0) continue;
      damage.Put(std::string(rows->key()), Mutated(&random, std::string(rows->value())));
      ++rows_damaged;
    }
    ASSERT_TRUE(engine.Write(damage).ok());
    bool noticed = false;
    for (uint64_t client = 1; client <= 5; ++client) noticed = !set(client, client) || noticed;
    kv::v1::GetRequest get;
    get.set_key("key");
    noticed = !kv::Get(kSpace, absl::Cord(get.SerializeAsString()), engine).ok() || noticed;
    noticed = !kv::ScanPage(kSpace, "", "", absl::Cord(), engine).ok() || noticed;
    kv::Turn turn(&engine);
    noticed = !kv::CopySessions(7, 8, &turn).ok() || noticed;
    noticed = !kv::ListTombstones(engine).ok() || noticed;
    accepted += noticed ? 0 : 1;
  }
  Report("damaged rows in use (harmless: replicas)", rows_damaged, accepted);
}

TEST(FuzzSnapshots, WriteNothingOutsideOfTheirRange) {
  Random random(4);
  uint64_t accepted = 0;
  const uint64_t chunks_wanted = Runs(kUsualRuns);
  uint64_t chunks = 0;
  kv::MemoryEngine source;
  kv::EngineBatch rows;
  for (char c = 'a'; c < 'f'; ++c) {
    rows.Put(kv::DataKey(2, std::string(1, c)), std::string(20, c));
  }
  rows.Put(kv::RangeRowKey(7, 1), "row");
  ASSERT_TRUE(source.Write(rows).ok());
  const kv::RangeBounds bounds{7, kv::FullKey(2, "b"), kv::FullKey(2, "e")};
  while (chunks < chunks_wanted) {
    kv::MemoryEngine target;
    kv::EngineBatch strange;
    strange.Put(kv::DataKey(2, "a"), "stays");
    strange.Put(kv::DataKey(2, "e"), "stays");
    ASSERT_TRUE(target.Write(strange).ok());
    kv::RangeSnapshotReader reader(source, bounds, 1 + random() % 100);
    auto writer = kv::RangeSnapshotWriter::Begin(bounds, kv::SpansOf(bounds), &target);
    ASSERT_TRUE(writer.ok());
    absl::Status status;
    while (status.ok()) {
      absl::StatusOr<std::string> chunk = reader.Next();
      ASSERT_TRUE(chunk.ok());
      if (chunk->empty()) break;
      ++chunks;
      status = (*writer)->Add(random() % 2 == 0 ? Mutated(&random, *std::move(chunk)) : *chunk);
    }
    if (status.ok()) status = (*writer)->Ingest();
    accepted += status.ok() ? 1 : 0;
    uint64_t outside = 0;
    const auto all = target.NewIterator("", "");
    for (all->Seek(""); all->Valid(); all->Next()) {
      bool inside = false;
      for (const kv::KeySpan& span : kv::SpansOf(bounds)) {
        inside =
            inside || (all->key() >= span.begin && (span.end.empty() || all->key() < span.end));
      }
      outside += inside ? 0 : 1;
    }
    ASSERT_EQ(outside, 2u) << "chunk " << chunks;
  }
  Report("chunks of snapshots (accepted: whole ones)", chunks, accepted);
}

TEST(FuzzSnapshots, TrailersAreTakenOnlyAsTheyWereWritten) {
  Random random(5);
  uint64_t accepted = 0;
  const uint64_t runs = Runs(kUsualRuns);
  for (uint64_t run = 0; run < runs; ++run) {
    std::string bytes(range::EncodeTrailer({static_cast<uint32_t>(random()), random() % 1000}));
    if (random() % 3 != 0) bytes = Mutated(&random, std::move(bytes));
    const auto trailer = range::DecodeTrailer(Fragmented(&random, bytes));
    if (!trailer.has_value()) continue;
    ++accepted;
    ASSERT_EQ(range::EncodeTrailer(*trailer), bytes) << "run " << run;
  }
  Report("trailers", runs, accepted);
}

// Commands and queries of the meta range, as committed by a store that is broken or of another
// version, on a state that they have made.
TEST(FuzzMeta, CommandsAndQueries) {
  Random random(6);
  auto engine = std::make_unique<kv::MemoryEngine>();
  storage::v1::MetaCommand command;
  storage::v1::MetaQuery query;
  uint64_t accepted = 0;
  const uint64_t runs = Runs(kUsualRuns);
  for (uint64_t run = 0; run < runs; ++run) {
    if (run % 2000 == 0) {
      engine = std::make_unique<kv::MemoryEngine>();
      storage::v1::BootstrapRecord record;
      record.set_cluster_id(1);
      kv::Turn turn(engine.get());
      ASSERT_TRUE(range::WriteFirstMetaState(record, &turn).ok());
      ASSERT_TRUE(turn.Commit().ok());
    }
    kv::Turn turn(engine.get());
    const auto outcome =
        range::ApplyMetaCommand(Fragmented(&random, AnyInput(&random, &command)), &turn);
    ASSERT_TRUE(turn.Commit().ok());
    if (outcome.ok() && outcome->code == kv::OutcomeCode::kOk) ++accepted;
    const auto answer =
        range::AnswerMetaQuery(Fragmented(&random, AnyInput(&random, &query)), *engine);
    if (answer.ok() && answer->code == kv::OutcomeCode::kOk) {
      storage::v1::MetaQueryResult result;
      ASSERT_TRUE(result.ParseFromString(std::string(answer->response))) << "run " << run;
    }
  }
  Report("commands of the meta range", runs, accepted);
}

}  // namespace
}  // namespace rasputin::fuzz
