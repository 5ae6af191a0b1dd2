// Channels to nodes by address, and which of them to try next.
//
// A channel in failure is passed over while another one is not. Thread-safe.

#ifndef RASPUTIN_CLIENT_ENDPOINTS_H_
#define RASPUTIN_CLIENT_ENDPOINTS_H_

#include <grpcpp/channel.h>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rasputin::client {

class Endpoints {
 public:
  // At least one address (CHECK).
  explicit Endpoints(std::vector<std::string> addresses);

  // The channel to `preferred` ("": none) unless it is failing, else the next of the given
  // addresses that is not, else simply the next. Connecting begins at once.
  std::shared_ptr<grpc::Channel> Pick(const std::string& preferred);
  // Of a channel that Pick gave.
  std::string AddressOf(const grpc::Channel* channel);
  // Passes on to the next address for calls without preference.
  void Advance();
  // The given addresses, separated by commas.
  std::string ToString() const;
  size_t size() const { return addresses_.size(); }
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address);

  const std::vector<std::string> addresses_;
  std::mutex mutex_;
  size_t next_ = 0;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

// A channel with the settings that every client of ours uses: no size limit below the server's,
// quick reconnection (at most 1 s between attempts).
std::shared_ptr<grpc::Channel> NewChannel(const std::string& address);

// Whether anything at all takes a TCP connection at HOST:PORT. Waits at most `patience`, besides
// the time to look the name up.
bool AcceptsConnections(const std::string& address, std::chrono::milliseconds patience);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_ENDPOINTS_H_
