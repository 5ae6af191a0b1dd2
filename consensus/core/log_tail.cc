// Overlay of pending entries over the owner's log; see log_tail.h.

#include "consensus/core/log_tail.h"

#include <glog/logging.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace rasputin::consensus {

LogTail::LogTail(const LogView* log)
    : log_(log), last_(log->Last()), persisted_(log->Last().index) {}

Term LogTail::TermAt(Index index) const {
  CHECK(index <= last_.index) << "beyond the log";
  if (index == last_.index) return last_.term;
  if (!pending_.empty() && index >= pending_.front().index) {
    return pending_[index.value() - pending_.front().index.value()].term;
  }
  return log_->TermAt(index);
}

bool LogTail::Holds(LogPosition position) const {
  if (position.index > last_.index || position.index < Start().index) return false;
  return TermAt(position.index) == position.term;
}

absl::StatusOr<std::vector<Entry>> LogTail::Read(Index first, Index last,
                                                 uint64_t max_bytes) const {
  CHECK(first <= last && last <= last_.index) << "beyond the log";
  std::vector<Entry> out;
  const Index pending_first = pending_.empty() ? last_.index.Next() : pending_.front().index;
  uint64_t bytes = 0;
  if (first < pending_first) {
    const Index until = std::min(last, pending_first.Previous());
    auto read = log_->Read(first, until, max_bytes);
    if (!read.ok()) return read.status();
    CHECK(!read->empty() && read->front().index == first) << "the log lost an entry";
    out = *std::move(read);
    for (const Entry& entry : out) bytes += entry.payload.size();
    if (out.back().index != until) return out;
  }
  for (Index i = std::max(first, pending_first); i <= last; i = i.Next()) {
    const Entry& entry = pending_[i.value() - pending_first.value()];
    bytes += entry.payload.size();
    if (bytes > max_bytes && !out.empty()) break;
    out.push_back(entry);
  }
  return out;
}

LogPosition LogTail::LastNotAfter(LogPosition hint, Index floor) const {
  Index index = std::min(hint.index, last_.index);
  const Index lowest = std::max(floor, Start().index);
  while (index > lowest && TermAt(index) > hint.term) index = index.Previous();
  return At(std::max(index, lowest));
}

void LogTail::Append(std::vector<Entry> entries, Index committed) {
  CHECK(!entries.empty());
  const Index first = entries.front().index;
  CHECK(first > committed) << "would overwrite a committed entry";
  CHECK(first <= last_.index.Next() && first > Start().index) << "would leave a gap";
  for (size_t i = 1; i < entries.size(); ++i) {
    CHECK(entries[i].index == entries[i - 1].index.Next()) << "entries are not contiguous";
  }
  last_ = {entries.back().term, entries.back().index};
  persisted_ = std::min(persisted_, first.Previous());
  for (auto flight = in_flight_.rbegin(); flight != in_flight_.rend(); ++flight) {
    if (flight->last < first) break;  // In order, so the earlier ones are not touched either.
    flight->last = first.Previous();
  }
  if (pending_.empty() || first <= pending_.front().index) {
    pending_ = std::move(entries);
    return;
  }
  pending_.resize(first.value() - pending_.front().index.value());
  pending_.insert(pending_.end(), std::make_move_iterator(entries.begin()),
                  std::make_move_iterator(entries.end()));
}

std::vector<Entry> LogTail::TakePending(uint64_t sequence) {
  if (!pending_.empty()) in_flight_.push_back({sequence, pending_.back().index});
  return std::exchange(pending_, {});
}

void LogTail::OnPersisted(uint64_t sequence) {
  auto done = in_flight_.begin();
  while (done != in_flight_.end() && done->sequence <= sequence) {
    persisted_ = std::max(persisted_, done->last);
    ++done;
  }
  in_flight_.erase(in_flight_.begin(), done);
}

}  // namespace rasputin::consensus
