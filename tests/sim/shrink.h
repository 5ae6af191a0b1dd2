// Makes a failing run smaller: fewer faults, operations, stores, clients and seconds, as long as
// the same guarantee is violated.
//
// Each step is a whole run of the simulator, so this takes as long as some dozens of seeds. Greedy:
// what remains need not be the smallest. Not responsible for printing. Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_SHRINK_H_
#define RASPUTIN_TESTS_SIM_SHRINK_H_

#include <functional>
#include <string>

#include "tests/sim/simulation.h"

namespace rasputin::sim {

// Called for each step that was taken: what it left out.
using ShrinkProgress = std::function<void(const std::string& step)>;

// `failing` violates something; returns options that still violate the same guarantee.
SimulationOptions Shrink(const SimulationOptions& failing, const ShrinkProgress& progress);

// The flags of the simulator that give these options.
std::string FlagsOf(const SimulationOptions& options);

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_SHRINK_H_
