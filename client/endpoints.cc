// See endpoints.h.

#include "client/endpoints.h"

#include <errno.h>
#include <glog/logging.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_join.h"

namespace rasputin::client {
namespace {

constexpr int kReconnectMinMs = 50;
constexpr int kReconnectMaxMs = 1000;

bool Failing(grpc::Channel* channel) {
  return channel->GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_TRANSIENT_FAILURE;
}

}  // namespace

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMinMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMinMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMaxMs);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

Endpoints::Endpoints(std::vector<std::string> addresses) : addresses_(std::move(addresses)) {
  CHECK(!addresses_.empty()) << "a client needs at least one endpoint";
}

std::shared_ptr<grpc::Channel> Endpoints::ChannelTo(const std::string& address) {
  std::shared_ptr<grpc::Channel>& channel = channels_[address];
  if (channel == nullptr) channel = NewChannel(address);
  return channel;
}

std::shared_ptr<grpc::Channel> Endpoints::Pick(const std::string& preferred) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!preferred.empty()) {
    std::shared_ptr<grpc::Channel> channel = ChannelTo(preferred);
    if (!Failing(channel.get())) return channel;
  }
  for (size_t i = 0; i < addresses_.size(); ++i) {
    std::shared_ptr<grpc::Channel> channel = ChannelTo(addresses_[(next_ + i) % addresses_.size()]);
    if (!Failing(channel.get())) return channel;
  }
  return ChannelTo(addresses_[next_++ % addresses_.size()]);
}

std::string Endpoints::AddressOf(const grpc::Channel* channel) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [address, known] : channels_) {
    if (known.get() == channel) return address;
  }
  return "";
}

void Endpoints::Advance() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++next_;
}

std::string Endpoints::ToString() const { return absl::StrJoin(addresses_, ","); }

bool AcceptsConnections(const std::string& address, std::chrono::milliseconds patience) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return false;
  addrinfo wanted = {};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &wanted,
                  &found) != 0) {
    return false;
  }
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  bool accepted = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0;
  if (fd >= 0 && !accepted && errno == EINPROGRESS) {
    pollfd waiting = {fd, POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof(error);
    accepted = poll(&waiting, 1, static_cast<int>(patience.count())) == 1 &&
               getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
  }
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return accepted;
}

}  // namespace rasputin::client
