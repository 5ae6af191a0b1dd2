// A small HTTP/1.1 server for probes, metrics and the status page: GET and HEAD, one thread,
// bounded.
//
// One thread polls all connections; a handler runs on it and must not wait for the cluster. Each
// connection serves one request and is closed. At most 64 connections (beyond that the oldest that
// has not sent its request makes room, so idle ones do not shut probes out), 8 KiB of request, 5 s
// from accept to the last byte; what is beyond is closed. Not responsible for what the pages say.

#ifndef RASPUTIN_SERVER_HTTP_HTTP_SERVER_H_
#define RASPUTIN_SERVER_HTTP_HTTP_SERVER_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

namespace rasputin::server {

struct HttpResponse {
  int code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse()>;

  // `pages` maps a path to what it serves. Fails if the address cannot be listened on (says which).
  // Port 0: any free one.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& host, int port,
                                                           std::map<std::string, Handler> pages);
  ~HttpServer();  // Stops the thread and closes all connections.

  int port() const { return port_; }

 private:
  class Loop;
  HttpServer() = default;

  int port_ = 0;
  int wake_fd_ = -1;
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_HTTP_HTTP_SERVER_H_
