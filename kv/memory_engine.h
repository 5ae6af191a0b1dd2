// The engine of the simulator and of tests: a map in memory that loses at a crash what was not
// flushed.
//
// Keeps several versions of a key, as many as the newest state, the flushed one, a flush under way
// and the open iterators need; so a flush, a crash and a snapshot copy nothing. Deterministic:
// flushes finish when the owner says so. Not thread-safe, unlike the port: one thread for
// everything.

#ifndef RASPUTIN_KV_MEMORY_ENGINE_H_
#define RASPUTIN_KV_MEMORY_ENGINE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv/engine.h"

namespace rasputin::kv {

class MemoryEngine : public Engine {
 public:
  MemoryEngine();
  ~MemoryEngine() override;  // No iterator may be left.

  absl::Status Write(const EngineBatch& batch) override;
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const override;
  std::unique_ptr<EngineIterator> NewIterator(absl::string_view begin,
                                              absl::string_view end) const override;
  // While a flush is under way: another one begins when it is complete.
  absl::Status StartFlush() override;
  absl::StatusOr<std::optional<std::string>> GetPersisted(absl::string_view key) const override;
  uint64_t UnflushedBytes() const override;
  bool OutOfSpace() const override { return out_of_space_; }
  absl::StatusOr<std::unique_ptr<EngineIngest>> NewIngest(std::vector<KeySpan> spans) override;
  // Ends a flush that is under way: all of it is durable.
  absl::Status Ingest(EngineIngest* staged) override;
  uint64_t ApproximateBytes(absl::string_view begin, absl::string_view end) const override;

  // What StartFlush began is durable now. No flush under way: nothing happens.
  void CompleteFlush();
  bool FlushUnderWay() const { return flushing_.has_value(); }
  // Back to what has been flushed, as a new process would find it; a flush under way is lost. No
  // iterator may be left.
  void Crash();
  // Every later Write fails with this and changes nothing; OK: no more.
  void FailWrites(absl::Status status) { write_failure_ = std::move(status); }
  // Damages what is flushed of up to `rows` rows that follow each other, from the `first`-th on
  // (modulo their number): as a block of RocksDB whose checksum fails, they answer DATA_LOSS when
  // they are read, until they are written anew. Returns how many rows it met.
  size_t Damage(size_t first, size_t rows);
  // Rows that would answer so now.
  size_t DamagedRows() const;
  // What OutOfSpace answers; nothing can be staged or put in place meanwhile.
  void SetOutOfSpace(bool out_of_space) { out_of_space_ = out_of_space; }

 private:
  class Iterator;
  class Staged;
  struct Version {
    uint64_t sequence;  // Of the batch that wrote it.
    std::optional<std::string> value;
    bool damaged = false;
  };
  using Versions = std::vector<Version>;  // Ascending; never empty.

  // The one that is seen; nullptr: none that old.
  static const Version* Find(const Versions& versions, uint64_t as_of);
  absl::StatusOr<std::optional<std::string>> GetAsOf(absl::string_view key, uint64_t as_of) const;
  void Add(Versions* versions, std::optional<std::string> value);
  void Remove(const std::string& key, Versions* versions);
  void RemoveRange(absl::string_view begin, absl::string_view end);
  void DropRemovedRows();
  void Release(uint64_t snapshot) const;

  std::map<std::string, Versions, std::less<>> rows_;
  std::vector<std::string> removed_;  // Keys whose newest version is a removal, and some more.
  uint64_t sequence_ = 0;             // Of the last batch.
  uint64_t flushed_ = 0;              // Everything up to here would survive a crash.
  std::optional<uint64_t> flushing_;
  bool flush_again_ = false;
  uint64_t flushing_bytes_ = 0;  // Part of unflushed_bytes_.
  uint64_t unflushed_bytes_ = 0;
  mutable std::multiset<uint64_t> snapshots_;  // Of open iterators.
  absl::Status write_failure_;
  bool out_of_space_ = false;
};

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_MEMORY_ENGINE_H_
