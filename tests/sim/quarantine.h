// What becomes of a store that met damage of its disks [H-18]: it never speaks again, and its
// machine joins as a new store, to which its replicas move.
//
// Does for the simulator what a node does that finds its directory marked: asks the meta range for
// a store id, starts with empty disks, has each replica of the old store replaced by one of its
// own, and has the old store forgotten; all by the commands of the product. One store at a time.
// Not responsible for making damage (damage.h). Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_QUARANTINE_H_
#define RASPUTIN_TESTS_SIM_QUARANTINE_H_

#include <cstdint>
#include <map>
#include <vector>

#include "rasputin/storage/v1/storage.pb.h"
#include "tests/sim/caller.h"
#include "tests/sim/cluster.h"
#include "tests/sim/random.h"

namespace rasputin::sim {

class Quarantine {
 public:
  struct Counters {
    uint64_t marks_lost = 0;        // It could not be noted down: the same store started again.
    std::vector<RealTime> repairs;  // From the finding until the old store was forgotten.
  };

  // `endpoint`: of the machine that rejoins.
  Quarantine(Cluster* cluster, int endpoint, const Random& random);

  void Start();
  // A store was found damaged and its replicas have not all been replaced yet.
  bool Busy() const { return old_ >= 0; }
  const Counters& counters() const { return counters_; }

 private:
  void OnDataLoss(int node);
  void Work();
  void Join();
  // One step for one range; true: nothing is left to do.
  bool Replace(const range::RangeDescriptor& descriptor);
  void Forget();
  void CallMeta(const storage::v1::MetaCommand& command, Caller::Done done);

  Cluster* cluster_;
  Random random_;
  Caller caller_;
  int old_ = -1;
  int new_ = -1;
  uint64_t join_token_ = 0;
  RealTime found_at_ = 0;
  RealTime join_at_ = 0;
  std::map<uint64_t, RealTime> next_try_;  // By range.
  Counters counters_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_QUARANTINE_H_
