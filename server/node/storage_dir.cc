// Directories, the lock and the marker file; see the header.

#include "server/node/storage_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

constexpr char kMarker[] = "/INITIALIZED";
constexpr char kStores[] = "/STORES";
constexpr mode_t kFolderMode = 0700;

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

// Whether the folder holds a name that begins with `prefix`; a folder that is not there does not.
bool HoldsName(const std::string& folder, absl::string_view prefix) {
  std::error_code error;
  std::filesystem::directory_iterator it(folder, error);
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    if (absl::StartsWith(it->path().filename().string(), prefix)) return true;
  }
  return false;
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

absl::Status StorageDir::CheckManifestIsThere() const {
  const std::string manifest = log_path() + "/MANIFEST";
  if (access(manifest.c_str(), F_OK) == 0 || errno != ENOENT) return absl::OkStatus();
  std::string found;
  if (HoldsName(log_path(), "segment-")) {
    found = "segments of the log are";
  } else if (HoldsName(state_path(), "")) {
    found = "state/ is";
  } else if (IsInitializationComplete()) {
    found = "INITIALIZED is";
  } else {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(manifest, " is missing but ", found, " there: restore the file, or empty the ",
                   "directory ", path_, " to start as a new store"));
}

absl::Status StorageDir::CheckStateIsThere() const {
  if (HoldsName(state_path(), "") || !HoldsName(log_path(), "segment-")) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      state_path(), " is missing or empty but segments of the log are there: mount or ",
      "restore it; if it is lost, make the file ", path_, "/DAMAGED to have the store replaced"));
}

absl::Status StorageDir::PrepareState() const {
  const std::string path = state_path();
  const bool made = mkdir(path.c_str(), kFolderMode) == 0;
  // Also of a directory that an earlier version made.
  if ((!made && errno != EEXIST) || chmod(path.c_str(), kFolderMode) != 0) {
    return Unusable(path, strerror(errno));
  }
  return made ? SyncDirectory(path_) : absl::OkStatus();
}

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

std::string StorageDir::ReadStores() const {
  std::stringstream content;
  content << std::ifstream(path_ + kStores, std::ios::binary).rdbuf();
  return content.str();
}

absl::Status StorageDir::WriteStores(const std::string& book) {
  const std::string path = path_ + kStores;
  const std::string draft = path + ".new";
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = fd >= 0 &&
                       write(fd, book.data(), book.size()) == static_cast<ssize_t>(book.size()) &&
                       fsync(fd) == 0;
  int cause = errno;
  if (fd >= 0) close(fd);
  if (written && rename(draft.c_str(), path.c_str()) == 0) return SyncDirectory(path_);
  if (written) cause = errno;
  return Unusable(path_, strerror(cause));
}

}  // namespace rasputin::server
