// Stores that disagree about the length of a lease or the rate of clocks exchange no leases.

#include "server/shard/lease_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rasputin::server {
namespace {

using ::testing::HasSubstr;

constexpr consensus::StoreId kSelf{1};

consensus::wire::Hello HelloWith(const LeaseRules& rules) {
  consensus::wire::Hello hello;
  hello.store = consensus::StoreId(2);
  hello.lease_duration = rules.lease_duration;
  hello.clock_rate_error_max_ppb = rules.clock_rate_error_max_ppb;
  return hello;
}

TEST(LeaseRules, SameValuesPass) {
  const LeaseRules rules = MakeLeaseRules(std::chrono::milliseconds(2000), 0.01);
  EXPECT_EQ(rules.clock_rate_error_max_ppb, 10'000'000u);
  EXPECT_TRUE(CheckLeaseRules(kSelf, rules, HelloWith(rules)).ok());
}

TEST(LeaseRules, AnotherLeaseDurationIsRefusedAndBothValuesAreNamed) {
  const LeaseRules own = MakeLeaseRules(std::chrono::milliseconds(2000), 0.01);
  const LeaseRules other = MakeLeaseRules(std::chrono::milliseconds(6000), 0.01);
  for (const auto& [mine, theirs] : {std::pair(own, other), std::pair(other, own)}) {
    const absl::Status status = CheckLeaseRules(kSelf, mine, HelloWith(theirs));
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("--lease-duration-ms=2000"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("--lease-duration-ms=6000"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("with the same values"));
  }
}

TEST(LeaseRules, AnotherClockRateErrorIsRefused) {
  const LeaseRules own = MakeLeaseRules(std::chrono::milliseconds(2000), 0.01);
  const LeaseRules other = MakeLeaseRules(std::chrono::milliseconds(2000), 0.05);
  const absl::Status status = CheckLeaseRules(kSelf, own, HelloWith(other));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--clock-rate-error-max=0.05"));
}

TEST(LeaseRules, AGreetingWithoutValuesIsRefused) {
  const LeaseRules own = MakeLeaseRules(std::chrono::milliseconds(2000), 0);
  EXPECT_FALSE(CheckLeaseRules(kSelf, own, HelloWith({})).ok());
}

}  // namespace
}  // namespace rasputin::server
