// Claims about what a directory must hold before a store may start in it.

#include "server/node/storage_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class StorageDirTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static int last = 0;
    path_ = absl::StrCat(getenv("TEST_TMPDIR"), "/storage-", getpid(), "-", ++last);
    absl::StatusOr<std::unique_ptr<StorageDir>> opened = StorageDir::Open(path_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    directory_ = *std::move(opened);
  }
  // Makes an empty file and the folders it is in.
  void Touch(const std::string& name) const {
    const std::string path = absl::StrCat(path_, "/", name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream file(path);
  }

  std::string path_;
  std::unique_ptr<StorageDir> directory_;
};

TEST_F(StorageDirTest, WhatAStartLeavesBehindBeforeTheManifestIsAFreshDirectory) {
  EXPECT_TRUE(directory_->CheckManifestIsThere().ok());
  Touch("log/MANIFEST.unfinished");
  EXPECT_TRUE(directory_->CheckManifestIsThere().ok());
  std::filesystem::create_directories(directory_->state_path());
  EXPECT_TRUE(directory_->CheckManifestIsThere().ok());
}

TEST_F(StorageDirTest, AStoreWithItsManifestIsInOrder) {
  for (const char* name : {"log/MANIFEST", "log/segment-1", "state/CURRENT", "INITIALIZED"}) {
    Touch(name);
    EXPECT_TRUE(directory_->CheckManifestIsThere().ok()) << name;
  }
}

TEST_F(StorageDirTest, FilesOfAStoreWithoutItsManifestAreRefusedWhicheverTheyAre) {
  for (const char* name : {"log/segment-1", "state/CURRENT", "INITIALIZED"}) {
    Touch(name);
    EXPECT_THAT(std::string(directory_->CheckManifestIsThere().message()),
                AllOf(HasSubstr(absl::StrCat(path_, "/log/MANIFEST is missing but ")),
                      HasSubstr(absl::StrCat("empty the directory ", path_))))
        << name;
    std::filesystem::remove(absl::StrCat(path_, "/", name));
  }
}

TEST_F(StorageDirTest, TheListOfStoresIsReplacedAsAWhole) {
  EXPECT_EQ(directory_->ReadStores(), "");
  for (const std::string& book : {std::string("long\0list", 9), std::string("short")}) {
    ASSERT_TRUE(directory_->WriteStores(book).ok());
    EXPECT_EQ(directory_->ReadStores(), book);
  }
  EXPECT_TRUE(directory_->CheckManifestIsThere().ok());
}

TEST_F(StorageDirTest, TheStateIsForItsOwnerAloneAlsoIfItWasNot) {
  const auto mode = [this] {
    struct stat found {};
    EXPECT_EQ(stat(directory_->state_path().c_str(), &found), 0);
    return found.st_mode & 0777;
  };
  ASSERT_TRUE(directory_->PrepareState().ok());
  EXPECT_EQ(mode(), 0700u);
  ASSERT_EQ(chmod(directory_->state_path().c_str(), 0755), 0);
  ASSERT_TRUE(directory_->PrepareState().ok());
  EXPECT_EQ(mode(), 0700u);
}

}  // namespace
}  // namespace rasputin::server
