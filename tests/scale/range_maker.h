// Splits the default collection of a cluster into many ranges, as fast as the cluster can.
//
// Not thread-safe. A call that is refused for a minute ends the process (CHECK).

#ifndef RASPUTIN_TESTS_SCALE_RANGE_MAKER_H_
#define RASPUTIN_TESTS_SCALE_RANGE_MAKER_H_

#include <string>

#include "tests/process/server_cluster.h"

namespace rasputin::scale {

// A key of the range of this number, from 0 on.
std::string KeyInRange(int number);

// Until the collection, one range now, has `ranges` ranges. A third of them is led by each node's
// store: a child is led where its parent was. `callers` splits are under way at once.
void MakeRanges(process::ServerCluster* cluster, int ranges, int callers);

}  // namespace rasputin::scale

#endif  // RASPUTIN_TESTS_SCALE_RANGE_MAKER_H_
