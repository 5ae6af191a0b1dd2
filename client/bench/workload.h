// What the benchmark asks for: operations, keys, values, and the clusters that understand them.
//
// A Cluster turns operations into bytes of one system's protocol and says where they go; the load
// itself (load.h) is the same for every system. Clusters are thread-safe after construction.

#ifndef RASPUTIN_CLIENT_BENCH_WORKLOAD_H_
#define RASPUTIN_CLIENT_BENCH_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rasputin::client {

// kCas expects the value that kSet and kCas itself write, so that it succeeds on every loaded key.
enum class BenchOperation : uint8_t { kGet = 1, kSet = 2, kCas = 3 };

const char* NameOf(BenchOperation operation);

struct WorkloadOptions {
  uint64_t keys = 100000;
  size_t value_bytes = 256;
  // Rasputin only.
  std::string collection = "default";
  // Operations go to the nodes in turn instead of to leaders.
  bool any_node = false;
};

// The keys all have 16 bytes, and each its own value of incompressible bytes.
std::string BenchKey(uint64_t index);
std::string BenchValue(uint64_t index, size_t bytes);

struct RouteTable {
  std::vector<std::string> addresses;
  // Place in `addresses` by key index; empty: the addresses in turn.
  std::vector<uint16_t> address_of_key;
};

class Cluster {
 public:
  virtual ~Cluster() = default;

  virtual std::string name() const = 0;
  // Asks the cluster where keys are led. The addresses are always the same ones.
  virtual absl::StatusOr<RouteTable> Resolve() = 0;
  // Path of the gRPC method.
  virtual const std::string& Method(BenchOperation operation) const = 0;
  // Serialized request.
  virtual std::string Encode(BenchOperation operation, uint64_t key_index) const = 0;
  // What is wrong with a serialized response; "": it is what the operation should bring.
  virtual std::string Check(BenchOperation operation, const char* data, size_t size) const = 0;
};

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_BENCH_WORKLOAD_H_
