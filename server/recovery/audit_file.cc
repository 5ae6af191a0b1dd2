// Appending with a sync; see audit_file.h.

#include "server/recovery/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace rasputin::server {
namespace {

// Of the file, or of its folder so that its name is kept.
bool Sync(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = fsync(fd) == 0;
  const int cause = errno;
  close(fd);
  errno = cause;
  return synced;
}

}  // namespace

AuditFile::AuditFile(const std::string& directory)
    : directory_(directory), path_(absl::StrCat(directory, "/", kAuditFileName)) {}

absl::Status AuditFile::Append(int64_t wall_us, absl::string_view text) const {
  std::string line = absl::StrCat(
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixMicros(wall_us), absl::UTCTimeZone()),
      " ", text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  line += '\n';
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const bool written = fd >= 0 &&
                       write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                       fsync(fd) == 0;
  const int cause = errno;
  if (fd >= 0) close(fd);
  errno = cause;
  if (written && Sync(directory_, O_RDONLY | O_DIRECTORY)) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path_, " cannot be written: ", strerror(errno)));
}

std::vector<std::string> AuditFile::Lines() const {
  std::vector<std::string> lines;
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

bool AuditFile::RecoveryUnfinished() const {
  bool open = false;
  for (const std::string& line : Lines()) {
    if (absl::StrContains(line, kRecoveryBegun)) open = true;
    if (absl::StrContains(line, kRecoveryFinished)) open = false;
  }
  return open;
}

}  // namespace rasputin::server
