// Rows staged in sorted files beside a RocksDB engine, one file per span.
//
// Each file begins with a deletion of its whole span; rows of the same file are not touched by it,
// so that putting all files in place at once replaces what lies in the spans. Not responsible for
// putting them in place (rocks_engine.cc). Not thread-safe.

#ifndef RASPUTIN_KV_ROCKS_INGEST_H_
#define RASPUTIN_KV_ROCKS_INGEST_H_

#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kv/engine.h"

namespace rasputin::kv {

// Creates the directory for staged files, or removes what an earlier process left there.
rocksdb::Status PrepareStaging(const std::string& directory, rocksdb::Env* env);

class RocksIngest : public EngineIngest {
 public:
  // Files are called `prefix` and a number. `options`: of the engine, but with an environment that
  // fails on a full disk instead of waiting. RESOURCE_EXHAUSTED also when less than
  // `leave_free_bytes` would be free.
  RocksIngest(const rocksdb::Options& options, std::string prefix, uint64_t leave_free_bytes,
              std::vector<KeySpan> spans);
  ~RocksIngest() override;  // Removes the files that are still there.

  absl::Status Put(absl::string_view key, absl::string_view value) override;
  // Completes the files; may be repeated.
  absl::Status Finish();
  const std::vector<std::string>& files() const { return files_; }

 private:
  absl::Status CheckSpace(uint64_t bytes);
  absl::Status OpenSpan();
  absl::Status CloseSpan();

  const rocksdb::Options options_;
  const std::string prefix_;
  const uint64_t leave_free_bytes_;
  const std::vector<KeySpan> spans_;
  std::string last_key_;
  std::unique_ptr<rocksdb::SstFileWriter> writer_;  // Of the last file; null: closed.
  std::vector<std::string> files_;                  // One for each span that was begun.
  uint64_t unchecked_bytes_ = 0;                    // Put since the last look at the free space.
};

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_ROCKS_INGEST_H_
