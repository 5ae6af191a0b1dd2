// All rows of one range as chunks of bytes, and back: what a replica is sent that the log cannot
// bring up to date.
//
// Reader: one consistent view of the engine as of its creation, in the order of engine keys.
// Writer: stages the rows and puts them in place at once. A chunk is a format byte and rows, each
// {key length (4), value length (4), key, value}, big-endian. Not responsible for how chunks
// travel, nor for who may install what (range/). Not thread-safe; the engine outlives both.

#ifndef RASPUTIN_KV_RANGE_SNAPSHOT_H_
#define RASPUTIN_KV_RANGE_SNAPSHOT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv/engine.h"

namespace rasputin::kv {

// A chunk holds at most so many bytes; a row that is larger travels alone.
inline constexpr uint64_t kSnapshotChunkBytesMax = 128 << 10;

// A range's id and bounds: full keys; an empty end is the end of the keyspace.
struct RangeBounds {
  uint64_t range_id = 0;
  std::string start_key;
  std::string end_key;
};

// Where the rows of a range lie, in order: data, history, locks, its own rows. Not the row that
// remembers removed replicas: it survives them (range_rows.h).
std::vector<KeySpan> SpansOf(const RangeBounds& bounds);

class RangeSnapshotReader {
 public:
  RangeSnapshotReader(const Engine& engine, const RangeBounds& bounds,
                      uint64_t chunk_bytes_max = kSnapshotChunkBytesMax);

  // The next chunk; empty: there is none. An error is the engine's.
  absl::StatusOr<std::string> Next();

 private:
  const uint64_t chunk_bytes_max_;
  std::vector<std::unique_ptr<EngineIterator>> rows_;  // One for each span; all of one moment.
  size_t span_ = 0;
};

class RangeSnapshotWriter {
 public:
  // `bounds`: of the range as it is in the snapshot. Everything in `replaced` (ascending, disjoint)
  // gives way to it, and holds all of SpansOf(bounds) and the keys of `others`: rows that come with
  // it and are not the range's.
  static absl::StatusOr<std::unique_ptr<RangeSnapshotWriter>> Begin(
      const RangeBounds& bounds, std::vector<KeySpan> replaced,
      std::map<std::string, std::string> others, Engine* engine);

  // Chunks in order. DATA_LOSS: not a chunk of this range; RESOURCE_EXHAUSTED: see EngineIngest.
  absl::Status Add(absl::string_view chunk);
  // There are no more chunks. RESOURCE_EXHAUSTED: see EngineIngest.
  absl::Status Finish() { return PutOthers(nullptr); }
  // See Engine::Ingest; may be repeated after RESOURCE_EXHAUSTED.
  absl::Status Ingest();
  // The rows that say what the snapshot is; empty: not seen yet.
  const std::string& applied_row() const { return applied_row_; }
  const std::string& descriptor_row() const { return descriptor_row_; }

 private:
  RangeSnapshotWriter(const RangeBounds& bounds, std::map<std::string, std::string> others,
                      std::unique_ptr<EngineIngest> staged, Engine* engine);
  // Those before `key`; null: all.
  absl::Status PutOthers(const std::string* key);

  const uint64_t range_id_;
  const std::vector<KeySpan> spans_;
  std::map<std::string, std::string> others_;  // Not staged yet.
  const std::unique_ptr<EngineIngest> staged_;
  Engine* const engine_;
  size_t span_ = 0;
  std::string last_key_;
  std::string applied_row_;
  std::string descriptor_row_;
};

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_RANGE_SNAPSHOT_H_
