// Claims about the status server, over real loopback sockets.

#include "server/http/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = HttpServer::Start("127.0.0.1", 0,
                                    {{"/healthz",
                                      [] {
                                        return HttpResponse{200, "text/plain", "ok\n"};
                                      }},
                                     {"/readyz", [] {
                                        return HttpResponse{503, "text/plain", "not initialised\n"};
                                      }}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = std::move(*server);
  }

  int Connect() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(server_->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }

  std::string Exchange(const std::string& request) {
    const int fd = Connect();
    EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char buffer[1024];
    for (ssize_t n; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) answer.append(buffer, n);
    close(fd);
    return answer;
  }

  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, ServesAPageWithItsCode) {
  const std::string answer = Exchange("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nok\n"));
  EXPECT_THAT(Exchange("GET /readyz?verbose HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  EXPECT_THAT(Exchange("HEAD /healthz HTTP/1.1\r\n\r\n"), EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(Exchange("GET /secret HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Exchange("POST /healthz HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Exchange("\x01\x02garbage\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, IdleConnectionsBeyondTheLimitDoNotEndTheServer) {
  std::vector<int> idle;
  for (int i = 0; i < 63; ++i) idle.push_back(Connect());
  EXPECT_THAT(Exchange("GET /healthz HTTP/1.1\r\n\r\n"), HasSubstr("200 OK"));
  for (const int fd : idle) close(fd);
}

TEST_F(HttpServerTest, AProbeIsAnsweredHoweverManyConnectionsAreIdle) {
  std::vector<int> idle;
  for (int i = 0; i < 200; ++i) idle.push_back(Connect());
  EXPECT_THAT(Exchange("GET /healthz HTTP/1.1\r\n\r\n"), HasSubstr("200 OK"));
  char byte = 0;
  EXPECT_EQ(recv(idle.front(), &byte, 1, 0), 0) << "the oldest made room";
  EXPECT_EQ(recv(idle.back(), &byte, 1, MSG_DONTWAIT), -1) << "the newest was not touched";
  for (const int fd : idle) close(fd);
}

TEST_F(HttpServerTest, APortInUseIsNamedInTheError) {
  const auto second = HttpServer::Start("127.0.0.1", server_->port(), {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("127.0.0.1:" + std::to_string(server_->port())));
}

}  // namespace
}  // namespace rasputin::server
