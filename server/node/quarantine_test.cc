// Claims about what is set aside, also when the process ends at any step of it.

#include "server/node/quarantine.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "consensus/log/frame.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

namespace fs = std::filesystem;

class QuarantineTest : public ::testing::Test {
 protected:
  QuarantineTest()
      : path_(absl::StrCat(getenv("TEST_TMPDIR"), "/", getpid(), "-",
                           ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::create_directories(path_ + "/log");
    fs::create_directories(path_ + "/state");
    for (const char* name : {"/log/MANIFEST", "/state/CURRENT", "/STORES", "/INITIALIZED"}) {
      std::ofstream(path_ + name) << name;
    }
  }
  bool Has(const std::string& name) const { return fs::exists(path_ + "/" + name); }
  static Replacement Two() {
    Replacement replacement;
    replacement.cluster_id = 77;
    replacement.join_token = ~uint64_t{0};
    replacement.stores = {3, 9};
    return replacement;
  }

  const std::string path_;
  const Quarantine quarantine_{path_};
};

TEST_F(QuarantineTest, TheFirstReasonOfDamageStays) {
  EXPECT_FALSE(quarantine_.Damage().has_value());
  ASSERT_TRUE(quarantine_.MarkDamaged("a flipped bit").ok());
  ASSERT_TRUE(quarantine_.MarkDamaged("another one").ok());
  EXPECT_EQ(quarantine_.Damage(), std::optional<std::string>("a flipped bit"));
}

TEST_F(QuarantineTest, AnEmptyMarkerSaysDamagedToo) {
  std::ofstream(path_ + "/DAMAGED").flush();
  EXPECT_TRUE(quarantine_.Damage().has_value());
}

TEST_F(QuarantineTest, WhatIsToBeReplacedComesBackAsWritten) {
  EXPECT_FALSE((*quarantine_.ReadReplacement()).has_value());
  ASSERT_TRUE(quarantine_.WriteReplacement(Two()).ok());
  const auto read = quarantine_.ReadReplacement();
  ASSERT_TRUE(read.ok() && read->has_value());
  EXPECT_EQ((*read)->cluster_id, 77u);
  EXPECT_EQ((*read)->join_token, ~uint64_t{0});
  EXPECT_EQ((*read)->stores, (std::vector<uint64_t>{3, 9}));
  ASSERT_TRUE(quarantine_.RemoveReplacement().ok());
  EXPECT_FALSE((*quarantine_.ReadReplacement()).has_value());
  EXPECT_TRUE(quarantine_.RemoveReplacement().ok());
}

TEST_F(QuarantineTest, ATokenIsNotUsedAgainOnceItsStoreIsOpened) {
  ASSERT_TRUE(quarantine_.NoteOpened(12, 5).ok());
  EXPECT_FALSE(Has("REPLACES")) << "nothing is to be replaced";
  ASSERT_TRUE(quarantine_.WriteReplacement(Two()).ok());
  ASSERT_TRUE(quarantine_.NoteOpened(12, 5).ok());
  // A second opening of the same store keeps what an attempt to replace it may have asked with.
  ASSERT_TRUE(quarantine_.NoteOpened(12, 6).ok());
  const auto read = quarantine_.ReadReplacement();
  ASSERT_TRUE(read.ok() && read->has_value());
  EXPECT_EQ((*read)->join_token, 5u);
  EXPECT_EQ((*read)->stores, (std::vector<uint64_t>{3, 9, 12}));
  EXPECT_EQ((*read)->cluster_id, 77u);
  std::ofstream(path_ + "/REPLACES") << "damaged";
  EXPECT_TRUE(quarantine_.NoteOpened(13, 7).ok());
}

TEST_F(QuarantineTest, AFlippedBitOrMissingByteOfReplacesIsSeen) {
  ASSERT_TRUE(quarantine_.WriteReplacement(Two()).ok());
  std::string content(fs::file_size(path_ + "/REPLACES"), '\0');
  std::ifstream(path_ + "/REPLACES").read(content.data(), static_cast<long>(content.size()));
  for (size_t at = 0; at < content.size(); ++at) {
    std::string damaged = content;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(path_ + "/REPLACES") << damaged;
    EXPECT_FALSE(quarantine_.ReadReplacement().ok()) << at;
    std::ofstream(path_ + "/REPLACES") << content.substr(0, at);
    EXPECT_FALSE(quarantine_.ReadReplacement().ok()) << at;
  }
}

TEST_F(QuarantineTest, EverythingOfTheStoreIsSetAsideAndNothingElse) {
  ASSERT_TRUE(quarantine_.MarkDamaged("why").ok());
  ASSERT_TRUE(quarantine_.WriteReplacement(Two()).ok());
  const auto folder = quarantine_.SetAside(9);
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_EQ(folder->rfind(path_ + "/quarantined-9-20", 0), 0u) << *folder;
  for (const char* name : {"log", "state", "INITIALIZED", "DAMAGED"}) EXPECT_FALSE(Has(name));
  for (const char* name : {"STORES", "REPLACES"}) EXPECT_TRUE(Has(name)) << name;
  for (const char* name : {"/log/MANIFEST", "/state/CURRENT", "/DAMAGED"}) {
    EXPECT_TRUE(fs::exists(*folder + name)) << name;
  }
  EXPECT_EQ(quarantine_.Kept(), std::vector<std::string>{*folder});
  EXPECT_EQ(Quarantine::BytesOf(*folder), 13u + 14u + 12u + 4u);
}

TEST_F(QuarantineTest, SettingAsideGoesOnWhereACrashBrokeItOff) {
  ASSERT_TRUE(quarantine_.MarkDamaged("why").ok());
  fs::create_directories(path_ + "/quarantined.partial");
  fs::rename(path_ + "/log", path_ + "/quarantined.partial/log");
  ASSERT_TRUE(quarantine_.FinishSetAside().ok());
  EXPECT_TRUE(Has("DAMAGED")) << "not before everything has left";
  EXPECT_TRUE(quarantine_.IsSetAside());
  const auto folder = quarantine_.SetAside(9);
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_TRUE(fs::exists(*folder + "/log/MANIFEST"));
  EXPECT_TRUE(fs::exists(*folder + "/state/CURRENT"));
  EXPECT_FALSE(Has("DAMAGED"));
}

TEST_F(QuarantineTest, AFolderWithoutItsNameGetsItAtTheNextStart) {
  fs::create_directories(path_ + "/quarantined.partial/log");
  fs::rename(path_ + "/log/MANIFEST", path_ + "/quarantined.partial/log/MANIFEST");
  ASSERT_TRUE(quarantine_.FinishSetAside().ok());
  EXPECT_FALSE(Has("quarantined.partial"));
  EXPECT_EQ(quarantine_.Kept().size(), 1u);
  ASSERT_TRUE(quarantine_.FinishSetAside().ok());
  EXPECT_EQ(quarantine_.Kept().size(), 1u);
}

TEST_F(QuarantineTest, StoresThatAreSetAsideInOneSecondDoNotMix) {
  for (int i = 1; i <= 3; ++i) {
    fs::create_directories(path_ + "/log");
    ASSERT_TRUE(quarantine_.MarkDamaged("why").ok());
    ASSERT_TRUE(quarantine_.SetAside(9).ok());
    EXPECT_EQ(quarantine_.Kept().size(), static_cast<size_t>(i));
  }
}

TEST_F(QuarantineTest, TheStoreOfALogIsKnownFromAnyWholeSegmentHeader) {
  EXPECT_EQ(StoreOfSegments(path_ + "/log"), 0u);
  consensus::log::SegmentHeader header;
  header.store = consensus::StoreId(41);
  header.sequence = 2;
  std::string bytes(consensus::log::kSegmentHeaderBytes, '\0');
  consensus::log::EncodeSegmentHeader(&header, bytes.data());
  std::ofstream(path_ + "/log/segment-1") << "damaged";
  EXPECT_EQ(StoreOfSegments(path_ + "/log"), 0u);
  std::ofstream(path_ + "/log/segment-2") << bytes << "frames";
  EXPECT_EQ(StoreOfSegments(path_ + "/log"), 41u);
}

}  // namespace
}  // namespace rasputin::server
