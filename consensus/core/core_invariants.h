// What holds of one core between any two calls, checked by tests after each step.
//
// One object follows one core for its lifetime (a restart begins a new one, with the hard state
// that was durable). Not responsible for what holds between replicas: core_cluster.h. Not
// thread-safe.

#ifndef RASPUTIN_CONSENSUS_CORE_CORE_INVARIANTS_H_
#define RASPUTIN_CONSENSUS_CORE_CORE_INVARIANTS_H_

#include <string>
#include <vector>

#include "consensus/core/core.h"
#include "consensus/core/ready.h"

namespace rasputin::consensus {

class CoreInvariants {
 public:
  // Appends what is violated, with the rule's id, to `violations`. Both outlive this object.
  CoreInvariants(const Core* core, std::vector<std::string>* violations);

  // After any call on the core.
  void Check();
  // Of each Ready taken.
  void CheckReady(const Ready& ready);

 private:
  void CheckRole();
  void CheckProgress();
  void CheckIndexes();
  void CheckDurableState();
  void Require(bool holds, const char* what);

  const Core* const core_;
  std::vector<std::string>* const violations_;
  HardState last_;
  Index last_commit_;
  Index last_applied_;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_CORE_INVARIANTS_H_
