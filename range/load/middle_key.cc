// See middle_key.h: a descent through the tree of the keys' bytes.
//
// At each level: how many bytes of its lowest key the middle shares (bisected by the length of the
// prefix), then which byte follows them (bisected over the values). Long common prefixes cost the
// logarithm of their length.

#include "range/load/middle_key.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "kv/key.h"

namespace rasputin::range {
namespace {

// The first key behind all that begin with `prefix`; empty: there is none.
std::string Behind(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

class Search {
 public:
  Search(const kv::Engine& engine, std::string begin, std::string end)
      : engine_(engine),
        begin_(std::move(begin)),
        end_(std::move(end)),
        total_(engine.ApproximateBytes(begin_, end_)) {}

  std::optional<std::string> Run() {
    const std::unique_ptr<kv::EngineIterator> rows = engine_.NewIterator(begin_, end_);
    rows->Seek(begin_);
    size_t shared = 0;
    while (rows->Valid() && !Done()) {
      const std::string lowest(rows->key());
      shared = SharedBytes(lowest, shared);
      const std::string next = NextByte(lowest, shared);
      Before(lowest);
      rows->Seek(next);
      // Nothing between: the middle is at `next`, or within the row of `lowest`.
      if (!rows->Valid() || rows->key() == absl::string_view(lowest)) break;
      if (rows->key().substr(0, next.size()) != absl::string_view(next)) {
        Before(std::string(rows->key()));
        break;
      }
      shared = next.size();
    }
    if (best_.empty()) return std::nullopt;
    return best_.substr(1);  // Without the space of the engine.
  }

 private:
  bool Done() const { return asks_ >= kMiddleAsksMax || best_gap_ <= total_ / 20; }

  // Bytes before the key, which is remembered if it is nearer to the middle than all others.
  uint64_t Before(const std::string& key) {
    if (key.empty() || key >= end_) return total_;
    if (key <= begin_) return 0;
    ++asks_;
    const uint64_t bytes = engine_.ApproximateBytes(begin_, key);
    const uint64_t gap = bytes > total_ / 2 ? bytes - total_ / 2 : total_ / 2 - bytes;
    if (bytes > 0 && bytes < total_ && gap < best_gap_) {
      best_gap_ = gap;
      best_ = key;
    }
    return bytes;
  }

  bool MiddleIsBefore(const std::string& key) { return Before(key) >= total_ - total_ / 2; }

  // The longest prefix of `lowest`, of at least `known` bytes, within which the middle lies.
  size_t SharedBytes(const std::string& lowest, size_t known) {
    size_t low = known;
    size_t high = lowest.size();
    while (low < high && !Done()) {
      const size_t length = low + (high - low + 1) / 2;
      if (MiddleIsBefore(Behind(absl::string_view(lowest).substr(0, length)))) {
        low = length;
      } else {
        high = length - 1;
      }
    }
    return low;
  }

  // Of the prefix of `shared` bytes and one more, the last before which the middle does not lie.
  std::string NextByte(const std::string& lowest, size_t shared) {
    const std::string prefix = lowest.substr(0, shared);
    int low = shared < lowest.size() ? static_cast<uint8_t>(lowest[shared]) : 0;
    int high = 255;
    while (low < high && !Done()) {
      const int byte = low + (high - low + 1) / 2;
      if (MiddleIsBefore(prefix + static_cast<char>(byte))) {
        high = byte - 1;
      } else {
        low = byte;
      }
    }
    return prefix + static_cast<char>(low);
  }

  const kv::Engine& engine_;
  const std::string begin_;
  const std::string end_;
  const uint64_t total_;
  int asks_ = 0;
  std::string best_;
  uint64_t best_gap_ = ~uint64_t{0};
};

}  // namespace

std::optional<std::string> MiddleKey(const type::v1::RangeDescriptor& range,
                                     const kv::Engine& engine) {
  const std::string& end = range.end_key();
  std::string data_end = kv::DataEnd(range.collection_id());
  if (!end.empty()) data_end = std::min(data_end, kv::DataKeyOfFull(end));
  return Search(engine, kv::DataKeyOfFull(range.start_key()), std::move(data_end)).Run();
}

}  // namespace rasputin::range
