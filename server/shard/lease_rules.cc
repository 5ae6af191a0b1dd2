// See lease_rules.h.

#include "server/shard/lease_rules.h"

#include <chrono>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

constexpr double kBillion = 1e9;

std::string Describe(consensus::StoreId store, const LeaseRules& rules) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(rules.lease_duration);
  return absl::StrCat("store ", store.value(),
                      " has --lease-duration-ms=", static_cast<double>(us.count()) / 1000,
                      " and --clock-rate-error-max=",
                      static_cast<double>(rules.clock_rate_error_max_ppb) / kBillion);
}

}  // namespace

LeaseRules MakeLeaseRules(consensus::Duration lease_duration, double clock_rate_error_max) {
  return {lease_duration, static_cast<uint64_t>(std::llround(clock_rate_error_max * kBillion))};
}

absl::Status CheckLeaseRules(consensus::StoreId self, const LeaseRules& own,
                             const consensus::wire::Hello& hello) {
  const LeaseRules other{hello.lease_duration, hello.clock_rate_error_max_ppb};
  if (other.lease_duration == own.lease_duration &&
      other.clock_rate_error_max_ppb == own.clock_rate_error_max_ppb) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(Describe(hello.store, other), ", ", Describe(self, own),
                   ": no leases between the two; stop both and start them with the same values"));
}

}  // namespace rasputin::server
