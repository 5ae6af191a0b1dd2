// What is told of a disk that hangs, and when.

#include "server/shard/disk_watch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "server/shard/log_lines.h"

namespace rasputin::server {
namespace {

using std::chrono::milliseconds;

consensus::Instant At(int64_t ms) { return consensus::Instant(milliseconds(ms)); }

TEST(DiskWatch, AWriteWithinTheLimitIsNotToldOf) {
  LogLines log;
  DiskWatch watch("/data", milliseconds(1000));
  watch.Look(At(5000));
  watch.Begin(At(5000));
  watch.Look(At(6000));
  EXPECT_EQ(watch.Trouble(At(6000)), "");
  watch.End(At(6000));
  watch.Look(At(9000));
  EXPECT_TRUE(log.lines.empty());
}

TEST(DiskWatch, AWriteThatHangsIsToldOfOnceAndOnceMoreWhenItEnds) {
  LogLines log;
  DiskWatch watch("/data", milliseconds(1000));
  watch.Begin(At(5000));
  watch.Look(At(6001));
  watch.Look(At(8000));
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_NE(log.lines[0].find("/data has not completed a write of the log for 1001 ms"),
            std::string::npos);
  EXPECT_NE(watch.Trouble(At(8000)).find("for 3000 ms"), std::string::npos);
  watch.End(At(9500));
  EXPECT_EQ(watch.Trouble(At(9500)), "");
  ASSERT_EQ(log.lines.size(), 2u);
  EXPECT_NE(log.lines[1].find("took 4500 ms"), std::string::npos);
}

TEST(DiskWatch, TheNextHangIsToldOfAgain) {
  LogLines log;
  DiskWatch watch("/data", milliseconds(1000));
  for (int64_t begin : {0, 10'000}) {
    watch.Begin(At(begin));
    watch.Look(At(begin + 1500));
    watch.End(At(begin + 2000));
  }
  EXPECT_EQ(log.lines.size(), 4u);
}

}  // namespace
}  // namespace rasputin::server
