// The engine of a real store: RocksDB, one column family, without RocksDB's own log.
//
// The shared log is the write-ahead log: what was not flushed when the process ended is applied
// again from it. A flush makes a prefix of the writes durable, never a part of a batch.
// Thread-safety: as Engine; flushes and compactions run in RocksDB's own threads.

#ifndef RASPUTIN_KV_ROCKS_ENGINE_H_
#define RASPUTIN_KV_ROCKS_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kv/engine.h"

namespace rasputin::kv {

struct RocksOptions {
  // Directory, created if it is missing (its parent must exist). Of this engine alone.
  std::string path;
  // One memtable. Small ones insert faster: they stay in the processor's cache.
  uint64_t memtable_bytes = 16 << 20;
  // Memtables that may wait for their flush before writes are refused.
  int memtables_max = 6;
  // Blocks of sorted files, index and filter blocks included; all of it may be used.
  uint64_t block_cache_bytes = 64 << 20;
  // Threads for flush and compaction together; shared by all engines of a process.
  int background_jobs = 2;
  // Flush and compaction write at most so many bytes per second; 0: no limit.
  uint64_t background_bytes_per_second_max = 0;
  // Rows that are staged (Engine::NewIngest) may take all of the disk but so much.
  uint64_t staging_leaves_free_bytes = 256 << 20;
  // Flush when closed, so that the next start has less to apply again. False in tests of a crash.
  bool flush_on_close = true;
};

// Opens or creates. The text of an error says what to do. FAILED_PRECONDITION: the directory holds
// something else, or a newer format (says which); nothing was touched. UNAVAILABLE: another process
// uses it. DATA_LOSS: damaged. PERMISSION_DENIED, NOT_FOUND, RESOURCE_EXHAUSTED or INTERNAL: the
// directory cannot be used.
absl::StatusOr<std::unique_ptr<Engine>> OpenRocksEngine(const RocksOptions& options);

// Reads the table that follows `*last` by name ("": the first) and compares it with its checksums;
// sets `*last` to it, or to "" behind the last one. Returns the bytes read. DATA_LOSS: damaged,
// with the file. In any thread, beside everything else; reads up to a whole table at once.
// `engine`: of OpenRocksEngine.
absl::StatusOr<uint64_t> VerifyNextTable(const Engine& engine, std::string* last);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_ROCKS_ENGINE_H_
