// See process_cpu.h.

#include "client/bench/process_cpu.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace rasputin::client {
namespace {

constexpr char kListenState[] = "0A";  // TCP_LISTEN of the kernel's net/tcp_states.h.

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) names.emplace_back(entry->d_name);
  closedir(directory);
  return names;
}

// "socket:[INODE]" of everything that listens on the port.
std::set<std::string> ListeningSockets(int port) {
  const std::string suffix = absl::StrFormat(":%04X", port);
  std::set<std::string> sockets;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::istringstream lines(ReadFile(table));
    std::string line;
    while (std::getline(lines, line)) {
      const std::vector<std::string> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
      if (fields.size() > 9 && fields[3] == kListenState && fields[1].size() > suffix.size() &&
          fields[1].compare(fields[1].size() - suffix.size(), suffix.size(), suffix) == 0) {
        sockets.insert(absl::StrCat("socket:[", fields[9], "]"));
      }
    }
  }
  return sockets;
}

bool HoldsAny(const std::string& fd_folder, const std::set<std::string>& sockets) {
  for (const std::string& name : NamesIn(fd_folder)) {
    char target[64];
    const ssize_t length =
        readlink(absl::StrCat(fd_folder, "/", name).c_str(), target, sizeof(target));
    if (length > 0 && sockets.count(std::string(target, static_cast<size_t>(length))) != 0) {
      return true;
    }
  }
  return false;
}

double ToSeconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

std::optional<int> FindListener(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port)) {
    return std::nullopt;
  }
  const std::string host = address.substr(0, colon);
  if (host != "localhost" && host != "[::1]" && host.rfind("127.", 0) != 0) return std::nullopt;
  const std::set<std::string> sockets = ListeningSockets(port);
  if (sockets.empty()) return std::nullopt;
  for (const std::string& name : NamesIn("/proc")) {
    int pid = 0;
    if (absl::SimpleAtoi(name, &pid) && HoldsAny(absl::StrCat("/proc/", pid, "/fd"), sockets)) {
      return pid;
    }
  }
  return std::nullopt;
}

std::optional<unsigned long long> TicksOfStat(const std::string& stat) {
  // The second field is the name in parentheses, which may hold blanks and parentheses.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(name_end + 1), ' ', absl::SkipEmpty());
  uint64_t user = 0;
  uint64_t system = 0;
  // Fields 14 and 15 of proc(5); field 3 is the first behind the name.
  if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) ||
      !absl::SimpleAtoi(fields[12], &system)) {
    return std::nullopt;
  }
  return user + system;
}

std::optional<double> ProcessCpuSeconds(int pid) {
  const auto ticks = TicksOfStat(ReadFile(absl::StrCat("/proc/", pid, "/stat")));
  if (!ticks.has_value()) return std::nullopt;
  return static_cast<double>(*ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double OwnCpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return ToSeconds(usage.ru_utime) + ToSeconds(usage.ru_stime);
}

double MachineBusySeconds() {
  // "cpu user nice system idle iowait irq softirq steal ..." in ticks, proc(5).
  const std::string text = ReadFile("/proc/stat");
  const std::vector<std::string> fields =
      absl::StrSplit(text.substr(0, text.find('\n')), ' ', absl::SkipEmpty());
  double busy = 0;
  for (const size_t i : {1, 2, 3, 6, 7, 8}) {
    uint64_t ticks = 0;
    if (i < fields.size() && absl::SimpleAtoi(fields[i], &ticks)) {
      busy += static_cast<double>(ticks);
    }
  }
  return busy / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace rasputin::client
