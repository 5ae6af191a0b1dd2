// The real directory keeps the promises of its port, and carries a shared log across a restart.

#include "server/disk/posix_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "consensus/log/shared_log.h"

namespace rasputin::server {
namespace {

namespace clog = consensus::log;

class PosixDirectoryTest : public ::testing::Test {
 protected:
  PosixDirectoryTest() {
    std::string path = ::testing::TempDir() + "/disk-XXXXXX";
    EXPECT_NE(mkdtemp(&path[0]), nullptr);
    path_ = path + "/log";
  }
  std::unique_ptr<PosixDirectory> At() {
    auto directory = PosixDirectory::At(path_);
    EXPECT_TRUE(directory.ok()) << directory.status();
    return directory.ok() ? *std::move(directory) : nullptr;
  }
  std::string path_;
};

TEST_F(PosixDirectoryTest, CreatedFilesHaveTheirSizeAndHoldZeros) {
  auto directory = At();
  auto file = directory->Create("segment", (1 << 20) + 5);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->Size(), (1u << 20) + 5);
  std::string bytes;
  ASSERT_TRUE((*file)->Read(0, (*file)->Size(), &bytes).ok());
  EXPECT_EQ(bytes, std::string((1 << 20) + 5, '\0'));
  struct stat about;
  ASSERT_EQ(stat((path_ + "/segment").c_str(), &about), 0);
  EXPECT_GE(about.st_blocks * 512, 1 << 20) << "the blocks must exist before the first sync";
  EXPECT_EQ(directory->Create("segment", 1).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(PosixDirectoryTest, ReadsFailBehindTheEnd) {
  auto directory = At();
  auto file = directory->Create("segment", 100);
  ASSERT_TRUE(file.ok());
  std::string bytes;
  EXPECT_EQ((*file)->Read(90, 11, &bytes).code(), absl::StatusCode::kOutOfRange);
  ASSERT_TRUE((*file)->Write(90, "0123456789").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE((*file)->Read(95, 5, &bytes).ok());
  EXPECT_EQ(bytes, "56789");
}

TEST_F(PosixDirectoryTest, AnOpenFileSurvivesItsRename) {
  auto directory = At();
  auto file = directory->Create("a", 10);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(directory->Rename("a", "b").ok());
  ASSERT_TRUE((*file)->Write(0, "x").ok());
  EXPECT_EQ(*directory->List(), std::vector<std::string>{"b"});
  EXPECT_EQ((*directory->ReadFile("b"))[0], 'x');
  EXPECT_EQ(directory->Open("a").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PosixDirectoryTest, ReplacedFilesHoldTheNewContentWhole) {
  auto directory = At();
  EXPECT_EQ(directory->ReadFile("manifest").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(directory->ReplaceFile("manifest", "a longer first content").ok());
  ASSERT_TRUE(directory->ReplaceFile("manifest", "second").ok());
  EXPECT_EQ(*directory->ReadFile("manifest"), "second");
}

TEST_F(PosixDirectoryTest, LeftoversOfACrashAreRemovedAtStart) {
  At();
  std::ofstream(path_ + "/segment-1.unfinished") << "half";
  EXPECT_EQ(*At()->List(), std::vector<std::string>());
}

TEST_F(PosixDirectoryTest, APathThatIsNoFolderIsRefusedWithItsName) {
  std::ofstream(path_) << "a file";
  auto directory = PosixDirectory::At(path_);
  ASSERT_FALSE(directory.ok());
  EXPECT_NE(directory.status().message().find(path_), absl::string_view::npos);
  EXPECT_EQ(PosixDirectory::At(path_ + "/x/y").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(PosixDirectoryTest, ASharedLogIsFoundAgain) {
  clog::LogOptions options;
  options.store = consensus::StoreId(3);
  options.segment_bytes = 1 << 20;
  options.reserve_bytes = 2 << 20;
  for (uint64_t round = 0; round < 3; ++round) {
    auto directory = At();
    clog::Recovered recovered;
    auto log = clog::SharedLog::Open(options, directory.get(), &recovered);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ(recovered.created, round == 0);
    const consensus::RangeId range(9);
    EXPECT_EQ((*log)->Last(range).index, consensus::Index(round * 100));
    for (uint64_t i = 1; i <= 100; ++i) {
      clog::RangeAppend append;
      append.range = range;
      append.entries.push_back({consensus::Term(1), consensus::Index(round * 100 + i),
                                consensus::EntryType::kCommand,
                                absl::Cord(std::string(10000, 'v'))});
      (*log)->Append({append});
      if (i % 10 != 0) continue;
      auto job = (*log)->TakeWrite();
      ASSERT_TRUE((*log)->Execute(job.get()).ok());
      (*log)->FinishWrite(std::move(job));
    }
  }
}

}  // namespace
}  // namespace rasputin::server
