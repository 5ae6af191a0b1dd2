// The causes that a user can meet, made with real sockets of the loopback.

#include "server/rpc/port_refusal.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace rasputin::server {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Refusal(const std::string& host, int port) {
  return std::string(CannotListen(host, port, "--cli-port").message());
}

TEST(CannotListen, NamesThePortFlagIfThePortIsInUse) {
  const int owner = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(owner, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(owner, 1), 0);
  ASSERT_EQ(getsockname(owner, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string text = Refusal("127.0.0.1", ntohs(address.sin_port));
  close(owner);
  EXPECT_THAT(text, HasSubstr("in use"));
  EXPECT_THAT(text, HasSubstr("--cli-port"));
  EXPECT_THAT(text, Not(HasSubstr("--listen-host")));
}

TEST(CannotListen, NamesTheHostFlagIfTheAddressIsNotOfThisMachine) {
  // TEST-NET-1 (RFC 5737): of no machine.
  const std::string text = Refusal("192.0.2.1", 8880);
  EXPECT_THAT(text, HasSubstr("192.0.2.1 is not an address of this machine"));
  EXPECT_THAT(text, HasSubstr("--listen-host"));
  EXPECT_THAT(text, Not(HasSubstr("--cli-port")));
}

}  // namespace
}  // namespace rasputin::server
