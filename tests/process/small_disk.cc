// See small_disk.h.
// The ballast is one file that only grows, until it is removed.
// Not thread-safe.

#include "tests/process/small_disk.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace rasputin::process {
namespace {

constexpr char kBallast[] = "/ballast";
constexpr uint64_t kBlock = 4096;

// In mounts of its own, which end with this process and those it starts: a test that is killed
// leaves no disk behind.
bool Mount(const std::string& path, int mebibytes) {
  static const bool alone =
      unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!alone) return false;
  const std::string options = "size=" + std::to_string(mebibytes) + "m";
  return mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) == 0;
}

}  // namespace

SmallDisk::SmallDisk(std::string path, int mebibytes)
    : path_(std::move(path)), mounted_(Mount(path_, mebibytes)) {}

SmallDisk::~SmallDisk() {
  if (mounted_) umount2(path_.c_str(), MNT_DETACH);
}

uint64_t SmallDisk::FreeBytes() const {
  struct statvfs about;
  PCHECK(statvfs(path_.c_str(), &about) == 0);
  return uint64_t{about.f_bavail} * about.f_frsize;
}

void SmallDisk::Fill(uint64_t left) {
  const int fd = open((path_ + kBallast).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  PCHECK(fd >= 0 || errno == ENOSPC);
  if (fd < 0) return;
  const std::string zeros(uint64_t{1} << 20, '\0');
  for (uint64_t free = FreeBytes(); free >= left + kBlock; free = FreeBytes()) {
    if (write(fd, zeros.data(), std::min<uint64_t>(zeros.size(), free - left)) < 0) break;
  }
  close(fd);
}

void SmallDisk::Free() { unlink((path_ + kBallast).c_str()); }

bool SmallDisk::MakeReadOnly() {
  return mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) == 0;
}

}  // namespace rasputin::process
