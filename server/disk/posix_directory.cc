// System calls of posix_directory.h. Every path goes through openat and its kin, relative to the
// folder opened once: a renamed folder stays the same folder.

#include "server/disk/posix_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

using consensus::log::SegmentFile;

constexpr absl::string_view kUnfinished = ".unfinished";
constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;
constexpr size_t kZerosAtOnce = 1 << 20;

absl::Status ErrnoStatus(int error, const std::string& what) {
  const std::string message = absl::StrCat(what, ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOTDIR:
      return absl::FailedPreconditionError(message);
    default:
      return absl::InternalError(message);
  }
}

// Repeats a call that a signal interrupted.
template <typename Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

absl::Status WriteAll(int descriptor, uint64_t offset, absl::string_view data,
                      const std::string& path) {
  while (!data.empty()) {
    const ssize_t written = Retry(
        [&] { return pwrite(descriptor, data.data(), data.size(), static_cast<off_t>(offset)); });
    if (written < 0) return ErrnoStatus(errno, absl::StrCat("write ", path));
    if (written == 0) return absl::InternalError(absl::StrCat("write ", path, ": nothing written"));
    offset += static_cast<uint64_t>(written);
    data.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

class PosixFile final : public SegmentFile {
 public:
  PosixFile(std::string path, int descriptor, uint64_t size)
      : path_(std::move(path)), descriptor_(descriptor), size_(size) {}
  ~PosixFile() override { close(descriptor_); }

  absl::Status Write(uint64_t offset, absl::string_view data) override {
    absl::Status status = WriteAll(descriptor_, offset, data, path_);
    if (status.ok() && offset + data.size() > Size()) size_.store(offset + data.size());
    return status;
  }

  absl::Status Sync() override {
    if (Retry([&] { return fdatasync(descriptor_); }) == 0) return absl::OkStatus();
    // Also "no space" is a failed sync here: what was written is in doubt.
    return absl::InternalError(absl::StrCat("sync ", path_, ": ", std::strerror(errno)));
  }

  absl::Status Read(uint64_t offset, uint64_t length, std::string* out) const override {
    out->resize(length);
    uint64_t done = 0;
    while (done < length) {
      const ssize_t got = Retry([&] {
        return pread(descriptor_, &(*out)[done], length - done, static_cast<off_t>(offset + done));
      });
      if (got < 0) return ErrnoStatus(errno, absl::StrCat("read ", path_));
      if (got == 0) {
        return absl::OutOfRangeError(absl::StrCat("read ", path_, " up to ", offset + length,
                                                  ": it ends at ", offset + done));
      }
      done += static_cast<uint64_t>(got);
    }
    return absl::OkStatus();
  }

  uint64_t Size() const override { return size_.load(); }

 private:
  const std::string path_;
  const int descriptor_;
  std::atomic<uint64_t> size_;
};

void CheckName(const std::string& name) {
  CHECK(!name.empty() && name[0] != '.' && name.find('/') == std::string::npos) << name;
}

}  // namespace

PosixDirectory::PosixDirectory(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {}

PosixDirectory::~PosixDirectory() { close(descriptor_); }

absl::StatusOr<std::unique_ptr<PosixDirectory>> PosixDirectory::At(const std::string& path) {
  bool created = false;
  if (mkdir(path.c_str(), kFolderMode) == 0) {
    created = true;
  } else if (errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("create folder ", path));
  }
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return ErrnoStatus(errno, absl::StrCat("open folder ", path));
  std::unique_ptr<PosixDirectory> directory(new PosixDirectory(path, descriptor));
  if (faccessat(descriptor, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
    return ErrnoStatus(errno, absl::StrCat("use folder ", path));
  }
  if (created) {
    // The folder's own name is durable once its parent is synced.
    const int parent = openat(descriptor, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0) return ErrnoStatus(errno, absl::StrCat("open the folder of ", path));
    const int synced = fsync(parent);
    const int error = errno;
    close(parent);
    if (synced != 0) return ErrnoStatus(error, absl::StrCat("sync the folder of ", path));
  }
  absl::StatusOr<std::vector<std::string>> names = directory->List();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!absl::EndsWith(name, kUnfinished)) continue;
    if (absl::Status status = directory->Remove(name); !status.ok()) return status;
  }
  return directory;
}

