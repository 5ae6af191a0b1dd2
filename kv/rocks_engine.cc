// See rocks_engine.h. The directory holds RocksDB's files and FORMAT, which is written first and
// says whose they are.

#include "kv/rocks_engine.h"

#include <glog/logging.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kv/rocks_files.h"
#include "kv/rocks_ingest.h"
#include "kv/rocks_status.h"

namespace rasputin::kv {
namespace {

constexpr char kFormatFile[] = "/FORMAT";
constexpr char kCurrentFile[] = "/CURRENT";
constexpr char kStagingDirectory[] = "/staged";
constexpr char kFormatText[] = "rasputin engine, format 1\n";
// Four shards: one thread looks up most, and each shard must hold what is hot in it.
constexpr int kCacheShardBits = 2;
// Bits of bloom filter per key: about 1% of lookups of missing keys read a block.
constexpr double kBloomBits = 10;
// Opening writes a few small files; an engine that runs out of space in between cannot wait.
constexpr uint64_t kFreeBytesToOpen = 1 << 20;
// Closing flushes only into so much more space than the unflushed state has.
constexpr uint64_t kFreeBytesToClose = 16 << 20;

rocksdb::Slice ToSlice(absl::string_view view) { return {view.data(), view.size()}; }
absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

class RocksIterator : public EngineIterator {
 public:
  RocksIterator(rocksdb::DB* db, absl::string_view begin, absl::string_view end)
      : begin_(begin), end_(end), begin_slice_(begin_), end_slice_(end_) {
    rocksdb::ReadOptions options;
    if (!begin_.empty()) options.iterate_lower_bound = &begin_slice_;
    if (!end_.empty()) options.iterate_upper_bound = &end_slice_;
    rows_.reset(db->NewIterator(options));
  }

  void Seek(absl::string_view key) override {
    if (key < absl::string_view(begin_)) key = begin_;
    rows_->Seek(ToSlice(key));
  }
  bool Valid() const override { return rows_->Valid(); }
  void Next() override { rows_->Next(); }
  absl::string_view key() const override { return ToView(rows_->key()); }
  absl::string_view value() const override { return ToView(rows_->value()); }
  absl::Status status() const override { return ToStatus(rows_->status(), "reading the engine"); }

 private:
  const std::string begin_;
  const std::string end_;
  const rocksdb::Slice begin_slice_;
  const rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> rows_;
};

// The files of one engine, see rocks_files.h.
struct OwnFiles {
  std::shared_ptr<SpaceWatch> watch = std::make_shared<SpaceWatch>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(
      NewWaitingFileSystem(rocksdb::Env::Default()->GetFileSystem(), watch));
  // For staged files: a full disk is an error at once.
  std::unique_ptr<rocksdb::Env> staging_env = rocksdb::NewCompositeEnv(NewWaitingFileSystem(
      rocksdb::Env::Default()->GetFileSystem(), std::make_shared<SpaceWatch>()));
};

class RocksEngine : public Engine {
 public:
  RocksEngine(std::unique_ptr<rocksdb::DB> db, const RocksOptions& options, OwnFiles files)
      : files_(std::move(files)),
        db_(std::move(db)),
        flush_on_close_(options.flush_on_close),
        leave_free_bytes_(options.staging_leaves_free_bytes) {
    write_.disableWAL = true;
    write_.no_slowdown = true;
    persisted_.read_tier = rocksdb::kPersistedTier;
  }

  ~RocksEngine() override {
    if (flush_on_close_ && HasSpaceToFlush()) {
      db_->Flush(rocksdb::FlushOptions()).PermitUncheckedError();
    }
    if (OutOfSpace()) {
      // Closing would wait for a thread that waits for space. The process is about to end; what was
      // not flushed is applied again from the log.
      new OwnFiles(std::move(files_));
      db_.release();
      return;
    }
    db_->Close().PermitUncheckedError();
  }

  absl::Status Write(const EngineBatch& batch) override {
    if (batch.Empty()) return absl::OkStatus();
    buffer_.Clear();
    rocksdb::Status status;
    for (const EngineBatch::Edit& edit : batch.edits()) {
      switch (edit.kind) {
        case EngineBatch::Edit::Kind::kPut:
          status = buffer_.Put(edit.key, edit.value);
          break;
        case EngineBatch::Edit::Kind::kDelete:
          status = buffer_.Delete(edit.key);
          break;
        case EngineBatch::Edit::Kind::kDeleteRange:
          CHECK(!edit.value.empty()) << "a range deletion needs an end";
          // RocksDB refuses a range that ends before it begins; an empty one deletes nothing.
          if (edit.key < edit.value) status = buffer_.DeleteRange(edit.key, edit.value);
          break;
      }
      if (!status.ok()) return ToStatus(status, "building an engine batch");
    }
    if (flush_wanted_) StartFlush().IgnoreError();  // It is wanted still if this fails.
    return ToStatus(db_->Write(write_, &buffer_), "writing to the engine");
  }

  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const override {
    return Read(rocksdb::ReadOptions(), key);
  }

