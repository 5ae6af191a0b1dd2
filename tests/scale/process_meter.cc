// See process_meter.h.

#include "tests/scale/process_meter.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace rasputin::scale {
namespace {

constexpr int kPatienceSeconds = 10;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The number behind `name` in lines of the form "name: 123 ...".
uint64_t NumberBehind(const std::string& text, const std::string& name) {
  const size_t at = text.find(name);
  if (at == std::string::npos) return 0;
  return std::strtoull(text.c_str() + at + name.size(), nullptr, 10);
}

void WriteFile(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  const ssize_t written = write(fd, text.data(), text.size());
  PLOG_IF(WARNING, written != static_cast<ssize_t>(text.size())) << path;
  close(fd);
}

bool RaiseLoopback() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool raised = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  close(fd);
  return raised;
}

}  // namespace

ProcessReading ReadProcess(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  const std::string stat = ReadFile(folder + "/stat");
  const size_t behind_name = stat.rfind(')');
  CHECK(behind_name != std::string::npos) << "process " << pid << " is gone";
  // State is field 3, utime field 14, stime field 15; see proc(5).
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(behind_name + 2), ' ');
  CHECK_GT(fields.size(), 12u);
  const double ticks = std::strtod(fields[11].c_str(), nullptr) +  //
                       std::strtod(fields[12].c_str(), nullptr);
  ProcessReading reading;
  reading.cpu_seconds = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  // Not write_bytes, which counts the whole folio of the page cache, perhaps a mebibyte, for a
  // byte.
  reading.written_bytes = NumberBehind(ReadFile(folder + "/io"), "\nwchar:");
  reading.resident_private_bytes = NumberBehind(ReadFile(folder + "/status"), "\nRssAnon:") * 1024;
  return reading;
}

bool EnterOwnNetwork() {
  const uid_t user = getuid();
  const gid_t group = getgid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  WriteFile("/proc/self/setgroups", "deny");
  WriteFile("/proc/self/uid_map", "0 " + std::to_string(user) + " 1\n");
  WriteFile("/proc/self/gid_map", "0 " + std::to_string(group) + " 1\n");
  CHECK(RaiseLoopback()) << "the loopback of a network of our own does not work";
  return true;
}

NetworkReading ReadLoopback() {
  const std::string text = ReadFile("/proc/self/net/dev");
  const size_t at = text.find("lo:");
  CHECK(at != std::string::npos) << text;
  // Received: bytes, packets, ...; what is sent over the loopback is received there.
  char* rest = nullptr;
  NetworkReading reading;
  reading.bytes = std::strtoull(text.c_str() + at + 3, &rest, 10);
  reading.packets = std::strtoull(rest, nullptr, 10);
  return reading;
}

std::string HttpGet(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  PCHECK(fd >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
    send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    char buffer[4096];
    for (ssize_t n; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
      answer.append(buffer, static_cast<size_t>(n));
    }
  }
  close(fd);
  return answer;
}

double MetricOn(const std::string& page, const std::string& name) {
  double sum = 0;
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    if (!absl::StartsWith(line, name)) continue;
    const char next = line.size() > name.size() ? line[name.size()] : '\0';
    if (next != ' ' && next != '{') continue;
    sum += std::strtod(std::string(line.substr(line.rfind(' ') + 1)).c_str(), nullptr);
  }
  return sum;
}

}  // namespace rasputin::scale
