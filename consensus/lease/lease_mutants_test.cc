// The tests of store leases notice when a rule is broken: each mutant that lives here is caught.
//
// Built with the mutants compiled in, unlike everything that ships.

#include <gtest/gtest.h>

#include <string>

#include "consensus/lease/lease_model.h"
#include "consensus/lease/lease_rig.h"

#ifndef RASPUTIN_MUTANTS
#error "this test needs the mutants"
#endif

namespace rasputin::consensus::lease {
namespace {

class LeaseMutantTest : public ::testing::TestWithParam<int> {};

TEST_P(LeaseMutantTest, IsCaughtByTheModel) {
  constexpr uint64_t kSeedsMax = 1000;
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    LeaseModelOptions options;
    options.seed = seed;
    options.mutants = Mutants(static_cast<uint64_t>(GetParam()));
    const std::string violation = LeaseModel(options).Run().violation;
    if (violation.empty()) continue;
    RecordProperty("caught_by", violation);
    return;
  }
  FAIL() << "mutant " << GetParam() << " lived through " << kSeedsMax << " seeds";
}

INSTANTIATE_TEST_SUITE_P(All, LeaseMutantTest,
                         ::testing::Values(3, 4, 20, 21, 24, 27, 52, 57, 58, 60));

// Mutant 56, "epochs per store", costs availability elsewhere, not safety: the rule's own test.
TEST(LeaseMutant, EpochsPerStoreVoidOtherPairs) {
  LeaseRig rig{Mutants(56)};
  rig.SetPeers({kPeer, kOther});
  rig.Support(kOther);
  const SupportRequest asked = rig.Take<SupportRequest>(kPeer).back();
  rig.Receive(kPeer, SupportReply{asked.epoch, asked.round, false, Epoch(50), Nonce(7)});
  EXPECT_FALSE(rig.Holds(kOther));
}

}  // namespace
}  // namespace rasputin::consensus::lease
