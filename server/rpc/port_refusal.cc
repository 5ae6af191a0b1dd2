// See port_refusal.h.

#include "server/rpc/port_refusal.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

// The errno of listening there; 0: it went well. EADDRNOTAVAIL also for a name without an address.
int TryToListen(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found) != 0) {
    return EADDRNOTAVAIL;
  }
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool listens =
      fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1) == 0;
  const int cause = listens ? 0 : errno;
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return cause;
}

std::string Cause(const std::string& host, int port, const std::string& port_flag) {
  const int cause = TryToListen(host, port);
  switch (cause) {
    case 0:
      return absl::StrCat("change ", port_flag, " or --listen-host");
    case EADDRINUSE:
      return absl::StrCat("the port is in use; stop what listens there, or change ", port_flag);
    case EADDRNOTAVAIL:
      return absl::StrCat(host, " is not an address of this machine; change --listen-host");
    default:
      return absl::StrCat(strerror(cause), "; change ", port_flag, " or --listen-host");
  }
}

}  // namespace

absl::Status CannotListen(const std::string& host, int port, const std::string& port_flag) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", host, ":", port, ": ", Cause(host, port, port_flag)));
}

}  // namespace rasputin::server
