// The load of all ranges that a store leads: takes each request down at its range and in the
// store's total.
//
// A request costs one pointer and a few additions; nothing is looked up. Which ranges have a meter
// is remembered here, the meters belong to the replicas. Deterministic; not thread-safe. Not
// responsible for sizes nor verdicts (store_load.cc, split_decider.h).

#ifndef RASPUTIN_RANGE_LOAD_LOAD_BOOK_H_
#define RASPUTIN_RANGE_LOAD_LOAD_BOOK_H_

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "absl/strings/string_view.h"
#include "consensus/core/types.h"
#include "kv/command.h"
#include "range/load/load_window.h"
#include "range/load/operation_histograms.h"
#include "range/load/range_meter.h"

namespace rasputin::range {

// A request that the leader of a range has taken up (a write) or executed (a read).
struct RequestWork {
  kv::Operation operation = kv::Operation::kNone;
  bool writes = false;      // False: a read, also by a batch that only reads.
  uint32_t operations = 1;  // Of a batch: how many.
  uint64_t bytes = 0;       // Write: of the request; read: of the answer.
  // Full keys, the lowest and the highest that are touched. Empty: not of keys of users.
  absl::string_view first_key;
  absl::string_view last_key;
};

class LoadBook {
 public:
  // A meter is given back after so long without a request.
  static constexpr consensus::Duration kIdleAfter = std::chrono::minutes(5);

  // `seed`: of the draws of keys.
  LoadBook(consensus::Instant start, uint64_t seed) : seed_(seed), total_(start) {}

  // Commands of range/ (splits, members) are no load and are left out.
  void OnRequest(consensus::Instant now, consensus::RangeId range, const RequestWork& work,
                 RangeLoadState* load);
  // A request was answered: the time from its arrival, and its size with that of the answer.
  void OnAnswer(kv::Operation operation, consensus::Duration latency, uint64_t bytes,
                RangeLoadState* load);
  // The range's meter, made if it has none.
  RangeMeter* MeterOf(consensus::Instant now, consensus::RangeId range, RangeLoadState* load);
  // A command of `bytes` was applied for another store's leader: it has a part in the turn's
  // processor time.
  void OnFollowed(uint64_t bytes) { followed_cost_ += 1 + bytes / kCostBytes; }

  // The turn that ends now took so much time of a processor: divided over the ranges that had
  // requests in it by what these are estimated to cost: 1 for a read, 2 for a write, 1 for a
  // command that is applied for another leader, and 1 more for each 4 KiB. `find` gives a range's
  // state, or null.
  template <typename Find>
  void OnTurnCpu(consensus::Instant now, consensus::Duration cpu, Find find);

  // Ranges that were given a meter; the caller removes those that have none any more.
  std::set<consensus::RangeId>& metered() { return metered_; }
  LoadWindow& total() { return total_; }
  // Of all ranges, since the store was opened.
  const OperationHistograms& histograms() const { return histograms_; }

 private:
  static constexpr uint64_t kCostBytes = 4096;

  // A store has one such table: finer than any answer needs.
  static constexpr size_t kSlots = 8192;

  const uint64_t seed_;
  LoadWindow total_;
  OperationHistograms histograms_{kSlots};
  std::set<consensus::RangeId> metered_;
  std::vector<consensus::RangeId> turn_;  // Had requests in the turn that is under way.
  uint64_t turn_cost_ = 0;                // Of them together.
  uint64_t followed_cost_ = 0;
};

template <typename Find>
void LoadBook::OnTurnCpu(consensus::Instant now, consensus::Duration cpu, Find find) {
  // At most 2 s, with a cost of at most 2^32: their product fits.
  const auto cpu_ns = static_cast<uint64_t>(
      std::clamp<consensus::Duration>(cpu, consensus::Duration::zero(), std::chrono::seconds(2))
          .count());
  LoadCounts all;
  all.cpu_ns = cpu_ns;
  total_.Add(now, all);
  const uint64_t cost = turn_cost_ + followed_cost_;
  for (const consensus::RangeId range : turn_) {
    RangeLoadState* load = find(range);
    if (load == nullptr || load->meter == nullptr) continue;
    LoadCounts part;
    part.cpu_ns = cpu_ns * load->meter->turn_cost / cost;
    load->meter->turn_cost = 0;
    load->meter->window.Add(now, part);
  }
  turn_.clear();
  turn_cost_ = followed_cost_ = 0;
}

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_LOAD_BOOK_H_
