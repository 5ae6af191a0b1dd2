// Directories, the lock and the marker file; see the header.

#include "server/node/storage_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

constexpr char kMarker[] = "/INITIALIZED";

absl::Status Unusable(const std::string& path, const std::string& why) {
  return absl::FailedPreconditionError(
      absl::StrCat("--storage-dir ", path, " cannot be used: ", why));
}

absl::Status SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int cause = errno;
  if (fd >= 0) close(fd);
  return synced ? absl::OkStatus() : Unusable(path, strerror(cause));
}

}  // namespace

absl::StatusOr<std::unique_ptr<StorageDir>> StorageDir::Open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Unusable(path, error.message());
  const std::string lock = path + "/LOCK";
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Unusable(path, strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::UnavailableError(
        absl::StrCat("--storage-dir ", path, " is in use by another rasputind; stop it first"));
  }
  return std::unique_ptr<StorageDir>(new StorageDir(path, fd));
}

StorageDir::~StorageDir() { close(lock_fd_); }

bool StorageDir::IsInitializationComplete() const {
  return access((path_ + kMarker).c_str(), F_OK) == 0;
}

absl::Status StorageDir::MarkInitializationComplete() {
  const std::string marker = path_ + kMarker;
  const int fd = open(marker.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int cause = errno;
  if (fd >= 0) close(fd);
  if (!synced) return Unusable(path_, strerror(cause));
  return SyncDirectory(path_);
}

}  // namespace rasputin::server
