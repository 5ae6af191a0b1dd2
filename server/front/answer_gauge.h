// Large answers that the network has not taken yet: what a range was asked for costs the server
// until then, whatever the range's own part of it took.
//
// Without this a busy range of scans is ahead of everybody else in the sockets: its requests are
// few and small, its answers hundreds of megabytes a second, all written by the thread that serves
// the others too. An answer is watched by its bytes: they are let go when they were written. Those
// of a client that does not read count for a while only, so that it holds up nobody.
//
// Not thread-safe, but the bytes may be let go in any thread, also after the gauge is gone.

#ifndef RASPUTIN_SERVER_FRONT_ANSWER_GAUGE_H_
#define RASPUTIN_SERVER_FRONT_ANSWER_GAUGE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/cord.h"
#include "consensus/core/types.h"

namespace rasputin::server {

class AnswerGauge {
 public:
  // Smaller answers cost little beyond what their request did.
  static constexpr uint64_t kBytesMin = 16 << 10;
  // Several times what a busy client takes to read what is ahead of it.
  static constexpr consensus::Duration kCountsMax = std::chrono::milliseconds(100);

  AnswerGauge();
  ~AnswerGauge();

  // The same bytes, not copied. `id` is of the caller, not used before among those that count.
  absl::Cord Watch(consensus::Instant now, uint64_t id, const absl::Cord& answer);
  // Ids that count no more since the last call: taken by the network, or for kCountsMax not.
  std::vector<uint64_t> TakeOver(consensus::Instant now);
  // When TakeOver returns something at the latest; Instant::max(): nothing counts.
  consensus::Instant due() const;
  size_t counted() const { return counted_.size(); }

 private:
  struct Gone;
  class Token;

  std::shared_ptr<Gone> gone_;
  absl::flat_hash_set<uint64_t> counted_;
  std::deque<std::pair<consensus::Instant, uint64_t>> until_;  // In order; some may be over.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_ANSWER_GAUGE_H_
