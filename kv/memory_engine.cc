// See memory_engine.h.

#include "kv/memory_engine.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

namespace rasputin::kv {
namespace {

absl::Status DamageFound() { return absl::DataLossError("simulated: a block is damaged"); }

}  // namespace

// Sees the newest version at or below its snapshot. Moves in the live map: inserting and erasing of
// other keys do not disturb it, and the key it stands on keeps the version it pins.
class MemoryEngine::Iterator : public EngineIterator {
 public:
  Iterator(const MemoryEngine* engine, absl::string_view begin, absl::string_view end)
      : engine_(engine), snapshot_(engine->sequence_), begin_(begin), end_(end) {
    engine_->snapshots_.insert(snapshot_);
    at_ = engine_->rows_.end();
  }
  ~Iterator() override { engine_->Release(snapshot_); }

  void Seek(absl::string_view key) override {
    at_ = engine_->rows_.lower_bound(std::max(key, absl::string_view(begin_)));
    SkipInvisible();
  }
  bool Valid() const override { return valid_; }
  void Next() override {
    CHECK(Valid());
    ++at_;
    SkipInvisible();
  }
  absl::string_view key() const override { return at_->first; }
  absl::string_view value() const override { return *Find(at_->second, snapshot_)->value; }
  absl::Status status() const override { return status_; }

 private:
  void SkipInvisible() {
    valid_ = false;
    status_ = absl::OkStatus();
    for (; at_ != engine_->rows_.end(); ++at_) {
      if (!end_.empty() && at_->first >= end_) return;
      const Version* version = Find(at_->second, snapshot_);
      if (version != nullptr && version->damaged) {
        status_ = DamageFound();
        return;
      }
      valid_ = version != nullptr && version->value.has_value();
      if (valid_) return;
    }
  }

  const MemoryEngine* const engine_;
  const uint64_t snapshot_;
  const std::string begin_;
  const std::string end_;
  std::map<std::string, Versions, std::less<>>::const_iterator at_;
  bool valid_ = false;
  absl::Status status_;
};

class MemoryEngine::Staged : public EngineIngest {
 public:
  Staged(const MemoryEngine* engine, std::vector<KeySpan> spans)
      : engine_(engine), spans_(std::move(spans)) {
    CheckSpans(spans_);
  }

  absl::Status Put(absl::string_view key, absl::string_view value) override {
    CHECK(rows_.empty() || absl::string_view(rows_.back().first) < key) << "keys do not ascend";
    while (span_ < spans_.size() && absl::string_view(spans_[span_].end) <= key) ++span_;
    CHECK(span_ < spans_.size() && absl::string_view(spans_[span_].begin) <= key)
        << "a key outside of the spans";
    if (engine_->out_of_space_) return absl::ResourceExhaustedError("the disk is full");
    rows_.emplace_back(std::string(key), std::string(value));
    return absl::OkStatus();
  }

  const std::vector<KeySpan>& spans() const { return spans_; }
  std::vector<std::pair<std::string, std::string>>& rows() { return rows_; }

 private:
  const MemoryEngine* const engine_;
  const std::vector<KeySpan> spans_;
  size_t span_ = 0;
  std::vector<std::pair<std::string, std::string>> rows_;
};

MemoryEngine::MemoryEngine() = default;

MemoryEngine::~MemoryEngine() { CHECK(snapshots_.empty()) << "an iterator outlives its engine"; }

const MemoryEngine::Version* MemoryEngine::Find(const Versions& versions, uint64_t as_of) {
  for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
    if (it->sequence <= as_of) return &*it;
  }
  return nullptr;
}

size_t MemoryEngine::Damage(size_t first, size_t rows) {
  if (rows_.empty()) return 0;
  auto row = std::next(rows_.begin(), static_cast<ptrdiff_t>(first % rows_.size()));
  size_t met = 0;
  for (; rows > 0 && row != rows_.end(); --rows, ++row) {
    bool any = false;
    for (Version& version : row->second) {
      if (version.sequence > flushed_) continue;
      version.damaged = any = true;
    }
    if (any) ++met;
  }
  return met;
}

size_t MemoryEngine::DamagedRows() const {
  return static_cast<size_t>(std::count_if(rows_.begin(), rows_.end(), [](const auto& row) {
    return std::any_of(row.second.begin(), row.second.end(),
                       [](const Version& version) { return version.damaged; });
  }));
}

// Appends a version of the current batch and drops those that no one can see any more.
void MemoryEngine::Add(Versions* versions, std::optional<std::string> value) {
  const auto visible = [&](uint64_t from, uint64_t below) {
    if (flushed_ >= from && flushed_ < below) return true;
    if (flushing_ && *flushing_ >= from && *flushing_ < below) return true;
    const auto snapshot = snapshots_.lower_bound(from);
    return snapshot != snapshots_.end() && *snapshot < below;
  };
  versions->push_back({sequence_, std::move(value), false});
  size_t kept = 0;
  for (size_t i = 0; i < versions->size(); ++i) {
    const bool is_last = i + 1 == versions->size();
    if (!is_last && !visible((*versions)[i].sequence, (*versions)[i + 1].sequence)) continue;
    if (kept != i) (*versions)[kept] = std::move((*versions)[i]);
    ++kept;
  }
  versions->resize(kept);
}

void MemoryEngine::Remove(const std::string& key, Versions* versions) {
  if (!versions->back().value) return;
  Add(versions, std::nullopt);
  removed_.push_back(key);
}

