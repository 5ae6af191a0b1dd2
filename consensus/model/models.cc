// Bounds of the explorations; see models.h.
//
// Each allows little of everything and a little more of what it is about: the states of all faults
// at once are too many for any bound that is worth having.

#include "consensus/model/models.h"

namespace rasputin::consensus::model {
namespace {

ModelOptions Base(Root root, uint64_t terms_max, uint64_t rounds_max) {
  ModelOptions options;
  options.root = root;
  options.bounds.terms_max = terms_max;
  options.bounds.rounds_max = rounds_max;
  options.bounds.timeouts = 1;
  options.bounds.failures = 0;
  options.bounds.lease_ends = 0;
  options.bounds.withdrawals = 0;
  options.bounds.supports = 0;
  return options;
}

// Leases end `ends` times, come back `supports` times, promises are withdrawn `ends` times.
ModelOptions WithLeases(ModelOptions options, uint32_t ends, uint32_t supports) {
  options.bounds.lease_ends = options.bounds.withdrawals = ends;
  options.bounds.supports = supports;
  return options;
}

ModelOptions WithTimeouts(ModelOptions options, uint32_t timeouts) {
  options.bounds.timeouts = timeouts;
  return options;
}

ModelOptions WithAbdications(ModelOptions options, uint32_t abdications, uint32_t proposals = 0) {
  options.bounds.abdications = abdications;
  options.bounds.proposals = proposals;
  return options;
}

ModelOptions WithCrashes(ModelOptions options, uint32_t crashes) {
  options.bounds.crashes = crashes;
  return options;
}

ModelOptions WithTransfer(ModelOptions options) {
  options.bounds.transfers = 1;
  return options;
}

ModelOptions WithQuery(ModelOptions options) {
  options.bounds.queries = 1;
  return options;
}

// A message holds no more than one command and what is empty before it.
ModelOptions WithShortMessages(ModelOptions options) {
  options.replicas.append_bytes_max = 0;
  return options;
}

ModelOptions With(ModelOptions options, uint64_t mutant) {
  options.replicas.mutants = Mutants(mutant);
  options.replicas.core_invariants = false;
  return options;
}

ModelOptions With(ModelOptions options, LeaseFault fault) {
  options.lease_fault = fault;
  options.replicas.core_invariants = false;
  return options;
}

}  // namespace

std::vector<NamedModel> SuiteModels() {
  const ModelOptions led = Base(Root::kLed, 2, 2);
  ModelOptions challenged = WithAbdications(Base(Root::kStranded, 4, 2), 1);
  challenged.bounds.failures = 1;
  return {
      {"FromNothingToALease", WithLeases(Base(Root::kNothing, 1, 8), 1, kAnyNumber)},
      {"TwoCandidates", WithTimeouts(Base(Root::kNothing, 2, 1), 2)},
      {"LeaseInterrupted", WithLeases(Base(Root::kLed, 2, 8), 1, kAnyNumber)},
      {"LeaseLost", WithLeases(led, 2, 0)},
      {"Abdication", WithTimeouts(WithAbdications(led, 1), 2)},
      {"AbdicationWhileALeaseEnds", WithAbdications(WithLeases(led, 1, 0), 1)},
      {"AbdicationWithAProposal", WithAbdications(Base(Root::kLed, 2, 4), 1, 1)},
      {"Handover", WithTransfer(led)},
      {"Death", WithCrashes(WithLeases(Base(Root::kLed, 2, 3), 1, 1), 1)},
      {"OldEntry", WithAbdications(Base(Root::kOldEntry, 4, 2), 1)},
      {"StrandedTerm", WithTimeouts(WithLeases(Base(Root::kStranded, 3, 2), 1, 1), 0)},
      {"StrandedTermChallenged", challenged},
  };
}

std::vector<NamedFault> FaultsFound() {
  const ModelOptions led = Base(Root::kLed, 2, 8);
  const ModelOptions two_candidates = WithTimeouts(Base(Root::kNothing, 1, 8), 2);
  const ModelOptions diverged = Base(Root::kDiverged, 3, 2);
  return {
      {"Mutant1AckForTheOldestPending", With(WithAbdications(Base(Root::kLed, 2, 5), 1, 2), 1)},
      {"Mutant2RefusalIsAnAck", With(WithAbdications(Base(Root::kOldEntry, 4, 3), 1), 2)},
      {"Mutant5RoleInsteadOfLease", With(WithLeases(Base(Root::kLed, 2, 4), 2, 0), 5)},
      {"Mutant7VoteNotDurable", With(WithCrashes(two_candidates, 1), 7)},
      {"Mutant10VoteIgnoresTheLastTerm", With(WithTimeouts(WithAbdications(diverged, 2), 2), 10)},
      {"Mutant11TwoVotesInATerm", With(two_candidates, 11)},
      {"Mutant12LogMatchingUnchecked", With(WithAbdications(Base(Root::kDiverged, 3, 1), 1), 12)},
      {"Mutant13AppliedUnderTheLeadersCommit",
       With(WithShortMessages(WithAbdications(Base(Root::kOldEntry, 4, 4), 1)), 13)},
      {"Mutant14GapsAccepted", With(WithAbdications(Base(Root::kLed, 2, 5), 1, 2), 14)},
      {"Mutant15EarlierTermByCounting",
       With(WithShortMessages(WithAbdications(Base(Root::kOldEntry, 4, 6), 1)), 15)},
      {"Mutant19VoteBinds", With(Base(Root::kNothing, 1, 8), 19)},
      {"Mutant22ReleaseBeforeGivingUp", With(WithAbdications(led, 1), 22)},
      {"Mutant28ServesBeforeItsFirstEntry", With(WithAbdications(led, 1, 1), 28)},
      {"Mutant29AckBeforeSync",
       With(WithCrashes(WithAbdications(Base(Root::kLed, 2, 4), 1, 1), 1), 29)},
      {"Mutant49ReleasedTermBinds", With(WithLeases(WithAbdications(led, 1), 1, 1), 49)},
      {"Mutant50ReleasedWhileLeadingAHigherTerm", With(WithQuery(Base(Root::kStranded, 4, 8)), 50)},
      {"Mutant51BindingAtAnotherEpoch", With(WithLeases(led, 2, 1), 51)},
      {"Lease4HolderOutlivesThePromise",
       With(WithLeases(led, 2, 0), LeaseFault::kHolderOutlivesPromise)},
      {"Lease21PromiseForgottenAtRestart",
       With(WithCrashes(led, 2), LeaseFault::kForgottenAtRestart)},
      {"Lease52ExpiredIsWithdrawn", With(WithLeases(led, 2, 1), LeaseFault::kExpiredIsWithdrawn)},
  };
}

}  // namespace rasputin::consensus::model
