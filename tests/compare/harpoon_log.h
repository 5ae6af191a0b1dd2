// A replica's log in memory, as its process sees it. Never cut; not responsible for durability.
//
// Not thread-safe.

#ifndef RASPUTIN_TESTS_COMPARE_HARPOON_LOG_H_
#define RASPUTIN_TESTS_COMPARE_HARPOON_LOG_H_

#include <glog/logging.h>

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "consensus/core/log_view.h"

namespace rasputin::compare {

class HarpoonLog : public consensus::LogView {
 public:
  using Entries = std::vector<consensus::Entry>;

  explicit HarpoonLog(Entries entries) : entries_(std::move(entries)) {}

  // Continues `log` (or overwrites it) from the first of `entries` on.
  static void Continue(Entries* log, const Entries& entries) {
    if (entries.empty()) return;
    const uint64_t keep = entries.front().index.value() - 1;
    CHECK_LE(keep, log->size()) << "gap";
    log->resize(keep);
    log->insert(log->end(), entries.begin(), entries.end());
  }
  void Append(const Entries& entries) { Continue(&entries_, entries); }

  consensus::LogPosition Start() const override { return {}; }
  consensus::LogPosition Last() const override {
    if (entries_.empty()) return {};
    return {entries_.back().term, entries_.back().index};
  }
  consensus::Term TermAt(consensus::Index index) const override {
    if (!index.IsSet()) return {};
    CHECK_LE(index.value(), entries_.size());
    return entries_[index.value() - 1].term;
  }
  absl::StatusOr<Entries> Read(consensus::Index first, consensus::Index last,
                               uint64_t max_bytes) const override {
    CHECK(first.IsSet() && first <= last && last.value() <= entries_.size());
    Entries out;
    uint64_t bytes = 0;
    for (uint64_t i = first.value(); i <= last.value(); ++i) {
      bytes += entries_[i - 1].payload.size();
      if (bytes > max_bytes && !out.empty()) break;
      out.push_back(entries_[i - 1]);
    }
    return out;
  }

 private:
  Entries entries_;
};

}  // namespace rasputin::compare

#endif  // RASPUTIN_TESTS_COMPARE_HARPOON_LOG_H_
