// What lies on a disk and what snapshots carry, damaged: rows, chunks, the meta range, the
// manifest.
//
// Damage is noticed or harmless: a status, never a crash, and no row outside of its range.

#include <gtest/gtest.h>

#include <memory>

#include "consensus/log/memory_directory.h"
#include "kv/key.h"
#include "kv/memory_engine.h"
#include "kv/range_rows.h"
#include "kv/range_snapshot.h"
#include "kv/state_machine.h"
#include "kv/turn.h"
#include "kv/wire.h"
#include "range/meta_state.h"
#include "range/snapshot_trailer.h"
#include "range/store.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "tests/fuzz/inputs.h"
#include "tests/fuzz/trial.h"

namespace rasputin::fuzz {
namespace {

constexpr kv::Space kSpace{7, 2};
constexpr uint64_t kFirstVersion = uint64_t{1'700'000'000'000} << 16;

std::string AnyString(Random* random, uint64_t bytes_max) {
  std::string text;
  for (uint64_t n = (*random)() % bytes_max; n > 0; --n) {
    text += static_cast<char>((*random)() % 3 == 0 ? 0 : (*random)());
  }
  return text;
}

TEST(FuzzRows, OfDataAndOfRanges) {
  TryInputs({"rows", 1}, [&](Random* random, uint64_t, bool* accepted) {
    const absl::Cord payload(AnyString(random, 30));
    const std::string row =
        Mutated(random, kv::EncodeRow((*random)(), kv::CordBytes(payload), {0, payload.size()}));
    kv::RowView view;
    const absl::Status status = kv::DecodeRow(row, &view);
    if (status.ok()) {
      *accepted = true;
      ASSERT_EQ(view.payload.size() + kv::kRowHeaderBytes, row.size());
    } else {
      ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    }
    const auto state = kv::DecodeAppliedState(
        Mutated(random, kv::EncodeAppliedState({(*random)(), 2, (*random)()})));
    if (!state.ok()) {
      ASSERT_EQ(state.status().code(), absl::StatusCode::kDataLoss) << state.status();
    }
  });
}

TEST(FuzzRows, EscapedKeysComeBackAndNothingElseIsTaken) {
  TryInputs({"escaped keys", 2}, [&](Random* random, uint64_t, bool* accepted) {
    const std::string key = AnyString(random, 20);
    std::string bytes;
    kv::AppendEscaped(key, &bytes);
    bytes += "tail";
    if ((*random)() % 3 != 0) bytes = Mutated(random, std::move(bytes));
    absl::string_view rest = bytes;
    std::string taken;
    if (!kv::ConsumeEscaped(&rest, &taken)) return;
    *accepted = true;
    std::string again;
    kv::AppendEscaped(taken, &again);
    ASSERT_EQ(again + std::string(rest), bytes);
  });
}

// One replica with some keys and sessions; some of its rows are damaged and all of it used again.
TEST(FuzzRows, DamagedOnesInUseAreNoticedOrHarmless) {
  uint64_t accepted = 0;
  const TrialOptions options{"damaged rows in use (accepted: harmless replicas)", 3};
  const uint64_t rows_wanted = Runs(options.usual);
  Random random(options.seed);
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
  ReportInputs(options, rows_damaged, accepted);
}

TEST(FuzzSnapshots, WriteNothingOutsideOfTheirRange) {
  uint64_t accepted = 0;
  const TrialOptions options{"chunks of snapshots (accepted: whole snapshots)", 4};
  const uint64_t chunks_wanted = Runs(options.usual);
  Random random(options.seed);
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
    auto writer = kv::RangeSnapshotWriter::Begin(bounds, kv::SpansOf(bounds), {}, &target);
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
  ReportInputs(options, chunks, accepted);
}

TEST(FuzzSnapshots, TrailersAreTakenOnlyAsTheyWereWritten) {
  TryInputs({"trailers", 5}, [&](Random* random, uint64_t, bool* accepted) {
    std::string bytes(
        range::EncodeTrailer({static_cast<uint32_t>((*random)()), (*random)() % 1000}));
    if ((*random)() % 3 != 0) bytes = Mutated(random, std::move(bytes));
    const auto trailer = range::DecodeTrailer(Fragmented(random, bytes));
    if (!trailer.has_value()) return;
    *accepted = true;
    ASSERT_EQ(range::EncodeTrailer(*trailer), bytes);
  });
}

// The identity of a store, under its checksum and with the checksum made right again.
TEST(FuzzManifests, AreTakenOnlyIfTheyNameAStore) {
  storage::v1::StoreManifest scratch;
  const TrialOptions options{"manifests", 7, 30'000, 0.05};
  TryInputs(options, [&](Random* random, uint64_t, bool* accepted) {
    consensus::log::MemoryDirectory directory;
    const std::string bytes = AnyInput(random, &scratch);
    uint64_t hash = 14695981039346656037ull;  // FNV-1a.
    for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ull;
    std::string content;
    kv::AppendFixed64(hash, &content);
    content += bytes;
    if ((*random)() % 4 == 0) content = Mutated(random, std::move(content));
    ASSERT_TRUE(directory.ReplaceFile("MANIFEST", content).ok());
    const auto manifest = range::Store::ReadManifest(&directory);
    *accepted = manifest.ok();
    if (manifest.ok()) {
      ASSERT_NE(manifest->store_id(), 0u);
      ASSERT_NE(manifest->cluster_id(), 0u);
    } else {
      ASSERT_FALSE(manifest.status().message().empty());
    }
  });
}

// Commands and queries of the meta range, as committed by a store that is broken or of another
// version, on a state that they have made.
TEST(FuzzMeta, CommandsAndQueries) {
  std::unique_ptr<kv::MemoryEngine> engine;
  storage::v1::MetaCommand command;
  storage::v1::MetaQuery query;
  TryInputs({"commands of the meta range", 6}, [&](Random* random, uint64_t run, bool* accepted) {
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
        range::ApplyMetaCommand(Fragmented(random, AnyInput(random, &command)), &turn);
    ASSERT_TRUE(turn.Commit().ok());
    if (outcome.ok() && outcome->code == kv::OutcomeCode::kOk) *accepted = true;
    const auto answer =
        range::AnswerMetaQuery(Fragmented(random, AnyInput(random, &query)), *engine);
    if (answer.ok() && answer->code == kv::OutcomeCode::kOk) {
      storage::v1::MetaQueryResult result;
      ASSERT_TRUE(result.ParseFromString(std::string(answer->response)));
    }
  });
}

}  // namespace
}  // namespace rasputin::fuzz