  std::unique_ptr<EngineIterator> NewIterator(absl::string_view begin,
                                              absl::string_view end) const override {
    return std::make_unique<RocksIterator>(db_.get(), begin, end);
  }

  // Each flush takes a memtable, and too many at once would stop writes: while one is under way,
  // the next begins with a later write or call.
  absl::Status StartFlush() override {
    uint64_t under_way = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kNumImmutableMemTable, &under_way);
    flush_wanted_ = true;
    if (under_way > 0) return absl::OkStatus();
    rocksdb::FlushOptions options;
    options.wait = false;
    options.allow_write_stall = true;  // Otherwise it would wait until no stall is near.
    const rocksdb::Status status = db_->Flush(options);
    if (status.IsTryAgain()) return absl::OkStatus();  // One is being scheduled.
    flush_wanted_ = !status.ok();
    return ToStatus(status, "starting a flush of the engine");
  }

  absl::StatusOr<std::optional<std::string>> GetPersisted(absl::string_view key) const override {
    return Read(persisted_, key);
  }

  bool OutOfSpace() const override { return files_.watch->waiting > 0; }

  uint64_t UnflushedBytes() const override {
    uint64_t bytes = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes);
    return bytes;
  }

  absl::StatusOr<std::unique_ptr<EngineIngest>> NewIngest(std::vector<KeySpan> spans) override {
    rocksdb::Options options = db_->GetOptions();
    options.env = files_.staging_env.get();
    options.rate_limiter = nullptr;  // Of the background's writes.
    const std::string prefix = absl::StrCat(db_->GetName(), kStagingDirectory, "/", ++staged_, "-");
    return std::unique_ptr<EngineIngest>(
        std::make_unique<RocksIngest>(options, prefix, leave_free_bytes_, std::move(spans)));
  }

  // All that was written before is flushed first, so that a crash leaves a prefix of what was done,
  // whole: a range that came with its state must not meet a forgotten split of its parent.
  absl::Status Ingest(EngineIngest* staged) override {
    auto* const own = static_cast<RocksIngest*>(staged);
    if (!HasSpaceToFlush()) return absl::ResourceExhaustedError("the engine's disk is full");
    if (absl::Status status = own->Finish(); !status.ok()) return status;
    rocksdb::FlushOptions flush;
    flush.allow_write_stall = true;
    rocksdb::Status status = db_->Flush(flush);
    if (!status.ok()) return ToStatus(status, "flushing the engine");
    rocksdb::IngestExternalFileOptions options;
    options.move_files = true;
    options.write_global_seqno = false;
    return ToStatus(db_->IngestExternalFile(own->files(), options), "putting rows in place");
  }

  uint64_t ApproximateBytes(absl::string_view begin, absl::string_view end) const override {
    static constexpr char kBeyondAll[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    rocksdb::SizeApproximationOptions options;
    options.include_files = true;
    options.include_memtables = true;
    const rocksdb::Range range(ToSlice(begin),
                               end.empty() ? rocksdb::Slice(kBeyondAll) : ToSlice(end));
    uint64_t bytes = 0;
    db_->GetApproximateSizes(options, db_->DefaultColumnFamily(), &range, 1, &bytes)
        .PermitUncheckedError();
    return bytes;
  }

  absl::StatusOr<uint64_t> VerifyNext(std::string* last) const {
    const std::optional<rocksdb::LiveFileMetaData> table =
        FindTable([last](const std::string& name) { return name > *last; });
    *last = table.has_value() ? table->name : "";
    if (!table.has_value()) return 0;
    rocksdb::BlockBasedTableOptions uncached;
    uncached.no_block_cache = true;
    rocksdb::Options options;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(uncached));
    rocksdb::SstFileReader reader(options);
    rocksdb::Status status = reader.Open(absl::StrCat(table->db_path, table->name));
    if (status.ok()) status = reader.VerifyChecksum();
    if (status.ok()) return table->size;
    // A compaction may have removed it meanwhile.
    if (!FindTable([last](const std::string& name) { return name == *last; }).has_value()) return 0;
    return ToStatus(status, absl::StrCat("checking ", table->db_path, table->name));
  }