absl::StatusOr<std::vector<std::string>> PosixDirectory::List() {
  const int descriptor = openat(descriptor_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return ErrnoStatus(errno, absl::StrCat("open folder ", path_));
  DIR* const folder = fdopendir(descriptor);
  if (folder == nullptr) {
    const int error = errno;
    close(descriptor);
    return ErrnoStatus(error, absl::StrCat("list folder ", path_));
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(folder)) {
    struct stat about;
    if (fstatat(descriptor_, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(about.st_mode) && entry->d_name[0] != '.') {
      names.push_back(entry->d_name);
    }
    errno = 0;
  }
  const int error = errno;
  closedir(folder);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("list folder ", path_));
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::unique_ptr<SegmentFile>> PosixDirectory::Open(const std::string& name) {
  CheckName(name);
  const std::string path = absl::StrCat(path_, "/", name);
  const int descriptor = openat(descriptor_, name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return ErrnoStatus(errno, absl::StrCat("open ", path));
  struct stat about;
  if (fstat(descriptor, &about) != 0) {
    const int error = errno;
    close(descriptor);
    return ErrnoStatus(error, absl::StrCat("open ", path));
  }
  return {std::make_unique<PosixFile>(path, descriptor, static_cast<uint64_t>(about.st_size))};
}

absl::Status PosixDirectory::SyncNames() {
  if (fsync(descriptor_) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("sync folder ", path_, ": ", std::strerror(errno)));
}

absl::Status PosixDirectory::WriteNew(const std::string& name, absl::string_view content,
                                      uint64_t zeros) {
  CheckName(name);
  const std::string unfinished = absl::StrCat(name, kUnfinished);
  const std::string path = absl::StrCat(path_, "/", unfinished);
  const int descriptor = openat(descriptor_, unfinished.c_str(),
                                O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (descriptor < 0) return ErrnoStatus(errno, absl::StrCat("create ", path));
  absl::Status status = WriteAll(descriptor, 0, content, path);
  const std::string block(std::min<uint64_t>(zeros, kZerosAtOnce), '\0');
  for (uint64_t done = 0; done < zeros && status.ok(); done += block.size()) {
    status = WriteAll(
        descriptor, done,
        absl::string_view(block).substr(0, std::min<uint64_t>(zeros - done, block.size())), path);
  }
  // Delayed allocation may notice only now that there is no space; nobody relies on the file yet.
  if (status.ok() && fsync(descriptor) != 0) {
    status = ErrnoStatus(errno, absl::StrCat("sync ", path));
  }
  close(descriptor);
  if (status.ok() && renameat(descriptor_, unfinished.c_str(), descriptor_, name.c_str()) != 0) {
    status = ErrnoStatus(errno, absl::StrCat("rename ", path));
  }
  if (!status.ok()) {
    unlinkat(descriptor_, unfinished.c_str(), 0);
    return status;
  }
  return SyncNames();
}

absl::StatusOr<std::unique_ptr<SegmentFile>> PosixDirectory::Create(const std::string& name,
                                                                    uint64_t size_bytes) {
  CheckName(name);
  if (faccessat(descriptor_, name.c_str(), F_OK, 0) == 0) {
    return ErrnoStatus(EEXIST, absl::StrCat("create ", path_, "/", name));
  }
  if (absl::Status status = WriteNew(name, "", size_bytes); !status.ok()) return status;
  return Open(name);
}

absl::Status PosixDirectory::Rename(const std::string& from, const std::string& to) {
  CheckName(from);
  CheckName(to);
  if (renameat(descriptor_, from.c_str(), descriptor_, to.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("rename ", path_, "/", from, " to ", to));
  }
  return SyncNames();
}

absl::Status PosixDirectory::Remove(const std::string& name) {
  CheckName(name);
  if (unlinkat(descriptor_, name.c_str(), 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("remove ", path_, "/", name));
  }
  return SyncNames();
}

absl::Status PosixDirectory::ReplaceFile(const std::string& name, absl::string_view content) {
  return WriteNew(name, content, 0);
}

absl::StatusOr<std::string> PosixDirectory::ReadFile(const std::string& name) {
  absl::StatusOr<std::unique_ptr<SegmentFile>> file = Open(name);
  if (!file.ok()) return file.status();
  std::string content;
  absl::Status status = (*file)->Read(0, (*file)->Size(), &content);
  if (!status.ok()) return status;
  return content;
}

absl::StatusOr<uint64_t> PosixDirectory::FreeBytes() {
  struct statvfs about;
  if (fstatvfs(descriptor_, &about) != 0) {
    return ErrnoStatus(errno, absl::StrCat("ask for the free space of ", path_));
  }
  return uint64_t{about.f_bavail} * about.f_frsize;
}

}  // namespace rasputin::server
