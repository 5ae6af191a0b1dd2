// Lines of the audit stay and are whole.

#include "server/recovery/audit_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

namespace rasputin::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string NewDirectory() {
  std::string path = testing::TempDir() + "/audit-XXXXXX";
  EXPECT_NE(mkdtemp(path.data()), nullptr);
  return path;
}

TEST(AuditFile, KeepsEveryLineWithItsTime) {
  const std::string directory = NewDirectory();
  EXPECT_THAT(AuditFile(directory).Lines(), IsEmpty());
  ASSERT_TRUE(AuditFile(directory).Append(1'700'000'000'000'000, "one").ok());
  ASSERT_TRUE(AuditFile(directory).Append(1'700'000'001'000'000, "two").ok());
  EXPECT_THAT(AuditFile(directory).Lines(),
              ElementsAre("2023-11-14T22:13:20Z one", "2023-11-14T22:13:21Z two"));
}

TEST(AuditFile, MakesOneLineOfWhateverIsGivenToIt) {
  const std::string directory = NewDirectory();
  ASSERT_TRUE(AuditFile(directory).Append(0, "a\nb\x1b[31m").ok());
  EXPECT_THAT(AuditFile(directory).Lines(), ElementsAre("1970-01-01T00:00:00Z a b [31m"));
}

TEST(AuditFile, KnowsARecoveryThatWasNotFinished) {
  const AuditFile audit(NewDirectory());
  EXPECT_FALSE(audit.RecoveryUnfinished());
  ASSERT_TRUE(audit.Append(0, kRecoveryBegun).ok());
  EXPECT_TRUE(audit.RecoveryUnfinished());
  ASSERT_TRUE(audit.Append(0, kRecoveryFinished).ok());
  EXPECT_FALSE(audit.RecoveryUnfinished());
}

TEST(AuditFile, SaysWhereItCannotWrite) {
  const absl::Status status = AuditFile("/nowhere/at/all").Append(0, "x");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("/nowhere/at/all/AUDIT"));
}

}  // namespace
}  // namespace rasputin::server
