// Merges ranges step by step, dies between any two steps, and settles what it left behind.
//
// Does for the simulator what front ends do in the server: drives the steps of range/README.md
// "Merge", and gives up merges that are noted and driven by nobody. Where front ends run they
// settle as well, which does no harm. Not responsible for when (nemesis.h). Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_MERGE_DRIVER_H_
#define RASPUTIN_TESTS_SIM_MERGE_DRIVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "rasputin/storage/v1/storage.pb.h"
#include "tests/sim/caller.h"
#include "tests/sim/cluster.h"
#include "tests/sim/random.h"

namespace rasputin::sim {

class MergeDriver {
 public:
  struct Counters {
    uint64_t begun = 0;
    uint64_t done = 0;
    uint64_t given_up = 0;
  };

  MergeDriver(Cluster* cluster, int endpoint, const Random& random);

  // Begins to settle; goes on for ever.
  void Start();
  // Merges some range with its right neighbour, if there is a pair and no other merge is driven.
  void MergeSome();
  // No range that a live store knows notes a merge or is frozen.
  bool Settled();
  const Counters& counters() const { return counters_; }

 private:
  using RangeDescriptor = range::RangeDescriptor;
  using Answered = std::function<void(const CallResult&)>;

  bool Choose();
  void Send(kv::Operation operation, std::string body, const RangeDescriptor& range, bool pinned,
            Answered answered);
  void Freeze();
  void Absorb();
  // Half of the time at once, otherwise whoever settles does it.
  void Leave();
  void GiveUp(const RangeDescriptor& left);
  void Thaw(const RangeDescriptor& left);
  void End(const RangeDescriptor& left);
  void Settle();

  Cluster* cluster_;
  Random random_;
  Caller caller_;
  RangeDescriptor left_;
  RangeDescriptor right_;
  storage::v1::FreezeResult frozen_;
  bool driving_ = false;
  std::map<range::RangeId, std::string> starts_;  // Keys of all ranges that there ever were.
  std::map<range::RangeId, int> seen_;  // Notes of merges: looks since they were seen first.
  Counters counters_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_MERGE_DRIVER_H_
