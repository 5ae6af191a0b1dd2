// Brings the descriptors that leaders report to the meta range, again and again until it has them.
//
// Does for the simulator what each node's front end does in the server; one for all stores.
// Also reads the directory back. Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_DIRECTORY_KEEPER_H_
#define RASPUTIN_TESTS_SIM_DIRECTORY_KEEPER_H_

#include <functional>
#include <map>
#include <vector>

#include "tests/sim/caller.h"
#include "tests/sim/cluster.h"
#include "tests/sim/random.h"

namespace rasputin::sim {

class DirectoryKeeper {
 public:
  DirectoryKeeper(Cluster* cluster, int endpoint, const Random& random);

  // Not where front ends do it.
  void Start();
  // Nothing waits to be written.
  bool UpToDate() const { return pending_.empty() && !caller_.busy(); }
  // All descriptors that the meta range has; empty if it did not answer. When UpToDate() only.
  void ReadAll(std::function<void(std::vector<range::RangeDescriptor>)> done);

 private:
  void OnDescriptor(const range::RangeDescriptor& descriptor, bool leads);
  void Work();

  Cluster* cluster_;
  Caller caller_;
  std::map<range::RangeId, range::RangeDescriptor> pending_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_DIRECTORY_KEEPER_H_
