// See turn.h.

#include "kv/turn.h"

#include <algorithm>
#include <utility>

namespace rasputin::kv {
namespace {

using Edit = EngineBatch::Edit;

// Rows kept for GetOften; beyond it all are dropped and read again.
constexpr size_t kOftenRowsMax = 4096;
// Walks over all edits of a turn before they are put in order.
constexpr int kWalksMax = 4;

bool InRange(absl::string_view key, absl::string_view begin, absl::string_view end) {
  return key >= begin && (end.empty() || key < end);
}

}  // namespace

Turn::Turn(Engine* engine)
    : engine_(engine),
      latest_(0, EditHash{{&batch_}}, EditEqual{{&batch_}}),
      ordered_(EditLess{{&batch_}}) {}

// Sorts what it needs, or walks the turn's order where there is one.
class Turn::OwnKeys {
 public:
  OwnKeys(const Turn& turn, absl::string_view begin, absl::string_view end)
      : ordered_(turn.walks_ > kWalksMax), edits_(turn.batch_.edits()), end_(end) {
    if (ordered_) {
      next_ordered_ = turn.ordered_.lower_bound(begin);
      ordered_end_ = turn.ordered_.end();
      return;
    }
    for (const Edit& edit : edits_) {
      if (edit.kind == Edit::Kind::kPut && InRange(edit.key, begin, end)) keys_.push_back(edit.key);
    }
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    next_key_ = keys_.begin();
  }

  bool AtEnd() const {
    if (!ordered_) return next_key_ == keys_.end();
    return next_ordered_ == ordered_end_ || (!end_.empty() && key() >= end_);
  }
  absl::string_view key() const {
    return ordered_ ? absl::string_view(edits_[*next_ordered_].key) : *next_key_;
  }
  void Next() {
    if (ordered_) {
      ++next_ordered_;
    } else {
      ++next_key_;
    }
  }

 private:
  const bool ordered_;
  const std::vector<Edit>& edits_;
  const absl::string_view end_;
  std::set<uint32_t, EditLess>::const_iterator next_ordered_;
  std::set<uint32_t, EditLess>::const_iterator ordered_end_;
  std::vector<absl::string_view> keys_;
  std::vector<absl::string_view>::const_iterator next_key_;
};

const Edit* Turn::Find(absl::string_view key) const {
  const Edit* found = nullptr;
  const std::vector<Edit>& edits = batch_.edits();
  if (const auto it = latest_.find(key); it != latest_.end()) found = &edits[*it];
  for (auto it = range_deletions_.rbegin(); it != range_deletions_.rend(); ++it) {
    const Edit& deletion = edits[*it];
    if (found != nullptr && found > &deletion) break;  // Written after it.
    if (InRange(key, deletion.key, deletion.value)) return &deletion;
  }
  return found;
}

absl::StatusOr<std::optional<std::string>> Turn::Get(absl::string_view key) const {
  if (const Edit* edit = Find(key)) {
    if (edit->kind != Edit::Kind::kPut) return std::optional<std::string>();
    return std::optional<std::string>(edit->value);
  }
  return engine_->Get(key);
}

absl::StatusOr<std::optional<std::string>> Turn::GetOften(absl::string_view key) {
  if (Find(key) != nullptr) return Get(key);
  if (const auto it = often_.find(key); it != often_.end()) {
    return std::optional<std::string>(it->second);
  }
  absl::StatusOr<std::optional<std::string>> row = engine_->Get(key);
  if (row.ok() && row->has_value()) {
    if (often_.size() >= kOftenRowsMax) often_.clear();
    often_.emplace(key, **row);
  }
  return row;
}

void Turn::Index() {
  const uint32_t position = static_cast<uint32_t>(batch_.edits().size() - 1);
  if (const auto it = latest_.find(batch_.edits()[position].key); it != latest_.end()) {
    latest_.erase(it);
  }
  latest_.insert(position);
  if (walks_ > kWalksMax && batch_.edits()[position].kind == Edit::Kind::kPut) {
    ordered_.insert(position);
  }
}

void Turn::Put(std::string key, std::string value) {
  batch_.Put(std::move(key), std::move(value));
  Index();
}

void Turn::Delete(std::string key) {
  batch_.Delete(std::move(key));
  Index();
}

void Turn::DeleteRange(std::string begin, std::string end) {
  range_deletions_.push_back(static_cast<uint32_t>(batch_.edits().size()));
  batch_.DeleteRange(std::move(begin), std::move(end));
}

absl::Status Turn::ForEach(
    absl::string_view begin, absl::string_view end,
    absl::FunctionRef<void(absl::string_view key, absl::string_view value)> visit) const {
  return ForEachWhile(begin, end, [visit](absl::string_view key, absl::string_view value) {
    visit(key, value);
    return true;
  });
}

absl::Status Turn::ForEachWhile(
    absl::string_view begin, absl::string_view end,
    absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> visit) const {
  if (walks_ <= kWalksMax && ++walks_ > kWalksMax) {
    const std::vector<Edit>& edits = batch_.edits();
    for (uint32_t i = 0; i < edits.size(); ++i) {
      if (edits[i].kind == Edit::Kind::kPut) ordered_.insert(i);
    }
  }
  OwnKeys own(*this, begin, end);
  const auto visit_own = [&] {
    const Edit* edit = Find(own.key());
    own.Next();
    return edit->kind != Edit::Kind::kPut || visit(edit->key, edit->value);
  };
  const std::unique_ptr<EngineIterator> rows = engine_->NewIterator(begin, end);
  for (rows->Seek(begin); rows->Valid(); rows->Next()) {
    while (!own.AtEnd() && own.key() < rows->key()) {
      if (!visit_own()) return absl::OkStatus();
    }
    bool go_on = true;
    if (!own.AtEnd() && own.key() == rows->key()) {
      go_on = visit_own();
    } else if (Find(rows->key()) == nullptr) {
      go_on = visit(rows->key(), rows->value());
    }
    if (!go_on) return absl::OkStatus();
  }
  if (!rows->status().ok()) return rows->status();
  while (!own.AtEnd()) {
    if (!visit_own()) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status Turn::Commit() {
  if (batch_.Empty()) return absl::OkStatus();
  absl::Status status = engine_->Write(batch_);
  if (!status.ok()) return status;
  if (!range_deletions_.empty()) often_.clear();
  if (!often_.empty()) {
    for (const Edit& edit : batch_.edits()) often_.erase(edit.key);
  }
  latest_.clear();
  ordered_.clear();
  walks_ = 0;
  range_deletions_.clear();
  batch_.Clear();
  return absl::OkStatus();
}

}  // namespace rasputin::kv
