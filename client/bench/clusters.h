// The systems that the benchmark knows: Rasputin and etcd.

#ifndef RASPUTIN_CLIENT_BENCH_CLUSTERS_H_
#define RASPUTIN_CLIENT_BENCH_CLUSTERS_H_

#include <memory>
#include <string>
#include <vector>

#include "client/bench/workload.h"

namespace rasputin::client {

// `endpoints`: client ports, at least one. Keys are led by stores of any number.
std::unique_ptr<Cluster> RasputinCluster(const WorkloadOptions& options,
                                         const std::vector<std::string>& endpoints);
// `endpoints`: client ports of all members. Reads are linearizable, etcd's default; operations go
// to the leader, where etcd serves them best.
std::unique_ptr<Cluster> EtcdCluster(const WorkloadOptions& options,
                                     const std::vector<std::string>& endpoints);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_BENCH_CLUSTERS_H_
