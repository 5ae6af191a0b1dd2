// Random faults for a trial, of every kind that the world has, and their end.
//
// For tests of the protocols themselves; the scenarios do not use it.

#ifndef RASPUTIN_TESTS_COMPARE_RANDOM_FAULTS_H_
#define RASPUTIN_TESTS_COMPARE_RANDOM_FAULTS_H_

#include "tests/compare/trial.h"

namespace rasputin::compare {

// One fault, or the end of one, and some time.
inline void RandomFault(Trial* trial) {
  sim::Random& random = trial->random();
  World& world = trial->world();
  const auto n = static_cast<uint64_t>(trial->replicas());
  const int a = static_cast<int>(random.Below(n));
  const int b = static_cast<int>(random.Below(n));
  switch (random.Below(10)) {
    case 0:
    case 1:
      world.Kill(a);
      break;
    case 2:
    case 3:
    case 4:
      if (!world.IsUp(a)) trial->Restart(a);
      break;
    case 5:
      if (a != b) trial->network().Cut(a, b);
      break;
    case 6:
      world.Isolate(a);
      break;
    case 7:
      trial->network().HealAll();
      break;
    case 8:
      world.Pause(a, random.Between(0, 2 * kD));
      break;
    default:
      world.StallDisk(a, random.Chance(0.3));
  }
  trial->RunFor(random.Between(0, kD / 2));
}

inline void EndFaults(Trial* trial) {
  trial->network().HealAll();
  for (int i = 0; i < trial->replicas(); ++i) {
    trial->world().StallDisk(i, false);
    if (!trial->world().IsUp(i)) trial->Restart(i);
  }
}

}  // namespace rasputin::compare

#endif  // RASPUTIN_TESTS_COMPARE_RANDOM_FAULTS_H_
