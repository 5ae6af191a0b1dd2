// Renames and small files; see the header.

#include "server/node/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "consensus/log/frame.h"

namespace rasputin::server {
namespace {

constexpr char kDamaged[] = "/DAMAGED";
constexpr char kReplaces[] = "/REPLACES";
constexpr char kPrefix[] = "quarantined-";
constexpr char kPartial[] = "/quarantined.partial";
constexpr char kReplacesTitle[] = "rasputin replaces 1";
constexpr char kNoStore[] = "unknown";
// What belongs to the store itself. STORES stays: it says where the others are.
constexpr const char* kOfTheStore[] = {"/log", "/state", "/INITIALIZED"};
constexpr mode_t kFolderMode = 0700;

absl::Status Failed(const std::string& what, int error) {
  const std::string text = absl::StrCat(what, ": ", strerror(error));
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(text);
  return absl::InternalError(text);
}

absl::Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  return synced ? absl::OkStatus() : Failed(absl::StrCat("sync ", path), error);
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

absl::Status WriteSynced(const std::string& path, const std::string& content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written =
      fd >= 0 && write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  return written && synced ? absl::OkStatus() : Failed(absl::StrCat("write ", path), error);
}

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  if (!file.is_open() || file.bad()) return Failed(absl::StrCat("read ", path), errno);
  return content.str();
}

// FNV-1a, 64 bits.
uint64_t Checksum(absl::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  return hash;
}

std::string LastLine(absl::string_view text) {
  return absl::StrCat("checksum ", absl::Hex(Checksum(text), absl::kZeroPad16), "\n");
}

std::string TimeInName() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &utc);
  return text;
}

std::string StoreName(uint64_t store) {
  return store == 0 ? std::string(kNoStore) : absl::StrCat(store);
}

}  // namespace

bool Replacement::Has(uint64_t store) const {
  return std::find(stores.begin(), stores.end(), store) != stores.end();
}

Quarantine::Quarantine(std::string storage_dir) : path_(std::move(storage_dir)) {}

std::optional<std::string> Quarantine::Damage() const {
  const std::string path = path_ + kDamaged;
  if (!Exists(path)) return std::nullopt;
  const absl::StatusOr<std::string> reason = ReadAll(path);
  if (!reason.ok() || reason->empty()) return "the file DAMAGED is there";
  return std::string(absl::StripSuffix(*reason, "\n"));
}

absl::Status Quarantine::MarkDamaged(const std::string& reason) const {
  if (Damage().has_value()) return absl::OkStatus();
  const absl::Status written = WriteSynced(path_ + kDamaged, absl::StrCat(reason, "\n"));
  // An empty one is a marker too.
  if (!written.ok() && !Exists(path_ + kDamaged)) return written;
  return SyncFolder(path_);
}

absl::StatusOr<std::optional<Replacement>> Quarantine::ReadReplacement() const {
  const std::string path = path_ + kReplaces;
  if (!Exists(path)) return std::optional<Replacement>();
  const absl::StatusOr<std::string> content = ReadAll(path);
  if (!content.ok()) return content.status();
  const absl::Status damaged = absl::DataLossError(absl::StrCat(path, " is damaged"));
  const size_t last = content->rfind("checksum ");
  if (last == std::string::npos || content->substr(last) != LastLine(content->substr(0, last))) {
    return damaged;
  }
  std::optional<Replacement> replacement(std::in_place);
  const std::vector<std::string> lines = absl::StrSplit(content->substr(0, last), '\n');
  if (lines.front() != kReplacesTitle) return damaged;
  bool known = true;
  for (size_t i = 1; i + 1 < lines.size(); ++i) {
    const std::pair<std::string, std::string> line = absl::StrSplit(lines[i], ' ');
    uint64_t number = 0;
    if (!absl::SimpleAtoi(line.second, &number)) return damaged;
    if (line.first == "cluster") {
      replacement->cluster_id = number;
    } else if (line.first == "token") {
      replacement->join_token = number;
    } else if (line.first == "store") {
      replacement->stores.push_back(number);
    } else {
      known = false;
    }
  }
  if (!known || replacement->stores.empty() || replacement->join_token == 0) return damaged;
  return replacement;
}