 private:
  // The first table in use, by name, of which `wanted` is true.
  template <typename Wanted>
  std::optional<rocksdb::LiveFileMetaData> FindTable(const Wanted& wanted) const {
    std::vector<rocksdb::LiveFileMetaData> tables;
    db_->GetLiveFilesMetaData(&tables);
    std::optional<rocksdb::LiveFileMetaData> found;
    for (const rocksdb::LiveFileMetaData& table : tables) {
      const bool earlier = !found.has_value() || table.name < found->name;
      if (earlier && wanted(table.name)) found = table;
    }
    return found;
  }

  bool HasSpaceToFlush() const {
    uint64_t free = 0;
    if (!files_.env->GetFreeSpace(db_->GetName(), &free).ok()) return true;
    return !OutOfSpace() && free >= UnflushedBytes() + kFreeBytesToClose;
  }

  absl::StatusOr<std::optional<std::string>> Read(const rocksdb::ReadOptions& options,
                                                  absl::string_view key) const {
    std::string value;
    const rocksdb::Status status = db_->Get(options, ToSlice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return ToStatus(status, "reading the engine");
    return std::optional<std::string>(std::move(value));
  }

  OwnFiles files_;  // Outlive the database.
  std::unique_ptr<rocksdb::DB> db_;
  const bool flush_on_close_;
  const uint64_t leave_free_bytes_;
  uint64_t staged_ = 0;        // Names staged files of this process.
  bool flush_wanted_ = false;  // Of Write and StartFlush, like `buffer_`.
  rocksdb::WriteOptions write_;
  rocksdb::ReadOptions persisted_;
  rocksdb::WriteBatch buffer_;  // Of Write, which one thread at a time calls.
};

rocksdb::Options RocksDbOptions(const RocksOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes, kCacheShardBits);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBits));
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  // In partitions: the index of a table of well compressed rows is megabytes, and one that finds no
  // room in its shard of the cache is read, checked and decompressed again for every lookup.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.enable_index_compression = false;
  table.pin_top_level_index_and_filter = true;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;

  rocksdb::Options db;
  db.create_if_missing = true;
  db.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  db.write_buffer_size = options.memtable_bytes;
  db.max_write_buffer_number = options.memtables_max;
  db.max_background_jobs = options.background_jobs;
  db.allow_concurrent_memtable_write = false;  // One writer.
  db.enable_write_thread_adaptive_yield = false;
  db.level_compaction_dynamic_level_bytes = true;
  db.bytes_per_sync = 1 << 20;
  db.max_open_files = 512;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.avoid_flush_during_shutdown = true;  // The destructor decides.
  if (options.background_bytes_per_second_max > 0) {
    db.rate_limiter.reset(rocksdb::NewGenericRateLimiter(
        static_cast<int64_t>(options.background_bytes_per_second_max)));
  }
  return db;
}

absl::Status Unusable(const RocksOptions& options, const rocksdb::Status& status) {
  const std::string text =
      absl::StrCat("the engine directory ", options.path, " cannot be used (", status.ToString(),
                   "): check that it is a writable directory with free space");
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(text);
  if (status.IsPathNotFound() || status.IsNotFound()) return absl::NotFoundError(text);
  if (status.ToString().find("ermission denied") != std::string::npos) {
    return absl::PermissionDeniedError(text);
  }
  return absl::InternalError(text);
}

// Whether FORMAT names a format that this program does not know, rather than being damaged. Formats
// 0, 3, 5 and 9 are never given: they are one bit away from 1.
bool IsOtherFormat(absl::string_view text) {
  const absl::string_view known(kFormatText);
  const absl::string_view title = known.substr(0, known.rfind(' ') + 1);
  if (!absl::ConsumePrefix(&text, title) || !absl::ConsumeSuffix(&text, "\n")) return false;
  uint32_t format = 0;
  if (!absl::SimpleAtoi(text, &format)) return false;
  return format != 0 && format != 3 && format != 5 && format != 9;
}

// RocksDB takes a directory without CURRENT for a new one and removes what it finds there. A first
// opening that broke off leaves at most the very first MANIFEST.
absl::Status CheckCurrentIsThere(const RocksOptions& options, rocksdb::Env* env) {
  if (env->FileExists(options.path + kCurrentFile).ok()) return absl::OkStatus();
  std::vector<std::string> children;
  const rocksdb::Status status = env->GetChildren(options.path, &children);
  if (!status.ok()) return Unusable(options, status);
  for (const std::string& child : children) {
    const bool later = absl::StartsWith(child, "MANIFEST-") && child != "MANIFEST-000001";
    if (!later && !absl::EndsWith(child, ".sst")) continue;
    return absl::DataLossError(absl::StrCat("the engine directory ", options.path,
                                            " is damaged: CURRENT is missing but ", child,
                                            " is there"));
  }
  return absl::OkStatus();
}

