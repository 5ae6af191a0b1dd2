// Deliberate faults for tests/mutants: each breaks one rule so that the tests can show that they
// would notice. Numbers are those of tests/mutants/list.cc.
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
  // One fault at a time; 0: none.
  constexpr explicit Mutants(uint64_t number) : number_(number) {}
  // `number` is not 0.
  constexpr bool Has(int number) const { return number_ == static_cast<uint64_t>(number); }

 private:
  uint64_t number_ = 0;
#else
  constexpr bool Has(int /*number*/) const { return false; }
#endif
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_MUTANTS_H_