absl::Status Quarantine::WriteReplacement(const Replacement& replacement) const {
  std::string content = absl::StrCat(kReplacesTitle, "\ncluster ", replacement.cluster_id,
                                     "\ntoken ", replacement.join_token, "\n");
  for (const uint64_t store : replacement.stores) absl::StrAppend(&content, "store ", store, "\n");
  content += LastLine(content);
  const std::string path = path_ + kReplaces;
  if (absl::Status status = WriteSynced(path + ".new", content); !status.ok()) return status;
  if (rename((path + ".new").c_str(), path.c_str()) != 0) {
    return Failed(absl::StrCat("rename ", path), errno);
  }
  return SyncFolder(path_);
}

absl::Status Quarantine::RemoveReplacement() const {
  const std::string path = path_ + kReplaces;
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Failed(absl::StrCat("remove ", path), errno);
  }
  return SyncFolder(path_);
}

absl::Status Quarantine::NoteOpened(uint64_t store, uint64_t fresh_token) const {
  absl::StatusOr<std::optional<Replacement>> read = ReadReplacement();
  // A damaged one gives no token to anybody.
  if (absl::IsDataLoss(read.status())) return absl::OkStatus();
  if (!read.ok()) return read.status();
  if (!read->has_value() || (*read)->Has(store)) return absl::OkStatus();
  Replacement replacement = **std::move(read);
  replacement.stores.push_back(store);
  replacement.join_token = fresh_token;
  return WriteReplacement(replacement);
}

absl::Status Quarantine::NameFolder(uint64_t store, std::string* path) const {
  const std::string wanted = absl::StrCat(path_, "/", kPrefix, StoreName(store), "-", TimeInName());
  *path = wanted;
  for (int i = 2; Exists(*path); ++i) *path = absl::StrCat(wanted, "-", i);
  if (rename((path_ + kPartial).c_str(), path->c_str()) != 0) {
    return Failed(absl::StrCat("rename ", path_, kPartial), errno);
  }
  return SyncFolder(path_);
}

absl::Status Quarantine::FinishSetAside() const {
  if (!Exists(path_ + kPartial) || Exists(path_ + kDamaged)) return absl::OkStatus();
  std::string path;
  return NameFolder(StoreOfSegments(absl::StrCat(path_, kPartial, "/log")), &path);
}

absl::StatusOr<std::string> Quarantine::SetAside(uint64_t store) const {
  const std::string partial = path_ + kPartial;
  if (mkdir(partial.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return Failed(absl::StrCat("make ", partial), errno);
  }
  std::vector<std::string> names(std::begin(kOfTheStore), std::end(kOfTheStore));
  names.push_back(kDamaged);
  for (const std::string& name : names) {
    // The marker leaves when everything else has left for good.
    if (name == kDamaged) {
      absl::Status status = SyncFolder(partial);
      if (status.ok()) status = SyncFolder(path_);
      if (!status.ok()) return status;
    }
    const std::string from = path_ + name;
    if (rename(from.c_str(), (partial + name).c_str()) != 0 && errno != ENOENT) {
      return Failed(absl::StrCat("rename ", from), errno);
    }
  }
  absl::Status status = SyncFolder(partial);
  if (status.ok()) status = SyncFolder(path_);
  std::string path;
  if (status.ok()) status = NameFolder(store, &path);
  if (!status.ok()) return status;
  return path;
}

bool Quarantine::IsSetAside() const { return !Exists(path_ + kOfTheStore[0]); }

std::vector<std::string> Quarantine::Kept() const {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator it(path_, error);
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (absl::StartsWith(name, kPrefix)) names.push_back(it->path().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

uint64_t Quarantine::BytesOf(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator it(folder, error);
  for (; !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    const uintmax_t size = it->is_regular_file(ignored) ? it->file_size(ignored) : 0;
    if (!ignored) bytes += size;
  }
  return bytes;
}

uint64_t StoreOfSegments(const std::string& log_path) {
  std::error_code error;
  std::filesystem::directory_iterator it(log_path, error);
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    if (!absl::StartsWith(it->path().filename().string(), "segment-")) continue;
    std::string bytes(consensus::log::kSegmentHeaderBytes, '\0');
    std::ifstream file(it->path(), std::ios::binary);
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file) continue;
    const auto header = consensus::log::DecodeSegmentHeader(bytes);
    if (header.ok()) return header->store.value();
  }
  return 0;
}

}  // namespace rasputin::server
