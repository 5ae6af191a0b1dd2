// Files of RocksDB that wait when the disk is full, instead of failing.
//
// A flush or compaction that meets a full disk would leave RocksDB with an error that only a
// restart removes, or end the process (a build of RocksDB with assertions does). These files take
// the space of each write first and, while there is none, wait in RocksDB's own thread and try
// again; meanwhile memtables fill, and writes to the engine are refused as in any stall.
// Thread-safe.

#ifndef RASPUTIN_KV_ROCKS_FILES_H_
#define RASPUTIN_KV_ROCKS_FILES_H_

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <string>

namespace rasputin::kv {

// Whether files wait, and which do; shared by an engine and its files.
struct SpaceWatch {
  // False (while the engine is opened): a full disk is an error at once.
  std::atomic<bool> may_wait{false};
  // Threads that wait for space at this moment.
  std::atomic<int> waiting{0};
};

// The files of `base`; new ones wait as `watch` says.
std::shared_ptr<rocksdb::FileSystem> NewWaitingFileSystem(
    const std::shared_ptr<rocksdb::FileSystem>& base, std::shared_ptr<SpaceWatch> watch);

// RocksDB's own messages, in `path`; the last run's become `path`.old. What does not fit on the
// disk is dropped (RocksDB's logger may end the process).
std::shared_ptr<rocksdb::Logger> NewInfoLog(const std::string& path);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_ROCKS_FILES_H_
