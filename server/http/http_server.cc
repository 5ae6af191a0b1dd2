// The poll loop and just enough of HTTP/1.1; see the header for the bounds.

#include "server/http/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/clock/clock.h"

namespace rasputin::server {
namespace {

constexpr size_t kConnectionsMax = 64;
// Fewer than there is room for, so that a new connection is read from before it could make room.
constexpr int kAcceptedPerRound = 16;
constexpr size_t kRequestBytesMax = 8 << 10;
constexpr consensus::Duration kConnectionLifeMax = std::chrono::seconds(5);

const char* ReasonOf(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

std::string Encode(const HttpResponse& response, bool with_body) {
  return absl::StrCat("HTTP/1.1 ", response.code, " ", ReasonOf(response.code),
                      "\r\nContent-Type: ", response.content_type,
                      "\r\nContent-Length: ", response.body.size(),
                      "\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store"
                      "\r\nConnection: close\r\n\r\n",
                      with_body ? response.body : "");
}

absl::StatusOr<int> Listen(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot listen on ", host, ":", port, ": ", gai_strerror(error)));
  }
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool listens = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                       listen(fd, static_cast<int>(kConnectionsMax)) == 0;
  const int cause = errno;
  freeaddrinfo(found);
  if (!listens) {
    if (fd >= 0) close(fd);
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", host, ":", port, ": ", strerror(cause), "; change ",
                     cause == EADDRNOTAVAIL ? "--listen-host" : "--http-port"));
  }
  return fd;
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

}  // namespace

class HttpServer::Loop {
 public:
  Loop(int listen_fd, int wake_fd, std::map<std::string, Handler> pages)
      : listen_fd_(listen_fd), wake_fd_(wake_fd), pages_(std::move(pages)) {}

  ~Loop() {
    for (const Connection& connection : connections_) close(connection.fd);
    close(listen_fd_);
  }

  // Returns when wake_fd becomes readable.
  void Run();

 private:
  struct Connection {
    int fd = -1;
    consensus::Instant ends;
    std::string in;
    std::string out;  // Not empty: the request is complete, this is left to be sent.
    bool done = false;
  };

  // The longest open one that has not sent a whole request; it makes room for a new one.
  std::vector<Connection>::iterator OldestIdle();
  void Accept();
  void Read(Connection* connection);
  void Write(Connection* connection);
  std::string Answer(const std::string& request) const;

  const int listen_fd_;
  const int wake_fd_;
  const std::map<std::string, Handler> pages_;
  std::vector<Connection> connections_;  // Oldest first.
};

void HttpServer::Loop::Run() {
  while (true) {
    std::vector<pollfd> fds = {{wake_fd_, POLLIN, 0}};
    const bool full = connections_.size() >= kConnectionsMax && OldestIdle() == connections_.end();
    fds.push_back({full ? -1 : listen_fd_, POLLIN, 0});
    for (const Connection& connection : connections_) {
      const int16_t wanted = connection.out.empty() ? POLLIN : POLLOUT;
      fds.push_back({connection.fd, wanted, 0});
    }
    const int ready = poll(fds.data(), fds.size(), connections_.empty() ? -1 : 1000);
    if (ready < 0 && errno != EINTR) return;
    if (fds[0].revents != 0) return;
    const consensus::Instant now = Now();
    for (size_t i = 0; i < connections_.size(); ++i) {
      Connection* connection = &connections_[i];
      if ((fds[i + 2].revents & POLLIN) != 0) Read(connection);
      if (!connection->out.empty()) Write(connection);
      if ((fds[i + 2].revents & (POLLERR | POLLNVAL)) != 0 || now >= connection->ends) {
        connection->done = true;
      }
    }
    std::vector<Connection> kept;
    for (Connection& connection : connections_) {
      if (connection.done) {
        close(connection.fd);
      } else {
        kept.push_back(std::move(connection));
      }
    }
    connections_ = std::move(kept);
    if (fds[1].revents != 0) Accept();
  }
}

std::vector<HttpServer::Loop::Connection>::iterator HttpServer::Loop::OldestIdle() {
  return std::find_if(connections_.begin(), connections_.end(),
                      [](const Connection& connection) { return connection.out.empty(); });
}

void HttpServer::Loop::Accept() {
  for (int accepted = 0; accepted < kAcceptedPerRound; ++accepted) {
    if (connections_.size() >= kConnectionsMax && OldestIdle() == connections_.end()) return;
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      // Out of descriptors: the listener stays readable, so do not spin on it.
      if (errno == EMFILE || errno == ENFILE) usleep(10000);
      return;
    }
    if (connections_.size() >= kConnectionsMax) {
      const auto oldest = OldestIdle();
      close(oldest->fd);
      connections_.erase(oldest);
    }
    Connection connection;
    connection.fd = fd;
    connection.ends = Now() + kConnectionLifeMax;
    connections_.push_back(std::move(connection));
  }
}

void HttpServer::Loop::Read(Connection* connection) {
  char buffer[2048];
  const ssize_t n = recv(connection->fd, buffer, sizeof(buffer), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    connection->done = true;
    return;
  }
  connection->in.append(buffer, static_cast<size_t>(n));
  if (connection->in.find("\r\n\r\n") != std::string::npos) {
    connection->out = Answer(connection->in);
  } else if (connection->in.size() > kRequestBytesMax) {
    connection->out = Encode({400, "text/plain", "request larger than 8 KiB\n"}, true);
  }
}

void HttpServer::Loop::Write(Connection* connection) {
  const ssize_t n =
      send(connection->fd, connection->out.data(), connection->out.size(), MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) {
    connection->done = true;
    return;
  }
  connection->out.erase(0, static_cast<size_t>(n));
  if (connection->out.empty()) {
    shutdown(connection->fd, SHUT_WR);
    connection->done = true;
  }
}

std::string HttpServer::Loop::Answer(const std::string& request) const {
  const absl::string_view line = absl::string_view(request).substr(0, request.find("\r\n"));
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  if (words.size() != 3 || words[2].rfind("HTTP/1.", 0) != 0) {
    return Encode({400, "text/plain", "not an HTTP/1.1 request\n"}, true);
  }
  const bool head = words[0] == "HEAD";
  if (words[0] != "GET" && !head) {
    return Encode({405, "text/plain", "only GET and HEAD\n"}, true);
  }
  const auto page = pages_.find(words[1].substr(0, words[1].find('?')));
  if (page == pages_.end()) return Encode({404, "text/plain", "no such page\n"}, !head);
  return Encode(page->second(), !head);
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const std::string& host, int port, std::map<std::string, Handler> pages) {
  absl::StatusOr<int> listen_fd = Listen(host, port);
  if (!listen_fd.ok()) return listen_fd.status();
  std::unique_ptr<HttpServer> server(new HttpServer);
  server->port_ = PortOf(*listen_fd);
  server->wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  server->loop_ = std::make_unique<Loop>(*listen_fd, server->wake_fd_, std::move(pages));
  server->thread_ = std::thread([loop = server->loop_.get()] {
    pthread_setname_np(pthread_self(), "http");
    loop->Run();
  });
  return server;
}

HttpServer::~HttpServer() {
  const uint64_t one = 1;
  if (write(wake_fd_, &one, sizeof(one)) < 0) return;
  if (thread_.joinable()) thread_.join();
  loop_.reset();
  close(wake_fd_);
}

}  // namespace rasputin::server
