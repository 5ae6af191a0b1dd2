// The file system of memory_directory.h: per file the bytes as written, what the disk held in those
// sectors that were written since the last sync, and where something else is read by now.
//
// Everything is under one mutex; the hook is called without it.

#include "consensus/log/memory_directory.h"

#include <glog/logging.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rasputin::consensus::log {
namespace {

// SplitMix64 (public domain algorithm by S. Vigna): enough to choose sectors, the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t n) { return Next() % n; }

 private:
  uint64_t state_;
};

uint64_t HashBytes(uint64_t hash, absl::string_view bytes) {
  for (char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return (hash ^ bytes.size()) * 0x100000001b3u;
}

absl::Status NotFound(const std::string& name) {
  return absl::NotFoundError(absl::StrCat("no file ", name));
}

}  // namespace

struct MemoryDirectory::FileState {
  std::string name;
  std::string bytes;                         // As written.
  std::map<uint64_t, std::string> unsynced;  // Sector -> what the disk holds there.
  std::map<uint64_t, std::string> damage;    // Offset -> what is read there; disjoint.
  std::optional<uint64_t> cut;               // Nothing is read from here on.

  uint64_t Size() const { return cut.value_or(bytes.size()); }

  std::string Visible() const {
    std::string visible = bytes;
    for (const auto& [offset, data] : damage) {
      std::copy(data.begin(), data.end(), visible.begin() + static_cast<ptrdiff_t>(offset));
    }
    visible.resize(Size());
    return visible;
  }

  bool Damaged() const {
    if (cut.has_value()) return true;
    return std::any_of(damage.begin(), damage.end(), [this](const auto& piece) {
      return bytes.compare(piece.first, piece.second.size(), piece.second) != 0;
    });
  }

  // No damage in [begin, end) any more.
  void ForgetDamage(uint64_t begin, uint64_t end) {
    std::map<uint64_t, std::string> left;
    for (auto& [offset, data] : damage) {
      const uint64_t data_end = offset + data.size();
      if (offset < begin) left[offset] = data.substr(0, begin - offset);
      if (data_end > end) {
        const uint64_t from = std::max(offset, end);
        left[from] = data.substr(from - offset);
      }
    }
    damage = std::move(left);
  }

  // From now on this is read at `offset`.
  void Show(uint64_t offset, std::string data) {
    if (data.empty()) return;
    ForgetDamage(offset, offset + data.size());
    damage[offset] = std::move(data);
  }

  void Write(uint64_t offset, absl::string_view data) {
    if (data.empty()) return;
    if (bytes.size() < offset + data.size()) bytes.resize(offset + data.size());
    if (const uint64_t end = offset + data.size(); cut.has_value() && end > *cut) {
      // The file grows again, without what was cut off.
      Show(*cut, std::string(end - *cut, '\0'));
      cut = end < bytes.size() ? std::optional<uint64_t>(end) : std::nullopt;
    }
    ForgetDamage(offset, offset + data.size());
    const uint64_t last = (offset + data.size() - 1) / kSectorBytes;
    for (uint64_t sector = offset / kSectorBytes; sector <= last; ++sector) {
      unsynced.try_emplace(sector, bytes.substr(sector * kSectorBytes, kSectorBytes));
    }
    std::copy(data.begin(), data.end(), bytes.begin() + static_cast<ptrdiff_t>(offset));
  }

  // Keeps the first `kept` bytes of what was written to the sector.
  void Tear(uint64_t sector, const std::string& old, uint64_t kept) {
    for (uint64_t i = kept; i < old.size(); ++i) bytes[sector * kSectorBytes + i] = old[i];
  }
};

struct MemoryDirectory::State {
  mutable std::mutex mutex;
  std::map<std::string, std::shared_ptr<FileState>> files;
  std::shared_ptr<Hook> hook;  // Called without the mutex.
  uint64_t incarnation = 0;    // Grows at each crash; older handles are dead.
  uint64_t capacity = UINT64_MAX;
  bool lose_next_write = false;
  int64_t misdirect_next_write = 0;
  Stats stats;

  uint64_t Used() const {
    uint64_t used = 0;
    for (const auto& [name, file] : files) used += file->bytes.size();
    return used;
  }
  absl::Status Ask(DiskOperation operation, const std::string& name) {
    std::shared_ptr<Hook> ask;
    {
      std::lock_guard<std::mutex> lock(mutex);
      ask = hook;
    }
    return ask != nullptr ? (*ask)(operation, name) : absl::OkStatus();
  }
};

class MemoryDirectory::File final : public SegmentFile {
 public:
  File(std::shared_ptr<State> state, std::shared_ptr<FileState> file, uint64_t incarnation)
      : state_(std::move(state)), file_(std::move(file)), incarnation_(incarnation) {}

