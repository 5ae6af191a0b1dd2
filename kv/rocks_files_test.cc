// Claims about RocksDB's files on a disk that is full, on a file system that pretends to be.

#include "kv/rocks_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <thread>
#include <utility>

namespace rasputin::kv {
namespace {

using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class FullFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FullFile(std::unique_ptr<FSWritableFile> file, const std::atomic<bool>* full)
      : FSWritableFileOwnerWrapper(std::move(file)), full_(full) {}
  IOStatus Allocate(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
    return *full_ ? IOStatus::NoSpace("full") : IOStatus::OK();
  }

 private:
  const std::atomic<bool>* const full_;
};

class FullDisk : public rocksdb::FileSystemWrapper {
 public:
  FullDisk() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FullDisk"; }
  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    std::unique_ptr<FSWritableFile> made;
    const IOStatus status = target()->NewWritableFile(path, options, &made, debug);
    if (status.ok()) *file = std::make_unique<FullFile>(std::move(made), &full);
    return status;
  }
  std::atomic<bool> full{false};
};

class RocksFilesTest : public ::testing::Test {
 protected:
  RocksFilesTest() {
    std::string directory = ::testing::TempDir() + "/files_XXXXXX";
    EXPECT_NE(mkdtemp(directory.data()), nullptr);
    path_ = directory + "/file";
    EXPECT_TRUE(files_->NewWritableFile(path_, FileOptions(), &file_, nullptr).ok());
  }
  IOStatus Append(const std::string& data) { return file_->Append(data, IOOptions(), nullptr); }

  const std::shared_ptr<FullDisk> disk_ = std::make_shared<FullDisk>();
  const std::shared_ptr<SpaceWatch> watch_ = std::make_shared<SpaceWatch>();
  const std::shared_ptr<rocksdb::FileSystem> files_ = NewWaitingFileSystem(disk_, watch_);
  std::string path_;
  std::unique_ptr<FSWritableFile> file_;
};

TEST_F(RocksFilesTest, AnAppendWaitsForSpaceAndLosesNothing) {
  watch_->may_wait = true;
  ASSERT_TRUE(Append("before ").ok());
  disk_->full = true;
  IOStatus status = IOStatus::Aborted();
  std::thread writer([&] { status = Append("after"); });
  while (watch_->waiting == 0) std::this_thread::yield();
  disk_->full = false;
  writer.join();
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(watch_->waiting, 0);
  ASSERT_TRUE(file_->Close(IOOptions(), nullptr).ok());
  std::string content;
  ASSERT_TRUE(rocksdb::ReadFileToString(rocksdb::Env::Default(), path_, &content).ok());
  EXPECT_EQ(content, "before after");
}

TEST_F(RocksFilesTest, AFullDiskIsAnErrorAtOnceWhereWaitingIsNotAllowed) {
  disk_->full = true;
  EXPECT_TRUE(Append("data").IsNoSpace());
  EXPECT_EQ(watch_->waiting, 0);
}

TEST_F(RocksFilesTest, MessagesOfTheLastRunAreKept) {
  const std::string log = path_ + ".LOG";
  rocksdb::Info(NewInfoLog(log), "first %d\n", 1);
  rocksdb::Info(NewInfoLog(log), "second");
  std::string content;
  ASSERT_TRUE(rocksdb::ReadFileToString(rocksdb::Env::Default(), log + ".old", &content).ok());
  EXPECT_NE(content.find("first 1\n"), std::string::npos) << content;
  EXPECT_EQ(content.find("\n\n"), std::string::npos) << content;
  ASSERT_TRUE(rocksdb::ReadFileToString(rocksdb::Env::Default(), log, &content).ok());
  EXPECT_NE(content.find("second\n"), std::string::npos) << content;
}

}  // namespace
}  // namespace rasputin::kv
