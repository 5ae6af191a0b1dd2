// What `rasputind recover` refuses before it touches a directory.

#include "server/recovery/recover_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace rasputin::server {
namespace {

namespace fs = std::filesystem;

TEST(RecoverCommand, MakesNoEngineInPlaceOfOneThatIsNotMounted) {
  std::string path = testing::TempDir() + "/recover-XXXXXX";
  ASSERT_NE(mkdtemp(path.data()), nullptr);
  fs::create_directories(path + "/log");
  fs::create_directories(path + "/state");
  std::ofstream(path + "/log/MANIFEST") << "manifest";
  std::ofstream(path + "/log/segment-1") << "segment";
  for (const bool folder_is_there : {true, false}) {
    if (!folder_is_there) fs::remove(path + "/state");
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(RunRecover({"inspect", "--storage-dir=" + path}, &out, &err), 4);
    EXPECT_THAT(err.str(), testing::HasSubstr("mount or restore it"));
    EXPECT_EQ(fs::exists(path + "/state"), folder_is_there);
  }
  fs::create_directories(path + "/state");
  EXPECT_TRUE(fs::is_empty(path + "/state"));
}

TEST(RecoverCommand, ShowsItsHelpBehindEachOfItsWords) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"inspect", "--help"}, {"lost-majority", "-h"}}) {
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(RunRecover(arguments, &out, &err), 0) << err.str();
    EXPECT_THAT(out.str(), testing::HasSubstr("--lost-stores=2,3"));
  }
}

}  // namespace
}  // namespace rasputin::server
