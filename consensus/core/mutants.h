// Deliberate faults for tests/mutants: each breaks one rule so that the tests can show that they
// would notice. Numbers are those of the list in tests/mutants/README.md.
//
// In a release build (RASPUTIN_MUTANTS not defined) no mutant can be switched on and Has() is a
// constant. Plain value, thread-compatible.

#ifndef RASPUTIN_CONSENSUS_CORE_MUTANTS_H_
#define RASPUTIN_CONSENSUS_CORE_MUTANTS_H_

#include <cstdint>

namespace rasputin::consensus {

class Mutants {
 public:
  constexpr Mutants() = default;

#ifdef RASPUTIN_MUTANTS
  // `number` in [1, 63].
  constexpr explicit Mutants(uint64_t number) : bits_(uint64_t{1} << number) {}
  constexpr bool Has(int number) const { return (bits_ >> number) & 1; }

 private:
  uint64_t bits_ = 0;
#else
  constexpr bool Has(int /*number*/) const { return false; }
#endif
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_MUTANTS_H_
