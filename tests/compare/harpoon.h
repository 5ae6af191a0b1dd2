// Harpoon in the world: the core and the store leases that ship, one store and one range per
// process.
//
// Only what carries their effects out is the instrument's own; it does what range/ does: lease
// updates wake the core, entries are applied once they are durable here, a read checks the lease
// again after the state was read [H-10]. One thread.

#ifndef RASPUTIN_TESTS_COMPARE_HARPOON_H_
#define RASPUTIN_TESTS_COMPARE_HARPOON_H_

#include <memory>
#include <string>
#include <vector>

#include "consensus/core/mutants.h"
#include "consensus/core/types.h"
#include "tests/compare/protocol.h"
#include "tests/compare/world.h"

namespace rasputin::compare {

struct HarpoonOptions {
  consensus::Duration lease_duration = std::chrono::seconds(2);
  double clock_rate_error_max = 0.01;
  consensus::Mutants mutants;
};

class Harpoon : public Protocol {
 public:
  // `world` and `watcher` outlive it.
  Harpoon(const HarpoonOptions& options, World* world, Watcher* watcher);
  ~Harpoon() override;

  void Start(int replica) override;
  void Died(int replica) override;
  void Wake(int replica) override;
  bool TakesWrites(int replica) const override;
  bool HoldsLease(int replica) const override;
  bool Write(int replica, uint64_t value) override;
  void Read(int replica, uint64_t read) override;
  void OnUnserved(int replica) override;
  void RaiseTerm(int replica, uint64_t by) override;
  std::string Describe(int replica) const override;

 private:
  class Process;
  struct Disk;

  const HarpoonOptions options_;
  World* const world_;
  Watcher* const watcher_;
  uint64_t starts_ = 0;
  std::vector<std::unique_ptr<Disk>> disks_;
  std::vector<std::unique_ptr<Process>> processes_;  // nullptr: not running.
};

}  // namespace rasputin::compare

#endif  // RASPUTIN_TESTS_COMPARE_HARPOON_H_
