// Which ranges have lost their majority for good, and from which survivor each is to be recovered:
// a pure function of what the surviving stores report and of the stores that an operator calls
// lost.
//
// Every survivor decides by the same reports and so alike. Not responsible for the surgery
// (offline_store.h) nor for the words (server/recovery). Thread-safe.

#ifndef RASPUTIN_RANGE_RECOVERY_PLAN_H_
#define RASPUTIN_RANGE_RECOVERY_PLAN_H_

#include <vector>

#include "absl/status/statusor.h"
#include "consensus/core/types.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range {

struct RangeVerdict {
  consensus::RangeId range;
  // Some replica's members in force have a quorum among the stores that are not lost: the range
  // elects a leader by itself, and nothing may be done to it.
  bool keeps_majority = false;
  // Otherwise: the store whose replica is to go on alone, that with the greatest (last term, last
  // index), of equals the lowest store id; where that log ends; and who else has a replica, which
  // is to be removed.
  consensus::StoreId survivor;
  consensus::LogPosition position;
  std::vector<consensus::StoreId> others;

  friend bool operator==(const RangeVerdict& a, const RangeVerdict& b);
};

// By range id. `reports`: of survivors, of each at most one. INVALID_ARGUMENT: no report, two of
// one store, a report of a store that is called lost. FAILED_PRECONDITION: the reports are of
// different clusters, or a range would be recovered though a store that holds a replica of it is
// neither lost nor reported (says which): it might hold more.
absl::StatusOr<std::vector<RangeVerdict>> PlanRecovery(
    const std::vector<storage::v1::StoreReport>& reports,
    const std::vector<consensus::StoreId>& lost);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_RECOVERY_PLAN_H_
