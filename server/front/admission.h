// Between the front end and the store: holds requests of clients until it is their turn, refuses
// what would be too much, and names whose bound that was.
//
// Requests of local clients and of other front ends alike pass through here at the store that
// executes them. What keeps the cluster going (the meta range, splits, merges) passes at once.
// Order and bounds are those of fair_queue.h. A refused request was not executed, and a request
// whose deadline passes while it waits is not either. A read with a large answer is under way until
// the network has taken the answer (answer_gauge.h). Deterministic, as far as the network is; not
// thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_ADMISSION_H_
#define RASPUTIN_SERVER_FRONT_ADMISSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/front/answer_gauge.h"
#include "server/front/fair_queue.h"
#include "server/front/front_end.h"
#include "server/front/ports.h"

namespace rasputin::server {

class Admission {
 public:
  // `store` and `counters` outlive it; the store must not answer once it is destroyed.
  Admission(const FairOptions& options, StorePort* store, FrontCounters* counters);
  ~Admission();
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // As StorePort::Submit; kOverloaded with `retry_after` if it is refused here. What StillWaits is
  // asked with.
  uint64_t Submit(const ClockReading& now, range::Request request);
  // The store has not been given the request. If its deadline has passed, it never will be.
  bool StillWaits(uint64_t id) const;
  void BeginTurn() { queue_.BeginTurn(); }
  // Gives the store what is next; true if there was anything.
  bool Run(const ClockReading& now);
  // Run has something to do in this turn.
  bool HasWork() const { return queue_.Ready(); }
  // When something that waits may go on without an event of the store; Instant::max(): never.
  consensus::Instant NextDeadline() const;
  // Something waits only for the next turn.
  bool HeldBack() const { return queue_.HeldBack(); }
  const FairQueue& queue() const { return queue_; }

 private:
  struct Held;

  uint64_t ScanBytes(uint64_t collection) const;
  FairItem ItemOf(const range::Request& request) const;
  void OnDone(Held* held, range::Response response);
  void End(uint64_t id);
  void Refuse(Held* held, const FairRefusal& refusal);
  std::unique_ptr<Held> Remove(uint64_t id);

  StorePort* const store_;
  FrontCounters* const counters_;
  FairQueue queue_;
  AnswerGauge answers_;
  consensus::Instant now_;  // Of the last Submit or Run.
  uint64_t next_id_ = 1;
  // Looked up by id only.
  absl::flat_hash_map<uint64_t, std::unique_ptr<Held>> held_;
  std::vector<std::unique_ptr<Held>> free_;  // To be used again.
  std::vector<FairQueue::Evicted> evicted_;
  // What a scan of a collection has answered lately, in bytes; looked up by id only.
  absl::flat_hash_map<uint64_t, uint64_t> scan_bytes_;
};

// One sentence: whose limit a refusal is, and which flag sets it.
std::string DescribeRefusal(const FairRefusal& refusal, const FairItem& item, StoreId store);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_ADMISSION_H_