// Makes sure that the directory is ours; makes a missing or empty one ours.
absl::Status ClaimDirectory(const RocksOptions& options, rocksdb::Env* env) {
  const std::string format_path = options.path + kFormatFile;
  std::string format;
  rocksdb::Status status = env->CreateDirIfMissing(options.path);
  if (!status.ok()) return Unusable(options, status);
  status = rocksdb::ReadFileToString(env, format_path, &format);
  if (status.ok()) {
    if (format == kFormatText) return absl::OkStatus();
    if (!IsOtherFormat(format) && env->FileExists(options.path + kCurrentFile).ok()) {
      return absl::DataLossError(absl::StrCat(format_path, " is damaged"));
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "the engine directory ", options.path, " says '",
        absl::StripSuffix(absl::string_view(format).substr(0, 60), "\n"), "'; this program knows '",
        absl::StripSuffix(kFormatText, "\n"), "': use the program that wrote it, or a newer one"));
  }
  if (!status.IsNotFound() && !status.IsPathNotFound()) return Unusable(options, status);
  std::vector<std::string> children;
  status = env->GetChildren(options.path, &children);
  if (!status.ok()) return Unusable(options, status);
  for (const std::string& child : children) {
    if (child == "." || child == ".." || child == "FORMAT.new") continue;
    return absl::FailedPreconditionError(
        absl::StrCat("the engine directory ", options.path, " holds ", child,
                     " and no FORMAT file: it is not Rasputin's; give an empty directory"));
  }
  const std::string staged = format_path + ".new";
  status = rocksdb::WriteStringToFile(env, kFormatText, staged, /*should_sync=*/true);
  if (status.ok()) status = env->RenameFile(staged, format_path);
  std::unique_ptr<rocksdb::Directory> directory;
  if (status.ok()) status = env->NewDirectory(options.path, &directory);
  if (status.ok()) status = directory->Fsync();
  return status.ok() ? absl::OkStatus() : Unusable(options, status);
}

absl::Status CheckSpace(const RocksOptions& options, rocksdb::Env* env) {
  uint64_t free = 0;
  if (!env->GetFreeSpace(options.path, &free).ok() || free >= kFreeBytesToOpen) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("the disk of the engine directory ", options.path, " is full: ", free,
                   " bytes are free, opening needs ", kFreeBytesToOpen,
                   "; nothing is lost: free space, then start again"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> OpenRocksEngine(const RocksOptions& options) {
  OwnFiles files;
  rocksdb::Options db_options = RocksDbOptions(options);
  db_options.env = files.env.get();
  absl::Status claimed = ClaimDirectory(options, db_options.env);
  if (claimed.ok()) claimed = CheckSpace(options, db_options.env);
  if (claimed.ok()) claimed = CheckCurrentIsThere(options, db_options.env);
  if (!claimed.ok()) return claimed;
  db_options.info_log = NewInfoLog(options.path + "/LOG");
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(db_options, options.path, &db);
  if (!status.ok()) {
    if (status.ToString().find("lock") != std::string::npos && status.IsIOError()) {
      return absl::UnavailableError(
          absl::StrCat("the engine directory ", options.path,
                       " is in use by another process: stop it, or give another directory"));
    }
    // FORMAT was there: the directory is, and a file that others name is not.
    if (status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound()) {
      return absl::DataLossError(
          absl::StrCat("the engine directory ", options.path, " is damaged: ", status.ToString()));
    }
    return Unusable(options, status);
  }
  std::unique_ptr<rocksdb::DB> opened(db);
  // Now that it is known that no other process uses the directory.
  const rocksdb::Status staging =
      PrepareStaging(options.path + kStagingDirectory, files.staging_env.get());
  if (!staging.ok()) return Unusable(options, staging);
  files.watch->may_wait = true;
  return std::unique_ptr<Engine>(
      std::make_unique<RocksEngine>(std::move(opened), options, std::move(files)));
}

absl::StatusOr<uint64_t> VerifyNextTable(const Engine& engine, std::string* last) {
  return static_cast<const RocksEngine&>(engine).VerifyNext(last);
}

}  // namespace rasputin::kv
