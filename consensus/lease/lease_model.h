// A randomized model for tests: real StoreLeases objects over faulty simulated networks, clocks and
// disks, in real time that only the model knows.
//
// One run is a function of its options: first any faults at any time, then everything freezes as it
// is, apart from some links that stay cut. Checks after every event that nobody counts on a promise
// that was withdrawn; at the end that two-way links, and only they, carry support. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_LEASE_LEASE_MODEL_H_
#define RASPUTIN_CONSENSUS_LEASE_LEASE_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "consensus/core/mutants.h"

namespace rasputin::consensus::lease {

struct LeaseModelOptions {
  uint64_t seed = 1;
  int stores = 3;
  // [S-9]: an operator withdraws, now and then, what is promised to a store that has crashed; or to
  // any store, which is what the rule forbids.
  enum class Operator { kNone, kWithdrawsFromDead, kWithdrawsFromAnybody };
  Operator way_out = Operator::kNone;
  Mutants mutants;
};

struct LeaseModelResult {
  std::string violation;  // Empty: none.
  // What happened, so that a model in which nothing happens is noticed.
  uint64_t events = 0;
  uint64_t checks_supported = 0;  // Checks made while some store counted on another.
  uint64_t withdrawals = 0;
  uint64_t crashes = 0;
  uint64_t suspensions = 0;
  uint64_t disk_stalls = 0;
  uint64_t withdrawn_early = 0;  // [S-9].
};

class LeaseModel {
 public:
  explicit LeaseModel(const LeaseModelOptions& options);
  ~LeaseModel();

  LeaseModelResult Run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rasputin::consensus::lease

#endif  // RASPUTIN_CONSENSUS_LEASE_LEASE_MODEL_H_
