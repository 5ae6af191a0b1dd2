// What is logged while an object of this lives, for tests of texts for people.
//
// Not thread-safe: for tests that log from their own thread.

#ifndef RASPUTIN_SERVER_SHARD_LOG_LINES_H_
#define RASPUTIN_SERVER_SHARD_LOG_LINES_H_

#include <glog/logging.h>

#include <string>
#include <vector>

namespace rasputin::server {

class LogLines final : public google::LogSink {
 public:
  LogLines() { google::AddLogSink(this); }
  ~LogLines() override { google::RemoveLogSink(this); }
  using google::LogSink::send;
  void send(google::LogSeverity, const char*, const char*, int, const google::LogMessageTime&,
            const char* message, size_t size) override {
    lines.emplace_back(message, size);
  }
  std::vector<std::string> lines;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_LOG_LINES_H_
