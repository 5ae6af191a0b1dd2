// The simulated disk loses exactly what a disk may lose, the same way for the same seed.

#include "consensus/log/memory_directory.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace rasputin::consensus::log {
namespace {

std::string Content(MemoryDirectory* directory, const std::string& name) {
  auto content = directory->ReadFile(name);
  EXPECT_TRUE(content.ok()) << content.status();
  return content.ok() ? *content : "";
}

TEST(MemoryDirectory, SyncedBytesSurviveEveryCrash) {
  for (const CrashKind kind :
       {CrashKind::kProcess, CrashKind::kLoseAll, CrashKind::kAnySectors, CrashKind::kPrefix}) {
    MemoryDirectory directory;
    auto file = directory.Create("a", 4096).value();
    ASSERT_TRUE(file->Write(100, std::string(2000, 's')).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(file->Write(3000, "unsynced").ok());
    directory.Crash(kind, 1);
    EXPECT_EQ(Content(&directory, "a").substr(100, 2000), std::string(2000, 's'));
    EXPECT_EQ(Content(&directory, "a").size(), 4096u);
  }
}

TEST(MemoryDirectory, EachUnsyncedByteIsOldOrNew) {
  std::set<std::string> outcomes;
  uint64_t torn = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    MemoryDirectory directory;
    auto file = directory.Create("a", 4096).value();
    ASSERT_TRUE(file->Write(0, std::string(4096, 'o')).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(file->Write(300, std::string(3000, 'n')).ok());
    directory.Crash(CrashKind::kAnySectors, seed);
    const std::string content = Content(&directory, "a");
    EXPECT_EQ(content.find_first_not_of("on"), std::string::npos);
    EXPECT_EQ(content.substr(0, 300), std::string(300, 'o'));
    EXPECT_EQ(content.substr(3300), std::string(796, 'o'));
    outcomes.insert(content);
    torn += directory.stats().sectors_torn;
  }
  EXPECT_GT(outcomes.size(), 50u);
  EXPECT_GT(torn, 0u);
}

TEST(MemoryDirectory, TheSameSeedLeavesTheSameBytes) {
  uint64_t hashes[2];
  for (uint64_t& hash : hashes) {
    MemoryDirectory directory;
    auto file = directory.Create("a", 8192).value();
    ASSERT_TRUE(file->Write(0, std::string(8000, 'n')).ok());
    directory.Crash(CrashKind::kAnySectors, 42);
    hash = directory.Hash();
  }
  EXPECT_EQ(hashes[0], hashes[1]);
}

TEST(MemoryDirectory, HandlesOfBeforeACrashAreDead) {
  MemoryDirectory directory;
  auto file = directory.Create("a", 512).value();
  directory.Crash(CrashKind::kProcess, 1);
  EXPECT_FALSE(file->Write(0, "x").ok());
  EXPECT_FALSE(file->Sync().ok());
  EXPECT_TRUE(directory.Open("a").ok());
}

TEST(MemoryDirectory, AFullDiskRefusesFilesAndLeavesNothing) {
  MemoryDirectory directory;
  directory.SetCapacity(1000);
  ASSERT_TRUE(directory.Create("a", 600).ok());
  EXPECT_EQ(directory.FreeBytes().value(), 400u);
  EXPECT_EQ(directory.Create("b", 401).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(directory.List().value().size(), 1u);
  EXPECT_EQ(directory.ReplaceFile("c", std::string(401, 'x')).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(MemoryDirectory, TheHookMayFailAnyOperationAndCount) {
  MemoryDirectory directory;
  auto file = directory.Create("a", 512).value();
  int calls = 0;
  directory.SetHook([&calls](DiskOperation operation, const std::string& name) {
    ++calls;
    EXPECT_EQ(name, "a");
    return operation == DiskOperation::kSync ? absl::InternalError("EIO") : absl::OkStatus();
  });
  EXPECT_TRUE(file->Write(0, "x").ok());
  EXPECT_EQ(file->Sync().message(), "EIO");
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(directory.UnsyncedSectors(), 1u);
}

TEST(MemoryDirectory, DamageIsReadUntilItIsWrittenAnewOrMended) {
  MemoryDirectory directory;
  auto file = directory.Create("a", 1024).value();
  ASSERT_TRUE(file->Write(0, std::string(1024, 'x')).ok());
  ASSERT_TRUE(file->Sync().ok());
  directory.Damage("a", 7, 1);
  directory.Damage("a", 9, 1);
  EXPECT_EQ(Content(&directory, "a").substr(6, 5), "xyxyx");
  directory.Damage("a", 9, 1);
  EXPECT_TRUE(directory.Clone()->Damaged());
  ASSERT_TRUE(file->Write(4, "zzzz").ok());
  EXPECT_FALSE(directory.Damaged());
  EXPECT_EQ(Content(&directory, "a").substr(0, 10), "xxxxzzzzxx");
  directory.Truncate("a", 100);
  EXPECT_EQ(file->Size(), 100u);
  std::string bytes;
  EXPECT_FALSE(file->Read(90, 20, &bytes).ok());
  ASSERT_TRUE(file->Write(110, "new").ok());
  EXPECT_EQ(Content(&directory, "a").substr(99), "x" + std::string(10, '\0') + "new");
  EXPECT_TRUE(directory.Damaged());
  directory.Mend();
  EXPECT_EQ(Content(&directory, "a").substr(108), "xxnew" + std::string(911, 'x'));
}

TEST(MemoryDirectory, WritesThatGoAstrayAreAcknowledgedAndNotThere) {
  MemoryDirectory directory;
  auto file = directory.Create("a", 64).value();
  directory.LoseNextWrite();
  ASSERT_TRUE(file->Write(0, "lost").ok());
  EXPECT_TRUE(directory.Damaged());
  EXPECT_EQ(Content(&directory, "a"), std::string(64, '\0'));
  directory.Mend();
  EXPECT_EQ(Content(&directory, "a").substr(0, 4), "lost");
  directory.MisdirectNextWrite(8);
  ASSERT_TRUE(file->Write(0, "here").ok());
  EXPECT_EQ(Content(&directory, "a").substr(0, 12), "lost" + std::string(4, '\0') + "here");
  EXPECT_EQ(directory.stats().writes_astray, 2u);
  directory.Mend();
  EXPECT_EQ(Content(&directory, "a"), "here" + std::string(60, '\0'));
}

}  // namespace
}  // namespace rasputin::consensus::log
