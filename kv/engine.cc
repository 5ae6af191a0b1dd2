// See engine.h.

#include "kv/engine.h"

#include <glog/logging.h>

#include <utility>

namespace rasputin::kv {

void EngineBatch::Put(std::string key, std::string value) {
  size_bytes_ += key.size() + value.size();
  edits_.push_back({Edit::Kind::kPut, std::move(key), std::move(value)});
}

void EngineBatch::Delete(std::string key) {
  size_bytes_ += key.size();
  edits_.push_back({Edit::Kind::kDelete, std::move(key), {}});
}

void EngineBatch::DeleteRange(std::string begin, std::string end) {
  size_bytes_ += begin.size() + end.size();
  edits_.push_back({Edit::Kind::kDeleteRange, std::move(begin), std::move(end)});
}

void EngineBatch::Clear() {
  edits_.clear();
  size_bytes_ = 0;
}

void CheckSpans(const std::vector<KeySpan>& spans) {
  CHECK(!spans.empty());
  for (size_t i = 0; i < spans.size(); ++i) {
    CHECK(spans[i].begin < spans[i].end) << "an empty span";
    CHECK(i == 0 || spans[i - 1].end <= spans[i].begin) << "spans do not ascend";
  }
}

}  // namespace rasputin::kv
