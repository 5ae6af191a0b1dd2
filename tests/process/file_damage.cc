// See file_damage.h.

#include "tests/process/file_damage.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rasputin::process {
namespace {

constexpr uint64_t kBytesMax = 16;

bool IsOf(FlipTarget target, const std::string& name) {
  switch (target) {
    case FlipTarget::kSegment:
      return absl::StartsWith(name, "log/segment-");
    case FlipTarget::kSst:
      return absl::StartsWith(name, "state/") && absl::EndsWith(name, ".sst");
    case FlipTarget::kManifest:
      return absl::StartsWith(name, "state/MANIFEST-");
    case FlipTarget::kCurrent:
      return name == "state/CURRENT";
    case FlipTarget::kOptions:
      return absl::StartsWith(name, "state/OPTIONS-");
    case FlipTarget::kIdentity:
      return name == "state/IDENTITY" || name == "state/FORMAT";
    case FlipTarget::kStore:
      return name == "log/MANIFEST" || name == "STORES";
  }
  return false;
}

}  // namespace

std::string FileDamage::ReadAt(uint64_t offset, uint64_t length) const {
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  std::string bytes(length, '\0');
  const ssize_t got = pread(fd, bytes.data(), length, static_cast<off_t>(offset));
  close(fd);
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

bool FileDamage::Choose(const std::string& data, FlipTarget target, std::mt19937_64* random) {
  target_ = target;
  std::vector<std::string> names;
  for (const char* folder : {"", "log/", "state/"}) {
    std::error_code error;
    std::filesystem::directory_iterator it(absl::StrCat(data, "/", folder), error);
    for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
      const std::string name = absl::StrCat(folder, it->path().filename().string());
      struct stat about {};
      const bool found = stat(absl::StrCat(data, "/", name).c_str(), &about) == 0;
      if (found && S_ISREG(about.st_mode) && about.st_size > 0 && IsOf(target, name)) {
        names.push_back(name);
      }
    }
  }
  if (names.empty()) return false;
  std::sort(names.begin(), names.end());
  name_ = names[(*random)() % names.size()];
  path_ = absl::StrCat(data, "/", name_);
  return true;
}

void FileDamage::Apply(std::mt19937_64* random) {
  struct stat about {};
  PCHECK(stat(path_.c_str(), &about) == 0) << path_;
  inode_ = about.st_ino;
  size_ = static_cast<uint64_t>(about.st_size);
  uint64_t used = size_;
  if (target_ == FlipTarget::kSegment && (*random)() % 8 != 0) {
    const std::string bytes = ReadAt(0, size_);
    const size_t last = bytes.find_last_not_of('\0');
    if (last != std::string::npos) used = last + 1;
  }
  offset_ = (*random)() % used;
  const uint64_t kind = (*random)() % 10;
  truncated_ = kind >= 8;
  if (truncated_) {
    before_ = ReadAt(offset_, size_ - offset_);
    PCHECK(truncate(path_.c_str(), static_cast<off_t>(offset_)) == 0) << path_;
    text_ = absl::StrCat(name_, " truncated from ", size_, " to ", offset_, " bytes");
    return;
  }
  const bool one_bit = kind < 6;
  before_ = ReadAt(offset_, one_bit ? 1 : 1 + (*random)() % kBytesMax);
  CHECK(!before_.empty());
  after_ = before_;
  const int bit = static_cast<int>((*random)() % 8);
  if (one_bit) after_[0] = static_cast<char>(after_[0] ^ (1 << bit));
  while (after_ == before_) {
    for (char& byte : after_) byte = static_cast<char>((*random)());
  }
  const int fd = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  PCHECK(fd >= 0) << path_;
  PCHECK(pwrite(fd, after_.data(), after_.size(), static_cast<off_t>(offset_)) ==
         static_cast<ssize_t>(after_.size()));
  close(fd);
  text_ = absl::StrCat(
      one_bit ? absl::StrCat("bit ", bit, " of byte ") : absl::StrCat(after_.size(), " bytes at "),
      offset_, " of ", name_, " (", used, " of ", size_, " bytes used)");
}

bool FileDamage::Undo() const {
  struct stat about {};
  if (stat(path_.c_str(), &about) != 0 || about.st_ino != inode_) return false;
  const bool there = truncated_ ? static_cast<uint64_t>(about.st_size) == offset_
                                : ReadAt(offset_, after_.size()) == after_;
  if (!there) return false;
  const int fd = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  PCHECK(fd >= 0) << path_;
  PCHECK(pwrite(fd, before_.data(), before_.size(), static_cast<off_t>(offset_)) ==
         static_cast<ssize_t>(before_.size()));
  close(fd);
  return true;
}

}  // namespace rasputin::process