  absl::Status Write(uint64_t offset, absl::string_view data) override {
    if (absl::Status asked = Ask(DiskOperation::kWrite); !asked.ok()) return asked;
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (absl::Status alive = Alive(); !alive.ok()) return alive;
    state_->stats.writes += 1;
    state_->stats.bytes_written += data.size();
    const bool lost = std::exchange(state_->lose_next_write, false);
    const int64_t delta = std::exchange(state_->misdirect_next_write, 0);
    if (lost || delta != 0) {
      WriteElsewhere(offset, data, lost ? 0 : delta);
    } else {
      file_->Write(offset, data);
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (absl::Status asked = Ask(DiskOperation::kSync); !asked.ok()) return asked;
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (absl::Status alive = Alive(); !alive.ok()) return alive;
    state_->stats.syncs += 1;
    file_->unsynced.clear();
    return absl::OkStatus();
  }

  absl::Status Read(uint64_t offset, uint64_t length, std::string* out) const override {
    if (absl::Status asked = Ask(DiskOperation::kRead); !asked.ok()) return asked;
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (absl::Status alive = Alive(); !alive.ok()) return alive;
    const uint64_t size = file_->Size();
    if (offset > size || length > size - offset) {
      return absl::OutOfRangeError(
          absl::StrCat(file_->name, " has ", size, " bytes, read up to ", offset + length));
    }
    if (file_->damage.empty()) {
      out->assign(file_->bytes, offset, length);
    } else {
      *out = file_->Visible().substr(offset, length);
    }
    return absl::OkStatus();
  }

  uint64_t Size() const override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return file_->Size();
  }

 private:
  // `delta` bytes further on, or nowhere. What should be there is known, what is read is not that.
  void WriteElsewhere(uint64_t offset, absl::string_view data, int64_t delta) {
    state_->stats.writes_astray += 1;
    std::string before = file_->Visible();
    before.resize(std::max<uint64_t>(before.size(), offset + data.size()));
    file_->Write(offset, data);
    file_->Show(offset, before.substr(offset, data.size()));
    const int64_t there = static_cast<int64_t>(offset) + delta;
    if (delta == 0 || there < 0 || static_cast<uint64_t>(there) + data.size() > file_->Size()) {
      return;
    }
    file_->Show(static_cast<uint64_t>(there), std::string(data));
  }
  absl::Status Ask(DiskOperation operation) const {
    std::string name;
    {
      std::lock_guard<std::mutex> lock(state_->mutex);
      name = file_->name;
    }
    return state_->Ask(operation, name);
  }
  absl::Status Alive() const {
    if (incarnation_ == state_->incarnation) return absl::OkStatus();
    return absl::AbortedError("the file was opened before the crash");
  }

  std::shared_ptr<State> state_;
  std::shared_ptr<FileState> file_;
  uint64_t incarnation_;
};

MemoryDirectory::MemoryDirectory() : state_(std::make_shared<State>()) {}
MemoryDirectory::~MemoryDirectory() = default;

absl::StatusOr<std::vector<std::string>> MemoryDirectory::List() {
  if (absl::Status asked = state_->Ask(DiskOperation::kList, ""); !asked.ok()) return asked;
  std::lock_guard<std::mutex> lock(state_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, file] : state_->files) names.push_back(name);
  return names;
}

absl::StatusOr<std::unique_ptr<SegmentFile>> MemoryDirectory::Open(const std::string& name) {
  if (absl::Status asked = state_->Ask(DiskOperation::kOpen, name); !asked.ok()) return asked;
  std::lock_guard<std::mutex> lock(state_->mutex);
  auto found = state_->files.find(name);
  if (found == state_->files.end()) return NotFound(name);
  return {std::make_unique<File>(state_, found->second, state_->incarnation)};
}

absl::StatusOr<std::unique_ptr<SegmentFile>> MemoryDirectory::Create(const std::string& name,
                                                                     uint64_t size_bytes) {
  if (absl::Status asked = state_->Ask(DiskOperation::kCreate, name); !asked.ok()) return asked;
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (state_->files.count(name) != 0) {
    return absl::AlreadyExistsError(absl::StrCat("file ", name, " exists"));
  }
  const uint64_t used = state_->Used();
  if (used > state_->capacity || size_bytes > state_->capacity - used) {
    return absl::ResourceExhaustedError(absl::StrCat("no space for ", size_bytes, " bytes"));
  }
  auto file = std::make_shared<FileState>();
  file->name = name;
  file->bytes.resize(size_bytes);
  state_->files[name] = file;
  state_->stats.creates += 1;
  return {std::make_unique<File>(state_, file, state_->incarnation)};
}

absl::Status MemoryDirectory::Rename(const std::string& from, const std::string& to) {
  if (absl::Status asked = state_->Ask(DiskOperation::kRename, from); !asked.ok()) return asked;
  std::lock_guard<std::mutex> lock(state_->mutex);
  auto found = state_->files.find(from);
  if (found == state_->files.end()) return NotFound(from);
  std::shared_ptr<FileState> file = found->second;
  state_->files.erase(found);
  file->name = to;
  state_->files[to] = std::move(file);
  state_->stats.renames += 1;
  return absl::OkStatus();
}

absl::Status MemoryDirectory::Remove(const std::string& name) {
  if (absl::Status asked = state_->Ask(DiskOperation::kRemove, name); !asked.ok()) return asked;
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (state_->files.erase(name) == 0) return NotFound(name);
  return absl::OkStatus();
}

