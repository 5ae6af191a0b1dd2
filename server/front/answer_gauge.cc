// See answer_gauge.h.

#include "server/front/answer_gauge.h"

#include <glog/logging.h>

#include <mutex>
#include <utility>

#include "absl/strings/string_view.h"

namespace rasputin::server {

using consensus::Instant;

// Shared with the bytes.
struct AnswerGauge::Gone {
  std::mutex mutex;
  std::vector<uint64_t> ids;
};

// One for an answer, held by each piece of it.
class AnswerGauge::Token {
 public:
  Token(std::shared_ptr<Gone> gone, uint64_t id) : gone_(std::move(gone)), id_(id) {}
  ~Token() {
    const std::lock_guard<std::mutex> lock(gone_->mutex);
    gone_->ids.push_back(id_);
  }
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

 private:
  const std::shared_ptr<Gone> gone_;
  const uint64_t id_;
};

AnswerGauge::AnswerGauge() : gone_(std::make_shared<Gone>()) {}
AnswerGauge::~AnswerGauge() = default;

absl::Cord AnswerGauge::Watch(Instant now, uint64_t id, const absl::Cord& answer) {
  CHECK(counted_.insert(id).second) << "id " << id << " counts already";
  until_.emplace_back(now + kCountsMax, id);
  const auto token = std::make_shared<Token>(gone_, id);
  absl::Cord watched;
  size_t offset = 0;
  for (const absl::string_view chunk : answer.Chunks()) {
    absl::Cord part = answer.Subcord(offset, chunk.size());
    offset += chunk.size();
    const auto bytes = part.TryFlat();
    CHECK(bytes.has_value()) << "a chunk is in one piece";
    if (bytes->data() != chunk.data()) {  // Small: the part holds a copy.
      watched.Append(part);
      continue;
    }
    watched.Append(absl::MakeCordFromExternal(chunk, [held = std::move(part), token] {}));
  }
  return watched;
}

std::vector<uint64_t> AnswerGauge::TakeOver(Instant now) {
  std::vector<uint64_t> gone;
  {
    const std::lock_guard<std::mutex> lock(gone_->mutex);
    gone.swap(gone_->ids);
  }
  std::vector<uint64_t> over;
  for (const uint64_t id : gone) {
    if (counted_.erase(id) != 0) over.push_back(id);
  }
  while (!until_.empty()) {
    const auto [until, id] = until_.front();
    const bool counts = counted_.count(id) != 0;
    if (counts && until > now) break;
    if (counts) over.push_back(id);
    counted_.erase(id);
    until_.pop_front();
  }
  return over;
}

Instant AnswerGauge::due() const {
  return counted_.empty() ? Instant::max() : until_.front().first;
}

}  // namespace rasputin::server