void MemoryEngine::RemoveRange(absl::string_view begin, absl::string_view end) {
  for (auto row = rows_.lower_bound(begin); row != rows_.end() && (end.empty() || row->first < end);
       ++row) {
    Remove(row->first, &row->second);
  }
}

absl::Status MemoryEngine::Write(const EngineBatch& batch) {
  if (!write_failure_.ok()) return write_failure_;
  ++sequence_;
  for (const EngineBatch::Edit& edit : batch.edits()) {
    switch (edit.kind) {
      case EngineBatch::Edit::Kind::kPut:
        Add(&rows_[edit.key], edit.value);
        break;
      case EngineBatch::Edit::Kind::kDelete: {
        const auto row = rows_.find(edit.key);
        if (row != rows_.end()) Remove(row->first, &row->second);
        break;
      }
      case EngineBatch::Edit::Kind::kDeleteRange:
        RemoveRange(edit.key, edit.value);
        break;
    }
  }
  unflushed_bytes_ += batch.SizeBytes();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> MemoryEngine::GetAsOf(absl::string_view key,
                                                                 uint64_t as_of) const {
  const auto row = rows_.find(key);
  const Version* version = row == rows_.end() ? nullptr : Find(row->second, as_of);
  if (version == nullptr) return std::optional<std::string>();
  if (version->damaged) return DamageFound();
  return version->value;
}

absl::StatusOr<std::optional<std::string>> MemoryEngine::Get(absl::string_view key) const {
  return GetAsOf(key, sequence_);
}

absl::StatusOr<std::optional<std::string>> MemoryEngine::GetPersisted(absl::string_view key) const {
  return GetAsOf(key, flushed_);
}

std::unique_ptr<EngineIterator> MemoryEngine::NewIterator(absl::string_view begin,
                                                          absl::string_view end) const {
  return std::make_unique<Iterator>(this, begin, end);
}

void MemoryEngine::Release(uint64_t snapshot) const { snapshots_.erase(snapshots_.find(snapshot)); }

absl::Status MemoryEngine::StartFlush() {
  if (flushing_) {
    flush_again_ = true;
    return absl::OkStatus();
  }
  flushing_ = sequence_;
  flushing_bytes_ = unflushed_bytes_;
  return absl::OkStatus();
}

void MemoryEngine::CompleteFlush() {
  if (!flushing_) return;
  flushed_ = *flushing_;
  unflushed_bytes_ -= flushing_bytes_;
  flushing_.reset();
  if (snapshots_.empty()) DropRemovedRows();
  if (flush_again_) {
    flush_again_ = false;
    CHECK(StartFlush().ok());
  }
}

// Erases rows that are deleted in every state that is left. No iterator may stand on one.
void MemoryEngine::DropRemovedRows() {
  std::vector<std::string> left;
  for (std::string& key : removed_) {
    const auto row = rows_.find(key);
    if (row == rows_.end() || row->second.back().value) continue;
    if (row->second.back().sequence <= flushed_) {
      rows_.erase(row);
    } else {
      left.push_back(std::move(key));
    }
  }
  removed_ = std::move(left);
}

absl::StatusOr<std::unique_ptr<EngineIngest>> MemoryEngine::NewIngest(std::vector<KeySpan> spans) {
  return std::unique_ptr<EngineIngest>(std::make_unique<Staged>(this, std::move(spans)));
}

absl::Status MemoryEngine::Ingest(EngineIngest* staged) {
  if (!write_failure_.ok()) return write_failure_;
  if (out_of_space_) return absl::ResourceExhaustedError("the disk is full");
  auto* const own = static_cast<Staged*>(staged);
  ++sequence_;
  for (const KeySpan& span : own->spans()) RemoveRange(span.begin, span.end);
  for (auto& [key, value] : own->rows()) Add(&rows_[std::move(key)], std::move(value));
  own->rows().clear();
  flushing_.reset();
  flush_again_ = false;
  flushed_ = sequence_;
  unflushed_bytes_ = flushing_bytes_ = 0;
  if (snapshots_.empty()) DropRemovedRows();
  return absl::OkStatus();
}

uint64_t MemoryEngine::UnflushedBytes() const { return unflushed_bytes_; }

uint64_t MemoryEngine::ApproximateBytes(absl::string_view begin, absl::string_view end) const {
  uint64_t bytes = 0;
  for (auto row = rows_.lower_bound(begin); row != rows_.end() && (end.empty() || row->first < end);
       ++row) {
    const std::optional<std::string>& value = row->second.back().value;
    if (value) bytes += row->first.size() + value->size();
  }
  return bytes;
}

void MemoryEngine::Crash() {
  CHECK(snapshots_.empty()) << "an iterator outlives the process that crashes";
  for (auto row = rows_.begin(); row != rows_.end();) {
    Versions& versions = row->second;
    while (!versions.empty() && versions.back().sequence > flushed_) versions.pop_back();
    row = versions.empty() || !versions.back().value ? rows_.erase(row) : std::next(row);
  }
  sequence_ = flushed_;
  removed_.clear();
  flushing_.reset();
  flush_again_ = false;
  flushing_bytes_ = 0;
  unflushed_bytes_ = 0;
  write_failure_ = absl::OkStatus();
  out_of_space_ = false;
}

}  // namespace rasputin::kv
