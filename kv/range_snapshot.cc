// See range_snapshot.h.

#include "kv/range_snapshot.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "kv/key.h"
#include "kv/range_row_kind.h"

namespace rasputin::kv {
namespace {

constexpr char kChunkFormat = 1;
constexpr size_t kCollectionBytes = 8;
constexpr size_t kLengthBytes = 4;

void AppendLength(size_t length, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(length >> shift));
}

// Where the keys at or behind a full key begin in a space; an empty full key: where the space ends.
std::string Boundary(char space, absl::string_view full_key) {
  if (full_key.empty()) return std::string(1, static_cast<char>(space + 1));
  std::string key(1, space);
  absl::StrAppend(&key, full_key.substr(0, kCollectionBytes));
  if (full_key.size() <= kCollectionBytes) return key;
  const absl::string_view user_key = full_key.substr(kCollectionBytes);
  if (space == kDataSpace) {
    absl::StrAppend(&key, user_key);
  } else {
    AppendEscaped(user_key, &key);
  }
  return key;
}

// Takes a length off the front of `*in`.
bool ConsumeLength(absl::string_view* in, uint32_t* length) {
  if (in->size() < kLengthBytes) return false;
  *length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    *length = *length << 8 | static_cast<uint8_t>((*in)[i]);
  }
  in->remove_prefix(kLengthBytes);
  return true;
}

bool ConsumeBytes(absl::string_view* in, uint32_t length, absl::string_view* bytes) {
  if (in->size() < length) return false;
  *bytes = in->substr(0, length);
  in->remove_prefix(length);
  return true;
}

}  // namespace

std::vector<KeySpan> SpansOf(const RangeBounds& bounds) {
  CHECK_GE(bounds.start_key.size(), kCollectionBytes);
  std::vector<KeySpan> spans;
  for (const char space : {kDataSpace, kHistorySpace, kLockSpace}) {
    spans.push_back({Boundary(space, bounds.start_key), Boundary(space, bounds.end_key)});
  }
  spans.push_back({RangeRowKey(bounds.range_id, kAppliedRow), RangeRowsEnd(bounds.range_id)});
  return spans;
}

RangeSnapshotReader::RangeSnapshotReader(const Engine& engine, const RangeBounds& bounds,
                                         uint64_t chunk_bytes_max)
    : chunk_bytes_max_(chunk_bytes_max) {
  for (const KeySpan& span : SpansOf(bounds)) {
    rows_.push_back(engine.NewIterator(span.begin, span.end));
    rows_.back()->Seek(span.begin);
  }
}

absl::StatusOr<std::string> RangeSnapshotReader::Next() {
  std::string chunk;
  while (span_ < rows_.size()) {
    EngineIterator& row = *rows_[span_];
    if (!row.Valid()) {
      if (!row.status().ok()) return row.status();
      rows_[span_++].reset();
      continue;
    }
    const uint64_t bytes = 2 * kLengthBytes + row.key().size() + row.value().size();
    if (!chunk.empty() && chunk.size() + bytes > chunk_bytes_max_) return chunk;
    if (chunk.empty()) chunk.push_back(kChunkFormat);
    AppendLength(row.key().size(), &chunk);
    AppendLength(row.value().size(), &chunk);
    absl::StrAppend(&chunk, row.key(), row.value());
    row.Next();
  }
  return chunk;
}

RangeSnapshotWriter::RangeSnapshotWriter(const RangeBounds& bounds,
                                         std::map<std::string, std::string> others,
                                         std::unique_ptr<EngineIngest> staged, Engine* engine)
    : range_id_(bounds.range_id),
      spans_(SpansOf(bounds)),
      others_(std::move(others)),
      staged_(std::move(staged)),
      engine_(engine) {}

absl::StatusOr<std::unique_ptr<RangeSnapshotWriter>> RangeSnapshotWriter::Begin(
    const RangeBounds& bounds, std::vector<KeySpan> replaced,
    std::map<std::string, std::string> others, Engine* engine) {
  absl::StatusOr<std::unique_ptr<EngineIngest>> staged = engine->NewIngest(std::move(replaced));
  if (!staged.ok()) return staged.status();
  return std::unique_ptr<RangeSnapshotWriter>(
      new RangeSnapshotWriter(bounds, std::move(others), *std::move(staged), engine));
}

absl::Status RangeSnapshotWriter::PutOthers(const std::string* key) {
  while (!others_.empty() && (key == nullptr || others_.begin()->first < *key)) {
    const auto& [other, value] = *others_.begin();
    if (absl::Status status = staged_->Put(other, value); !status.ok()) return status;
    others_.erase(others_.begin());
  }
  return absl::OkStatus();
}

absl::Status RangeSnapshotWriter::Add(absl::string_view chunk) {
  if (chunk.empty() || chunk[0] != kChunkFormat) {
    return absl::DataLossError(absl::StrCat(
        "a chunk of a snapshot has format ", chunk.empty() ? 0 : static_cast<uint8_t>(chunk[0]),
        "; this program knows format 1: it is older, or the chunk is damaged"));
  }
  chunk.remove_prefix(1);
  while (!chunk.empty()) {
    uint32_t key_bytes = 0;
    uint32_t value_bytes = 0;
    absl::string_view key;
    absl::string_view value;
    if (!ConsumeLength(&chunk, &key_bytes) || !ConsumeLength(&chunk, &value_bytes) ||
        !ConsumeBytes(&chunk, key_bytes, &key) || !ConsumeBytes(&chunk, value_bytes, &value)) {
      return absl::DataLossError("a chunk of a snapshot is cut short");
    }
    while (span_ < spans_.size() && key >= absl::string_view(spans_[span_].end)) ++span_;
    if (span_ == spans_.size() || key < absl::string_view(spans_[span_].begin) ||
        key <= absl::string_view(last_key_)) {
      return absl::DataLossError(
          "a snapshot has rows that are not the range's, or not in their order");
    }
    last_key_ = std::string(key);
    if (absl::Status status = PutOthers(&last_key_); !status.ok()) return status;
    if (last_key_ == RangeRowKey(range_id_, kAppliedRow)) applied_row_ = std::string(value);
    if (last_key_ == RangeRowKey(range_id_, kDescriptorRow)) descriptor_row_ = std::string(value);
    if (absl::Status status = staged_->Put(key, value); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RangeSnapshotWriter::Ingest() { return engine_->Ingest(staged_.get()); }

}  // namespace rasputin::kv
