// A shared log on a simulated disk that crashes at every kind of moment, judged by a model.
//
// The model applies each record in turn and remembers what the log held after each; what a recovery
// shows must be one of those states, not older than the newest that was reported as durable: what
// durable() reported is recovered, in order, and nothing is invented. Deterministic by seed.

#ifndef RASPUTIN_CONSENSUS_LOG_CRASH_RUN_H_
#define RASPUTIN_CONSENSUS_LOG_CRASH_RUN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "consensus/core/mutants.h"
#include "consensus/log/memory_directory.h"
#include "consensus/log/shared_log.h"

namespace rasputin::consensus::log {

// What a log holds, as text that can be compared.
struct Model {
  struct Range {
    HardState hard_state;
    LogPosition start;
    std::vector<Entry> entries;
  };
  std::map<RangeId, Range> ranges;
  std::map<StoreId, lease::PairState> pairs;
  Epoch counter;

  static std::string Text(const HardState& s) {
    return absl::StrCat("t", s.term.value(), " v", s.vote.value(), " b", s.bound_leader.value(),
                        "/", s.bound_store.value(), "/", s.bound_term.value(), "/",
                        s.bound_epoch.value(), " r", s.released_term.value());
  }
  static std::string Text(const Entry& e) {
    return absl::StrCat(" [", e.index.value(), ":", e.term.value(), ":", static_cast<int>(e.type),
                        " ", std::string(e.payload).substr(0, 12), "+", e.payload.size(), "]");
  }
  std::string Text() const {
    std::string text = absl::StrCat("counter ", counter.value());
    for (const auto& [peer, pair] : pairs) {
      absl::StrAppend(&text, " pair ", peer.value(), ":", pair.own_epoch.value(), ":",
                      pair.lowest_accepted.value());
    }
    for (const auto& [id, range] : ranges) {
      absl::StrAppend(&text, "\nrange ", id.value(), " ", Text(range.hard_state), " start ",
                      range.start.term.value(), ":", range.start.index.value());
      for (const Entry& entry : range.entries) text += Text(entry);
    }
    return text;
  }

  void AppendEntry(RangeId id, const Entry& entry) {
    Range& range = ranges[id];
    range.entries.resize(entry.index.value() - range.start.index.value() - 1);
    range.entries.push_back(entry);
  }
  void SetStart(RangeId id, const LogPosition& start) {
    Range& range = ranges[id];
    const uint64_t drop = start.index.value() - range.start.index.value();
    const bool matches = start == range.start || (drop > 0 && drop <= range.entries.size() &&
                                                  range.entries[drop - 1].term == start.term);
    if (matches) {
      range.entries.erase(range.entries.begin(),
                          range.entries.begin() + static_cast<ptrdiff_t>(drop));
    } else {
      range.entries.clear();
    }
    range.start = start;
  }
  LogPosition Last(RangeId id) {
    Range& range = ranges[id];
    if (range.entries.empty()) return range.start;
    return {range.entries.back().term, range.entries.back().index};
  }
};

class CrashRun {
 public:
  explicit CrashRun(uint64_t seed, Mutants mutants = Mutants());

  // Opens, checks what was recovered, and continues from there. False: the test failed.
  bool Reopen();
  void Work(int steps);
  void Crash();
  uint64_t torn_tails() const { return torn_tails_; }
  uint64_t recycled() const { return recycled_; }
  uint64_t copied() const { return copied_; }
  std::string failure() const { return failure_; }
  const MemoryDirectory& directory() const { return directory_; }

 private:
  struct State {
    std::string text;
    Model model;
  };
  uint64_t Below(uint64_t n) { return random_() % n; }
  void Note(uint64_t lsn);
  void AppendSome();
  void CutSome();
  void LeaseSome();
  void Write();
  void CheckReads();
  std::string RecoveredText(const Recovered& recovered, Model* model);

  std::mt19937_64 random_;
  MemoryDirectory directory_;
  LogOptions options_;
  std::unique_ptr<SharedLog> log_;
  Model model_;
  std::vector<State> states_;        // Since the newest that is durable.
  std::map<uint64_t, size_t> lsns_;  // LSN -> state that it completed.
  bool dead_ = false;                // The disk answers no more.
  uint64_t payload_ = 0;
  uint64_t torn_tails_ = 0;
  uint64_t recycled_ = 0;
  uint64_t copied_ = 0;
  std::string failure_;
};

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_CRASH_RUN_H_
