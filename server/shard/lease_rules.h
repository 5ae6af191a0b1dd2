// What two stores must have in common before they exchange leases, and its comparison.
//
// A leader counts on a promise for its own D; the one who gave it keeps it for a P that comes from
// his own D and r. Only where both are the same everywhere does P(1 - r) >= D(1 + r) say anything.
// Pure functions; not responsible for the log line or for who may speak at all.

#ifndef RASPUTIN_SERVER_SHARD_LEASE_RULES_H_
#define RASPUTIN_SERVER_SHARD_LEASE_RULES_H_

#include <cstdint>

#include "absl/status/status.h"
#include "consensus/wire/frame.h"

namespace rasputin::server {

struct LeaseRules {
  consensus::Duration lease_duration{};   // D; whole microseconds.
  uint64_t clock_rate_error_max_ppb = 0;  // r, in parts per 10^9.
};

// `clock_rate_error_max`: a ratio, not negative; rounded to parts per 10^9.
LeaseRules MakeLeaseRules(consensus::Duration lease_duration, double clock_rate_error_max);
// FAILED_PRECONDITION with both values and what to do, if the sender of `hello` goes by other rules
// than `own`, those of `self`.
absl::Status CheckLeaseRules(consensus::StoreId self, const LeaseRules& own,
                             const consensus::wire::Hello& hello);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_LEASE_RULES_H_
