// A LogView over a vector, for tests.
//
// Never cut unless CutTo() is called; not responsible for durability. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_CORE_VECTOR_LOG_H_
#define RASPUTIN_CONSENSUS_CORE_VECTOR_LOG_H_

#include <glog/logging.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "consensus/core/log_view.h"

namespace rasputin::consensus {

class VectorLog : public LogView {
 public:
  VectorLog() = default;
  explicit VectorLog(std::vector<Entry> entries, LogPosition start = LogPosition())
      : start_(start), entries_(std::move(entries)) {}

  // Continues (or overwrites) from entries.front() on.
  void Append(const std::vector<Entry>& entries) { Continue(&entries_, start_, entries); }
  static void Continue(std::vector<Entry>* log, LogPosition start,
                       const std::vector<Entry>& entries) {
    if (entries.empty()) return;
    const uint64_t keep = entries.front().index.value() - start.index.value() - 1;
    CHECK_LE(keep, log->size()) << "gap";
    log->resize(keep);
    log->insert(log->end(), entries.begin(), entries.end());
  }
  // Forgets the entries up to `index`.
  void CutTo(Index index) {
    const LogPosition start{TermAt(index), index};
    entries_.erase(entries_.begin(),
                   entries_.begin() + static_cast<ptrdiff_t>(index.value() - start_.index.value()));
    start_ = start;
  }
  void set_unreadable(bool unreadable) { unreadable_ = unreadable; }
  const std::vector<Entry>& entries() const { return entries_; }

  LogPosition Start() const override { return start_; }
  LogPosition Last() const override {
    return entries_.empty() ? start_ : LogPosition{entries_.back().term, entries_.back().index};
  }
  Term TermAt(Index index) const override {
    CHECK(index >= start_.index && index <= Last().index);
    if (index == start_.index) return start_.term;
    return entries_[index.value() - start_.index.value() - 1].term;
  }
  absl::StatusOr<std::vector<Entry>> Read(Index first, Index last,
                                          uint64_t max_bytes) const override {
    if (unreadable_) return absl::DataLossError("unreadable");
    CHECK(first > start_.index && first <= last && last <= Last().index);
    std::vector<Entry> out;
    uint64_t bytes = 0;
    for (Index i = first; i <= last; i = i.Next()) {
      const Entry& entry = entries_[i.value() - start_.index.value() - 1];
      bytes += entry.payload.size();
      if (bytes > max_bytes && !out.empty()) break;
      out.push_back(entry);
    }
    return out;
  }

 private:
  LogPosition start_;
  std::vector<Entry> entries_;
  bool unreadable_ = false;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_VECTOR_LOG_H_
