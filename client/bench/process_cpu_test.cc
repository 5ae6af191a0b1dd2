// CPU time read from /proc.

#include "client/bench/process_cpu.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace rasputin::client {
namespace {

TEST(ProcessCpu, ReadsFieldsBehindNamesWithBlanksAndParentheses) {
  const std::string rest = " S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 1 0 99";
  EXPECT_EQ(TicksOfStat("42 (rasputind)" + rest), 100u);
  EXPECT_EQ(TicksOfStat("42 (a) b (c))" + rest), 100u);
  EXPECT_FALSE(TicksOfStat("").has_value());
  EXPECT_FALSE(TicksOfStat("42 (x) S 1").has_value());
}

TEST(ProcessCpu, SeesThisProcess) {
  EXPECT_TRUE(ProcessCpuSeconds(getpid()).has_value());
  EXPECT_GT(MachineBusySeconds(), 0);
  EXPECT_GT(OwnCpuSeconds(), 0);
}

TEST(ProcessCpu, FindsWhoListensOnThePort) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string port = std::to_string(ntohs(address.sin_port));
  // Bound, but not yet listening.
  EXPECT_FALSE(FindListener("127.0.0.1:" + port).has_value());
  ASSERT_EQ(listen(listener, 1), 0);
  EXPECT_EQ(FindListener("127.0.0.1:" + port), getpid());
  EXPECT_FALSE(FindListener("192.0.2.1:" + port).has_value());
  close(listener);
}

}  // namespace
}  // namespace rasputin::client