absl::Status MemoryDirectory::ReplaceFile(const std::string& name, absl::string_view content) {
  if (absl::Status asked = state_->Ask(DiskOperation::kReplace, name); !asked.ok()) return asked;
  std::lock_guard<std::mutex> lock(state_->mutex);
  const uint64_t used = state_->Used();
  if (used > state_->capacity || content.size() > state_->capacity - used) {
    return absl::ResourceExhaustedError(absl::StrCat("no space for ", content.size(), " bytes"));
  }
  auto file = std::make_shared<FileState>();
  file->name = name;
  file->bytes = std::string(content);
  state_->files[name] = std::move(file);
  return absl::OkStatus();
}

absl::StatusOr<std::string> MemoryDirectory::ReadFile(const std::string& name) {
  if (absl::Status asked = state_->Ask(DiskOperation::kReadFile, name); !asked.ok()) return asked;
  std::lock_guard<std::mutex> lock(state_->mutex);
  auto found = state_->files.find(name);
  if (found == state_->files.end()) return NotFound(name);
  return found->second->Visible();
}

absl::StatusOr<uint64_t> MemoryDirectory::FreeBytes() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  const uint64_t used = state_->Used();
  return used > state_->capacity ? 0 : state_->capacity - used;
}

void MemoryDirectory::Crash(CrashKind kind, uint64_t seed) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->incarnation += 1;
  state_->lose_next_write = false;
  state_->misdirect_next_write = 0;
  Stats& stats = state_->stats;
  stats.crashes += 1;
  if (kind == CrashKind::kProcess) return;
  Random random(seed);
  for (auto& [name, file] : state_->files) {
    // What is left to persist, for kPrefix: files are written front to back between syncs.
    uint64_t budget =
        kind == CrashKind::kPrefix ? random.Below(file->unsynced.size() * kSectorBytes + 1) : 0;
    for (const auto& [sector, old] : file->unsynced) {
      uint64_t kept = 0;
      if (kind == CrashKind::kPrefix) {
        kept = std::min<uint64_t>(budget, old.size());
        budget -= kept;
      } else if (kind == CrashKind::kAnySectors) {
        const uint64_t choice = random.Below(8);
        kept = choice < 4 ? old.size() : choice < 7 ? 0 : random.Below(old.size() + 1);
      }
      file->Tear(sector, old, kept);
      (kept == 0            ? stats.sectors_lost
       : kept == old.size() ? stats.sectors_kept
                            : stats.sectors_torn) += 1;
    }
    file->unsynced.clear();
  }
}

void MemoryDirectory::SetHook(Hook hook) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->hook = hook ? std::make_shared<Hook>(std::move(hook)) : nullptr;
}

void MemoryDirectory::SetCapacity(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->capacity = bytes;
}

void MemoryDirectory::LoseNextWrite(bool lose) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->lose_next_write = lose;
}

void MemoryDirectory::MisdirectNextWrite(int64_t delta) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->misdirect_next_write = delta;
}

void MemoryDirectory::Damage(const std::string& name, uint64_t offset, uint8_t xor_mask) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  auto found = state_->files.find(name);
  CHECK(found != state_->files.end()) << name;
  FileState& file = *found->second;
  CHECK_LT(offset, file.Size()) << name;
  const auto old = static_cast<uint8_t>(file.Visible()[offset]);
  file.Show(offset, std::string(1, static_cast<char>(old ^ xor_mask)));
}

void MemoryDirectory::Truncate(const std::string& name, uint64_t size_bytes) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  auto found = state_->files.find(name);
  CHECK(found != state_->files.end()) << name;
  CHECK_LE(size_bytes, found->second->Size()) << name;
  if (size_bytes < found->second->Size()) found->second->cut = size_bytes;
}

bool MemoryDirectory::Damaged() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return std::any_of(state_->files.begin(), state_->files.end(),
                     [](const auto& file) { return file.second->Damaged(); });
}

void MemoryDirectory::Mend() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  for (auto& [name, file] : state_->files) {
    file->damage.clear();
    file->cut.reset();
  }
}

MemoryDirectory::Stats MemoryDirectory::stats() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->stats;
}

uint64_t MemoryDirectory::UnsyncedSectors() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  uint64_t sectors = 0;
  for (const auto& [name, file] : state_->files) sectors += file->unsynced.size();
  return sectors;
}

std::unique_ptr<MemoryDirectory> MemoryDirectory::Clone() const {
  auto copy = std::make_unique<MemoryDirectory>();
  std::lock_guard<std::mutex> lock(state_->mutex);
  for (const auto& [name, file] : state_->files) {
    copy->state_->files[name] = std::make_shared<FileState>(*file);
  }
  copy->state_->capacity = state_->capacity;
  copy->state_->stats = state_->stats;
  return copy;
}

uint64_t MemoryDirectory::Hash() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  uint64_t hash = 0xcbf29ce484222325u;
  for (const auto& [name, file] : state_->files) {
    hash = HashBytes(HashBytes(hash, name), file->Visible());
  }
  return hash;
}

}  // namespace rasputin::consensus::log
