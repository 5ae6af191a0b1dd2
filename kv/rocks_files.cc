// See rocks_files.h. Only what makes a file longer can need space: creating it and appending to it.
//
// An append that fails half-way could not be repeated, so its blocks are allocated before it. File
// systems that cannot allocate ahead answer with another error; there the append itself decides.

#include "kv/rocks_files.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <utility>

namespace rasputin::kv {
namespace {

using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr int kRetryMicroseconds = 100'000;

// Repeats `attempt` while it answers that there is no space, if the watch allows waiting.
template <typename Attempt>
IOStatus WaitForSpace(SpaceWatch* watch, Attempt attempt) {
  IOStatus status = attempt();
  if (!status.IsNoSpace() || !watch->may_wait) return status;
  ++watch->waiting;
  while (status.IsNoSpace() && watch->may_wait) {
    rocksdb::Env::Default()->SleepForMicroseconds(kRetryMicroseconds);
    status = attempt();
  }
  --watch->waiting;
  return status;
}

class WaitingFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WaitingFile(std::unique_ptr<FSWritableFile> file, std::shared_ptr<SpaceWatch> watch)
      : FSWritableFileOwnerWrapper(std::move(file)), watch_(std::move(watch)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus space = TakeSpace(data.size(), options, debug);
    return space.IsNoSpace() ? space : target()->Append(data, options, debug);
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    const IOStatus space = TakeSpace(data.size(), options, debug);
    return space.IsNoSpace() ? space : target()->Append(data, options, verification, debug);
  }

 private:
  IOStatus TakeSpace(size_t bytes, const IOOptions& options, IODebugContext* debug) {
    if (bytes == 0) return IOStatus::OK();
    return WaitForSpace(watch_.get(), [&] {
      return target()->Allocate(target()->GetFileSize(options, debug), bytes, options, debug);
    });
  }

  const std::shared_ptr<SpaceWatch> watch_;
};

class WaitingFileSystem : public rocksdb::FileSystemWrapper {
 public:
  WaitingFileSystem(const std::shared_ptr<rocksdb::FileSystem>& base,
                    std::shared_ptr<SpaceWatch> watch)
      : FileSystemWrapper(base), watch_(std::move(watch)) {}

  const char* Name() const override { return "WaitingFileSystem"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    std::unique_ptr<FSWritableFile> made;
    const IOStatus status = WaitForSpace(
        watch_.get(), [&] { return target()->NewWritableFile(path, options, &made, debug); });
    if (status.ok()) *file = std::make_unique<WaitingFile>(std::move(made), watch_);
    return status;
  }

 private:
  const std::shared_ptr<SpaceWatch> watch_;
};

class InfoLog : public rocksdb::Logger {
 public:
  explicit InfoLog(FILE* file) : file_(file) {}
  ~InfoLog() override { Close().PermitUncheckedError(); }

  void Logv(const char* format, va_list arguments) override {
    rocksdb::Env* const env = rocksdb::Env::Default();
    const uint64_t now_us = env->NowMicros();
    char line[kLineBytesMax];
    const int head =
        snprintf(line, sizeof(line), "%.19s.%06u ", env->TimeToString(now_us / 1'000'000).c_str(),
                 static_cast<unsigned>(now_us % 1'000'000));
    vsnprintf(line + head, sizeof(line) - static_cast<size_t>(head) - 1, format, arguments);
    size_t length = strlen(line);
    if (line[length - 1] != '\n') line[length++] = '\n';  // Some messages bring their own.
    fwrite(line, 1, length, file_);  // One call: lines of several threads do not mix.
    fflush(file_);
  }
  using Logger::Logv;

 protected:
  rocksdb::Status CloseImpl() override {
    if (file_ != nullptr) fclose(file_);
    file_ = nullptr;
    return rocksdb::Status::OK();
  }

 private:
  static constexpr size_t kLineBytesMax = 8192;
  FILE* file_;
};

}  // namespace

std::shared_ptr<rocksdb::Logger> NewInfoLog(const std::string& path) {
  rename(path.c_str(), (path + ".old").c_str());
  FILE* const file = fopen(path.c_str(), "we");
  return file == nullptr ? nullptr : std::make_shared<InfoLog>(file);
}

std::shared_ptr<rocksdb::FileSystem> NewWaitingFileSystem(
    const std::shared_ptr<rocksdb::FileSystem>& base, std::shared_ptr<SpaceWatch> watch) {
  return std::make_shared<WaitingFileSystem>(base, std::move(watch));
}

}  // namespace rasputin::kv
