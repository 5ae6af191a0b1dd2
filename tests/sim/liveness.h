// Liveness mode: links freeze in some topology in which a replica has a two-way majority, and there
// must be progress.
//
// Not responsible for safety beyond the checkers of the cluster. See simulation.h.

#ifndef RASPUTIN_TESTS_SIM_LIVENESS_H_
#define RASPUTIN_TESTS_SIM_LIVENESS_H_

#include "tests/sim/cluster.h"
#include "tests/sim/random.h"
#include "tests/sim/simulation.h"

namespace rasputin::sim {

// Cuts 30 to 70% of the pairs of stores, 40% of the cuts one way only, so that some store still has
// two-way links to enough others for a majority. Returns that store.
int CutRandomTopology(Cluster* cluster, Random* random);

// Progress: commits in each of the last three lease lengths, the first commit within three lease
// lengths of the freeze, and no change of leader in the last five.
Report RunLiveness(const SimulationOptions& options);

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_LIVENESS_H_
