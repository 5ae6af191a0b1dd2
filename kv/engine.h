// The port to the state engine: an ordered map of bytes with atomic batches and snapshots.
//
// Implementations: RocksDB (kv/rocks_engine.h, without its own log: the shared log is the WAL) and
// memory (kv/memory_engine.h, which loses everything unflushed at a simulated crash). Keys carry a
// space and ids as laid down in kv/key.h. Reads and iterators may run in any thread; Write from one
// thread at a time.

#ifndef RASPUTIN_KV_ENGINE_H_
#define RASPUTIN_KV_ENGINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rasputin::kv {

// Ordered edits, applied atomically.
class EngineBatch {
 public:
  struct Edit {
    enum class Kind : uint8_t { kPut = 1, kDelete = 2, kDeleteRange = 3 };
    Kind kind;
    std::string key;    // kDeleteRange: first key.
    std::string value;  // kDeleteRange: end key, exclusive.
  };

  void Put(std::string key, std::string value);
  void Delete(std::string key);
  void DeleteRange(std::string begin, std::string end);
  void Clear();
  bool Empty() const { return edits_.empty(); }
  const std::vector<Edit>& edits() const { return edits_; }
  uint64_t SizeBytes() const { return size_bytes_; }

 private:
  std::vector<Edit> edits_;
  uint64_t size_bytes_ = 0;
};

// A consistent, read-only view as of its creation; holds resources until destroyed.
class EngineIterator {
 public:
  virtual ~EngineIterator() = default;
  virtual void Seek(absl::string_view key) = 0;
  virtual bool Valid() const = 0;  // False at the end, or after an error: see status().
  virtual void Next() = 0;
  virtual absl::string_view key() const = 0;    // Valid until the next move.
  virtual absl::string_view value() const = 0;  // Valid until the next move.
  virtual absl::Status status() const = 0;
};

// Keys from `begin` to before `end`, which is not empty.
struct KeySpan {
  std::string begin;
  std::string end;
};

// CHECK: each has an end behind its begin, and they ascend without overlapping.
void CheckSpans(const std::vector<KeySpan>& spans);

// Rows that are staged and not visible yet; Engine::Ingest puts them in place. One thread at a
// time.
class EngineIngest {
 public:
  virtual ~EngineIngest() = default;  // Removes what was staged, unless it was put in place.
  // Keys ascend and lie within the spans (CHECK). RESOURCE_EXHAUSTED: the disk is full. After an
  // error it can only be destroyed.
  virtual absl::Status Put(absl::string_view key, absl::string_view value) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Atomic; visible at once; durable only after a later Flush. RESOURCE_EXHAUSTED: the engine
  // stalls and nothing was written (retry later); other errors stop the store.
  virtual absl::Status Write(const EngineBatch& batch) = 0;
  // nullopt: no such key.
  virtual absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const = 0;
  // Iterates [begin, end) of a snapshot taken now. An empty `end` is unbounded.
  virtual std::unique_ptr<EngineIterator> NewIterator(absl::string_view begin,
                                                      absl::string_view end) const = 0;
  // Starts writing everything so far to durable files; does not wait. While a flush is under way,
  // the next one begins after it, at the latest with the next Write. In the thread of Write.
  virtual absl::Status StartFlush() = 0;
  // The value as of what has been flushed (what a crash would leave).
  virtual absl::StatusOr<std::optional<std::string>> GetPersisted(absl::string_view key) const = 0;
  // Bytes not yet flushed, for the decision to flush.
  virtual uint64_t UnflushedBytes() const = 0;
  // The disk is full: flushes wait for space, and once memory is full Write stalls. Writes of
  // clients should be refused before that; reads go on.
  virtual bool OutOfSpace() const { return false; }
  // Begins to stage rows that replace whatever lies in `spans` (ascending, disjoint: CHECK). What a
  // process that ended had staged is gone. The engine outlives it.
  virtual absl::StatusOr<std::unique_ptr<EngineIngest>> NewIngest(std::vector<KeySpan> spans) = 0;
  // Empties the spans and puts the staged rows there, atomically; visible and durable when it
  // returns, with all that was written before: a crash then leaves at least that.
  // RESOURCE_EXHAUSTED: the disk is full, nothing was changed, may be repeated; other errors stop
  // the store. In the thread of Write; may take as long as a flush.
  virtual absl::Status Ingest(EngineIngest* staged) = 0;
  // Approximate bytes of [begin, end).
  virtual uint64_t ApproximateBytes(absl::string_view begin, absl::string_view end) const = 0;
};

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_ENGINE_H_
